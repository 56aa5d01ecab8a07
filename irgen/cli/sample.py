"""`irgen sample` and `irgen show`: programs to a terminal, a pipe or a file."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from grammar.source import INDEX_LIMIT
from irgen.cli.output import Interrupts, print_text, writing
from irgen.errors import UserError, nearest

if TYPE_CHECKING:
    from backends.base import Level
    from irgen.record import Record


@dataclass(frozen=True, slots=True)
class Request:
    """The options of a command."""

    grammar: str
    backend: str
    count: int
    seed: int
    start: int
    balanced: bool
    format: str | None
    view: str | None
    levels: tuple[str, ...]
    output: Path | None
    verify: bool
    execute: tuple[str, ...]
    workers: int


def sample(request: Request) -> None:
    """Write `count` programs: side by side on a terminal, as text or as JSONL rows elsewhere."""
    job = _check(request, start="--start", view="wide")
    if not job.text:
        _write(request, job.records, job.row)
        return
    from irgen.cli.display import plain, side_by_side

    shown = job.levels if request.levels else job.levels[:1]
    if request.output is None and sys.stdout.isatty():
        for record in job.records:
            with writing():
                side_by_side(record, shown, _address(request, record))
    else:
        _write(request, job.records, lambda record: plain(record, shown).encode())


def show(request: Request) -> None:
    """Write one program at every level, or at the levels asked for."""
    job = _check(request, start="index", view="record")
    if not job.text:
        _write(request, job.records, job.row)
        return
    from irgen.cli.display import plain, stacked

    for record in job.records:
        if sys.stdout.isatty():
            with writing():
                stacked(record, job.levels)
        else:
            print_text(plain(record, job.levels, complete=True))


@dataclass(frozen=True, slots=True)
class _Job:
    """A request that has been checked: nothing in it can be refused any more."""

    records: Iterator[Record]
    levels: tuple[Level, ...]
    text: bool
    row: Callable[[Record], bytes]


def _address(request: Request, record: Record) -> str:
    """What tells a command which program a record is of."""
    grammar = record.grammar if request.balanced else request.grammar
    options = ("-g", grammar, "-b", request.backend, "-s", str(record.seed))
    return shlex.join((str(record.index), *options))


def _check(request: Request, start: str, view: str) -> _Job:
    """Everything that can be wrong with a request is found here, before anything is written.

    `start` is what the command calls the first index, `view` its view unless one was given.
    """
    if request.count < 0:
        raise UserError(f"--count {request.count} is negative")
    for name, value in (("--seed", request.seed), (start, request.start)):
        if not 0 <= value < INDEX_LIMIT:
            raise UserError(f"{name} {value} is out of range: give 0 to {INDEX_LIMIT - 1}")
    if request.workers < 1:
        raise UserError(f"--workers {request.workers}: at least one is needed")
    if request.execute and not request.verify:
        raise UserError(f"--execute {request.execute[0]} with --no-verify: leave out one of them")
    if request.start + request.count > INDEX_LIMIT:
        raise UserError(f"--count {request.count} from index {request.start} passes {INDEX_LIMIT}")
    text = _is_text(request)
    row = _row(request.view or view)

    from irgen.catalog import find_backend, find_grammar, find_levels
    from irgen.cli.progress import awaited
    from irgen.streaming import stream

    grammar = find_grammar(request.grammar)
    backend = find_backend(request.backend)
    wanted = find_levels(backend, request.levels or None)
    records = stream(
        grammar,
        request.backend,
        seed=request.seed,
        start=request.start,
        count=request.count,
        levels=wanted,
        balanced=request.balanced,
        verify=request.verify,
        execute=request.execute,
        workers=request.workers,
    )
    if request.verify and request.count:
        records = awaited(records, "starting a worker")
    levels = tuple(level for level in backend.levels if level.name in wanted)
    return _Job(records, levels, text, row)


def _is_text(request: Request) -> bool:
    match request.format:
        case "text" if request.view is not None:
            raise UserError(f"--view {request.view} is for JSONL rows: give --format jsonl")
        case "text" | "jsonl":
            return request.format == "text"
        case None:
            terminal = request.output is None and sys.stdout.isatty()
            return terminal and request.view is None
        case word:
            raise UserError(f"unknown format {word!r}: {nearest(word, ('text', 'jsonl'))}")


def _row(view: str) -> Callable[[Record], bytes]:
    """The JSONL row of a record in a view, line end included."""
    import msgspec

    from irgen.views import VIEWS

    if view not in VIEWS:
        raise UserError(f"unknown view {view!r}: {nearest(view, VIEWS)}")
    flatten = VIEWS[view]
    encode = msgspec.json.Encoder().encode
    return lambda record: encode(flatten(record)) + b"\n"


def _write(request: Request, records: Iterator[Record], row: Callable[[Record], bytes]) -> None:
    """Write one row per record to the output; Ctrl-C leaves only whole rows."""
    from irgen.cli.progress import watched
    from irgen.sinks import open_output

    with Interrupts() as interrupts, ExitStack() as stack:
        with writing(request.output):
            sink = stack.enter_context(open_output(request.output))
        fine = _verified if request.verify else None
        for record in watched(records, request.count, fine, "verified"):
            line = row(record)
            with writing(request.output), interrupts.whole():
                sink.write(line)
        with writing(request.output):
            stack.close()


def _verified(record: Record) -> bool:
    """Whether values and gradients of a record are verified."""
    from irgen.verdict import forward_verified, gradient_verified

    return forward_verified(record.verdicts) and gradient_verified(record.verdicts)
