"""What a backend may do to floats: used for bounds only, never for values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Ulps: TypeAlias = "tuple[float, float] | tuple[float, float, float]"
"""Units in the last place: of float32, float64, and of half precision where it is not rounded."""


def _none() -> Mapping[str, tuple[float, float]]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Precision:
    """How one way to run programs rounds.

    - `ulps`: function name -> largest error in units in the last place, (float32, float64), of
      functions that are not correctly rounded; `default_ulps` for those not listed. In half
      precision a function is computed in float32 and rounded, or errs by a third number.
    - `exact`: arithmetic that rounds once, as IEEE 754 says, where its operands are exact: of add,
      mul, div, sqrt, cast.
    - `units`: rounding units of arithmetic that the compiler rewrites (default 1).
    - `fused`: a product may reach an addition unrounded.
    - `flush`: scalar types whose denormals may become zero.
    - `excess`: scalar types whose intermediate results may stay in float32: none is exact.
    - `absolute`: function or op name -> error that comes on top of the relative one, in rounding
      units of 1, (float32, float64): of functions that are computed as small differences. `ulps`
      of an op that is no function of its own come on top of its formula's.
    - `argument`: extra rounding units on the argument of exponentials.
    - `gradient_units`: rounding units of every step of a gradient, whose formulas differ in form.
    - `ordered`: array-level ops reduce in the order of their kernels' loops, where it matters.
    """

    ulps: Mapping[str, Ulps] = field(default_factory=_none)
    default_ulps: tuple[float, float] = (4.0, 4.0)
    exact: frozenset[str] = frozenset({"add", "mul", "div", "sqrt", "cast"})
    units: Mapping[str, float] = field(default_factory=dict[str, float])
    fused: bool = False
    flush: frozenset[str] = frozenset()
    excess: frozenset[str] = frozenset()
    absolute: Mapping[str, tuple[float, float]] = field(default_factory=_none)
    argument: float = 0.0
    gradient_units: float = 4.0
    ordered: bool = True
