"""Random boxes of operands, points in them, and the functions to try them on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammar import numeric
from grammar.bounds.bounded import Bounded
from grammar.bounds.domain import Bounds
from grammar.bounds.known import Known
from grammar.special import round_bfloat16
from grammar.types import BF16, F64, Scalar


def _vector(*parts: Any) -> Any:
    return numeric.stack(parts)


def _matrix(a: Any, b: Any, c: Any) -> Any:
    return numeric.stack((_vector(a, b), _vector(b, c)), -2)


_UFUNCS: tuple[tuple[np.ufunc, ...], ...] = (
    (np.minimum, np.maximum, np.fmod, np.copysign, np.power, np.hypot, np.arctan2, np.logaddexp),
    (np.absolute, np.sqrt, np.cbrt, np.exp, np.exp2, np.expm1, np.log, np.log2, np.log10, np.log1p),
    (np.sin, np.cos, np.tan, np.sinh, np.cosh, np.tanh, np.arcsin, np.arccos, np.arctan),
    (np.floor, np.ceil, np.trunc, np.rint, np.sign, np.degrees, np.radians, np.square),
    (np.reciprocal, np.isnan, np.isinf, np.isfinite),
)

FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "add": (2, lambda a, b: a + b),
    "sub": (2, lambda a, b: a - b),
    "mul": (2, lambda a, b: a * b),
    "div": (2, lambda a, b: a / b),
    "neg": (1, lambda a: -a),
    "with numbers": (1, lambda a: 1.0 - (2.0 * a + 0.1) / 3.0),
    "multiply_add": (3, lambda a, b, c: a * b + c),
    "lerp": (3, lambda a, b, c: a * (1.0 - c) + b * c),
    "softsign": (1, lambda a: a / (1.0 + np.absolute(a))),
    "frac": (1, lambda a: a - np.trunc(a)),
    "floor_divide": (2, lambda a, b: np.floor(a / b)),
    "select": (3, lambda a, b, c: numeric.select(a < b, c, a)),
    "select number": (2, lambda a, b: numeric.select(a <= b, a, 2.0)),
    "less": (2, lambda a, b: a < b),
    "equal": (2, lambda a, b: a == b),
    "not_equal": (2, lambda a, b: a != b),
    "greater_equal": (2, lambda a, b: a >= b),
    "logic": (3, lambda a, b, c: (a < b) & (b < c) | ~(c < a)),
    "total": (3, lambda *abc: numeric.total(_vector(*abc))),
    "total of matrix": (3, lambda *abc: numeric.total(_matrix(*abc), 2)),
    "largest": (3, lambda *abc: numeric.extreme(_vector(*abc), largest=True)),
    "smallest": (3, lambda *abc: numeric.extreme(_vector(*abc), largest=False)),
    "place": (3, lambda *abc: numeric.arg_extreme(_vector(*abc), largest=True)),
    "determinant": (3, lambda *abc: numeric.determinant(_matrix(*abc))),
    "inverse": (3, lambda *abc: numeric.inverse(_matrix(*abc))),
    "matmul": (3, lambda a, b, c: numeric.matmul(_matrix(a, b, c), _matrix(c, a, b))),
    "erf": (1, numeric.erf),
    "erfc": (1, numeric.erfc),
    "erfinv": (1, numeric.erfinv),
    "round_half_away": (1, numeric.round_half_away),
    **{ufunc.__name__: (ufunc.nin, ufunc) for row in _UFUNCS for ufunc in row},
}
"""Name -> number of operands, and a function of values with or without bounds."""


def wide_of(scalar: Scalar) -> Any:
    return np.longdouble if scalar is F64 else np.float64


def rounded(array: Any, scalar: Scalar) -> NDArray[Any]:
    """The array in the working dtype of a scalar."""
    return round_bfloat16(array) if scalar is BF16 else np.asarray(array, scalar.dtype)


def _centres(random: np.random.Generator, lanes: int) -> NDArray[np.float64]:
    sign = random.choice([-1.0, 1.0], lanes)
    match random.integers(7):
        case 0:
            return random.normal(size=lanes)
        case 1:
            return random.normal(size=lanes) * 100
        case 2:
            return random.integers(-4, 5, lanes) / 2
        case 3:
            return 10.0 ** random.uniform(-8, 8, lanes) * sign
        case 4:
            return random.uniform(0, 1, lanes)
        case 5:
            return random.uniform(-2, 2, lanes) ** 5
        case _:
            return np.ldexp(random.uniform(0.5, 1, lanes), random.integers(-40, 16, lanes)) * sign


def box(
    random: np.random.Generator, domain: Bounds, scalar: Scalar, lanes: int, points: int
) -> tuple[Bounded, NDArray[Any]]:
    """A value with a bound, and points of working precision in it: centre, ends, and others."""
    wide = wide_of(scalar)
    working = rounded(_centres(random, lanes), scalar)
    v = working.astype(wide)
    kind = random.integers(4)
    if kind == 0:
        return domain.lift(working, scalar), np.broadcast_to(working, (points, lanes))
    e = np.abs(v) * 10.0 ** random.uniform(-9, 0, lanes)
    if kind == 2:
        e = e + 10.0 ** random.uniform(-8, 0, lanes)
    e = np.where(random.random(lanes) < 0.3, 0, e).astype(wide)
    part = random.uniform(-1, 1, (points, lanes))
    part[:3] = [[0], [1], [-1]]
    at = rounded(v + e * part, scalar)
    at = np.where(np.abs(at.astype(wide) - v) <= e, at, working)
    return Bounded(v, e, True, domain.format(scalar)), at


@dataclass(frozen=True, slots=True)
class Outcome:
    """How often a result lay outside its bound, was compared, and might have been."""

    wrong: int
    compared: int
    lanes: int


def compare(result: Any, given: Any, scalar: Scalar) -> Outcome:
    """What was computed in working precision against the result with its bound."""
    given = np.asarray(given)
    if isinstance(result, Bounded):
        wide, e = result.v.dtype, result.bound
        assert e.shape == result.v.shape
        assert not np.isnan(e).any()
        held = rounded(given, scalar).astype(wide)
        sure = np.isfinite(e)
        wrong = sure & ~((np.abs(held - result.v) <= e) | (held == result.v))
    else:
        v, sure = (result.v, result.ok) if isinstance(result, Known) else (result, np.True_)
        wrong = sure & (given != v)
    sure = np.broadcast_to(sure, given.shape)
    return Outcome(int(wrong.sum()), int(sure.sum()), sure.size)


def trial(name: str, domain: Bounds, scalar: Scalar, seed: int, points: int = 24) -> Outcome:
    """One function on random boxes."""
    random = np.random.default_rng(seed)
    arity, function = FUNCTIONS[name]
    wrong = compared = lanes = 0
    with np.errstate(all="ignore"):
        for _ in range(8):
            boxes = [box(random, domain, scalar, 48, points) for _ in range(arity)]
            outcome = compare(
                function(*(value for value, _ in boxes)),
                function(*(at for _, at in boxes)),
                scalar,
            )
            wrong += outcome.wrong
            compared += outcome.compared
            lanes += outcome.lanes
    return Outcome(wrong, compared, lanes)
