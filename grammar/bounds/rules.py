"""Which ufunc and which function of `grammar.numeric` follows which rule."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from grammar import special
from grammar.bounds.bounded import Bounded, absolute, add, compare, divide, multiply
from grammar.bounds.functions import (
    arctangent2,
    classify,
    exponential,
    library,
    library2,
    oscillation,
    power,
    scaled,
    square_root,
    tangent,
)
from grammar.bounds.steps import copysign, extremes, remainder, sign, step

Rule = Callable[..., Any]


def _square(a: Bounded) -> Bounded:
    return multiply(a, a)


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
    np.add: partial(add, np.add),
    np.subtract: partial(add, np.subtract),
    np.multiply: multiply,
    np.divide: divide,
    np.negative: operator.neg,
    np.positive: operator.pos,
    np.absolute: absolute,
    np.fabs: absolute,
    np.square: _square,
    np.reciprocal: partial(divide, 1.0),
    np.sqrt: square_root,
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
    np.tan: tangent,
    np.arcsin: library("asin", np.arcsin),
    np.arccos: library("acos", np.arccos),
    np.arctan: library("atan", np.arctan),
    np.arctan2: arctangent2,
    np.power: power,
    np.hypot: library2("hypot", np.hypot),
    np.logaddexp: library2("logaddexp", np.logaddexp),
    np.degrees: scaled(np.degrees),
    np.rad2deg: scaled(np.degrees),
    np.radians: scaled(np.radians),
    np.deg2rad: scaled(np.radians),
    np.floor: FLOOR,
    np.ceil: step(np.ceil),
    np.trunc: step(np.trunc),
    np.rint: step(np.rint),
    np.floor_divide: _floor_divide,
    np.fmod: remainder,
    np.sign: sign,
    np.copysign: copysign,
    np.minimum: extremes(False),
    np.maximum: extremes(True),
    np.isnan: classify(np.isnan),
    np.isinf: classify(np.isinf),
    np.isfinite: classify(np.isfinite),
    np.less: partial(compare, np.less),
    np.less_equal: partial(compare, np.less_equal),
    np.greater: partial(compare, np.greater),
    np.greater_equal: partial(compare, np.greater_equal),
    np.equal: partial(compare, np.equal),
    np.not_equal: partial(compare, np.not_equal),
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
