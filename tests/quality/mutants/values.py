"""Faults of what an op computes: operands swapped, results negated, zeroed, doubled, retyped."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from grammar.ops import OPS
from grammar.ops.base import Instance, Op
from grammar.plain import Plain, round_bfloat16
from grammar.program import Statement
from grammar.types import BOOL, Array, Element, Type, scalar_of
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


def _swapped(at: int, right: Meaning, instance: Instance) -> Meaning | None:
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
    return (group for row in OPS.values() for group in _of(row) if group.mutants)


def _of(row: Op) -> Iterator[Group]:
    faults: dict[str, Change] = {
        f"operands {'abcd'[at]} and {'abcd'[at + 1]} swapped": functools.partial(_swapped, at)
        for at in range(row.arity - 1)
        if not row.commutes
    }
    faults |= {"negated": _negated, "zeroed": _zeroed, "doubled": _doubled}
    yield _group(row, "", faults)
    for name in RETYPED:
        if not (name.startswith("f") and row.smoothness == "step"):
            yield _group(row, name, {f"retyped {name}": functools.partial(_retyped, name)})


def _group(row: Op, scalar: str, faults: dict[str, Change]) -> Group:
    """The mutants of an op; a fault that no typing shows makes none."""
    made: list[Mutant] = []
    for kind, change in faults.items():
        shows = frozenset(
            [(i.operands, i.result) for i in row.instances if change(_nothing, i) is not None]
        )
        if shows:
            holds = functools.partial(_holds, row.name, shows)
            domain = FaultyPlain(op=row.name, change=change)
            faulty = functools.partial(_perform, domain)
            made.append(Mutant(kind, row.name, holds, faulty))
    return Group(row.name, scalar, PRESETS, tuple(made))


def _nothing(*operands: Any) -> Any:
    return operands


def _holds(op: str, typings: frozenset[Any], statement: Statement) -> bool:
    if statement.op != op:
        return False
    operands = tuple([_element(value.type) for value in statement.operands])
    return (operands, _element(statement.results[0].type)) in typings


def _element(type_: Type) -> Element:
    return type_.element if isinstance(type_, Array) else type_


def _perform(domain: FaultyPlain, case: Case) -> Results | None:
    return performed(case, case.program, case.back, domain)
