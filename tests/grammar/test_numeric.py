"""The functions of op meanings, on plain arrays."""

from __future__ import annotations

import math
from decimal import Decimal, getcontext

import numpy as np
import pytest

from grammar import numeric
from grammar.special import round_bfloat16
from grammar.types import BF16, BOOL, F16, F32, I8, I32, U8

FLOATS = (np.float16, np.float32, np.float64, np.longdouble)


@pytest.mark.parametrize("dtype", FLOATS)
def test_floats_keep_their_type(dtype: type) -> None:
    x = np.linspace(-0.9, 0.9, 7).astype(dtype)
    matrix = np.broadcast_to(np.eye(3, dtype=dtype) * 2, (7, 3, 3))
    made = (
        numeric.select(x < 0, x, 0.0),
        numeric.stack((x, 0.0, x[0])),
        numeric.total(numeric.stack((x, x))),
        numeric.total(matrix, 2),
        numeric.extreme(numeric.stack((x, x)), largest=True),
        numeric.matmul(matrix, matrix),
        numeric.transpose(matrix),
        numeric.fill(x, (2, 2)),
        numeric.inverse(matrix),
        numeric.determinant(matrix),
        numeric.round_half_away(x),
        numeric.erf(x),
        numeric.erfc(x),
        numeric.erfinv(x),
    )
    assert {value.dtype for value in made} == {np.dtype(dtype)}


def test_shapes_of_elements() -> None:
    lanes, uniform = np.arange(6.0).reshape(2, 3), np.arange(3.0)
    assert numeric.stack((lanes[:, 0], 1.0)).tolist() == [[0.0, 1.0], [3.0, 1.0]]
    rows = numeric.stack((lanes, uniform), -2)
    assert rows.shape == (2, 2, 3)
    assert rows[1].tolist() == [[3.0, 4.0, 5.0], [0.0, 1.0, 2.0]]
    assert numeric.transpose(rows).shape == (2, 3, 2)
    assert numeric.fill(uniform, (2, 2)).shape == (3, 2, 2)
    assert numeric.total(rows, 2).tolist() == [6.0, 15.0]


def test_extremes_and_their_places() -> None:
    a = np.array([[1.0, 3.0, 3.0], [2.0, 0.0, 0.0]])
    assert numeric.extreme(a, largest=True).tolist() == [3.0, 2.0]
    assert numeric.extreme(a, largest=False).tolist() == [1.0, 0.0]
    assert numeric.arg_extreme(a, largest=True).tolist() == [1, 0]
    assert numeric.arg_extreme(a, largest=False).tolist() == [0, 1]
    assert numeric.arg_extreme(a, largest=True).dtype == np.int32


def test_halves_round_away_from_zero() -> None:
    given = np.array([0.5, -0.5, 1.5, 2.5, math.nextafter(0.5, 0), -0.3, 0.0, 2.0**52 + 1])
    made = numeric.round_half_away(given)
    assert made.tolist() == [1.0, -1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 2.0**52 + 1]
    assert np.signbit(made).tolist() == np.signbit(given).tolist()


def test_integer_quotients_truncate() -> None:
    a, b = np.array([7, -7, 7, -7, -128], np.int8), np.array([2, 2, -2, -2, 3], np.int8)
    assert numeric.truncate_divide(a, b).tolist() == [3, -3, -3, 3, -42]
    assert numeric.truncate_divide(a, b).dtype == np.int8
    assert numeric.truncate_divide(np.array([250], np.uint8), np.array([7], np.uint8)) == 35


def test_casts() -> None:
    a = np.array([-1.75, 0.0, 2.5], np.float32)
    assert numeric.cast(a, I32).tolist() == [-1, 0, 2]
    assert numeric.cast(a, BOOL).tolist() == [True, False, True]
    assert numeric.cast(a, F16).dtype == np.float16
    assert numeric.cast(np.array([300], np.int32), U8).tolist() == [44]
    assert numeric.cast(np.array([200], np.int32), I8).tolist() == [-56]
    assert numeric.cast(np.array([True, False]), F32).tolist() == [1.0, 0.0]
    assert numeric.cast(np.array([1.00390625], np.float32), BF16).tolist() == [1.0]


def test_bfloat16_rounds_to_even() -> None:
    ulp = 2.0**-7
    given = [1.0, 1 + ulp / 2, 1 + 3 * ulp / 2, 1 + ulp * 0.51, -1 - 3 * ulp / 2, 3.4e38, math.inf]
    expected = [1.0, 1.0, 1 + 2 * ulp, 1 + ulp, -1 - 2 * ulp, math.inf, math.inf]
    assert round_bfloat16(np.array(given, np.float32)).tolist() == expected
    assert np.isnan(round_bfloat16(np.array([math.nan], np.float32))).all()
    tiny = np.array([2.0**-133, 2.0**-134], np.float32)
    assert round_bfloat16(tiny).tolist() == [2.0**-133, 0.0]


@pytest.mark.parametrize("size", [2, 3, 4])
def test_inverse_and_determinant(size: int) -> None:
    random = np.random.default_rng(size)
    a = random.uniform(-1, 1, (20, size, size)) + size * np.eye(size)
    assert np.allclose(numeric.inverse(a), np.linalg.inv(a), rtol=1e-13, atol=1e-14)
    assert np.allclose(numeric.determinant(a), np.linalg.det(a), rtol=1e-13)


def _erf_series(x: Decimal) -> Decimal:
    """erf(x) sqrt(pi) / 2."""
    term, total = x, x
    for n in range(1, 400):
        term = -term * x * x / n
        total += term / (2 * n + 1)
    return total


def test_error_functions_against_series() -> None:
    getcontext().prec = 80
    root = Decimal("1.1283791670955125738961589031215451716881012586580")  # 2 / sqrt(pi)
    points = np.array([-3.0, -1.25, -0.5, 1e-9, 0.1, 0.75, 2.0, 4.5])
    exact = [root * _erf_series(Decimal(float(x))) for x in points]
    erf, erfc = numeric.erf(points), numeric.erfc(points)
    for k, value in enumerate(exact):
        assert abs(Decimal(float(erf[k])) - value) <= Decimal(float(np.spacing(abs(erf[k]))))
        rest = abs(Decimal(float(erfc[k])) - (1 - value))
        assert rest <= Decimal("1.5") * Decimal(float(np.spacing(erfc[k])))


def test_inverse_error_function() -> None:
    y = np.concatenate((np.linspace(-0.999, 0.999, 999), 10.0 ** -np.arange(2.0, 20.0)))
    x = numeric.erfinv(y)
    slope = 2 / math.sqrt(math.pi) * np.exp(-x * x)
    # The error of erf itself counts too: half a unit of y in units of x.
    allowed = 4 * np.spacing(np.abs(x)) + np.spacing(np.abs(y)) / slope
    assert (np.abs(numeric.erf(x) - y) / slope <= allowed).all()
    ends = numeric.erfinv(np.array([-1.0, 1.0, 1.5, -0.0]))
    assert ends[:2].tolist() == [-math.inf, math.inf]
    assert np.isnan(ends[2])
    assert np.signbit(ends[3])


def test_wide_error_functions_heed_all_digits() -> None:
    base = np.float64(5.0)
    wide = np.longdouble(base) + np.longdouble(2.0) ** -54
    change = numeric.erfc(np.array([wide]))[0] / numeric.erfc(np.array([base], np.longdouble))[0]
    expected = 1 - 2 * base * np.longdouble(2.0) ** -54
    assert abs(change - expected) < 0.1 * (1 - expected)
