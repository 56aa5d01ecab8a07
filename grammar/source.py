"""Choice sources: integers only, addressable, recordable, replayable.

A generator is written once over `Source`. Choice 0 is always the simplest option, and a span marks
the choices of one construct, so that a shrinker can lower and delete them as a whole.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

INDEX_LIMIT = 1 << 63
"""Seeds and indices lie in [0, INDEX_LIMIT)."""


class Source(Protocol):
    """Where choices come from."""

    def below(self, n: int, /) -> int:
        """An integer in [0, n), for 1 <= n <= 2**48."""
        ...

    def span(
        self,
        construct: Callable[Concatenate[Source, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """`construct(self, ...)`, its choices marked as belonging together."""
        ...


def uniform(seed: int, index: int) -> Callable[[], float]:
    """The stream of floats in [0, 1) at an address; the same on every machine and version.

    String seeding (SHA-512) and the Mersenne Twister are both fixed by Python's documentation.
    """
    return random.Random(f"irgen/{seed}/{index}").random


class RandomSource:
    """Bulk generation: the choices at address (seed, index), recorded in `choices`."""

    __slots__ = ("_random", "_record", "choices")

    def __init__(self, seed: int, index: int) -> None:
        self._random = uniform(seed, index)
        self.choices: list[int] = []
        self._record = self.choices.append

    def below(self, n: int, /) -> int:
        choice = int(self._random() * n)
        self._record(choice)
        return choice

    def span(
        self,
        construct: Callable[Concatenate[Source, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        return construct(self, *args, **kwargs)


class ReplaySource:
    """Replays stored choices; beyond their end, and where one is too large, the nearest valid."""

    __slots__ = ("_position", "_stored")

    def __init__(self, choices: Sequence[int]) -> None:
        self._stored = choices
        self._position = 0

    def below(self, n: int, /) -> int:
        position = self._position
        self._position = position + 1
        return min(self._stored[position], n - 1) if position < len(self._stored) else 0

    def span(
        self,
        construct: Callable[Concatenate[Source, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        return construct(self, *args, **kwargs)
