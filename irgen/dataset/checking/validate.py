"""A whole data set checked: its files, its plan, and every row of it."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from backends.base import BackendError
from backends.registry import BACKENDS
from grammar.config import GRAMMAR_VERSION
from irgen import pool
from irgen.dataset.building.counts import Counts
from irgen.dataset.building.rows import limits, making
from irgen.dataset.checking import intact
from irgen.dataset.checking.inspection import Found, Inspecting, Task, inspect, prepare
from irgen.dataset.checking.problems import Problem, how
from irgen.dataset.columns import Row
from irgen.dataset.manifest import File
from irgen.dataset.reading import Dataset, open_dataset, open_lines
from irgen.dataset.settings import Settings
from irgen.errors import UserError
from irgen.pool import Lost
from irgen.record import record_id

if TYPE_CHECKING:
    from irgen.dataset.planning.plan import Plan

COMPILED = 1 / 4
"""The share of the rows whose C++ is compiled."""

CLOSELY = 1 / 16
"""The share of the rows whose texts are all compiled and whose verdicts are judged again."""

EXECUTED = 16
"""About so many rows run again, unless another number is asked for."""

BATCH = 64
"""Rows inspected together: a compiler starts slowly."""

_SIZE = 1 << 32


@dataclass(frozen=True, slots=True)
class Depth:
    """How closely to look: shares of the rows, by their ids, whose C++ is compiled, to look at
    closely, and to run. Each of these shares is in the one before."""

    compiled: float = COMPILED
    closely: float = CLOSELY
    running: float = 0.0

    def task(self, row: Row, id: str, planned: tuple[int, int] | None = None) -> Task:
        """What to do with a row of an id."""
        part = int(id[8:16], 16) / _SIZE
        running = part < self.running
        closely = running or part < self.closely
        return Task(row, planned, closely or part < self.compiled, closely, running)

    def running_at(self, id: str) -> bool:
        """Whether a row is one to run."""
        return int(id[8:16], 16) / _SIZE < self.running


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a row, or of what is no row: `rows` is 1 or 0."""

    problems: tuple[Problem, ...]
    rows: int = 0
    parsed: dict[str, int] = field(default_factory=dict[str, int])
    ran: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a row stands, and what its id should be if there is a plan."""

    file: str
    number: int
    id: str
    planned: str
    task: Task


def validate(folder: Path, depth: Depth, workers: int = 1) -> Iterator[Checked]:
    """What is wrong with a finished data set, row by row and in order.

    Rows are made again and compared in `workers` processes; one that ends its process, by a text
    that crashes a parser, does not touch the others. Only what was made again equal is ever run.

    Raises:
        UserError: there is no finished data set, or none that this version can make again.
    """
    dataset = open_dataset(folder)
    return _validate(dataset, depth, workers)


def _validate(dataset: Dataset, depth: Depth, workers: int) -> Iterator[Checked]:
    settings = dataset.manifest.settings
    yield Checked(tuple(intact.documents(dataset)))
    plan = _Planned(dataset)
    yield Checked(tuple(plan.problems))
    if settings.grammar_version != GRAMMAR_VERSION:
        made, here = settings.versions.get("irgen"), metadata.version("irgen")
        raise UserError(
            f"{dataset.folder} is of grammar version {settings.grammar_version}, and irgen {here} "
            f"has {GRAMMAR_VERSION}: its rows can be made again by irgen {made} only"
        )
    here, same, notes = installed(settings)
    yield Checked(tuple(notes))
    inspecting = Inspecting(making(settings), here, same)
    counts = Counts()
    checking = _Checking(dataset, plan, depth)
    kept: deque[_Place | Checked] = deque()

    def tasks() -> Iterator[Task]:
        for item in checking.items():
            kept.append(item)
            if isinstance(item, _Place):
                yield item.task

    results = pool.run(
        functools.partial(inspect, inspecting),
        tasks(),
        workers=workers,
        limits=replace(limits(inspecting.making), batch=BATCH),
        prepare=functools.partial(prepare, inspecting),
    )
    for found in results:
        while isinstance(kept[0], Checked):
            yield _no_row(kept)
        place = kept.popleft()
        assert isinstance(place, _Place)
        if isinstance(found, Lost):
            found = _lost(inspecting, place, found)
        counts.add(found.counts)
        yield _checked(place, found)
    while kept:
        yield _no_row(kept)
    yield Checked(tuple(_counted(dataset, counts)))


def _no_row(kept: deque[_Place | Checked]) -> Checked:
    found = kept.popleft()
    assert isinstance(found, Checked)
    return found


def installed(settings: Settings) -> tuple[frozenset[str], frozenset[str], list[Problem]]:
    """Backends that are installed, those of the versions of the rows, and notes on the others."""
    here, same = set[str](), set[str]()
    notes: list[str] = []
    for name in settings.backends:
        backend = BACKENDS[name]
        made = settings.versions.get(backend.distribution)
        try:
            found = backend.installed()
        except BackendError as error:
            notes.append(f"{error}: texts of {name} are not parsed")
            continue
        here.add(name)
        if made == found:
            same.add(name)
        elif made is not None:
            notes.append(
                f"made with {backend.distribution} {made}, here is {found}: its texts are not "
                "parsed, and of what runs again only outcomes are compared"
            )
    made, found = settings.versions.get("irgen"), metadata.version("irgen")
    if made != found:
        notes.append(f"made with irgen {made}, here is {found}")
    return frozenset(here), frozenset(same), [Problem("note", "", note) for note in notes]


class _Planned:
    """The plan of a data set, if it can be read: the address of each row of a shard."""

    def __init__(self, dataset: Dataset) -> None:
        from irgen.dataset.planning.plan import load_plan

        self.problems: list[Problem] = []
        self._settings = dataset.manifest.settings
        self._plan: Plan | None = None
        self._numbers = {one.name: at for at, one in enumerate(self._settings.grammars)}
        try:
            self._plan = load_plan(dataset.folder, self._settings)
        except UserError as error:
            self.problems.append(Problem("file", "", f"the plan cannot be used: {error}"))
        else:
            named = {file.name for file in dataset.manifest.files}
            for shard in self._plan.shards:
                if shard.name not in named:
                    what = "is planned, and not in the manifest"
                    self.problems.append(Problem("file", shard.name, what))

    def of(self, file: File) -> list[tuple[tuple[int, int], str]] | None:
        """Address and id of each row of a shard, in order; None where there is no plan of it."""
        if self._plan is None:
            return None
        shard = next((one for one in self._plan.shards if one.name == file.name), None)
        if shard is None:
            return None
        return [
            (
                (self._numbers[grammar.name], index),
                record_id(grammar, self._settings.seed, index),
            )
            for grammar, index in self._plan.addresses(shard)
        ]


@dataclass(slots=True)
class _Checking:
    """A walk over all files and rows of a data set."""

    dataset: Dataset
    planned: _Planned
    depth: Depth
    seen: set[bytes] = field(default_factory=set[bytes])

    def items(self) -> Iterator[_Place | Checked]:
        """Each row, and what is wrong with files."""
        for file, problems in intact.shards(self.dataset):
            if problems:
                yield Checked(tuple(problems))
            if (self.dataset.folder / file.name).is_file() and file.rows:
                yield from self._rows(file, bool(problems))

    def _rows(self, file: File, told: bool) -> Iterator[_Place | Checked]:
        planned = self.planned.of(file)
        expected = file.rows if planned is None else len(planned)
        number = 0
        try:
            yield from (Checked((problem,)) for problem in intact.table(self.dataset, file))
            for row in self._read(file):
                number += 1
                if isinstance(row, Problem):
                    yield Checked((msgspec.structs.replace(row, row=number),), 1)
                    continue
                place = None if planned is None or number > expected else planned[number - 1]
                yield from self._place(file, number, row, place)
        except UserError as error:
            what = f"{error}, from row {number + 1} on"
            yield Checked((Problem("file", file.name, what),))
            return
        if number != expected:
            yield Checked((Problem("file", file.name, f"has {number} rows, not {expected}"),))

    def _read(self, file: File) -> Iterator[Row | Problem]:
        if self.dataset.manifest.settings.format == "parquet":
            yield from self.dataset.rows_of(file)
            return
        path = self.dataset.folder / file.name
        try:
            with open_lines(path) as lines:
                for line in lines:
                    yield row_of_line(file.name, line)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error}") from None

    def _place(
        self, file: File, number: int, row: Row, planned: tuple[tuple[int, int], str] | None
    ) -> Iterator[_Place | Checked]:
        id = row.get("id")
        id = id if isinstance(id, str) and is_id(id) else "0" * 32
        if planned is None and self._again(id):
            yield Checked((Problem("order", file.name, "is there twice", number, id),))
        task = self.depth.task(row, id, None if planned is None else planned[0])
        yield _Place(file.name, number, id, "" if planned is None else planned[1], task)

    def _again(self, id: str) -> bool:
        """Whether an id has come before."""
        size = len(self.seen)
        self.seen.add(bytes.fromhex(id))
        return len(self.seen) == size


def is_id(text: str) -> bool:
    """Whether a text may be the id of a row."""
    return len(text) == 32 and set(text) <= set("0123456789abcdef")


def row_of_line(file: str, line: bytes) -> Row | Problem:
    """The row of a line of JSON."""
    try:
        row: Any = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        cut = "" if line.endswith(b"\n") else "; the line has no end: was the file cut off?"
        return Problem("file", file, f"no JSON: {error}{cut}")
    if not isinstance(row, dict):
        return Problem("file", file, f"a row is a JSON object, not {type(row).__name__}")
    return row  # pyright: ignore[reportUnknownVariableType]


def _checked(place: _Place, found: Found) -> Checked:
    problems: list[Problem] = []
    if place.planned and place.id != place.planned:
        problems.append(
            Problem("order", place.file, f"{place.planned} is planned here", place.number, place.id)
        )
    problems += [
        Problem(kind, place.file, what, place.number, place.id, field)
        for kind, field, what in found.said
    ]
    return Checked(tuple(problems), 1, found.parsed, found.ran)


def _lost(inspecting: Inspecting, place: _Place, why: Lost) -> Found:
    """What is wrong with a row that ends the process which inspects it.

    Where only running it does, and it says so itself, nothing is.
    """
    words = f"{why.reason} ({why.detail})"
    if not place.task.running:
        return Found([("lost", "", f"checking it {_ended(words)}")])
    task = replace(place.task, running=False)
    (found,) = pool.run(
        functools.partial(inspect, inspecting),
        [task],
        workers=1,
        limits=limits(inspecting.making),
        prepare=functools.partial(prepare, inspecting),
    )
    if isinstance(found, Lost):
        return Found([("lost", "", f"checking it {_ended(f'{found.reason} ({found.detail})')}")])
    if not found.said and not _says(inspecting, task.row, why):
        found.said.append(("outcome", "", f"running it {_ended(words)}"))
    return found


def _ended(words: str) -> str:
    return f"ended its process: {words}"


def _says(inspecting: Inspecting, row: Row, why: Lost) -> bool:
    """Whether a row says itself that running it ends its process."""
    backends = inspecting.making.settings.backends
    return any(
        verdict["reason"] == why.reason for name in backends for verdict in row[f"{name}_verdicts"]
    )


def _counted(dataset: Dataset, counts: Counts) -> Iterator[Problem]:
    """What the manifest counts otherwise than the rows."""
    manifest = dataset.manifest
    if counts.rows != dataset.count:
        return  # rows are missing, which has been said
    for name in ("outcomes", "missing"):
        expected, said = getattr(counts, name), getattr(manifest, name)
        if said and said != expected:
            yield Problem("file", "manifest.json", f"{name} {how(expected, said)}")
