"""How one scalar type rounds under one precision: the constants that every rule needs at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammar.bounds.precision import Precision, Ulps
from grammar.special import OWN_ULPS, round_bfloat16
from grammar.types import F32, Scalar

Wide = Any
"""np.float64 or np.longdouble."""

_SMALLEST_EXPONENT = {"f16": -14, "bf16": -126, "f32": -126, "f64": -1022}
_LARGEST_EXPONENT = {"f16": 15, "bf16": 127, "f32": 127, "f64": 1023}

_SLACK = 1 + 2.0**-8
"""Widens every unit a little: it covers the rounding of the wide type itself."""


class Format:
    """A scalar type as one way to run programs computes with it.

    `unit` is half a unit in the last place of 1, `normal` the smallest normal number, `huge` the
    largest number, `tiny` what may be lost to underflow; all are 0-d arrays of the wide type. The
    units of arithmetic are multiples of `unit`. `wider` makes an interval cover what the wide type
    rounds off its ends; `products` tells that it holds products unrounded. `exact_...` tells where
    exact operands give the one correctly rounded result, `narrow` that products are exact only
    where they need no rounding. `adjoint` marks steps of a gradient, where nothing is exact.
    """

    __slots__ = (
        "_functions",
        "_literals",
        "absolute",
        "adjoint",
        "argument",
        "exact_add",
        "exact_cast",
        "exact_div",
        "exact_mul",
        "exact_sqrt",
        "flush",
        "half",
        "huge",
        "narrow",
        "normal",
        "other",
        "precision",
        "products",
        "reasons",
        "rules",
        "scalar",
        "sums_narrow",
        "tiny",
        "unit",
        "units_add",
        "units_cast",
        "units_div",
        "units_mul",
        "units_sqrt",
        "wide",
        "wider",
        "working",
        "zero",
    )

    def __init__(
        self,
        scalar: Scalar,
        precision: Precision,
        wide: Wide,
        *,
        adjoint: bool,
        reasons: dict[str, int],
        rules: Mapping[np.ufunc, Callable[..., Any]],
    ) -> None:
        self.scalar, self.precision, self.wide, self.adjoint = scalar, precision, wide, adjoint
        self.working: Any = np.dtype("float32" if scalar.name == "bf16" else scalar.dtype)
        self.reasons, self.rules = reasons, rules
        self.other: Format = self
        self.sums_narrow = False
        unit = 2.0**-scalar.digits
        # As wide numbers: the normals of float64 are no Python floats' business.
        self.unit = self._constant(unit)
        self.zero, self.half = self._constant(0.0), self._constant(0.5)
        self.wider = self._constant(_SLACK)
        self.products = 2 * scalar.digits <= np.finfo(wide).nmant + 1
        self.normal = np.array(np.ldexp(wide(1), _SMALLEST_EXPONENT[scalar.name]))
        self.huge = np.array(
            np.ldexp(wide(2) - wide(2 * unit), _LARGEST_EXPONENT[scalar.name]), dtype=wide
        )
        self.flush = scalar.name in precision.flush
        self.tiny = self.normal if self.flush else np.array(self.normal * wide(2 * unit))
        exact = frozenset[str]() if adjoint or scalar.name in precision.excess else precision.exact
        self.exact_add, self.exact_mul = "add" in exact, "mul" in exact and not precision.fused
        self.exact_div, self.exact_sqrt = "div" in exact, "sqrt" in exact
        self.exact_cast = "cast" in exact
        self.narrow = not adjoint and not self.exact_mul and scalar.name not in precision.excess
        self.units_add, self.units_mul, self.units_div, self.units_sqrt, self.units_cast = (
            self._units(name) for name in ("add", "mul", "div", "sqrt", "cast")
        )
        self.argument = self._constant(precision.argument * unit)
        self._functions: dict[str, NDArray[Any]] = {}
        self.absolute = precision.absolute
        self._literals: dict[float, tuple[NDArray[Any], NDArray[Any]]] = {}

    def summed_before(self, cast_from: Format) -> Format:
        """This format for what a gradient casts from a narrower type: backends may add up such
        terms before the cast or after it."""
        made = copy(self)
        made.units_add, made.sums_narrow = cast_from.units_add, True
        return made

    def _constant(self, value: float) -> NDArray[Any]:
        return np.array(value, self.wide)

    def _units(self, name: str) -> NDArray[Any]:
        count = self.precision.units.get(name, 1.0)
        if self.adjoint:
            count = max(count, self.precision.gradient_units)
        return self._constant(count * 2.0**-self.scalar.digits * _SLACK)

    def function(self, name: str) -> NDArray[Any]:
        """The relative error of a function that is not correctly rounded."""
        found = self._functions.get(name)
        if found is None:
            made = self.ulps(self.precision.ulps.get(name, self.precision.default_ulps))
            if self.scalar.digits > F32.digits:
                made = np.array(made + 2 * OWN_ULPS.get(name, 0.0) * self.unit)
            found = self._functions[name] = made
        return found

    def ulps(self, ulps: Ulps) -> NDArray[Any]:
        """Units in the last place, as a relative error. In half precision a function is computed
        in float32 and rounded, where it is not said otherwise."""
        digits = self.scalar.digits
        if digits < F32.digits and len(ulps) > 2:
            return self._constant(2 * ulps[2] * 2.0**-digits * _SLACK)
        if digits > F32.digits:
            return self._constant(2 * ulps[1] * 2.0**-digits * _SLACK)
        single = 2 * ulps[0] * 2.0**-F32.digits
        rounding = 2.0**-digits if digits < F32.digits else 0.0
        return self._constant((single + rounding) * _SLACK)

    def off_zero(self, name: str) -> NDArray[Any] | None:
        """The absolute error that comes on top for a function; None without."""
        units = self.absolute.get(name)
        if units is None:
            return None
        digits = max(self.scalar.digits, F32.digits)
        return self._constant(units[digits > F32.digits] * 2.0**-digits * _SLACK)

    def literal(self, value: float) -> tuple[NDArray[Any], NDArray[Any]]:
        """A Python number in the wide type and in the working one, rounded to the format."""
        found = self._literals.get(value)
        if found is None or value == 0.0:  # the sign of zero is no part of a key
            working = self.round(np.array(value, np.float64))
            found = self._literals[value] = (working.astype(self.wide), working)
        return found

    def round(self, array: NDArray[Any]) -> NDArray[Any]:
        """Floats rounded to the format, in its working dtype."""
        if self.scalar.name == "bf16":
            return round_bfloat16(array)
        return array.astype(self.working)

    def note(self, reason: str, lanes: Any) -> None:
        """Count lanes that became unknown."""
        count = int(np.count_nonzero(lanes))
        if count:
            self.reasons[reason] = self.reasons.get(reason, 0) + count
