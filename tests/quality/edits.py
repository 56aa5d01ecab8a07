"""Random edits of a data set, and whether `irgen validate` finds them.

An edit changes bytes of a shard, or one value in one column of one row. The manifest is trusted:
it is that of the data set before the edit. Each edit of a value is also tried by an editor who
makes the hashes of the files anew, and by one who makes the row's `content_hash` anew as well.
"""

from __future__ import annotations

import copy
import functools
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.registry import BACKENDS
from irgen import pool
from irgen.dataset.building.rows import limits, making
from irgen.dataset.checking import intact
from irgen.dataset.checking.inspection import Found, Inspecting, Task, inspect, prepare
from irgen.dataset.checking.validate import installed
from irgen.dataset.columns import Row, columns, records_of
from irgen.dataset.reading import Dataset
from irgen.dataset.settings import Settings
from irgen.record import with_verdicts
from tests.bench.report import Table
from tests.irgen.dataset import whole

SEED = 20
ROWS = 40


@dataclass(frozen=True, slots=True)
class Edit:
    """A row with one value changed: its column, and what was done."""

    column: str
    what: str
    row: Row
    planned: tuple[int, int]


def campaign(count: int, workers: int) -> Iterator[Table]:
    """Half of the edits are of bytes, half of values."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = whole.make(Path(folder) / "data", ROWS)
        yield of_bytes(dataset, count // 2)
        yield of_values(dataset, count - count // 2, workers)


# Bytes


def of_bytes(dataset: Dataset, count: int) -> Table:
    """Edits of the bytes of shards, each found before a row is read."""
    drawn = random.Random(SEED)
    shown: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for _ in range(count):
        file = drawn.choice(dataset.manifest.files)
        path = dataset.folder / file.name
        data = path.read_bytes()
        how, edited = edited_bytes(drawn, data)
        path.write_bytes(edited)
        problems = [problem for _, found_ in intact.shards(dataset) for problem in found_]
        path.write_bytes(data)
        shown[how] += 1
        found[how] += [problem.file for problem in problems] == [file.name]
    rows = tuple((how, shown[how], found[how]) for how in sorted(shown))
    missed = tuple(
        f"{how}: {found[how]} of {shown[how]}" for how in shown if found[how] < shown[how]
    )
    return Table("edits of bytes, manifest trusted", ("edit", "made", "found"), rows, (), missed)


def edited_bytes(drawn: random.Random, data: bytes) -> tuple[str, bytes]:
    """Bytes with one edit that changes them, and its name."""
    at = drawn.randrange(len(data))
    match drawn.randrange(4):
        case 0:
            return "a bit flipped", data[:at] + bytes([data[at] ^ 1 << drawn.randrange(8)]) + data[
                at + 1 :
            ]
        case 1:
            return "cut off", data[:at]
        case 2:
            return "bytes put in", data[:at] + drawn.randbytes(drawn.randrange(1, 9)) + data[at:]
        case _:
            other = bytes(byte ^ drawn.randrange(1, 256) for byte in data[at : at + 16])
            return "bytes overwritten", data[:at] + other + data[at + 16 :]


# Values


def of_values(dataset: Dataset, count: int, workers: int) -> Table:
    """Edits of values, by who edits."""
    drawn = random.Random(SEED)
    settings = dataset.manifest.settings
    edits = list(edits_of(dataset, drawn, count))
    hashed = sum(found_by_hash(dataset, edit) for edit in edits)
    here, same, _ = installed(settings)
    inspecting = Inspecting(making(settings), here, same)
    tables: list[tuple[str, int, int]] = [("of a value, manifest trusted", count, hashed)]
    notes: list[str] = []
    remade = [rehashed(settings, edit) for edit in edits]
    for name, made, running in (
        ("the same, hashes of files made anew", edits, False),
        ("the same, content_hash made anew too", remade, False),
        ("the same, all rows run again", remade, True),
    ):
        results = inspected(inspecting, made, workers, running=running)
        missed = [edit for edit, result in zip(made, results, strict=True) if not result]
        tables.append((name, count, count - len(missed)))
        notes += [f"not found, {name}: {edit.column}, {edit.what}" for edit in missed]
    failures = () if hashed == count else (f"{hashed} of {count} edits of values found",)
    title = "edits of values"
    return Table(title, ("edit", "made", "found"), tuple(tables), tuple(notes), failures)


def found_by_hash(dataset: Dataset, edit: Edit) -> bool:
    """Whether the files tell of an edit, the shard being written anew."""
    with tempfile.TemporaryDirectory() as folder:
        other = whole.copied(dataset, Path(folder) / "data")
        for at, file in enumerate(dataset.manifest.files):
            if any(row["id"] == _id(dataset, edit) for row in dataset.rows_of(file, ["id"])):
                whole.changed(
                    other, functools.partial(_with, edit, _id(dataset, edit)), hashes=False, at=at
                )
                problems = [one for _, found in intact.shards(other) for one in found]
                return [one.file for one in problems] == [file.name]
    return False


def _id(dataset: Dataset, edit: Edit) -> str:
    return _ids(dataset.folder)[edit.planned]


@functools.cache
def _ids(folder: Path) -> dict[tuple[int, int], str]:
    from irgen.dataset.reading import open_dataset

    return {planned: row["id"] for planned, row in _planned(open_dataset(folder))}


def _with(edit: Edit, id: str, rows: list[Row]) -> list[Row]:
    return [edit.row if row["id"] == id else row for row in rows]


def _planned(dataset: Dataset) -> list[tuple[tuple[int, int], Row]]:
    numbers = {one.name: at for at, one in enumerate(dataset.manifest.settings.grammars)}
    return [((numbers[row["grammar"]], row["index"]), row) for row in dataset.rows()]


def inspected(
    inspecting: Inspecting, edits: list[Edit], workers: int, *, running: bool
) -> list[bool]:
    """Whether each edit is found without the hashes of files. One that ends a process is."""
    tasks = [Task(edit.row, edit.planned, True, running, running) for edit in edits]
    results = pool.run(
        functools.partial(inspect, inspecting),
        tasks,
        workers=workers,
        limits=limits(inspecting.making),
        prepare=functools.partial(prepare, inspecting),
    )
    return [not isinstance(result, Found) or bool(result.said) for result in results]


def edits_of(dataset: Dataset, drawn: random.Random, count: int) -> Iterator[Edit]:
    """Edits of values: any column alike, then any value in it."""
    rows = _planned(dataset)
    names = [column.name for column in columns(dataset.manifest.settings)]
    made = 0
    while made < count:
        planned, row = drawn.choice(rows)
        column = drawn.choice(names)
        places = list(_places(row[column], (column,)))
        if not places:
            continue
        path = drawn.choice(places)
        edited = copy.deepcopy(row)
        what = _change(drawn, edited, path)
        if edited != row:
            made += 1
            yield Edit(column, f"{'.'.join(map(str, path[1:])) or 'it'} {what}", edited, planned)


def _places(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Where values are that can be changed, in a column that may hold lists and structures."""
    if isinstance(value, list | dict):
        if isinstance(value, list) and value:
            yield path
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _places(item, (*path, key))
    elif value is not None:
        yield path


