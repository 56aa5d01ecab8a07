"""Ranges at work: rules that move them, domains that ops need, guards that establish them.

A guard is an expression over `a` in the op vocabulary (see `grammar.ops.expression`): applied to
any value, it gives one in the domain. Guards come simplest and most natural first. A guard's own
ops keep their domains too, and their operands are tamed where a result would not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grammar.ops.base import Instance
from grammar.ops.interval import (
    DOMINANT,
    FLOOR,
    TINY,
    ZERO,
    Range,
    constant,
    fits,
    full,
    inside,
    join,
)
from grammar.ops.rules import RULES, Rule, cast
from grammar.types import F16, Element, Matrix, Scalar, Vector, scalar_of

__all__ = [
    "DOMAINS",
    "DOMINANT",
    "FLOOR",
    "RULES",
    "TAME",
    "TINY",
    "ZERO",
    "Domain",
    "Range",
    "Rule",
    "constant",
    "fits",
    "full",
    "inside",
    "is_tame",
    "join",
    "tame",
]


@dataclass(frozen=True, slots=True)
class Domain:
    """Where an operand must lie: a test on its range, and guards that bring any value there."""

    satisfied: Callable[[Range, Element, Instance], bool]
    guards: tuple[str, ...]


_NEAR = -4
"""Divisors, and arguments of roots and logarithms, are at least 2**this in magnitude."""


def _at_most(high: int, *guards: str) -> Domain:
    return Domain(lambda a, type_, instance: a[1] <= high, guards)


def _squarable(a: Range, type_: Element, instance: Instance) -> bool:
    """A sum of 16 squares stays finite; half precision alone is too narrow for its full range."""
    return scalar_of(type_) != F16 or a[1] <= 5


def _leg(a: Range, type_: Element, instance: Instance) -> bool:
    return (a[0] >= _NEAR or a[2] == DOMINANT) and _squarable(a, type_, instance)


def _nonzero(a: Range, type_: Element, instance: Instance) -> bool:
    return a[0] >= _NEAR


def _shift(a: Range, type_: Element, instance: Instance) -> bool:
    return a[0] >= 0 and a[1] <= (4 if scalar_of(type_).bits == 8 else 7)


def _castable(a: Range, type_: Element, instance: Instance) -> bool:
    return fits(instance.result, cast((a,), instance, 0))


DOMAINS: dict[str, Domain] = {
    "positive": Domain(
        lambda a, type_, instance: a[2] == 1 and a[0] >= _NEAR,
        ("abs(a) + 0.25", "square(a) + 0.5", "exp(tanh(a))", "max(a, 0.25)"),
    ),
    "nonzero": Domain(_nonzero, ("abs(a) + 0.25", "square(a) + 0.5", "exp(tanh(a))")),
    "nonzero_vector": Domain(_nonzero, ("vector_offset(component_abs(a), 0.25)",)),
    "nonzero_matrix": Domain(_nonzero, ("matrix_squash(a) + 4.0",)),
    "nonzero_integer": Domain(
        lambda a, type_, instance: a[0] > 0 or a[1] < 0,
        ("max(a, 1)", "bit_and(a, 7) + 1", "bit_or(bit_and(a, 15), 1)"),
    ),
    "small": _at_most(2, "clamp(a, -4.0, 4.0)", "tanh(a)", "4.0 * tanh(a)"),
    "moderate": _at_most(3, "clamp(a, -8.0, 8.0)", "8.0 * tanh(a)"),
    "unit": _at_most(0, "tanh(a)", "clamp(a, -1.0, 1.0)"),
    "half": _at_most(-1, "0.5 * tanh(a)", "clamp(a, -0.5, 0.5)"),
    "angle": _at_most(6, "clamp(a, -64.0, 64.0)", "fmod(a, 6.25)", "4.0 * tanh(a)"),
    "squarable": Domain(_squarable, ("clamp(a, -32.0, 32.0)",)),
    "squarable_vector": Domain(_squarable, ("scale(0.015625, a)",)),
    "squarable_matrix": Domain(_squarable, ("matrix_scale(0.015625, a)",)),
    "leg": Domain(_leg, ("clamp(abs(a), 0.25, 32.0)", "abs(tanh(a)) + 0.25")),
    "leg_vector": Domain(_leg, ("vector_offset(component_abs(squash(a)), 0.25)",)),
    "leg_matrix": Domain(_leg, ("add_diagonal(matrix_squash(a), 4.0)",)),
    "dominant": Domain(
        lambda a, type_, instance: a[2] == DOMINANT,
        ("add_diagonal(matrix_squash(a), 4.0)",),
    ),
    "shift": Domain(_shift, ("bit_and(a, 3)", "clamp(a, 0, 4)")),
    "castable": Domain(_castable, ("clamp(a, 0, 64)",)),
}

TAME: dict[str, tuple[str, ...]] = {
    "float": ("clamp(a, -2.0, 2.0)", "tanh(a)", "2.0 * tanh(a)"),
    "int": ("rem(a, 8)", "bit_and(a, 7)"),
    "uint": ("bit_and(a, 7)", "rem(a, 8)"),
    "vector": ("squash(a)", "scale(0.0000152587890625, a)"),
    "matrix": ("matrix_squash(a)", "matrix_scale(0.0000152587890625, a)"),
}
"""Guards after which every op's result fits, by the kind of the value; bools need none."""

_TAMED: dict[str, Range] = {"int": (-7, 7), "uint": (0, 7), "bool": (0, 1)}


def _kind(type_: Element) -> str:
    match type_:
        case Scalar():
            return type_.kind
        case Vector():
            return "vector"
        case Matrix():
            return "matrix"


def tame(type_: Element) -> tuple[str, ...]:
    """The guards that bring a value of this type to where every op's result fits."""
    return TAME.get(_kind(type_), ())


def is_tame(type_: Element, a: Range) -> bool:
    """Whether a value is where every op's result fits."""
    return a[1] <= 1 if len(a) == 3 else inside(a, _TAMED[_kind(type_)])
