"""Library functions of values with error bounds.

A function that is monotone in each operand, or convex, moves most at the corners of the operands'
intervals; to that its own error is added.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from grammar.bounds.bounded import (
    Bounded,
    computed,
    exact_lanes,
    pair,
    settle,
)
from grammar.bounds.format import Format
from grammar.bounds.known import known

_count = np.count_nonzero
_where: Any = np.where

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
            return finish(function(a.v), format.zero, format, name)
        v, e = corners(function, a, a.e)
        return finish(v, _noted(e, a.e, format), format, name)

    return rule


def exponential(name: str, function: Rule, rate: float) -> Rule:
    """`exp(rate * a)` and the like, whose argument a compiler may round otherwise."""
    plain = library(name, function)

    def rule(a: Bounded) -> Bounded:
        made = plain(a)
        if a.format.precision.argument:
            most = np.abs(a.v) + a.bound
            slope = np.abs(made.v) + made.e if name in ("exp", "exp2") else np.exp(most)
            made.e = made.e + slope * most * rate * a.format.argument
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


def tangent(a: Bounded) -> Bounded:
    """Tangent, unknown where a pole is within reach."""
    format = a.format
    if a.e is None:
        return finish(np.tan(a.v), format.zero, format, "tan")
    v, e = corners(np.tan, a, a.e)
    # Between two poles the cosine keeps its sign, and the interval is shorter than their distance.
    clear = (np.cos(a.v - a.e) * np.cos(a.v + a.e) > 0) & (a.e < 1.5)
    if _count(clear) != clear.size:
        format.note("pole", ~clear & np.isfinite(a.e))
        e = _where(clear, e, np.inf)
    return finish(v, e, format, "tan")


def square_root(a: Bounded) -> Bounded:
    """Square root, rounded once."""
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


def power(a: Any, b: Any) -> Bounded:
    """Power; of a base that may not be positive only where both operands are exact."""
    a, b, format = pair(a, b)
    v, e = _spread2(np.power, a, b, format)
    ea, eb = a.bound, b.bound
    # Monotone in each operand where the base is positive.
    clear = (a.v > ea) | ((ea == 0) & (eb == 0))
    if _count(clear) != clear.size:
        format.note("domain", ~clear)
        e = _where(clear, e, np.inf)
    if format.precision.argument:
        slope = (np.abs(v) + e) * np.abs(b.v * np.log(_where(a.v > 0, a.v, 1.0)))
        e = e + slope * format.argument
    return finish(v, e, format, "pow")


def arctangent2(a: Any, b: Any) -> Bounded:
    """The angle of a point, unknown where the cut or the origin is within reach."""
    a, b, format = pair(a, b)
    v, e = _spread2(np.arctan2, a, b, format)
    # Across the cut the angle jumps; at the origin it is anything.
    clear = (np.abs(a.v) > a.bound) | (b.v > b.bound)
    if _count(clear) != clear.size:
        format.note("domain", ~clear)
        e = _where(clear, e, np.inf)
    return finish(v, e, format, "atan2")


def scaled(function: Rule) -> Rule:
    """A product with a constant that may itself be rounded."""
    factor = float(function(1.0))

    def rule(a: Bounded) -> Bounded:
        format = a.format
        e = format.zero if a.e is None else a.e * factor
        return settle(function(a.v), e, format, 3 * format.units_mul)

    return rule


def classify(ufunc: np.ufunc) -> Rule:
    """`isnan` and the like: a bound that is finite tells that the value is."""

    def rule(a: Bounded) -> Any:
        v = ufunc(a.v)
        if a.e is None:
            return v
        return known(v, a.e < np.inf)

    return rule
