"""`irgen diff`: the same programs in two data sets."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from irgen.dataset.checking.diff import Difference, compared, shown
from irgen.dataset.checking.lookup import lookup
from irgen.dataset.columns import Row
from irgen.dataset.manifest import read_manifest, write_whole
from irgen.dataset.reading import Dataset, open_dataset
from irgen.dataset.settings import Format
from irgen.errors import UserError

Write = Callable[..., Dataset]


def answer(first: Dataset, second: Dataset, *levels: str) -> Difference:
    *rows, found = compared(first, second, levels)
    assert rows == [None] * first.count
    assert found is not None
    return found


def rewritten(dataset: Dataset, folder: Path, change: Callable[[list[Row]], list[Row]]) -> Dataset:
    """The data set in another folder, all of its rows in one shard, changed."""
    from irgen.dataset.writing import write_shard

    settings = dataset.manifest.settings
    rows = change([copy.deepcopy(row) for row in dataset.rows()])
    name = f"data/train-00000-of-00001.{settings.format}"
    file = write_shard(folder, settings, name, "train", rows)
    manifest = msgspec.structs.replace(dataset.manifest, files=[file])
    write_whole(folder / "manifest.json", msgspec.json.encode(manifest))
    return open_dataset(folder)


@pytest.mark.parametrize("format", ["parquet", "jsonl", "jsonl.zst"])
def test_rows_are_found_by_id_in_any_order(write: Write, tmp_path: Path, format: Format) -> None:
    dataset = write(tmp_path / "a", format)
    rows = list(dataset.rows(["id", "program"]))
    with lookup(dataset, ["id", "program"]) as (found, ids):
        assert ids == {bytes.fromhex(row["id"]) for row in rows}
        assert [found(row["id"]) for row in reversed(rows)] == rows[::-1]
        assert found("0" * 32) is None


def test_a_data_set_and_itself_in_another_order(write: Write, tmp_path: Path) -> None:
    first = write(tmp_path / "a")
    second = rewritten(first, tmp_path / "b", lambda rows: rows[::-1])
    found = answer(first, second)
    assert found.equal
    assert (found.both, found.only_first, found.only_second) == (first.count, 0, 0)
    assert all(one.equal + one.only_first == one.equal for one in found.texts)
    assert {one.lines for one in found.texts} == {1.0}


def test_texts_that_are_renamed_changed_and_gone(write: Write, tmp_path: Path) -> None:
    first = write(tmp_path / "a")

    def change(rows: list[Row]) -> list[Row]:
        rows[0]["jax_stablehlo_forward"] = rows[0]["jax_stablehlo_forward"].replace("%arg", "%in")
        text = rows[1]["jax_stablehlo_forward"].replace("stablehlo.", "vhlo.")
        rows[1]["jax_stablehlo_forward"] = text + "// one\n" * text.count("\n")
        rows[2]["jax_stablehlo_forward"] = None
        for artifact in rows[2]["jax_artifacts"]:
            if (artifact["level"], artifact["direction"]) == ("stablehlo", "forward"):
                artifact |= {"status": "failed", "reason": "compile_error"}
        rows[3]["jax_verdicts"][0]["gradient"] = "mismatch"
        return rows[:-1]

    second = rewritten(first, tmp_path / "b", change)
    rows = list(first.rows())
    found = answer(first, second, "stablehlo")
    assert (found.both, found.only_first, found.only_second) == (first.count - 1, 1, 0)
    one = found.texts[0]
    assert [each.column for each in found.texts] == [
        "jax_stablehlo_forward",
        "jax_stablehlo_backward",
    ]
    assert (one.alike, one.changed, one.only_first, one.only_second) == (1, 1, 1, 0)
    assert one.equal == first.count - 4
    assert one.reasons == {"compile_error": 1}
    (biggest,) = one.biggest
    assert (biggest.id, biggest.index) == (rows[1]["id"], rows[1]["index"])
    assert "stablehlo." in biggest.first.split("\n+")[0]
    assert "vhlo." in biggest.first
    before = rows[3]["jax_verdicts"][0]["gradient"]
    assert [(one.first, one.second, one.rows, one.ids) for one in found.outcomes] == [
        (before, "mismatch", 1, [rows[3]["id"]])
    ]
    assert not found.equal
    assert answer(second, first, "stablehlo").texts[0].only_second == 1


def test_versions_that_differ(write: Write, tmp_path: Path) -> None:
    first, second = write(tmp_path / "a"), write(tmp_path / "b")
    manifest = read_manifest(second.folder)
    settings = msgspec.structs.replace(
        manifest.settings, versions={**manifest.settings.versions, "jax": "0.0.1"}
    )
    write_whole(
        second.folder / "manifest.json",
        msgspec.json.encode(msgspec.structs.replace(manifest, settings=settings)),
    )
    found = answer(first, open_dataset(second.folder), "jaxpr")
    assert found.versions == {"jax": (manifest.settings.versions["jax"], "0.0.1")}
    assert found.equal


def test_one_row_is_shown(write: Write, tmp_path: Path) -> None:
    first = write(tmp_path / "a")
    rows = list(first.rows())
    texts = shown(first, first, rows[0]["id"], "cpp")
    assert [column for column, _, _ in texts] == [
        "warp_cpp_forward",
        "warp_cpp_backward",
        "warp_cpp_module",
    ]
    assert all(a == b == rows[0][column] for column, a, b in texts)


def test_what_cannot_be_compared(write: Write, tmp_path: Path) -> None:
    first = write(tmp_path / "a")
    none = rewritten(first, tmp_path / "b", lambda rows: [])
    with pytest.raises(UserError, match="no row in common"):
        list(compared(first, none))
    with pytest.raises(UserError, match=r"unknown level 'cp'.*cpp"):
        list(compared(first, first, ["cp"]))
    with pytest.raises(UserError, match="has no row nothing"):
        shown(first, first, "nothing", "cpp")
    twice = rewritten(first, tmp_path / "c", lambda rows: [rows[0], rows[0]])
    with pytest.raises(UserError, match="is there twice"):
        list(compared(first, twice))


def test_the_command(write: Write, tmp_path: Path) -> None:
    """Exit code 0 for equal, 1 for different, 2 for what cannot be compared."""
    first = write(tmp_path / "a")

    def change(rows: list[Row]) -> list[Row]:
        rows[0]["warp_python"] += "# another\n"
        return rows

    second = rewritten(first, tmp_path / "b", change)
    id = next(iter(first.rows(["id"])))["id"]
    a, b = str(first.folder), str(second.folder)
    ran = _cli(a, b, "--level", "python")
    assert (ran.returncode, ran.stderr) == (1, "")
    found = json.loads(ran.stdout)
    assert [(one["column"], one["changed"]) for one in found["texts"]] == [
        ("warp_python", 1),
        ("jax_python", 0),
    ]
    ran = _cli(a, b, "--level", "jaxpr", "--format", "text")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "all texts and outcomes are equal" in ran.stdout
    ran = _cli(a, b, "--show", id, "python")
    assert ran.returncode == 1
    assert ran.stdout.splitlines()[-1] == "+# another"
    ran = _cli(a, str(tmp_path))
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1


def _cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "irgen.cli", "diff", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
