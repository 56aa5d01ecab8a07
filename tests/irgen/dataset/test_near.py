"""Near-duplicates are found, whatever the order of what is compared."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from irgen.dataset import layout, reading
from irgen.dataset.columns import Row
from irgen.dataset.documents import near
from irgen.dataset.documents.near import clusters_of, read_near, shingles, signatures, similarity
from irgen.dataset.manifest import write_whole
from irgen.dataset.reading import Dataset, open_dataset
from irgen.dataset.settings import Format, Settings
from irgen.dataset.writing import write_shard
from irgen.errors import UserError

Write = Callable[[Path, Format], Dataset]

_LINES = [
    "  %4: f32 = const 0.5",
    "  %5: f32 = mul %3, %4",
    "  %6: f32 = sin %5",
    "  %7: f32 = add %6, %5",
    "  %8: f32 = tanh %7",
    "  %9: f32 = max %8, %3",
    "  store %2, %0, %9",
]


def _program(lines: list[str]) -> str:
    head = "irgen 1\nkernel @0 [8] (%0: i32, %1: f32[8], %2: f32[8]) {\n  %3: f32 = load %1, %0\n"
    return head + "\n".join(lines) + "\n  yield\n}\n"


def _jaccard(left: set[str], right: set[str]) -> float:
    return len(left & right) / len(left | right)


def test_an_insertion_is_local() -> None:
    inserted = ["  %4: f32 = exp %3"]
    for line in _LINES:
        for number in range(9, 3, -1):
            line = line.replace(f"%{number}", f"%{number + 1}")
        inserted.append(line)
    base, other = (shingles(_program(lines), "irgen") for lines in (_LINES, inserted))
    assert 0.6 < _jaccard(base, other) < 1
    assert shingles("", "irgen") == set()


def test_wiring_matters() -> None:
    rewired = [line.replace("add %6, %5", "add %6, %4") for line in _LINES]
    assert shingles(_program(_LINES), "irgen") != shingles(_program(rewired), "irgen")


def test_signatures_stay_what_they_are() -> None:
    found = signatures([{"a b c d e", "b c d e f"}, {"a b c d e"}, set()])
    assert found.shape == (3, near.PERMUTATIONS)
    assert found[0, :3].tolist() == _FIRST
    assert (found[0] == signatures([{"b c d e f", "a b c d e"}])[0]).all()


_FIRST = [3376583085, 4069946781, 3539749984]


def _sets(count: int) -> list[set[str]]:
    """Sets of 40, many of which share most of their members with one before."""
    source = random.Random(1)
    found: list[set[str]] = []
    for number in range(count):
        fresh = {f"{number} {member}" for member in range(40)}
        if found and source.random() < 0.6:
            kept = source.sample(sorted(source.choice(found)), source.choice((24, 34, 36, 40)))
            fresh = set(kept) | set(sorted(fresh)[: 40 - len(kept)])
        found.append(fresh)
    return found


def _expected(signed: near.Signatures) -> list[int]:
    """Clusters by comparing every pair."""
    parents = list(range(len(signed)))
    changed = True
    pairs = [
        (left, right)
        for left, right in combinations(range(len(signed)), 2)
        if similarity(signed[left], signed[right]) >= near.THRESHOLD
    ]
    while changed:
        changed = False
        for left, right in pairs:
            least = min(parents[left], parents[right])
            changed |= parents[left] != parents[right]
            parents[left] = parents[right] = least
    return parents


def test_clusters_are_the_connected_components() -> None:
    signed = signatures(_sets(300))
    found = clusters_of(signed, np.arange(300)).tolist()
    assert found == _expected(signed)
    assert 20 < 300 - len(set(found)) < 280


def test_estimates_are_near_the_truth() -> None:
    sets = _sets(200)
    signed = signatures(sets)
    errors = [
        abs(float(similarity(signed[left], signed[right])) - _jaccard(sets[left], sets[right]))
        for left, right in combinations(range(200), 2)
    ]
    assert max(errors) < 0.25
    assert sum(errors) / len(errors) < 0.02


def test_more_equal_rows_than_partners() -> None:
    count = 3 * near._PARTNERS  # pyright: ignore[reportPrivateUsage]
    signed = signatures([{"a", "b"}] * count + [{"c", "d"}])
    assert clusters_of(signed, np.arange(count + 1)).tolist() == [0] * count + [count]
    assert clusters_of(signed, np.array([2, 3, count])).tolist()[:4] == [-1, -1, 2, 2]


@pytest.fixture
def doubled(made: tuple[Settings, list[Row]], tmp_path: Path, write: Write) -> Dataset:
    """The small data set with its third row once more, under another id; its last lacks its IR."""
    settings, rows = made
    columns = near.compared_columns(settings)
    again = {**rows[2], "id": "again", "program": rows[2]["program"].replace("irgen 1", "irgen 1 ")}
    bare = {**rows[-1], "id": "bare"} | dict.fromkeys(columns)
    dataset = write(tmp_path / "doubled", "parquet")
    file = write_shard(
        dataset.folder,
        settings,
        layout.shard_name("test", 0, 1, "parquet"),
        "test",
        [*rows[28:], again, bare],
    )
    manifest = msgspec.structs.replace(dataset.manifest, files=[dataset.manifest.files[0], file])
    write_whole(dataset.folder / layout.MANIFEST, msgspec.json.encode(manifest))
    return open_dataset(dataset.folder)


def test_clusters_of_a_data_set(doubled: Dataset, made: tuple[Settings, list[Row]]) -> None:
    found = near.write_clusters(doubled)
    rows = {row["id"]: row for row in pq.read_table(doubled.folder / layout.CLUSTERS).to_pylist()}
    assert list(rows) == [row["id"] for row in doubled.rows(["id"])]
    third, last = made[1][2]["id"], made[1][-1]["id"]
    assert rows["again"] == {"id": "again", "program_cluster": third, "ir_cluster": third}
    assert rows["bare"] == {"id": "bare", "program_cluster": last, "ir_cluster": None}
    assert (found.program.compared, found.ir.compared) == (36, 35)
    assert found.program.rows >= 4
    assert found.ir.rows >= 2
    assert found.ir.of == ["warp_cpp_forward", "jax_stablehlo_forward"]
    assert read_near(doubled) == found
    assert not list(doubled.folder.rglob("*.partial"))


def test_batches_do_not_matter(doubled: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    near.write_clusters(doubled)
    path = doubled.folder / layout.CLUSTERS
    before = path.read_bytes()
    monkeypatch.setattr(reading, "BATCH", 7)
    near.write_clusters(doubled)
    assert path.read_bytes() == before


def test_clusters_that_cannot_be_read(doubled: Dataset) -> None:
    path = doubled.folder / layout.CLUSTERS
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(UserError, match=r"clusters\.parquet cannot be read"):
        read_near(doubled)


def test_without_ir(write: Write, tmp_path: Path) -> None:
    dataset = write(tmp_path / "plain", "parquet")
    settings = msgspec.structs.replace(dataset.manifest.settings, levels={"warp": [], "jax": []})
    bare = msgspec.structs.replace(dataset.manifest, settings=settings)
    told: list[int] = []
    found = near.write_clusters(Dataset(dataset.folder, bare), told.append)
    assert (found.program.compared, found.ir.compared, found.ir.of) == (34, 0, [])
    assert sum(told) == 34


def test_no_clusters_yet(write: Write, tmp_path: Path) -> None:
    assert read_near(write(tmp_path / "plain", "parquet")) is None
