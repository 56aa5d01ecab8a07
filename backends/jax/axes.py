"""Which lane axes a value varies along, when all lanes of a kernel are computed at once.

In the whole-array idiom a value that differs between lanes is an array with leading lane axes, and
a uniform value has none. A mask says which: bit k of a kernel's masks stands for grid axis k, bit k
of a function's masks for its k-th parameter (whose axes the caller decides). Masks are exact: the
leading shape of a value is the broadcast shape of what its mask names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from grammar.program import Region, Statement, Unit, Value

Summary = tuple[int, ...]
"""Per result of a function, the mask over its parameters."""


@dataclass(slots=True)
class Axes:
    """The masks of one unit's values by id, and of "still running" by the id of a loop's index."""

    masks: dict[int, int]
    summaries: Mapping[int, Summary]
    widen: Callable[[int], int]
    loops: dict[int, int] = field(default_factory=dict[int, int])

    def of(self, values: Sequence[Value]) -> int:
        """The joint mask of values."""
        mask = 0
        for value in values:
            mask |= self.masks.get(value.id, 0)
        return mask


def kernel_axes(unit: Unit, summaries: Mapping[int, Summary]) -> Axes:
    """The masks of a kernel; what a loop carries varies along all axes or none."""
    every = (1 << len(unit.grid)) - 1
    axes = Axes({}, summaries, lambda mask: every if mask else 0)
    for axis, index in enumerate(unit.body.params[: len(unit.grid)]):
        axes.masks[index.id] = 1 << axis
    _region(axes, unit.body)
    return axes


def function_axes(unit: Unit, summaries: Mapping[int, Summary]) -> Axes:
    """The masks of a function, over its parameters."""
    axes = Axes({}, summaries, lambda mask: mask)
    for position, parameter in enumerate(unit.body.params):
        axes.masks[parameter.id] = 1 << position
    _region(axes, unit.body)
    return axes


def summary(unit: Unit, axes: Axes) -> Summary:
    """What a caller needs to know of a function."""
    return tuple([axes.masks.get(value.id, 0) for value in unit.body.end.values])


def _region(axes: Axes, region: Region) -> None:
    masks = axes.masks
    for statement in region.body:
        special = _SPECIAL.get(statement.op)
        if special is not None:
            special(axes, statement)
            continue
        mask = 0
        for operand in statement.operands:
            mask |= masks.get(operand.id, 0)
        if mask:
            for result in statement.results:
                masks[result.id] = mask


def _if(axes: Axes, statement: Statement) -> None:
    condition = axes.of(statement.operands)
    for region in statement.regions:
        _region(axes, region)
    then, otherwise = (region.end.values for region in statement.regions)
    for result, yes, no in zip(statement.results, then, otherwise, strict=True):
        axes.masks[result.id] = axes.of((yes, no)) | (0 if yes == no else condition)


def _for(axes: Axes, statement: Statement) -> None:
    start, stop, *inits = statement.operands
    region = statement.regions[0]
    bounds = axes.of((start, stop))
    axes.masks[region.params[0].id] = axes.of((start,))
    carried = [axes.of((init,)) | bounds for init in inits]
    _settle(axes, statement, carried, lambda: 0)


def _while(axes: Axes, statement: Statement) -> None:
    test = statement.regions[0]

    def alive() -> int:
        _region(axes, test)
        return axes.of(test.end.values)

    _settle(axes, statement, [axes.of((init,)) for init in statement.operands], alive)


def _settle(axes: Axes, statement: Statement, carried: list[int], alive: Callable[[], int]) -> None:
    """Find the masks of carried values; `alive` gives that of a test made before each round."""
    masks = axes.masks
    body = statement.regions[-1]
    running = 0
    carried = [axes.widen(mask) for mask in carried]
    while True:
        for region in statement.regions:
            for param, mask in zip(region.params[1:], carried, strict=True):
                masks[param.id] = mask
        running = axes.widen(running | alive())
        _region(axes, body)
        found = [
            axes.widen(mask | running | axes.of((value,)))
            for mask, value in zip(carried, body.end.values, strict=True)
        ]
        if found == carried:
            break
        carried = found
    axes.loops[body.params[0].id] = running
    for result, mask in zip(statement.results, carried, strict=True):
        masks[result.id] = mask


def _call(axes: Axes, statement: Statement) -> None:
    assert isinstance(statement.attribute, int)
    for result, depends in zip(statement.results, axes.summaries[statement.attribute], strict=True):
        mask = 0
        for position, operand in enumerate(statement.operands):
            if depends >> position & 1:
                mask |= axes.masks.get(operand.id, 0)
        axes.masks[result.id] = mask


_SPECIAL: dict[str, Callable[[Axes, Statement], None]] = {
    "if": _if,
    "for": _for,
    "while": _while,
    "call": _call,
}
