"""Functions of values with error bounds, and which ufunc follows which rule.

A function that is monotone in each operand, or convex, moves most at the corners of the operands'
intervals; to that its own error is added. Step functions are known where no step is within reach.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from grammar import special
from grammar.bounds.bounded import (
    Bounded,
    absolute,
    add,
    compare,
    computed,
    divide,
    exact_lanes,
    multiply,
    pair,
    settle,
)
from grammar.bounds.format import Format
from grammar.bounds.known import known

_count = np.count_nonzero

Rule = Callable[..., Any]


def finish(v: Any, e: Any, format: Format, name: str) -> Bounded:
    """Add the error of a library function to a bound that was spread."""
    made = settle(v, e, format, format.function(name))
    extra = format.off_zero(name)
    if extra is not None:
        made.e = made.e + extra
    return made


def corners(function: Rule, a: Bounded, e: Any) -> tuple[Any, Any]:
    """The function at the centre, and its largest change at the ends of the interval."""
    v = a.v
    at = np.empty((3, *v.shape), v.dtype)
    at[0] = v
    np.subtract(v, e, at[1, ...])
    np.add(v, e, at[2, ...])
    value = function(at)
    change = np.abs(value[1:] - value[0])
    bound = np.maximum(change[0], change[1])
    bound += e * 0  # what is unknown stays so, as NaN
    return value[0], bound


def _noted(e: Any, before: Any, format: Format) -> Any:
    """Note where a function left its domain."""
    ok = np.isfinite(e)
    if _count(ok) != ok.size:
        format.note("domain", ~ok & np.isfinite(before))
    return e


def library(name: str, function: Rule) -> Rule:
    """A monotone or convex function of one operand."""

    def rule(a: Bounded) -> Bounded:
        format = a.format
        if a.e is None:
            v = function(a.v)
            made = finish(v, format.zero, format, name)
            return made
        v, e = corners(function, a, a.e)
        return finish(v, _noted(e, a.e, format), format, name)

    return rule


def exponential(name: str, function: Rule, rate: float) -> Rule:
    """`exp(rate * a)` and the like, whose argument a compiler may round otherwise."""
    plain = library(name, function)

    def rule(a: Bounded) -> Bounded:
        made = plain(a)
        if a.format.precision.argument:
            slope = np.abs(made.v) if name in ("exp", "exp2") else np.exp(np.abs(a.v))
            made.e = made.e + slope * np.abs(a.v) * rate * a.format.argument
        return made

    return rule


def oscillation(name: str, function: Rule) -> Rule:
    """Sine and cosine."""

    def rule(a: Bounded) -> Bounded:
        format = a.format
        if a.e is None:
            return finish(function(a.v), format.zero, format, name)
        e = np.minimum(a.e, 2.0)
        e += a.e * 0
        return finish(function(a.v), e, format, name)

    return rule


def _tangent(a: Bounded) -> Bounded:
    format = a.format
    if a.e is None:
        return finish(np.tan(a.v), format.zero, format, "tan")
    v, e = corners(np.tan, a, a.e)
    # Between two poles the cosine keeps its sign, and the interval is shorter than their distance.
    clear = (np.cos(a.v - a.e) * np.cos(a.v + a.e) > 0) & (a.e < 1.5)
    if _count(clear) != clear.size:
        format.note("pole", ~clear & np.isfinite(a.e))
        e = np.where(clear, e, np.inf)
    return finish(v, e, format, "tan")


def _square_root(a: Bounded) -> Bounded:
    format = a.format
    if a.e is None:
        if format.exact_sqrt:
            return computed(np.sqrt, (a,), format, None, None)
        return settle(np.sqrt(a.v), format.zero, format, format.units_sqrt)
    v, e = corners(np.sqrt, a, a.e)
    made = settle(v, _noted(e, a.e, format), format, format.units_sqrt)
    if format.exact_sqrt and a.mixed:
        sure = exact_lanes(a)
        if sure is not False:
            return computed(np.sqrt, (a,), format, sure, made)
    return made


def _corners2(function: Rule, a: Bounded, b: Bounded) -> tuple[Any, Any]:
    """The function at the centre of a box, and its largest change at the corners."""
    ea, eb = a.bound, b.bound
    shape = np.broadcast_shapes(a.v.shape, b.v.shape)
    x = np.empty((5, *shape), a.v.dtype)
    y = np.empty((5, *shape), b.v.dtype)
    x[0], y[0] = a.v, b.v
    x[1] = x[2] = a.v - ea
    x[3] = x[4] = a.v + ea
    y[1] = y[3] = b.v - eb
    y[2] = y[4] = b.v + eb
    value = function(x, y)
    bound = np.maximum.reduce(np.abs(value[1:] - value[0]))
    bound += ea * 0
    bound += eb * 0
    return value[0], bound


def _spread2(function: Rule, a: Bounded, b: Bounded, format: Format) -> tuple[Any, Any]:
    if a.e is None and b.e is None:
        return function(a.v, b.v), format.zero
    v, e = _corners2(function, a, b)
    return v, e


def library2(name: str, function: Rule) -> Rule:
    """A function of two operands, monotone in each or convex."""

    def rule(a: Any, b: Any) -> Bounded:
        a, b, format = pair(a, b)
        v, e = _spread2(function, a, b, format)
        return finish(v, _noted(e, format.zero, format), format, name)

    return rule


def _power(a: Any, b: Any) -> Bounded:
    a, b, format = pair(a, b)
    v, e = _spread2(np.power, a, b, format)
    ea, eb = a.bound, b.bound
    # Monotone in each operand where the base is positive.
    clear = (a.v > ea) | ((ea == 0) & (eb == 0))
    if _count(clear) != clear.size:
        format.note("domain", ~clear)
        e = np.where(clear, e, np.inf)
    if format.precision.argument:
        slope = np.abs(v * b.v * np.log(np.where(a.v > 0, a.v, 1.0)))
        e = e + slope * format.argument
    return finish(v, e, format, "pow")


def _arctangent2(a: Any, b: Any) -> Bounded:
    a, b, format = pair(a, b)
    v, e = _spread2(np.arctan2, a, b, format)
    # Across the cut the angle jumps; at the origin it is anything.
    clear = (np.abs(a.v) > a.bound) | (b.v > b.bound)
    if _count(clear) != clear.size:
        format.note("domain", ~clear)
        e = np.where(clear, e, np.inf)
    return finish(v, e, format, "atan2")


def step(function: Rule) -> Rule:
    """A monotone function with whole numbers as values."""

    def rule(a: Bounded) -> Bounded:
        format = a.format
        if a.e is None:
            return Bounded(function(a.v), None, True, format)
        low, high = function(a.v - a.e), function(a.v + a.e)
        sure = low == high  # false for NaN
        if _count(sure) == sure.size:
            return Bounded(low, None, True, format)
        format.note("step", ~sure & np.isfinite(a.e))
        v = np.where(sure, low, (low + high) / 2)
        e = np.where(sure, 0.0, (high - low) / 2)
        return Bounded(np.where(np.isfinite(v), v, a.v), _sticky(e), True, format)

    return rule


def _sticky(e: Any) -> Any:
    return np.where(np.isnan(e), np.inf, e)


def _sign(a: Bounded) -> Bounded:
    format = a.format
    v = np.sign(a.v)
    if a.e is None:
        if not format.adjoint:
            return Bounded(v, None, True, format)
        sure = v != 0
    else:
        sure = np.abs(a.v) > a.e
        if not format.adjoint and a.mixed:
            sure = sure | (a.e == 0)
    if _count(sure) == sure.size:
        return Bounded(v, None, True, format)
    format.note("kink" if format.adjoint else "step", ~sure)
    e = np.where(sure, 0.0, np.where(a.bound < np.inf, 1.0, np.inf))
    return Bounded(np.where(sure, v, 0.0), e, True, format)


def _copysign(a: Any, b: Any) -> Bounded:
    a, b, format = pair(a, b)
    v = np.copysign(a.v, b.v)
    sure = np.abs(b.v) > b.bound
    if _count(sure) == sure.size:
        e = None if a.e is None else np.broadcast_to(a.e, v.shape)
        return Bounded(v, e, a.mixed, format)
    format.note("step", ~sure)
    size = np.abs(v) + a.bound + b.bound * 0
    return Bounded(np.where(sure, v, 0.0), _sticky(np.where(sure, a.bound, size)), a.mixed, format)


def _extremes(largest: bool) -> Rule:
    ufunc = np.maximum if largest else np.minimum

    def rule(a: Any, b: Any) -> Bounded:
        a, b, format = pair(a, b)
        v = ufunc(a.v, b.v)
        ea, eb = a.e, b.e
        if ea is None and eb is None:
            ok = v == v
            if _count(ok) == ok.size:
                return Bounded(v, None, True, format)
            return Bounded(v, np.where(ok, 0.0, np.inf), True, format)
        # The loser stands back by its gap: it may still win by its bound, or lose by more.
        ga, gb = np.abs(v - a.v), np.abs(v - b.v)
        if ea is None:
            ea, eb = eb, ea
            ga, gb = gb, ga
        if eb is None:
            up, down = np.maximum(ea - ga, -gb), np.minimum(ea + ga, gb)
        else:
            up, down = np.maximum(ea - ga, eb - gb), np.minimum(ea + ga, eb + gb)
        e = np.maximum(up, down)
        ok = e < np.inf
        if _count(ok) != ok.size:
            # An unknown operand makes the result unknown even where the other one wins.
            e = np.where(ok, e, np.inf)
        return Bounded(v, e, True, format)

    return rule


def _remainder(a: Any, b: Any) -> Bounded:
    """The remainder with the sign of a: a - n b, exact for exact operands."""
    a, b, format = pair(a, b)
    if a.e is None and b.e is None and format.exact_div:
        return computed(np.fmod, (a, b), format, None, None)
    ea, eb = a.bound, b.bound
    v = np.fmod(a.v, b.v)
    size, divisor = np.abs(a.v), np.abs(b.v)
    least, most = (size - ea) / (divisor + eb), (size + ea) / (divisor - eb)
    slack = most * format.units_div
    inexact = (ea > 0) | (eb > 0) if format.exact_div else np.True_
    least, most = np.where(inexact, least - slack, least), np.where(inexact, most + slack, most)
    count = np.floor(least)
    sure = (count == np.floor(most)) & (divisor > eb) & ((least >= 0) | (ea == 0))
    e = ea + count * eb
    if _count(sure) != sure.size:
        format.note("step", ~sure & np.isfinite(ea + eb))
        reach = np.minimum(size + ea, divisor + eb) + 0 * (ea + eb)
        v = np.where(sure, v, 0.0)
        e = np.where(sure, e, np.where(divisor > eb, reach, np.inf))
    made = settle(v, e + size * 0, format, format.units_div)
    if format.exact_div and a.mixed and b.mixed:
        exact = exact_lanes(a, b)
        if exact is not False:
            return computed(np.fmod, (a, b), format, exact, made)
    return made


def _scaled(function: Rule, name: str) -> Rule:
    """A product with a constant that may itself be rounded."""
    factor = float(function(1.0))

    def rule(a: Bounded) -> Bounded:
        format = a.format
        e = format.zero if a.e is None else a.e * factor
        return settle(function(a.v), e, format, 3 * format.units_mul)

    return rule


def _classify(ufunc: np.ufunc) -> Rule:
    """`isnan` and the like: a bound that is finite tells that the value is."""

    def rule(a: Bounded) -> Any:
        v = ufunc(a.v)
        if a.e is None:
            return v
        return known(v, a.e < np.inf)

    return rule


def _floor_divide(a: Any, b: Any) -> Any:
    return FLOOR(divide(a, b))


FLOOR = step(np.floor)

NAMED: Mapping[str, Rule] = {
    "erf": library("erf", special.erf),
    "erfc": library("erfc", special.erfc),
    "erfinv": library("erfinv", special.erfinv),
    "round_half_away": step(special.round_half_away),
}
"""The rules of functions that are no ufuncs."""

RULES: Mapping[np.ufunc, Rule] = {
    np.add: lambda a, b: add(np.add, a, b),
    np.subtract: lambda a, b: add(np.subtract, a, b),
    np.multiply: multiply,
    np.divide: divide,
    np.negative: lambda a: -a,
    np.positive: lambda a: a,
    np.absolute: absolute,
    np.fabs: absolute,
    np.square: lambda a: multiply(a, a),
    np.reciprocal: lambda a: divide(1.0, a),
    np.sqrt: _square_root,
    np.cbrt: library("cbrt", np.cbrt),
    np.exp: exponential("exp", np.exp, 1.0),
    np.exp2: exponential("exp2", np.exp2, float(np.log(2.0))),
    np.expm1: exponential("expm1", np.expm1, 1.0),
    np.log: library("log", np.log),
    np.log2: library("log2", np.log2),
    np.log10: library("log10", np.log10),
    np.log1p: library("log1p", np.log1p),
    np.sinh: exponential("sinh", np.sinh, 1.0),
    np.cosh: exponential("cosh", np.cosh, 1.0),
    np.tanh: library("tanh", np.tanh),
    np.sin: oscillation("sin", np.sin),
    np.cos: oscillation("cos", np.cos),
    np.tan: _tangent,
    np.arcsin: library("asin", np.arcsin),
    np.arccos: library("acos", np.arccos),
    np.arctan: library("atan", np.arctan),
    np.arctan2: _arctangent2,
    np.power: _power,
    np.hypot: library2("hypot", np.hypot),
    np.logaddexp: library2("logaddexp", np.logaddexp),
    np.degrees: _scaled(np.degrees, "degrees"),
    np.rad2deg: _scaled(np.degrees, "degrees"),
    np.radians: _scaled(np.radians, "radians"),
    np.deg2rad: _scaled(np.radians, "radians"),
    np.floor: FLOOR,
    np.ceil: step(np.ceil),
    np.trunc: step(np.trunc),
    np.rint: step(np.rint),
    np.floor_divide: _floor_divide,
    np.fmod: _remainder,
    np.sign: _sign,
    np.copysign: _copysign,
    np.minimum: _extremes(False),
    np.maximum: _extremes(True),
    np.isnan: _classify(np.isnan),
    np.isinf: _classify(np.isinf),
    np.isfinite: _classify(np.isfinite),
    np.less: lambda a, b: compare(np.less, a, b),
    np.less_equal: lambda a, b: compare(np.less_equal, a, b),
    np.greater: lambda a, b: compare(np.greater, a, b),
    np.greater_equal: lambda a, b: compare(np.greater_equal, a, b),
    np.equal: lambda a, b: compare(np.equal, a, b),
    np.not_equal: lambda a, b: compare(np.not_equal, a, b),
}
"""What a ufunc does to values with error bounds."""

FUNCTIONS = frozenset(
    name
    for names in (
        ("erf", "erfc", "erfinv", "cbrt", "hypot", "pow"),
        ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "logaddexp"),
        ("sinh", "cosh", "tanh", "sin", "cos", "tan", "asin", "acos", "atan", "atan2"),
    )
    for name in names
)
"""The functions that have a rule of their own, by the names that a precision uses."""
