"""Hypothesis strategies over the same generator, and shrinking of programs found in bulk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Concatenate, ParamSpec, TypeVar

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.database import InMemoryExampleDatabase

from grammar.config import Grammar
from grammar.generate import draw_program
from grammar.program import Program
from grammar.provider import encode
from grammar.source import ReplaySource, Source

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
def programs(draw: st.DrawFn, grammar: Grammar) -> Program:
    """A strategy for programs of a grammar; failing examples shrink towards few, simple
    statements."""
    return draw_program(DrawSource(draw), grammar)


class _Enough(BaseException):
    """Ends a run of Hypothesis, which takes any `Exception` for a failure to shrink."""


def shrink(
    grammar: Grammar,
    choices: Sequence[int],
    witness: Callable[[Program], bool],
    *,
    steps: int = 5000,
) -> Program:
    """The simplest program found for which `witness` holds, from the choices of one that does.

    Hypothesis' own shrinker does the work, on the choices as they stand. `steps` bounds how many
    programs it may try. ValueError when the choices are no witness to begin with.
    """
    smallest = draw_program(ReplaySource(choices), grammar)
    if not witness(smallest):
        raise ValueError("the choices do not replay to a witness")
    key = b"irgen"
    database = InMemoryExampleDatabase()
    # One choice more than is drawn: a stored example that fits exactly counts as shrunk already.
    database.save(key, encode([*choices, 0]))

    tried = 0

    def holds(program: Program) -> bool:
        nonlocal smallest, tried
        if tried == steps:
            raise _Enough
        tried += 1
        if not witness(program):
            return False
        smallest = program
        return True

    quiet = settings(
        database=database,
        deadline=None,
        phases=[Phase.reuse, Phase.shrink],
        suppress_health_check=[*HealthCheck.__members__.values()],
    )
    with suppress(_Enough):
        find(programs(grammar), holds, settings=quiet, database_key=key)
    return smallest
