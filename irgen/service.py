"""The steps from an address to a record: draw, render, make the record of what came of it."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from itertools import count as counting

from backends.base import Artifact, Capture, Rendered
from backends.registry import Backend
from backends.style import Style, draw_style
from grammar.config import Grammar
from grammar.generate import draw_program
from grammar.passes.canonical import exact_hash, structure_hash
from grammar.program import Program, size
from grammar.source import RandomSource
from grammar.text import print_program
from irgen.record import Record, SourceText, content_hash, record_id
from irgen.vectors import Vectors
from irgen.verdict import Verdict


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


def make_record(
    drawn: Drawn,
    rendered: Rendered,
    captured: Capture,
    versions: dict[str, str],
    vectors: Vectors | None = None,
    verdicts: Sequence[Verdict] = (),
) -> Record:
    """One record from what was drawn, rendered, captured and judged."""
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
        content_hash=content_hash([source], artifacts, vectors, verdicts),
        choices=list(drawn.choices),
        sources=[source],
        artifacts=artifacts,
        versions=versions,
        vectors=vectors,
        verdicts=list(verdicts),
    )


def installed_versions(backend: Backend, capturing: bool, *, here: bool = True) -> dict[str, str]:
    """Versions behind a record: irgen's, and the compiler's where one ran.

    BackendError where the compiler cannot be used. With `here` false it is not imported, and only
    its absence is noticed.
    """
    versions = {"irgen": metadata.version("irgen")}
    if capturing and here:
        versions[backend.distribution] = backend.check()
    elif capturing:
        versions[backend.distribution] = backend.installed()
    return versions
