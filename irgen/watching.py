"""Where certainty ends: a watcher that sees every op of a program run on values with bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from grammar.bounds.bounded import Bounded
from grammar.bounds.domain import Bounds
from grammar.bounds.known import Known
from grammar.domain import Mask
from grammar.interpret import Watch
from grammar.interpret.frame import Context, Frame, Step, shape_of
from grammar.program import Program, Statement
from grammar.text import print_statement
from irgen.oracle import LOOSE, LOOSE_NORM, SMALLEST

Direction = Literal["values", "gradients"]

ENDINGS: dict[str, str] = {
    "comparison": "two sides are closer than their errors, so either may be the larger",
    "kink": "a gradient at a kink or a tie, where backends choose differently",
    "step": "a rounding, cast, sign or remainder is within its error of a step",
    "pole": "a divisor may be zero",
    "domain": "an operand may lie outside the domain of the function",
    "overflow": "the result may pass the largest number of its type",
    "amplified": f"its error passes {LOOSE:.0%} of the result",
}
"""Why nothing is known of a value, or too little."""

SHOWN = 3
"""So many statements are told of, the first that ran."""


@dataclass(frozen=True, slots=True)
class Ending:
    """A statement at which values became unknown, or their errors too large to compare by.

    `unit` is that of the statement, `lane` the first of `lanes` lanes, and `operands` the values
    there. `reason` is a key of `ENDINGS`.
    """

    direction: Direction
    unit: str
    statement: str
    reason: str
    lanes: int
    lane: int
    operands: tuple[str, ...]


class Watcher:
    """Collects the statements at which certainty ends, in the order in which they run."""

    def __init__(self) -> None:
        self._found: dict[tuple[Direction, str, str], Ending] = {}
        self._seen: dict[tuple[Direction, str, str], set[int]] = {}
        self._lanes = 1

    def watch(self, domain: Bounds, program: Program, direction: Direction) -> Watch:
        """What to run a program of the domain under."""
        return partial(self._step, domain, program, direction)

    @property
    def endings(self) -> tuple[Ending, ...]:
        """In each direction, the first statements at which values became unknown; without any,
        those whose errors grew too large."""
        chosen: list[Ending] = []
        for direction in ("values", "gradients"):
            mine = [ending for ending in self._found.values() if ending.direction == direction]
            unknown = [ending for ending in mine if ending.reason != "amplified"]
            chosen += (unknown or mine)[:SHOWN]
        return tuple(chosen)

    def _step(
        self,
        domain: Bounds,
        program: Program,
        direction: Direction,
        context: Context,
        statement: Statement,
        step: Step,
        frame: Frame,
        mask: Mask | None,
    ) -> Mask | None:
        before = dict(domain.reasons)
        rest = step(frame, mask)
        if context.unit.grid:
            self._lanes = math.prod(context.unit.grid)
        result = statement.results[0]
        rank = len(shape_of(result.type))
        made = frame[result.id]
        operands = [(frame[value.id], len(shape_of(value.type))) for value in statement.operands]
        why = _why(before, domain.reasons)
        for extent, reason in ((_unknown, why), (_troubled, why or "amplified")):
            new = extent(made, rank)
            if reason and new is not None:
                for value, axes in operands:
                    old = extent(value, axes)
                    new = new if old is None else new & ~old
                new = new if mask is None else new & mask
                if np.count_nonzero(new):
                    unit = _named(program, context)
                    self._note(direction, unit, statement, reason, new, operands, frame.lanes)
        return rest

    def _note(
        self,
        direction: Direction,
        unit: str,
        statement: Statement,
        reason: str,
        new: NDArray[np.bool_],
        operands: list[tuple[Any, int]],
        lanes: int,
    ) -> None:
        text = print_statement(statement)
        key = direction, unit, f"{text} {reason}"
        # Rounds of a loop may be lanes too: those of one lane stand together.
        rounds = max(1, lanes // self._lanes)
        where = np.flatnonzero(np.broadcast_to(new, lanes))
        seen = self._seen.setdefault(key, set())
        seen.update((where // rounds).tolist())
        first = int(where[0])
        if key not in self._found:
            shown = tuple([_shown(value, axes, first) for value, axes in operands])
            self._found[key] = Ending(direction, unit, text, reason, 0, first // rounds, shown)
        found = self._found[key]
        self._found[key] = Ending(
            direction, unit, text, reason, len(seen), found.lane, found.operands
        )


def _why(before: dict[str, int], after: dict[str, int]) -> str:
    """The reason that was counted in between, "" without one."""
    return next((name for name, count in after.items() if count != before.get(name, 0)), "")


def _named(program: Program, context: Context) -> str:
    """A unit as the text of its program names it."""
    for number, unit in enumerate(program.units):
        if unit is context.unit:
            return f"{unit.kind} @{number}"
    return f"a {context.unit.kind} that an array op became"


def _unknown(value: Any, rank: int) -> NDArray[np.bool_] | None:
    """The lanes of a value of which nothing is known."""
    if isinstance(value, Bounded):
        return None if value.e is None else _lanes(~np.isfinite(value.e), rank)
    return _lanes(~value.ok, rank) if isinstance(value, Known) else None


def _troubled(value: Any, rank: int) -> NDArray[np.bool_] | None:
    """The lanes of a value of which nothing is known, or whose error is a large share of it."""
    if not isinstance(value, Bounded) or value.e is None:
        return _unknown(value, rank)
    return _lanes(value.e > np.maximum(LOOSE * np.abs(value.v), LOOSE_NORM * SMALLEST), rank)


def _lanes(elements: NDArray[np.bool_], rank: int) -> NDArray[np.bool_]:
    """The lanes any element of which is marked; () where all lanes share them."""
    return np.asarray(elements.any(axis=tuple(range(-rank, 0)))) if rank else elements


def _shown(value: Any, rank: int, lane: int) -> str:
    """A value in one lane, in words."""
    shared = value.ndim <= rank
    if isinstance(value, Bounded):
        v, e = (value.v, value.bound) if shared else (value.v[lane], value.bound[lane])
        pairs = zip(np.ravel(v).tolist(), np.ravel(e).tolist(), strict=True)
        words = [_with_error(float(a), float(b)) for a, b in pairs]
    elif isinstance(value, Known):
        v, ok = (value.v, value.ok) if shared else (value.v[lane], value.ok[lane])
        pairs = zip(np.ravel(v).tolist(), np.ravel(ok).tolist(), strict=True)
        words = [str(a) if b else "unknown" for a, b in pairs]
    else:
        words = [str(a) for a in np.ravel(value if shared else value[lane]).tolist()]
    return words[0] if len(words) == 1 else f"({', '.join(words)})"


def _with_error(value: float, error: float) -> str:
    if error == 0:
        return f"{value:.9g}"
    return f"{value:.9g} +- {error:.2g}" if math.isfinite(error) else "unknown"
