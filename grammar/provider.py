"""The private side of Hypothesis, in one place: addressable draws.

`addressed` makes test cases of a `@given` run draw the choices at (seed, start), (seed, start + 1)
and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, PrimitiveProvider

from grammar.source import uniform


@contextmanager
def addressed(seed: int, start: int) -> Generator[str]:
    """Register a Hypothesis backend; yields the name for `settings(backend=...)`.

    Use it with `phases=[Phase.generate]`. Hypothesis itself decides which test case is which, so a
    case's address is where it stands in the run.
    """

    class Addressed(PrimitiveProvider):
        lifetime = "test_function"

        def __init__(self, data: Any, /) -> None:
            super().__init__(data)
            self._index = start - 1
            self._random: Callable[[], float] = uniform(seed, start)

        @contextmanager
        def per_test_case_context_manager(self) -> Generator[None]:
            self._index += 1
            self._random = uniform(seed, self._index)
            yield

        def draw_integer(
            self,
            min_value: int | None = None,
            max_value: int | None = None,
            *,
            weights: dict[int, float] | None = None,
            shrink_towards: int = 0,
        ) -> int:
            assert min_value is not None
            assert max_value is not None
            return min_value + int(self._random() * (max_value - min_value + 1))

        def draw_boolean(self, p: float = 0.5) -> bool:
            raise TypeError("choice sources draw integers only")

        def draw_float(self, **_: Any) -> float:
            raise TypeError("choice sources draw integers only")

        def draw_string(self, *_: Any, **__: Any) -> str:
            raise TypeError("choice sources draw integers only")

        def draw_bytes(self, *_: Any, **__: Any) -> bytes:
            raise TypeError("choice sources draw integers only")

    name = f"irgen-{seed}-{start}"
    AVAILABLE_PROVIDERS[name] = Addressed
    try:
        yield name
    finally:
        del AVAILABLE_PROVIDERS[name]
