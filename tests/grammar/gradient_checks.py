"""Compares the gradient of a program with central differences in extended precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammar import guards
from grammar.gradient import Gradient, gradient
from grammar.interpret import run
from grammar.ops import Instance, Op
from grammar.passes.effects import written
from grammar.passes.kernels import to_kernels
from grammar.passes.uses import highest_id
from grammar.plain import Plain, working
from grammar.program import Program, Region, Statement, Unit, Value
from grammar.reference import output_types, shape_of
from grammar.types import BOOL, F64, Array, Scalar, Type, scalar_of

COMPARISONS = ("lt", "gt", "le", "ge")
SIGNS = ("sign", "component_sign")
PLACES = ("argmin", "argmax")


@dataclass(frozen=True, slots=True, eq=False)
class Wide(Plain):
    """Extended precision, inputs included. `ties` collects the steps of an adjoint that compared
    equal floats, or took the sign of zero: there the primal has a kink."""

    ties: list[str] = field(default_factory=list)

    def lift(self, array: NDArray[Any], scalar: Scalar) -> NDArray[Any]:
        return array.astype(np.longdouble if scalar.kind == "float" else scalar.dtype)

    def meaning(
        self, op: Op, instance: Instance, attribute: int, adjoint: bool
    ) -> Callable[..., Any]:
        means = Plain.meaning(self, op, instance, attribute, adjoint)
        if not adjoint or not any(is_float(type_) for type_ in instance.operands):
            return means
        if op.name not in (*COMPARISONS, *SIGNS, *PLACES):
            return means

        def watched(*operands: Any) -> Any:
            a, b = operands if len(operands) == 2 else (operands[0], 0.0)
            if op.name in PLACES:
                a, b = np.diff(np.sort(a, axis=-1), axis=-1), 0.0
            if np.any(a == b):
                self.ties.append(op.name)
            return means(*operands)

        return watched


WIDE = Wide(wide=np.longdouble)
STEP = 1e-6
TOLERANCE = 1e-7

Arrays = list[NDArray[Any]]


@dataclass(frozen=True)
class Comparison:
    """A directional derivative by the gradient and by differences: None where the differences do
    not settle, for the point lies near a kink. In a `tied` point the adjoint compared equals."""

    gradient: float
    difference: float | None
    scale: float
    tied: bool

    @property
    def settled(self) -> bool:
        return self.difference is not None and not self.tied

    @property
    def agrees(self) -> bool:
        if self.difference is None or self.tied:
            return True
        return abs(self.gradient - self.difference) <= TOLERANCE * self.scale


def draw(rng: np.random.Generator, type_: Type) -> NDArray[Any]:
    """Values in the range of inputs, in the precision of the type."""
    scalar, shape = scalar_of(type_), shape_of(type_)
    if scalar == BOOL:
        return rng.integers(0, 2, shape).astype(bool)
    if scalar.kind == "float":
        return working(rng.uniform(-4, 4, shape), scalar)
    low, high = guards.inputs(scalar)
    return rng.integers(low, high, shape, endpoint=True).astype(scalar.dtype)


def inputs_of(program: Program, rng: np.random.Generator) -> Arrays:
    return [draw(rng, value.type) for value in program.entry.parameters]


def precise(program: Program) -> Program:
    """The program with float constants that are cast from f64, which wide domains do not round."""
    return replace(program, units=tuple([_precise_unit(unit) for unit in program.units]))


def _precise_unit(unit: Unit) -> Unit:
    fresh = count(highest_id(unit) + 1)

    def rewritten(region: Region) -> Region:
        body: list[Statement] = []
        for statement in region.body:
            regions = tuple([rewritten(inner) for inner in statement.regions])
            statement = statement._replace(regions=regions)
            if statement.op == "const" and scalar_of(statement.results[0].type).digits in (
                8,
                11,
                24,
            ):
                value = Value(next(fresh), F64)
                body.append(statement._replace(results=(value,)))
                statement = Statement("cast", (value,), statement.results)
            body.append(statement)
        return region._replace(body=tuple(body))

    return replace(unit, body=rewritten(unit.body))


def is_float(type_: Type) -> bool:
    return scalar_of(type_).kind == "float"


def wanted(program: Program) -> list[int]:
    """The positions of the parameters that carry a gradient."""
    entry = program.entry
    writes = written(entry) if entry.kind == "kernel" else {}
    return [
        at
        for at, value in enumerate(entry.parameters)
        if is_float(value.type) and writes.get(at) != "out"
    ]


def cotangents_of(program: Program, rng: np.random.Generator) -> Arrays:
    """One array per float output, of its own type."""
    return [
        working(rng.uniform(-1, 1, shape_of(type_)), scalar_of(type_))
        for type_ in output_types(program.entry)
        if is_float(type_)
    ]


def gradients(made: Gradient, inputs: Arrays, cotangents: Arrays) -> Arrays:
    WIDE.ties.clear()
    values = run(precise(made.program), [*inputs, *cotangents], WIDE, made.replayed)
    return [np.asarray(value, np.longdouble) for value in values]


def weighed(program: Program, inputs: Arrays, cotangents: Arrays) -> np.longdouble:
    """The outputs weighed by the cotangents."""
    types = output_types(program.entry)
    outputs = [v for v, t in zip(run(program, inputs, WIDE), types, strict=True) if is_float(t)]
    total = np.longdouble(0)
    for value, weight in zip(outputs, cotangents, strict=True):
        total += np.sum(np.asarray(value, np.longdouble) * weight)
    return total


def compare(
    program: Program, rng: np.random.Generator, made: Gradient | None = None
) -> Comparison | None:
    """Compare in one random point and direction; None where nothing carries a gradient."""
    made = made or gradient(program)
    inputs, cotangents = inputs_of(program, rng), cotangents_of(program, rng)
    places = wanted(program)
    if not places or not cotangents:
        return None
    found = gradients(made, inputs, cotangents)
    tied = bool(WIDE.ties)
    program = precise(to_kernels(program))
    directions = [rng.uniform(-1, 1, inputs[at].shape) for at in places]
    wide = [x.astype(np.longdouble) if x.dtype.kind == "f" else x for x in inputs]

    def at_step(step: float) -> np.longdouble:
        moved = list(wide)
        for at, direction in zip(places, directions, strict=True):
            moved[at] = wide[at] + np.longdouble(step) * direction
        return weighed(program, moved, cotangents)

    def slope(step: float) -> np.longdouble:
        return (at_step(step) - at_step(-step)) / (2 * np.longdouble(step))

    products = [g.reshape(d.shape) * d for g, d in zip(found, directions, strict=True)]
    total = sum((np.sum(product) for product in products), np.longdouble(0))
    size = sum((np.sum(np.abs(product)) for product in products), np.longdouble(0))
    coarse, fine = slope(STEP), slope(STEP / 2)
    scale = float(size + abs(fine) + 1e-3)
    settled = abs(coarse - fine) <= TOLERANCE * scale
    # Right at a kink both steps may see the same mean of two slopes.
    forward = (at_step(STEP) - at_step(0.0)) / STEP
    smooth = abs(forward - fine) <= 1e-2 * scale
    return Comparison(float(total), float(fine) if settled and smooth else None, scale, tied)


def shape_is_right(program: Program, made: Gradient) -> bool:
    """Whether the entry of a gradient takes and gives what it says it does."""
    entry, derived = program.entry, made.program.entry
    types = [value.type for value in entry.parameters]
    seeds = [type_ for type_ in output_types(entry) if is_float(type_)]
    given: list[Type] = [types[at] for at in wanted(program)]
    if entry.kind != "function":
        given = [t if isinstance(t, Array) else Array(t, (1,)) for t in given]
    return (
        [value.type for value in derived.parameters] == [*types, *seeds]
        and list(derived.results) == given
        and len(made.replayed) == len(made.program.units)
    )
