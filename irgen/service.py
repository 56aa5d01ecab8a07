"""The service: draw, render, capture, record. Everything a command or the library face needs."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from itertools import count as counting
from itertools import islice

from backends.base import Artifact, Capture, Rendered
from backends.registry import BACKENDS, Backend
from backends.style import Style, draw_style
from grammar.config import Grammar
from grammar.generate import draw_program
from grammar.passes.canonical import exact_hash, structure_hash
from grammar.presets import GRAMMARS
from grammar.program import Program, size
from grammar.source import RandomSource
from grammar.text import print_program
from irgen.record import Record, SourceText, content_hash, record_id

BATCH = 32
"""Records captured together: a driver's fixed costs are shared, and a reader waits little."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A program at an address, the style that follows it, and the choices behind both."""

    grammar: Grammar
    seed: int
    index: int
    program: Program
    style: Style
    choices: tuple[int, ...]


def draw(grammar: Grammar, seed: int, index: int) -> Drawn:
    """The program and style at (grammar, seed, index)."""
    source = RandomSource(seed, index)
    program = draw_program(source, grammar)
    style = draw_style(source)
    return Drawn(grammar, seed, index, program, style, tuple(source.choices))


def draw_batch(found: Iterable[tuple[Grammar, int]], seed: int) -> list[Drawn]:
    """The programs at several addresses of one seed."""
    with _collector_paused():
        return [draw(grammar, seed, index) for grammar, index in found]


def render_batch(drawn: Iterable[Drawn], backend: Backend) -> list[Rendered]:
    """The source of each program in a backend's language."""
    with _collector_paused():
        return [backend.render(item.program, item.style) for item in drawn]


@contextmanager
def _collector_paused() -> Generator[None]:
    """Programs and sources are trees: the garbage collector would walk them and find nothing."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def addresses(
    grammars: Sequence[Grammar], start: int, count: int | None
) -> Iterator[tuple[Grammar, int]]:
    """(grammar, index) from `start` on; several grammars take turns, each by its own index."""
    numbers = counting(start) if count is None else range(start, start + count)
    for number in numbers:
        yield grammars[number % len(grammars)], number // len(grammars)


def stream(
    grammar: Grammar,
    backend: str,
    *,
    seed: int = 0,
    start: int = 0,
    count: int | None = None,
    levels: frozenset[str] | None = None,
    balanced: bool = False,
    batch: int = BATCH,
) -> Iterator[Record]:
    """Records in order of address, without end when `count` is None.

    `levels` are names of the backend's levels; None means all, none at all renders only. With
    `balanced` the presets take turns instead of `grammar`. What cannot be captured is a status on
    its record, never a missing record. BackendError where the backend cannot be used.
    """
    language = BACKENDS[backend]
    wanted = frozenset(level.name for level in language.levels) if levels is None else levels
    versions = installed_versions(language, bool(wanted))
    grammars = tuple(GRAMMARS.values()) if balanced else (grammar,)
    return _stream(addresses(grammars, start, count), language, seed, wanted, versions, batch)


def _stream(
    remaining: Iterator[tuple[Grammar, int]],
    backend: Backend,
    seed: int,
    wanted: frozenset[str],
    versions: dict[str, str],
    batch: int,
) -> Iterator[Record]:
    size_now = 1
    while found := list(islice(remaining, size_now)):
        drawn = draw_batch(found, seed)
        rendered = render_batch(drawn, backend)
        captures = backend.capture(rendered, wanted) if wanted else [Capture((), {})] * len(drawn)
        for item, source, captured in zip(drawn, rendered, captures, strict=True):
            yield make_record(item, source, captured, versions)
        size_now = min(batch, 2 * size_now)


def make_record(
    drawn: Drawn, rendered: Rendered, captured: Capture, versions: dict[str, str]
) -> Record:
    """One record from what was drawn, rendered and captured."""
    source = SourceText(
        rendered.backend, drawn.style, rendered.python, rendered.entry, captured.cost
    )
    artifacts: list[Artifact] = list(captured.artifacts)
    return Record(
        id=record_id(drawn.grammar, drawn.seed, drawn.index),
        grammar=drawn.grammar.name,
        seed=drawn.seed,
        index=drawn.index,
        program=print_program(drawn.program),
        statements=size(drawn.program),
        exact_hash=exact_hash(drawn.program),
        structure_hash=structure_hash(drawn.program),
        content_hash=content_hash([source], artifacts),
        choices=list(drawn.choices),
        sources=[source],
        artifacts=artifacts,
        versions=versions,
    )


def installed_versions(backend: Backend, capturing: bool) -> dict[str, str]:
    """Versions behind a record: irgen's, and the compiler's where one ran."""
    versions = {"irgen": metadata.version("irgen")}
    if capturing:
        versions[backend.distribution] = backend.check()
    return versions
