"""The units of a gradient program: those of the primal, and adjoints, each made once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grammar.gradient.adjoint import AdjointFunction, Reverse
from grammar.gradient.emitter import Cotangent, Cotangents, Emitter
from grammar.gradient.varied import element_of, is_float, varied_values
from grammar.passes.dce import eliminate_dead, reached_units, renumbered
from grammar.passes.effects import constants
from grammar.passes.exits import remove_exits
from grammar.passes.uses import highest_id, unit_uses
from grammar.program import Program, Region, Terminator, Unit, Value, walk


@dataclass(frozen=True, slots=True)
class Gradient:
    """A gradient program. `replayed` has, for each of its units, the ids of the values that are
    those of the primal; all other float values are steps of the adjoint."""

    program: Program
    replayed: tuple[frozenset[int], ...]


def values_of(unit: Unit) -> frozenset[int]:
    """The ids of all results of a unit's statements."""
    return frozenset([value.id for s in walk(unit.body) for value in s.results])


class Units:
    """Collects units. Adjoints of functions come after the functions they call."""

    def __init__(self, primal: Iterable[Unit]) -> None:
        self.units = list(primal)
        self.replayed = [values_of(unit) for unit in self.units]
        self.functions: dict[tuple[int, tuple[bool, ...], tuple[bool, ...]], AdjointFunction] = {}

    def add(self, unit: Unit, replayed: Iterable[int] = ()) -> int:
        """Append a unit; returns its number."""
        self.units.append(unit)
        self.replayed.append(frozenset(replayed))
        return len(self.units) - 1

    def finish(self, entry: Unit, replayed: Iterable[int] = ()) -> Gradient:
        """The program whose entry is this unit, without units it does not reach."""
        self.add(entry, replayed)
        program = Program(tuple(self.units))
        kept = reached_units(program)
        return Gradient(
            renumbered(program, kept), tuple([self.replayed[number] for number in kept])
        )

    def adjoint(
        self, number: int, active: tuple[bool, ...], seeded: tuple[bool, ...]
    ) -> AdjointFunction:
        """The adjoint of a function, by which arguments are active and which results have a
        cotangent."""
        key = (number, active, seeded)
        if key not in self.functions:
            self.functions[key] = self._function(*key)
        return self.functions[key]

    def _function(
        self, number: int, active: Sequence[bool], seeded: Sequence[bool]
    ) -> AdjointFunction:
        wanted = [
            at
            for at, value in enumerate(self.units[number].parameters)
            if active[at] and is_float(value.type)
        ]
        unit, replayed = self.function(number, wanted, seeded)
        used = unit_uses(unit)
        kept = [at for at, value in enumerate(unit.body.params) if value.id in used]
        params = tuple([unit.body.params[at] for at in kept])
        unit = Unit("function", unit.body._replace(params=params), unit.results)
        made = self.add(unit, replayed)
        return AdjointFunction(made, tuple(kept), tuple(wanted))

    def function(
        self, number: int, wanted: Sequence[int], seeded: Sequence[bool]
    ) -> tuple[Unit, set[int]]:
        """The adjoint of a function: (parameters..., cotangents of the seeded results...) -> the
        gradients of the wanted parameters. Also returned are the ids of replayed values."""
        unit = remove_exits(self.units[number])
        params = unit.body.params
        varied = varied_values(unit, {params[at].id for at in wanted})
        emitter = Emitter(highest_id(unit) + 1)
        reverse = Reverse(emitter, self, varied, constants(unit))
        cotangents = Cotangents()
        seeds: list[Value] = []
        for value, is_seeded in zip(unit.body.end.values, seeded, strict=True):
            if is_seeded:
                seeds.append(emitter.fresh(value.type))
                if value.id in varied:
                    cotangents.add(value, Cotangent(seeds[-1]))
        reverse.unit(unit.body.body, cotangents)
        results: list[Value] = []
        for at in wanted:
            found = cotangents.take(emitter, params[at])
            results.append(
                emitter.zero(element_of(params[at])) if found is None else emitter.plain(found)
            )
        body = Region((*params, *seeds), emitter.statements(), Terminator("return", tuple(results)))
        types = tuple([value.type for value in results])
        return eliminate_dead(Unit("function", body, types)), emitter.replayed
