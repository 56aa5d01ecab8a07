"""Rounding, signs, extremes and remainders of values with error bounds: known where no step is
within reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from grammar.bounds.bounded import Bounded, computed, exact_lanes, pair, settle

_count = np.count_nonzero
_where: Any = np.where

Rule = Callable[..., Any]


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
        v = _where(sure, low, (low + high) / 2)
        e = _where(sure, 0.0, (high - low) / 2)
        return Bounded(_where(np.isfinite(v), v, a.v), _sticky(e), True, format)

    return rule


def _sticky(e: Any) -> Any:
    return _where(np.isnan(e), np.inf, e)


def sign(a: Bounded) -> Bounded:
    """-1, 0 or 1; anything between where the value may be 0, in a gradient even if it is."""
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
    e = _where(sure, 0.0, _where(a.bound < np.inf, 1.0, np.inf))
    return Bounded(_where(sure, v, 0.0), e, True, format)


def copysign(a: Any, b: Any) -> Bounded:
    """The magnitude of a with the sign of b, either where b may be 0."""
    a, b, format = pair(a, b)
    v = np.copysign(a.v, b.v)
    sure = np.abs(b.v) > b.bound
    if _count(sure) == sure.size:
        e = None if a.e is None else np.broadcast_to(a.e, v.shape)
        return Bounded(v, e, a.mixed, format)
    format.note("step", ~sure)
    size = np.abs(v) + a.bound + b.bound * 0
    return Bounded(_where(sure, v, 0.0), _sticky(_where(sure, a.bound, size)), a.mixed, format)


def extremes(largest: bool) -> Rule:
    """The rule of `maximum` or `minimum`."""
    ufunc = np.maximum if largest else np.minimum

    def rule(a: Any, b: Any) -> Bounded:
        a, b, format = pair(a, b)
        v = ufunc(a.v, b.v)
        ea, eb = a.e, b.e
        if ea is None and eb is None:
            ok = v == v
            if _count(ok) == ok.size:
                return Bounded(v, None, True, format)
            return Bounded(v, _where(ok, 0.0, np.inf), True, format)
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
            e = _where(ok, e, np.inf)
        return Bounded(v, e, True, format)

    return rule


def remainder(a: Any, b: Any) -> Bounded:
    """The remainder with the sign of a: a - n b, exact for exact operands."""
    a, b, format = pair(a, b)
    if a.e is None and b.e is None and format.exact_div:
        return computed(np.fmod, (a, b), format, None, None)
    ea, eb = a.bound, b.bound
    v = np.fmod(a.v, b.v)
    size, divisor = np.abs(a.v), np.abs(b.v)
    least: Any = (size - ea) / (divisor + eb)
    most: Any = (size + ea) / (divisor - eb)
    slack = most * format.units_div
    inexact = (ea > 0) | (eb > 0) if format.exact_div else np.True_
    least, most = _where(inexact, least - slack, least), _where(inexact, most + slack, most)
    count = np.floor(least)
    sure: Any = (count == np.floor(most)) & (divisor > eb) & ((least >= 0) | (ea == 0))
    e = ea + count * eb
    if _count(sure) != sure.size:
        format.note("step", ~sure & np.isfinite(ea + eb))
        reach = np.minimum(size + ea, divisor + eb) + 0 * (ea + eb)
        v = _where(sure, v, 0.0)
        e = _where(sure, e, _where(divisor > eb, reach, np.inf))
    made = settle(v, e + size * 0, format, format.units_div)
    if format.exact_div and a.mixed and b.mixed:
        exact = exact_lanes(a, b)
        if exact is not False:
            return computed(np.fmod, (a, b), format, exact, made)
    return made
