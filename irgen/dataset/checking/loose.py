"""A file of rows without its data set: rows of a shard, or of `irgen sample`.

Nothing vouches for such a file. Every row is made again from its address and compared before
anything runs, and what runs is what was made here, never what stands in the file.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from backends.registry import BACKENDS
from irgen import pool, recheck
from irgen.claim import preset
from irgen.dataset.building.rows import making
from irgen.dataset.checking.checks import Said
from irgen.dataset.checking.inspection import Found, Inspecting, inspect
from irgen.dataset.checking.problems import Kind, Problem
from irgen.dataset.checking.validate import Checked, Depth, installed, is_id, row_of_line
from irgen.dataset.columns import Row
from irgen.dataset.reading import BATCH as READ_TOGETHER
from irgen.dataset.reading import open_lines
from irgen.dataset.settings import Format, Settings, named
from irgen.errors import UserError
from irgen.pool import Lost
from irgen.recheck import Line

_SUFFIXES = (".parquet", ".jsonl", ".zst")

_KINDS: dict[recheck.Kind, Kind] = {
    "altered": "altered",
    "unreadable": "altered",
    "outcome": "outcome",
    "note": "note",
}


@dataclass(frozen=True, slots=True)
class _Row:
    """A row to inspect: as a line of `irgen sample`, or of a data set with what made it."""

    number: int
    id: str
    line: bytes
    row: Row
    settings: Settings | None
    depth: Depth


def validate_file(path: Path, depth: Depth, workers: int = 1) -> Iterator[Checked]:
    """What is wrong with each row of a file, Parquet or JSONL, in order.

    Raises:
        UserError: the file cannot be read, or is neither.
    """
    if path.suffix not in _SUFFIXES:
        raise UserError(
            f"{path} is no data set and no file of rows: .parquet, .jsonl or .jsonl.zst"
        )
    if not path.is_file():
        raise UserError(f"cannot read {path}: no such file")
    return _validate(path, depth, workers)


def _validate(path: Path, depth: Depth, workers: int) -> Iterator[Checked]:
    kept: deque[_Row | Checked] = deque()
    told: set[str] = set()

    def tasks() -> Iterator[_Row]:
        for number, item in enumerate(_read(path), 1):
            made = _understood(path, number, item, depth)
            kept.append(made)
            if isinstance(made, _Row):
                yield made

    results = pool.run(_work, tasks(), workers=workers, limits=recheck.LIMITS)
    for found in results:
        while isinstance(kept[0], Checked):
            yield _unread(kept)
        task = kept.popleft()
        assert isinstance(task, _Row)
        if isinstance(found, Lost):
            found = _lost(task, found)
        problems = [_problem(path, task, said) for said in found.said]
        fresh = [one for one in problems if one.kind != "note" or one.what not in told]
        told |= {one.what for one in problems if one.kind == "note"}
        yield Checked(tuple(fresh), 1, found.parsed, found.ran)
    while kept:
        yield _unread(kept)


def _unread(kept: deque[_Row | Checked]) -> Checked:
    found = kept.popleft()
    assert isinstance(found, Checked)
    return found


def _problem(path: Path, task: _Row, said: tuple[Kind, str, str]) -> Problem:
    kind, field, what = said
    if kind == "note":
        return Problem("note", "", what)
    return Problem(kind, path.name, what, task.number, task.id, field)


def _read(path: Path) -> Iterator[tuple[bytes, Row | Problem]]:
    """Each row of a file, and the line it stands on if it has lines."""
    if path.suffix == ".parquet":
        for row in _table(path):
            yield b"", row
        return
    try:
        with open_lines(path) as lines:
            for line in lines:
                if line.strip():
                    yield line, row_of_line(path.name, line)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def _table(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as table:
            for batch in table.iter_batches(READ_TOGETHER):  # pyright: ignore[reportUnknownMemberType]
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        words = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read: {words}") from None


def _understood(
    path: Path, number: int, item: tuple[bytes, Row | Problem], depth: Depth
) -> _Row | Checked:
    line, row = item
    if isinstance(row, Problem):
        return Checked((msgspec.structs.replace(row, row=number),), 1)
    id = row.get("id")
    id = id if isinstance(id, str) and is_id(id) else "0" * 32
    if "backend" in row or "sources" in row:
        return _Row(number, id, line or msgspec.json.encode(row), {}, None, depth)
    settings = _settings(row)
    if isinstance(settings, str):
        return Checked((Problem("altered", path.name, settings, number, id),), 1)
    return _Row(number, id, b"", row, settings, depth)


def _settings(row: Row) -> Settings | str:
    """Settings that could have made a row of a data set, or why there are none."""
    backends = [name for name in BACKENDS if f"{name}_python" in row]
    if not backends:
        return "no row of a data set or of irgen sample: it has no source of a known backend"
    try:
        grammar = preset(row["grammar"])
        if grammar is None:
            return (
                f"grammar: {row['grammar']!r} is no preset, and there is no manifest to say what "
                "it is: validate the whole data set"
            )
        judged = [one["execution"] for name in backends for one in row[f"{name}_verdicts"]]
        return Settings(
            count=1,
            grammars=named([grammar]),
            backends=backends,
            levels={name: _levels(row, name) for name in backends},
            seed=int(row["seed"]),
            verify=bool(judged),
            execute=sorted({str(one) for one in judged}),
            format=_JSONL,
            versions={str(one["name"]): str(one["version"]) for one in row["versions"]},
            grammar_version=int(row["grammar_version"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        return f"no row of a data set: {type(error).__name__} {error}"


_JSONL: Format = "jsonl"


def _levels(row: Row, backend: str) -> list[str]:
    return [
        level.name
        for level in BACKENDS[backend].levels
        if any(f"{backend}_{level.name}_{direction}" in row for direction in level.directions)
    ]


def _work(tasks: Sequence[_Row]) -> list[Found]:
    """What is wrong with each row. Runs in a worker."""
    found: dict[int, Found] = {}
    groups: dict[bytes, list[_Row]] = {}
    for task in tasks:
        key = b"" if task.settings is None else msgspec.json.encode(task.settings)
        groups.setdefault(key, []).append(task)
    for key, group in groups.items():
        results = _of_data_set(key, group) if key else _of_sample(group)
        found |= {task.number: result for task, result in zip(group, results, strict=True)}
    return [found[task.number] for task in tasks]


@functools.lru_cache(maxsize=64)
def _inspecting(settings: bytes) -> tuple[Inspecting, list[Problem]]:
    found = msgspec.json.decode(settings, type=Settings)
    here, same, notes = installed(found)
    return Inspecting(making(found), here, same), notes


def _of_data_set(key: bytes, group: Sequence[_Row]) -> list[Found]:
    inspecting, notes = _inspecting(key)
    tasks = [one.depth.task(one.row, one.id) for one in group]
    results = inspect(inspecting, tasks)
    for note in notes:
        results[0].said.append(("note", "", note.what))
    return results


def _of_sample(group: Sequence[_Row]) -> list[Found]:
    """Rows of `irgen sample`: text is captured again and compared."""
    found: dict[int, Found] = {}
    for running in (False, True):
        lines = [
            Line(one.number, one.line) for one in group if one.depth.running_at(one.id) == running
        ]
        results = recheck.inspect(lines) if running else recheck.inspect_text(lines)
        for line, problems in zip(lines, results, strict=True):
            said: list[Said] = [(_KINDS[one.kind], one.field, one.what) for one in problems]
            found[line.number] = Found(said, ran=running)
    return [found[one.number] for one in group]


def _lost(task: _Row, why: Lost) -> Found:
    """What is wrong with a row that ends the process which inspects it."""
    if task.depth.running > 0:
        quiet = replace(task, depth=replace(task.depth, running=0.0))
        (found,) = pool.run(_work, [quiet], workers=1, limits=recheck.LIMITS)
        if isinstance(found, Found):
            words = f"running it ended its process: {why.reason} ({why.detail})"
            found.said.append(("outcome", "", words))
            return found
        why = found
    words = f"checking it ended its process: {why.reason} ({why.detail})"
    return Found([("lost", "", words)])