def _change(drawn: random.Random, row: Row, path: tuple[Any, ...]) -> str:
    holder: Any = row
    for key in path[:-1]:
        holder = holder[key]
    before = holder[path[-1]]
    what, after = _changed(drawn, before)
    holder[path[-1]] = after
    return what


def _changed(drawn: random.Random, value: Any) -> tuple[str, Any]:
    match value:
        case bool():
            return "turned", not value
        case int():
            return "one more", value + 1
        case float():
            return "larger", value * 2 + 1
        case list():
            at = drawn.randrange(len(value))
            return f"without entry {at}", value[:at] + value[at + 1 :]
        case _:
            return _changed_text(drawn, value)


def _changed_text(drawn: random.Random, text: str) -> tuple[str, str]:
    if not text:
        return "filled", "x"
    at = drawn.randrange(len(text))
    match drawn.randrange(4):
        case 0:
            other = drawn.choice([one for one in "09azAZ_+*" if one != text[at]])
            return f"character {at} is {other!r}", text[:at] + other + text[at + 1 :]
        case 1:
            return f"without character {at}", text[:at] + text[at + 1 :]
        case 2:
            lines = text.splitlines(keepends=True)
            number = drawn.randrange(len(lines))
            return f"without line {number + 1}", "".join(lines[:number] + lines[number + 1 :])
        case _:
            return f"cut off at {at}", text[:at]


def rehashed(settings: Settings, edit: Edit) -> Edit:
    """The edit with the content hashes that go with it, and the lengths of texts."""
    row = copy.deepcopy(edit.row)
    for name in BACKENDS:
        prefix = f"{name}_"
        if edit.column.startswith(prefix) and name in settings.backends:
            _relengthened(row, edit.column, name)
    try:
        for record in records_of(settings, row):
            made = with_verdicts(record, record.vectors, record.verdicts)
            row[f"{record.sources[0].backend}_content_hash"] = made.content_hash
    except (KeyError, TypeError, ValueError):
        return edit
    if edit.column.endswith("content_hash"):
        return edit
    return Edit(edit.column, edit.what, row, edit.planned)


def _relengthened(row: Row, column: str, backend: str) -> None:
    """The last text of a column takes what its length has changed by."""
    parts = [
        one
        for one in row[f"{backend}_artifacts"]
        if f"{backend}_{one['level']}_{one['direction']}" == column
        and one["characters"] is not None
    ]
    if parts and isinstance(row[column], str):
        rest = len(row[column]) - sum(one["characters"] for one in parts) - (len(parts) - 1)
        parts[-1]["characters"] = max(0, parts[-1]["characters"] + rest)
