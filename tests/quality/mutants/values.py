"""Faults of what an op computes: operands swapped, results negated, zeroed, doubled, retyped."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammar.ops import OPS
from grammar.ops.base import Instance, Op
from grammar.plain import Plain, array_dtype
from grammar.program import Statement
from grammar.special import round_bfloat16
from grammar.types import BOOL, Array, Element, Type, element_shape, scalar_of
from tests.quality.mutants.cases import Case, Group, Mutant, Results, performed

Meaning = Callable[..., Any]
Change = Callable[[Meaning, Instance], "Meaning | None"]
"""The faulty meaning at a typing; None where the typing cannot show the fault."""

PRESETS = ("compound", "vector", "matrix")


@dataclass(frozen=True, slots=True, eq=False)
class FaultyPlain(Plain):
    """Working precision with one op that means something else, but for steps of a gradient."""

    op: str = ""
    change: Change | None = None

    def meaning(self, op: Op, instance: Instance, attribute: int, adjoint: bool) -> Meaning:
        right = Plain.meaning(self, op, instance, attribute, adjoint)
        if op.name != self.op or adjoint or self.change is None:
            return right
        return self.change(right, instance) or right


def swapped(at: int, right: Meaning, instance: Instance) -> Meaning | None:
    if instance.operands[at] != instance.operands[at + 1]:
        return None

    def wrong(*operands: Any) -> Any:
        return right(*operands[:at], operands[at + 1], operands[at], *operands[at + 2 :])

    return wrong


def _negated(right: Meaning, instance: Instance) -> Meaning:
    opposite = np.logical_not if scalar_of(instance.result).kind == "bool" else np.negative
    return lambda *operands: opposite(right(*operands))


def _zeroed(right: Meaning, instance: Instance) -> Meaning:
    return lambda *operands: np.zeros_like(right(*operands))


def _doubled(right: Meaning, instance: Instance) -> Meaning | None:
    if scalar_of(instance.result).kind == "bool":
        return None

    def wrong(*operands: Any) -> Any:
        found = np.asarray(right(*operands))
        return found + found

    return wrong


_NARROWER: dict[str, Callable[[Any], Any]] = {
    "f64": lambda a: a.astype(np.float32),
    "f32": lambda a: a.astype(np.float16),
    "f16": round_bfloat16,
    "i64": lambda a: a.astype(np.int8),
    "i32": lambda a: a.astype(np.int8),
    "i16": lambda a: a.astype(np.int8),
    "u64": lambda a: a.astype(np.uint8),
    "u32": lambda a: a.astype(np.uint8),
    "u16": lambda a: a.astype(np.uint8),
}
"""A type that loses some of the values of a type."""

RETYPED = ("f64", "f32", "i32")
"""The types whose loss is a mutant of its own."""


def _narrowed(name: str, value: Any) -> Any:
    made = np.asarray(value)
    return np.asarray(_NARROWER[name](made)).astype(made.dtype)


def _retyped(name: str, right: Meaning, instance: Instance) -> Meaning | None:
    """The result in a narrower type; of a truth value, the operands."""
    if instance.result == BOOL:
        if not instance.operands or scalar_of(instance.operands[0]).name != name:
            return None
        return lambda *operands: right(*[_narrowed(name, operand) for operand in operands])
    if scalar_of(instance.result).name != name:
        return None
    return lambda *operands: _narrowed(name, right(*operands))


def groups() -> Iterator[Group]:
    """Per op the faults of its value, and per type those of its width."""
    for row in OPS.values():
        everywhere = _mutants(row, {"negated": _negated, "zeroed": _zeroed, "doubled": _doubled})
        yield Group(row.name, "", PRESETS, everywhere)
        if not row.commutes:
            for at in range(row.arity - 1):
                name = f"operands {'abcd'[at]} and {'abcd'[at + 1]} swapped"
                made = _mutants(row, {name: functools.partial(swapped, at)})
                if made:
                    yield Group(row.name, "", PRESETS, made)
        for name in RETYPED:
            made = _mutants(row, {f"retyped {name}": functools.partial(_retyped, name)})
            if made:
                yield Group(row.name, name, PRESETS, made)


def _mutants(row: Op, faults: Mapping[str, Change]) -> tuple[Mutant, ...]:
    """The mutants of an op. A fault that changes nothing at any typing makes none."""
    made: list[Mutant] = []
    for kind, change in faults.items():
        shows = frozenset(
            [(i.operands, i.result) for i in row.instances if _changes(row, i, change)]
        )
        if shows:
            holds = functools.partial(_holds, row.name, shows)
            domain = FaultyPlain(op=row.name, change=change)
            made.append(Mutant(kind, row.name, holds, functools.partial(perform_with, domain)))
    return tuple(made)


def _changes(row: Op, instance: Instance, change: Change) -> bool:
    """Whether a fault changes the result for any of some operands."""
    right = Plain().meaning(row, instance, 0, False)
    wrong = change(right, instance)
    if wrong is None:
        return False
    operands = _operands(instance)
    with np.errstate(all="ignore"):
        return not np.array_equal(right(*operands), wrong(*operands), equal_nan=True)


_LANES = 96


@functools.lru_cache(maxsize=4096)
def _operands(instance: Instance) -> tuple[NDArray[Any], ...]:
    """Operands of a typing: a third of the lanes apart from each other, a third equal, a third
    nearly so; integers of all sizes."""
    random = np.random.default_rng(_LANES)
    made: list[NDArray[Any]] = []
    for type_ in instance.operands:
        scalar, shape = scalar_of(type_), (_LANES, *element_shape(type_))
        if scalar.kind == "float":
            array = random.uniform(-4.0, 4.0, shape)
            array[::16] = random.choice([0.0, 1.0, np.inf, np.nan], array[::16].shape)
        else:
            array = random.integers(0, 1 << random.integers(1, scalar.bits), shape).astype(float)
        if made and made[0].shape == array.shape:
            third = _LANES // 3
            nudge = array[third:] * 2.0**-12 if scalar.kind == "float" else 256
            array[third:] = made[0][third:]
            array[2 * third :] += np.resize(nudge, array[2 * third :].shape)
        made.append(Plain().lift(array.astype(array_dtype(scalar)), scalar))
    return tuple(made)


def _holds(op: str, typings: frozenset[Any], statement: Statement) -> bool:
    if statement.op != op:
        return False
    operands = tuple([_element(value.type) for value in statement.operands])
    return (operands, _element(statement.results[0].type)) in typings


def _element(type_: Type) -> Element:
    return type_.element if isinstance(type_, Array) else type_


def perform_with(domain: FaultyPlain, case: Case) -> Results | None:
    return performed(case, case.program, case.back, domain)
