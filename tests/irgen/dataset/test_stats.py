"""The numbers of a data set are what counting its rows comes to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irgen.cli.app import main
from irgen.dataset import layout, reading
from irgen.dataset.columns import Row, text_columns
from irgen.dataset.documents import measuring, near
from irgen.dataset.documents.spread import Spread, Spreading
from irgen.dataset.documents.stats import STATS, Stats, measure, read_stats, write_stats
from irgen.dataset.reading import Dataset
from irgen.dataset.settings import Format, Settings
from irgen.dataset.training.tokens import tokenizer

Write = Callable[[Path, Format], Dataset]
Made = tuple[Settings, list[Row]]


@pytest.fixture
def dataset(write: Write, tmp_path: Path) -> Dataset:
    return write(tmp_path / "out", "parquet")


@pytest.fixture(scope="module")
def stats(write: Write, tmp_path_factory: pytest.TempPathFactory) -> Stats:
    return measure(write(tmp_path_factory.mktemp("stats") / "out", "parquet"))


def test_rows(stats: Stats, made: Made) -> None:
    rows = made[1]
    assert (stats.rows, stats.splits) == (34, {"train": 28, "test": 6})
    assert stats.statements == Counter(row["statements"] for row in rows)
    assert stats.depth == {1: 34}
    families = {family.name: family.rows for family in stats.families}
    assert list(families) == [one.name for one in made[0].grammars]
    assert families == Counter(row["grammar"] for row in rows)


def test_verified(stats: Stats, made: Made) -> None:
    rows = made[1]
    for name, found in stats.verified.items():
        values = [row[f"{name}_forward_verified"] for row in rows]
        both = [
            row[f"{name}_forward_verified"] and row[f"{name}_gradient_verified"] for row in rows
        ]
        assert (found.judged, found.forward, found.both) == (34, sum(values), sum(both))
        families = [family.verified[name].both for family in stats.families]
        assert sum(families) == found.both
        assert found.both > 25
    together = [
        all(row[f"{name}_{way}_verified"] for name in made[0].backends for way in _WAYS)
        for row in rows
    ]
    assert stats.verified_all == sum(together)


_WAYS = ("forward", "gradient")


def test_verdicts(stats: Stats, made: Made) -> None:
    for name, executed in stats.executed.items():
        verdicts: list[Any] = [one for row in made[1] for one in row[f"{name}_verdicts"]]
        for way in _WAYS:
            expected = Counter((one["execution"], one[way]) for one in verdicts)
            found = {
                (execution, outcome): count
                for execution, ways in executed.outcomes.items()
                for outcome, count in ways[way].items()
            }
            assert found == expected
        lanes: Counter[str] = Counter()
        for one in verdicts:
            lanes.update({reason["name"]: reason["lanes"] for reason in one["reasons"]})
        assert executed.uncertain == lanes
        assert executed.failures == Counter(one["reason"] for one in verdicts if one["reason"])


def test_missing(stats: Stats, made: Made) -> None:
    for name in made[0].backends:
        expected = Counter(
            (f"{name}_{one['level']}_{one['direction']}", one["reason"])
            for row in made[1]
            for one in row[f"{name}_artifacts"]
            if one["status"] != "ok"
        )
        found = {
            (column, reason): count
            for column, reasons in stats.missing.items()
            if column.startswith(name)
            for reason, count in reasons.items()
        }
        assert found == expected
    assert stats.missing


def test_texts(stats: Stats, made: Made) -> None:
    count = tokenizer(stats.tokenizer)
    settings, rows = made
    names = ["program"]
    for name in settings.backends:
        names += [f"{name}_python", *text_columns(name, settings.levels[name])]
    assert [text.column for text in stats.texts] == names
    for text in stats.texts:
        given = [row[text.column] for row in rows if row[text.column] is not None]
        assert text.bytes.count == len(given)
        assert text.bytes.sum == sum(len(one.encode()) for one in given)
        assert text.characters == text.token_characters == sum(map(len, given))
        assert text.tokens == text.all_tokens == sum(map(count, given))
    assert stats.tokenized == 34
    (place,) = [
        (text.backend, text.level, text.direction)
        for text in stats.texts
        if text.column == "jax_hlo_optimized_backward"
    ]
    assert place == ("jax", "hlo_optimized", "backward")


def test_tokens_of_a_part(stats: Stats, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "TOKENIZED", 12)
    part = measure(dataset)
    assert part.tokenized == 12
    monkeypatch.setattr(reading, "BATCH", 5)
    assert measure(dataset) == part
    every, some = (sum(text.all_tokens for text in one.texts) for one in (stats, part))
    assert every != some
    assert abs(some / every - 1) < 0.1


def test_ops_and_pairs(stats: Stats, made: Made) -> None:
    assert stats.ops == Counter(op for row in made[1] for op in row["ops"])
    assert list(stats.ops.values()) == sorted(stats.ops.values(), reverse=True)
    expected = Counter(pair for row in made[1] for pair in combinations(sorted(row["ops"]), 2))
    found = {(a, b): rows for a, others in stats.pairs.items() for b, rows in others.items()}
    assert found == expected


def test_saturation_goes_in_the_order_of_drawing(
    made: Made, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = made[1]
    # The first and last drawn are alike, and so are two in the middle.
    for later, first in ((33, 0), (20, 4)):
        monkeypatch.setitem(rows[later], "structure_hash", rows[first]["structure_hash"])
    stats = measure(write(tmp_path / "alike", "parquet"))
    assert (stats.exact, stats.structures) == (34, 32)
    order = [one.name for one in made[0].grammars]
    drawn = sorted(rows, key=lambda row: (row["index"], order.index(row["grammar"])))
    assert stats.saturation == [
        (count, len({row["structure_hash"] for row in drawn[:count]}))
        for count in (1, 2, 5, 10, 20, 34)
    ]


def test_cost_is_of_those_that_say_it(stats: Stats, made: Made) -> None:
    flops = [
        one["value"]
        for row in made[1]
        for one in row["jax_cost"]
        if (one["direction"], one["quantity"]) == ("forward", "flops")
    ]
    assert stats.cost["jax_forward_flops"].sum == sum(flops)
    assert not [name for name in stats.cost if name.startswith("warp")]


def test_formats_do_not_matter(stats: Stats, write: Write, tmp_path: Path) -> None:
    formats: tuple[Format, ...] = ("jsonl", "jsonl.zst")
    for format in formats:
        other = measure(write(tmp_path / format, format))
        assert other.bytes != stats.bytes
        alike = msgspec.structs.replace(other, bytes=stats.bytes, manifest=stats.manifest)
        assert alike == stats


def test_written_and_read(stats: Stats, dataset: Dataset) -> None:
    assert read_stats(dataset) is None
    write_stats(dataset, stats)
    assert read_stats(dataset) == stats
    near.write_clusters(dataset)
    assert read_stats(dataset) is None
    again = measure(dataset)
    assert again.near == near.read_near(dataset) is not None
    write_stats(dataset, again)
    assert read_stats(dataset) == again
    manifest = dataset.folder / layout.MANIFEST
    manifest.write_bytes(manifest.read_bytes() + b"\n")
    assert read_stats(dataset) is None


@given(st.lists(st.integers(0, 1 << 40), min_size=1))
def test_spread(numbers: list[int]) -> None:
    spreading = Spreading()
    for start in range(0, len(numbers), 3):
        spreading.add(np.array(numbers[start : start + 3]))
    spread = spreading.spread()
    ordered = sorted(numbers)
    assert (spread.count, spread.sum) == (len(numbers), sum(numbers))
    assert (spread.least, spread.greatest) == (ordered[0], ordered[-1])
    assert spread.mean == sum(numbers) / len(numbers)
    for percent, found in ((10, spread.p10), (50, spread.p50), (90, spread.p90), (99, spread.p99)):
        exact = ordered[-(-percent * len(numbers) // 100) - 1]
        assert found <= exact
        assert exact - found <= (exact >> 6 if exact >= 128 else 0)


def test_spread_of_nothing() -> None:
    assert Spreading().spread() == Spread()
    assert Spread().mean == 0


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["stats", *arguments])
    return int(ended.value.code or 0)


def test_command(stats: Stats, dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(str(dataset.folder)) == 0
    found = msgspec.json.decode(capsys.readouterr().out, type=Stats)
    assert found == msgspec.structs.replace(stats, bytes=found.bytes, manifest=found.manifest)
    write_stats(dataset, msgspec.structs.replace(found, rows=99))
    assert _run(str(dataset.folder)) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 99
    assert _run(str(dataset.folder), "--format", "text") == 0
    shown = capsys.readouterr().out
    assert "99 rows" in shown
    for word in ("Families", "elementwise-safe", "jax_hlo_optimized_backward", "not_a_device_unit"):
        assert word in shown
    assert (dataset.folder / STATS).exists()


def test_bad_input(dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = tmp_path / "rows.jsonl"
    lines.write_text("{}\n")
    for arguments, words in (
        ([str(lines)], "rows.jsonl is a file: irgen stats reads a folder"),
        ([str(tmp_path)], "is no data set: it has no manifest.json"),
        ([str(dataset.folder), "--format", "yaml"], "unknown format 'yaml'"),
        ([str(dataset.folder), "--tokenizer", "cl100k"], "did you mean 'cl100k_base'"),
    ):
        assert _run(*arguments) == 2
        captured = capsys.readouterr()
        assert words in captured.err
        assert captured.err.count("\n") == 1
        assert captured.out == ""
