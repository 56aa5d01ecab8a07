"""Drawing how a `for` counts: from where to where, in which steps, and so how often at most."""

from __future__ import annotations

from dataclasses import dataclass

from grammar.drawing.body import Body
from grammar.drawing.memory import count_parameter
from grammar.drawing.operands import bring
from grammar.drawing.tables import entry
from grammar.program import Value
from grammar.ranges import Range
from grammar.types import I32


@dataclass(frozen=True, slots=True)
class Counting:
    """The i32 bounds of a `for`, its step, the most rounds, and the range of the index in as many
    rounds, which a backend may run and drop."""

    start: Value
    stop: Value
    step: int
    bound: int
    index: Range

    @property
    def attribute(self) -> tuple[int, int]:
        return self.step, self.bound


def counting(body: Body, start: Value, stop: Value, step: int) -> Counting:
    """A loop between two i32 values, as far as their ranges tell."""
    first, last = [(int(known[0]), int(known[1])) for known in _ranges(body, start, stop)]
    bound = max(1, -((first[0] - last[1]) // step))
    return Counting(start, stop, step, bound, (first[0], first[1] + (bound - 1) * step))


def _ranges(body: Body, *values: Value) -> list[Range]:
    return [body.ranges[value.id] for value in values]


def stop_value(body: Body) -> Value | None:
    """A loop bound that is a value: a count parameter, or an integer in scope, limited. None where
    there is neither."""
    most = body.tables.grammar.trips
    pool = [v for v in body.pools.get(I32, ()) if body.ranges[v.id][1] >= 2]
    if pool and body.source.below(2):
        value = pool[-1 - body.source.below(min(len(pool), 4))]
    else:
        found = count_parameter(body) or (pool[-1] if pool else None)
        if found is None:
            return None
        value = found
    if body.ranges[value.id][1] > most:
        limit = body.constant(I32, most)
        value = body.apply(entry("min", (I32, I32)), [value, limit])
    return value


def striding(body: Body) -> Counting | None:
    """Counting in steps of 2 or 3 to a value, mostly from a small constant, else from another
    value. None where no integer is in scope to stop at."""
    below = body.source.below
    stop = stop_value(body)
    if stop is None:
        return None
    step = 2 + below(2)
    most = body.tables.grammar.trips
    others = [value for value in body.pools.get(I32, ()) if value is not stop]
    if others and below(4) == 3:
        start = bring(body, others[-1 - below(min(len(others), 4))], (-most, most))
    else:
        start = body.constant(I32, 1 + below(max(1, most // 2)))
    for value in (start, stop):
        body.used[value.id] = True
    return counting(body, start, stop, step)
