"""Shards made on this machine: one pool over all rows that are still missing, shard after shard."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from irgen import pool
from irgen.dataset import layout
from irgen.dataset.building import rows
from irgen.dataset.building.counts import Counts
from irgen.dataset.building.journal import Journal, Part, parts
from irgen.dataset.manifest import File, write_whole
from irgen.dataset.settings import Settings, digest
from irgen.dataset.writing import write_parts
from irgen.errors import UserError
from irgen.pool import Lost

if TYPE_CHECKING:
    from irgen.dataset.planning.plan import Plan, Shard


class Sealed(msgspec.Struct, frozen=True):
    """A shard that is whole: its file, and what was counted of its rows."""

    file: File
    counts: Counts


Told = Callable[[Counts, File | None, bool], None]
"""Hears of rows, those that are there from earlier and then fresh ones, and of each shard that has
become whole."""


def sealed(folder: Path, shard: Shard) -> Sealed | None:
    """What was kept of a shard that is whole; None where it is not, or its file is not there."""
    path = _kept(folder, shard, "json")
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Sealed)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return found if right_size(folder, found.file) else None


def right_size(folder: Path, file: File) -> bool:
    """Whether a file of a data set is there, with as many bytes as it should have."""
    path = folder / file.name
    return path.is_file() and path.stat().st_size == file.bytes


def make(
    folder: Path, settings: Settings, plan: Plan, shards: Sequence[Shard], workers: int, told: Told
) -> None:
    """Make what is missing of some shards. WorkError, UserError, BackendError and OSError pass
    through; what was made before is kept, and the same call goes on from there."""
    wanted = [_Wanted(shard, _kept(folder, shard, "journal"), 0) for shard in shards]
    todo: list[_Wanted] = []
    key = digest(settings)
    for one in wanted:
        found = sealed(folder, one.shard)
        if found is not None:
            # It may have been left behind by a kill between the two.
            one.journal.unlink(missing_ok=True)
            told(found.counts, None, False)
            continue
        if one.journal.exists():
            with Journal(one.journal, key) as journal:
                one.held = journal.rows
                told(journal.counts, None, False)
        todo.append(one)
    making = rows.making(settings)
    with ExitStack() as stack:
        seals = _Seals(functools.partial(_seal, folder, settings, key), told)
        stack.callback(seals.close)
        made = stack.enter_context(closing(_made(making, plan, todo, workers)))
        for one in todo:
            _fill(one, key, made, seals, told)
            seals.add(one.shard)
        seals.wait(0)


@dataclass(slots=True)
class _Wanted:
    """A shard to make, its journal, and how many of its rows that holds."""

    shard: Shard
    journal: Path
    held: int


def _fill(one: _Wanted, key: str, made: Iterator[Part], seals: _Seals, told: Told) -> None:
    """Add to the journal of a shard what it lacks, from the parts as they are made."""
    if one.held == one.shard.rows:
        return
    with Journal(one.journal, key) as journal:
        while journal.rows < one.shard.rows:
            part = next(made)
            journal.append(part)
            told(part.counts, None, True)
            seals.wait(1)


def _made(
    making: rows.Making, plan: Plan, todo: Sequence[_Wanted], workers: int
) -> Generator[Part]:
    """The parts of all that is missing, in order; a part never spans two shards."""
    kept: deque[rows.Task] = deque()

    def tasks() -> Iterator[rows.Task]:
        numbers = {one.name: at for at, one in enumerate(making.grammars)}
        for at, one in enumerate(todo):
            for grammar, index in islice(plan.addresses(one.shard), one.held, None):
                kept.append((at, numbers[grammar.name], index))
                yield kept[-1]

    results = pool.run(
        functools.partial(rows.work, making),
        tasks(),
        workers=workers,
        limits=rows.limits(making),
        prepare=functools.partial(rows.prepare, making),
    )
    with closing(results):
        for found in results:
            task = kept.popleft()
            if isinstance(found, Lost):
                yield rows.lost_row(making, task)
            elif found is not None:
                yield found


@dataclass(slots=True)
class _Seals:
    """Journals made into files by a thread, one at a time, while workers go on: the compression
    holds no lock of Python."""

    seal: Callable[[Shard], File]
    told: Told
    thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    waiting: deque[Future[File]] = field(default_factory=deque[Future[File]])

    def add(self, shard: Shard) -> None:
        """Make a shard whole, once the one before is."""
        self.wait(1)
        self.waiting.append(self.thread.submit(self.seal, shard))

    def wait(self, left: int) -> None:
        """Wait until no more than so many are unfinished; what they raise is raised here."""
        while self.waiting and (len(self.waiting) > left or self.waiting[0].done()):
            self.told(Counts(), self.waiting.popleft().result(), True)

    def close(self) -> None:
        self.thread.shutdown(cancel_futures=True)


def _seal(folder: Path, settings: Settings, key: str, shard: Shard) -> File:
    """Make the journal of a shard its file."""
    journal = _kept(folder, shard, "journal")
    counts = Counts()

    def counted() -> Iterator[tuple[int, bytes]]:
        for part in parts(journal, key):
            counts.add(part.counts)
            yield part.counts.rows, part.data
        if counts.rows != shard.rows:
            raise UserError(f"{journal} is damaged: run the same irgen build again")

    file = write_parts(folder, settings, shard.name, shard.split, counted())
    write_whole(_kept(folder, shard, "json"), msgspec.json.encode(Sealed(file, counts)))
    journal.unlink()
    return file


def _kept(folder: Path, shard: Shard, kind: str) -> Path:
    return folder / layout.WORK / f"{Path(shard.name).name}.{kind}"
