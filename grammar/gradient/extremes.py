"""The adjoint of atomic minima and maxima: the cotangent goes to whoever decided the result.

A value decides when it lies beyond all its rivals: the old content, and what the other statements
and lanes contribute. Comparing it with the result would compare it with itself, so each
contribution gets a number, and for every binary digit of these numbers the best of those with a 0
there and of those with a 1 there are kept apart. The rivals of a contribution are, digit by digit,
those with the other digit. What no contribution receives is left to the old content.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from grammar.gradient.emitter import Cotangent, Emitter, without_writes
from grammar.gradient.prepare import EXTREMES
from grammar.passes.uses import highest_id
from grammar.program import Region, Statement, Terminator, Unit, Value
from grammar.structural import ATOMICS
from grammar.types import BOOL, I32, Array, Scalar

_BETTER = {"atomic_min": "min", "atomic_max": "max"}


def sites(unit: Unit, array: int) -> tuple[Statement, ...]:
    """The atomic minima or maxima of a prepared kernel on one array."""
    return tuple([s for s in unit.body.body if s.op in EXTREMES and s.operands[0].id == array])


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for extent in shape:
        size *= extent
    return size


def _digits(unit: Unit, array: Value) -> int:
    """How many binary digits number the contributions of all lanes; at least one."""
    count = _size(unit.grid) * len(sites(unit, array.id))
    return max(1, (count - 1).bit_length())


def rivals_type(unit: Unit, array: Value) -> Array:
    """The array that keeps the best contributions: two rows for each digit."""
    assert isinstance(array.type, Array)
    return Array(array.type.element, (2 * _digits(unit, array), _size(array.type.shape)))


def _flat(emitter: Emitter, indices: tuple[Value, ...], shape: tuple[int, ...]) -> Value:
    """The number of an element, row by row."""
    first, *rest = indices
    for index, extent in zip(rest, shape[1:], strict=True):
        first = emitter.integer("add", emitter.integer("mul", first, extent), index)
    return first


class _Contribution:
    """One atomic statement: its number in this lane, and its place."""

    def __init__(self, emitter: Emitter, unit: Unit, statement: Statement, rivals: Value) -> None:
        array, *indices, self.value = statement.operands
        assert isinstance(array.type, Array)
        assert isinstance(array.type.element, Scalar)
        found = sites(unit, array.id)
        grid = unit.body.params[: len(unit.grid)]
        number = _flat(emitter, grid, unit.grid)
        if len(found) > 1:
            at = next(at for at, site in enumerate(found) if site is statement)
            number = emitter.integer("add", emitter.integer("mul", number, len(found)), at)
        self.emitter = emitter
        self.number = number
        self.element = array.type.element
        self.place = _flat(emitter, tuple(indices), array.type.shape)
        self.digits = _digits(unit, array)
        self.rivals = rivals
        self.better = _BETTER[statement.op]

    def row(self, digit: Value, other: bool) -> Value:
        """The row of those with the same, or the other, binary digit."""
        emitter = self.emitter
        bit = emitter.integer("shift_right", self.number, digit)
        bit = emitter.integer("bit_and", bit, 1)
        if other:
            bit = emitter.integer("bit_xor", bit, 1)
        return emitter.integer("add", emitter.integer("mul", digit, 2), bit)

    def keep(self) -> None:
        """Let the value compete in its row of every digit."""
        emitter = self.emitter
        digit = emitter.fresh(I32)
        emitter.open()
        row = self.row(digit, other=False)
        emitter.act(f"atomic_{self.better}", (self.rivals, row, self.place, self.value))
        region = Region((digit,), emitter.close(), Terminator("yield"))
        bounds = (emitter.const(I32, 0), emitter.const(I32, self.digits))
        emitter.emit("for", bounds, (), (1, self.digits), (region,))

    def best_rival(self) -> Value:
        """The best of all others, and of the old content."""
        emitter, type_ = self.emitter, self.element
        zero = emitter.const(I32, 0)
        operands = (self.rivals, self.row(zero, other=True), self.place)
        first = emitter.op("load", operands, type_, None)
        if self.digits == 1:
            return first
        digit, best = emitter.fresh(I32), emitter.fresh(type_)
        emitter.open()
        operands = (self.rivals, self.row(digit, other=True), self.place)
        found = emitter.op("load", operands, type_, None)
        end = emitter.op(self.better, (best, found), type_, None)
        region = Region((digit, best), emitter.close(), Terminator("yield", (end,)))
        bounds = (emitter.const(I32, 1), emitter.const(I32, self.digits), first)
        return emitter.emit("for", bounds, (type_,), (1, self.digits), (region,))[0]

    def share(self, cotangent: Cotangent) -> Cotangent:
        """The cotangent where the value lies beyond its best rival, else zero."""
        emitter = self.emitter
        rival, value = self.best_rival(), self.value
        operands = (rival, value) if self.better == "max" else (value, rival)
        wins = emitter.op("lt", operands, BOOL, None)
        zero = emitter.zero(self.element)
        part = emitter.op("select", (wins, cotangent.value, zero), self.element, None)
        return Cotangent(part, cotangent.negative)


def shares(
    emitter: Emitter,
    unit: Unit,
    rivals: Mapping[int, Value],
    gradients: Mapping[int, Value],
) -> dict[int, Callable[[Cotangent], Cotangent]]:
    """By the id() of each atomic minimum and maximum: what part of the cotangent its value gets. It
    is taken from the gradient of the old content, which starts as the whole cotangent."""

    def rule(statement: Statement) -> Callable[[Cotangent], Cotangent]:
        array, *indices, _ = statement.operands

        def share(cotangent: Cotangent) -> Cotangent:
            part = _Contribution(emitter, unit, statement, rivals[array.id]).share(cotangent)
            if array.id in gradients:
                emitter.act("atomic_sub", (gradients[array.id], *indices, part.value))
            return part

        return share

    return {
        id(s): rule(s) for s in unit.body.body if s.op in EXTREMES and s.operands[0].id in rivals
    }


def rivals_kernel(unit: Unit, array: Value) -> tuple[Unit, Value]:
    """The kernel that lets all contributions to an array compete, and its parameter for them. It
    still has code and parameters that it does not need."""
    emitter = Emitter(highest_id(unit) + 1)
    rivals = emitter.fresh(rivals_type(unit, array))
    for statement in unit.body.body:
        if statement.op != "store" and statement.op not in ATOMICS:
            emitter.append(without_writes(statement) if statement.regions else statement)
    for statement in sites(unit, array.id):
        _Contribution(emitter, unit, statement, rivals).keep()
    params = (*unit.body.params, rivals)
    body = Region(params, emitter.statements(), Terminator("yield"))
    return Unit("kernel", body, (), unit.grid), rivals


def filling_kernel(unit: Unit, array: Value) -> Unit:
    """The kernel that fills all rows with the old content: (old content, rows)."""
    made = rivals_type(unit, array)
    assert isinstance(array.type, Array)
    emitter = Emitter(0)
    row, flat = emitter.fresh(I32), emitter.fresh(I32)
    old, rows = emitter.fresh(array.type), emitter.fresh(made)
    indices: list[Value] = []
    rest = flat
    for extent in array.type.shape[:0:-1]:
        indices.insert(0, emitter.integer("rem", rest, extent))
        rest = emitter.integer("div_trunc", rest, extent)
    value = emitter.op("load", (old, rest, *indices), array.type.element, None)
    emitter.act("store", (rows, row, flat, value))
    body = Region((row, flat, old, rows), emitter.statements(), Terminator("yield"))
    return Unit("kernel", body, (), made.shape)
