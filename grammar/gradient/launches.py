"""Adjoints of launches: which kernel to launch on what, each kernel made once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grammar.gradient import extremes
from grammar.gradient.accumulate import Buffers
from grammar.gradient.emitter import Emitter
from grammar.gradient.kernels import AdjointKernel, Role, adjoint_kernel, one_lane, trimmed
from grammar.gradient.prepare import Prepared, prepare, writing_only
from grammar.gradient.units import Units, values_of
from grammar.passes.effects import Written, written
from grammar.program import Value
from grammar.types import Scalar, Type

Merged = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Made:
    """A kernel among the units."""

    number: int
    kernel: AdjointKernel


class Kernels:
    """The kernels of a gradient program, and what is known of those of the primal."""

    def __init__(self, units: Units) -> None:
        self.units = units
        self._written: dict[int, dict[int, Written]] = {}
        self._prepared: dict[tuple[int, Merged], Prepared] = {}
        self._adjoints: dict[object, _Made] = {}
        self._rivals: dict[object, _Made] = {}
        self._fillings: dict[object, int] = {}
        self._lanes: dict[object, int] = {}

    def written(self, number: int) -> dict[int, Written]:
        """How a kernel writes its arrays, by position."""
        if number not in self._written:
            self._written[number] = written(self.units.units[number])
        return self._written[number]

    def one_lane(
        self, op: str, attribute: int | None, operands: tuple[Value, ...], result: Scalar
    ) -> int:
        """The number of the kernel that applies an op to scalars."""
        types: tuple[Type, ...] = tuple([value.type for value in operands])
        key = (op, attribute, types, result)
        if key not in self._lanes:
            self._lanes[key] = self.units.add(one_lane(op, attribute, operands, result))
        return self._lanes[key]

    def merged(self, number: int, values: Sequence[Value]) -> Merged:
        """For each parameter of a launch, the first one that is passed the same and not written."""
        first: dict[int, int] = {}
        writes = self.written(number)
        return tuple(
            [
                at if at in writes else first.setdefault(value.id, at)
                for at, value in enumerate(values)
            ]
        )

    def prepared(self, number: int, merged: Merged) -> Prepared:
        """A kernel of the primal, ready for its adjoint."""
        key = (number, merged)
        if key not in self._prepared:
            self._prepared[key] = prepare(self.units.units[number], merged)
        return self._prepared[key]

    def is_extreme(self, number: int, at: int) -> bool:
        """Whether a parameter is written by atomic minima or maxima."""
        unit = self.prepared(number, tuple(range(len(self.units.units[number].parameters)))).unit
        return bool(extremes.sites(unit, unit.parameters[at].id))

    def _adjoint(
        self, number: int, merged: Merged, seeded: tuple[int, ...], wanted: Mapping[int, bool]
    ) -> _Made:
        key = (number, merged, seeded, tuple(wanted.items()))
        if key not in self._adjoints:
            kernel = adjoint_kernel(self.prepared(number, merged), self.units, seeded, wanted)
            self._adjoints[key] = _Made(self.units.add(kernel.unit, kernel.replayed), kernel)
        return self._adjoints[key]

    def launch_adjoint(
        self,
        emitter: Emitter,
        buffers: Buffers,
        number: int,
        given: Sequence[Value],
        seeds: Mapping[int, Value],
        varied: Sequence[bool],
    ) -> None:
        """Emit the adjoint of a launch: `given` are the contents it saw, by position, with whether
        they are varied, and `seeds` the cotangents of what it wrote."""
        writes = self.written(number)
        merged = self.merged(number, given)
        seeded = tuple(seeds)
        wanted: dict[int, bool] = {}
        passed: list[int] = []
        for at, value in enumerate(given):
            how = writes.get(at)
            if not varied[at] or merged[at] != at or how == "out":
                continue
            if how != "atomic":
                wanted[at] = buffers.holds(value)
            elif at in seeds and self.is_extreme(number, at):
                wanted[at] = True
            elif at in seeds:
                passed.append(at)
        made = self._adjoint(number, merged, seeded, wanted)
        operands: list[Value] = []
        for role, at in made.kernel.operands:
            match role:
                case "primal":
                    operands.append(given[at])
                case "cotangent":
                    operands.append(seeds[at])
                case "rivals":
                    operands.append(self._launch_rivals(buffers, number, merged, given, at))
                case "gradient":
                    if writes.get(at) == "atomic":
                        self._hand_on(buffers, given[at], seeds[at])
                    operands.append(buffers.ready(given[at]))
        if any(role == "gradient" for role, _ in made.kernel.operands):
            emitter.act("launch", tuple(operands), made.number)
        for at in passed:
            buffers.add(given[at], seeds[at])

    @staticmethod
    def _hand_on(buffers: Buffers, old: Value, seed: Value) -> None:
        """The old content of atomic extremes starts with the whole cotangent, which the adjoint
        kernel still reads elsewhere."""
        buffers.add(old, buffers.copied(seed))

    def _launch_rivals(
        self, buffers: Buffers, number: int, merged: Merged, given: Sequence[Value], at: int
    ) -> Value:
        """A buffer of the best contributions to an array of atomic minima or maxima."""
        key = (number, merged, at)
        prepared = self.prepared(number, merged)
        array = prepared.unit.parameters[at]
        if key not in self._rivals:
            made = _rivals(prepared, at)
            self._rivals[key] = _Made(self.units.add(made.unit, made.replayed), made)
            filling = extremes.filling_kernel(prepared.unit, array)
            self._fillings[key] = self.units.add(filling, values_of(filling))
        made = self._rivals[key]
        rivals = buffers.zeros(extremes.rivals_type(prepared.unit, array))
        buffers.emitter.act("launch", (given[at], rivals), self._fillings[key])
        operands = [
            rivals if role == "rivals" else given[place] for role, place in made.kernel.operands
        ]
        buffers.emitter.act("launch", tuple(operands), made.number)
        return rivals


def _rivals(prepared: Prepared, at: int) -> AdjointKernel:
    """The kernel that lets the contributions to one array compete."""
    array = prepared.unit.parameters[at]
    sliced = writing_only(prepared.unit, {array.id})
    unit, rivals = extremes.rivals_kernel(sliced, array)
    roles: dict[int, tuple[Role, int]] = {
        value.id: ("primal", place) for place, value in enumerate(prepared.unit.parameters)
    }
    roles[rivals.id] = ("rivals", at)
    return trimmed(unit, roles, set(values_of(unit)))
