"""Hypothesis strategies over the same generator, and shrinking of programs found in bulk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Concatenate, ParamSpec, TypeVar

from hypothesis import strategies as st

from grammar.config import Grammar
from grammar.generate import draw_program
from grammar.program import Program
from grammar.reduce import reduce
from grammar.source import Source

P = ParamSpec("P")
T = TypeVar("T")


class DrawSource:
    """The Hypothesis face of the generator: each choice an integer, each construct a span."""

    __slots__ = ("_draw",)

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def below(self, n: int, /) -> int:
        return self._draw(_integers(n))

    def span(
        self,
        construct: Callable[Concatenate[Source, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        return self._draw(_spanned(construct, args, kwargs))


@lru_cache(maxsize=4096)
def _integers(n: int) -> st.SearchStrategy[int]:
    return st.integers(0, n - 1)


@st.composite
def _spanned(
    draw: st.DrawFn,
    construct: Callable[..., T],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> T:
    return construct(DrawSource(draw), *args, **kwargs)


@st.composite
def programs(draw: st.DrawFn, grammar: Grammar, *others: Grammar) -> Program:
    """A strategy for programs of a grammar, or of several; failing examples shrink towards few,
    simple statements, and the first grammar."""
    chosen = draw(st.sampled_from((grammar, *others))) if others else grammar
    return draw_program(DrawSource(draw), chosen)


def shrink(
    grammar: Grammar,
    choices: Sequence[int],
    witness: Callable[[Program], bool],
    *,
    steps: int = 60_000,
) -> Program:
    """The simplest program found for which `witness` holds, from the choices of one that does.

    `steps` bounds how many programs are tried. ValueError when the choices are no witness to begin
    with.
    """
    return reduce(grammar, choices, witness, steps=steps).program
