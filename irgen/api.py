"""The functions of `import irgen` that draw, render and capture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from backends.base import Capture, Rendered
from backends.style import Style
from grammar.config import Grammar
from grammar.generate import program_at
from grammar.parse import parse_program as parse
from grammar.program import Program
from grammar.reduce import reduce
from grammar.verify import verify
from irgen import service
from irgen.catalog import find_backend, find_grammar, find_levels
from irgen.record import Record

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = [
    "capture",
    "draw",
    "parse",
    "programs",
    "render",
    "sample",
    "shrink",
    "stream",
    "verify",
]


def stream(
    grammar: str | Grammar = "compound",
    backend: str = "warp",
    *,
    seed: int = 0,
    start: int = 0,
    count: int | None = None,
    levels: tuple[str, ...] | None = None,
) -> Iterator[Record]:
    """Records from index `start` on, without end when `count` is None.

    `grammar` is a preset's name, the path of a TOML file, or a `Grammar`; `levels` name the
    compiler levels to capture, all by default, none with `()`. UserError names what is unknown.
    """
    language = find_backend(backend)
    wanted = find_levels(language, levels)
    return service.stream(
        _grammar(grammar), backend, seed=seed, start=start, count=count, levels=wanted
    )


def sample(
    grammar: str | Grammar = "compound",
    backend: str = "warp",
    *,
    seed: int = 0,
    index: int = 0,
    levels: tuple[str, ...] | None = None,
) -> Record:
    """The record at one address; see `stream`."""
    return next(stream(grammar, backend, seed=seed, start=index, count=1, levels=levels))


def draw(grammar: str | Grammar = "compound", *, seed: int = 0, index: int = 0) -> Program:
    """The program at one address; `str` of it is its text form."""
    return program_at(_grammar(grammar), seed, index)


def render(
    program: Program, backend: str = "warp", style: Style | None = None, *, main: bool = False
) -> Rendered:
    """A program as source text, in the plainest style unless one is given.

    With `main` the source makes small inputs and runs itself when started as a file.
    """
    return find_backend(backend).render(program, style or Style(), main=main)


def capture(
    source: Program | Rendered, backend: str = "warp", levels: tuple[str, ...] | None = None
) -> Capture:
    """What the backend's compiler makes of a program or a rendered source, at the levels named."""
    language = find_backend(source.backend if isinstance(source, Rendered) else backend)
    rendered = source if isinstance(source, Rendered) else language.render(source, Style())
    return language.capture([rendered], find_levels(language, levels))[0]


def programs(grammar: str | Grammar = "compound") -> SearchStrategy[Program]:
    """A Hypothesis strategy for programs, to use with `@given` and `@example`."""
    from grammar import strategies

    return strategies.programs(_grammar(grammar))


def shrink(
    grammar: str | Grammar,
    choices: Sequence[int],
    witness: Callable[[Program], bool],
    *,
    steps: int = 60_000,
) -> Program:
    """The simplest program found for which `witness` holds, from the `choices` of a record.

    At most `steps` programs are tried. ValueError when the choices are no witness to begin with.
    """
    return reduce(_grammar(grammar), choices, witness, steps=steps).program


def _grammar(grammar: str | Grammar) -> Grammar:
    return find_grammar(grammar) if isinstance(grammar, str) else grammar
