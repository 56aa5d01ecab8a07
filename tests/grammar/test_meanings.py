"""Meanings of ops on plain arrays: they keep dtypes and axes, broadcast, wrap, round as stated."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from grammar.ops import OPS, Instance, Op
from grammar.ops.base import number_type
from grammar.types import (
    BF16,
    BOOL,
    F16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U32,
    Scalar,
    Vector,
    element_shape,
    int_limits,
    scalar_of,
)
from tests.backends.audit import everything, samples

EVERY = everything()


def operands_of(op: Op, instance: Instance) -> list[Any]:
    """Seeded operands as plain arrays."""
    return [
        np.asarray(values).astype(number_type(scalar_of(type_)))
        for values, type_ in zip(samples(op, instance), instance.operands, strict=True)
    ]


def attributes(op: Op, instance: Instance) -> Sequence[int]:
    return range(max(1, op.attributes(instance)))


def means(op: Op, instance: Instance, attribute: int, operands: Sequence[Any]) -> Any:
    with np.errstate(all="ignore"):
        return op.means(instance, attribute)(*operands)


def alike(a: Any, b: Any) -> bool:
    """The same numbers, of the same dtype and axes; NaN equals NaN."""
    return (
        a.dtype == b.dtype
        and a.shape == b.shape
        and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    )


@pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
def test_meanings_keep_types_and_axes(op: Op) -> None:
    for instance in op.instances:
        given = operands_of(op, instance)
        for attribute in attributes(op, instance):
            whole = means(op, instance, attribute, given)
            lanes = (len(given[0]),) if given else ()
            assert whole.shape == (*lanes, *element_shape(instance.result))
            assert whole.dtype == number_type(scalar_of(instance.result))


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.arity], ids=lambda op: op.name)
def test_meanings_take_one_lane_and_mixtures(op: Op) -> None:
    """An operand without the axis of lanes is the same in all of them. Sums of half precision may
    be added in another order when there is one lane."""
    for instance in op.instances:
        given = operands_of(op, instance)
        attribute = op.attributes(instance) and op.attributes(instance) - 1
        alone = np.stack([means(op, instance, attribute, [x[k] for x in given]) for k in range(4)])
        assert close(alone, means(op, instance, attribute, given)[:4])
        for at in range(op.arity):
            mixed = [x[0] if k == at else x[:4] for k, x in enumerate(given)]
            spread = [
                np.broadcast_to(x[0], x[:4].shape) if k == at else x[:4]
                for k, x in enumerate(given)
            ]
            found = means(op, instance, attribute, mixed)
            expected = means(op, instance, attribute, spread)
            assert close(np.broadcast_to(found, expected.shape), expected)


def close(a: Any, b: Any) -> bool:
    """Equal, or for floats within 8 units of the largest magnitude."""
    if a.dtype.kind != "f":
        return alike(a, b)
    size = np.max(np.abs(b.astype(np.float64)), initial=0.0)
    near = 8 * np.finfo(a.dtype).eps * max(1.0, size)
    return a.dtype == b.dtype and bool(np.allclose(a, b, rtol=0, atol=near, equal_nan=True))


I8_PAIRS = [
    np.array(x, np.int8) for x in zip(*itertools.product(range(-128, 128), repeat=2), strict=True)
]


@pytest.mark.parametrize(
    ("name", "exact", "needs"),
    [
        ("add", lambda a, b: a + b, lambda b: True),
        ("sub", lambda a, b: a - b, lambda b: True),
        ("mul", lambda a, b: a * b, lambda b: True),
        (
            "div_trunc",
            lambda a, b: abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1),
            lambda b: b != 0,
        ),
        ("rem", lambda a, b: abs(a) % abs(b) * (-1 if a < 0 else 1), lambda b: b != 0),
        ("div_floor", lambda a, b: a // b, lambda b: b != 0),
        ("modulo", lambda a, b: a % b, lambda b: b != 0),
        ("bit_and", lambda a, b: a & b, lambda b: True),
        ("bit_or", lambda a, b: a | b, lambda b: True),
        ("bit_xor", lambda a, b: a ^ b, lambda b: True),
        ("shift_left", lambda a, b: a << b, lambda b: 0 <= b < 8),
        ("shift_right", lambda a, b: a >> b, lambda b: 0 <= b < 8),
        ("min", min, lambda b: True),
        ("max", max, lambda b: True),
        ("absolute_difference", None, lambda b: True),
    ],
)
def test_integers_wrap_and_round_as_stated(name: str, exact: Any, needs: Any) -> None:
    """Over all pairs of i8."""
    a, b = I8_PAIRS
    keep = np.array([needs(int(y)) for y in b])
    found = means(OPS[name], Instance((I8, I8), I8), 0, (a[keep], b[keep]))
    pairs = zip(a[keep].tolist(), b[keep].tolist(), strict=True)
    if exact is None:
        wanted = [abs((x - y + 128) % 256 - 128) for x, y in pairs]
    else:
        wanted = [exact(x, y) for x, y in pairs]
    assert found.dtype == np.int8
    assert np.array_equal(found.astype(int), (np.array(wanted) + 128) % 256 - 128)


@pytest.mark.parametrize("scalar", [I8, U8, I16, I32, I64, U32], ids=str)
def test_integer_unaries(scalar: Scalar) -> None:
    low, high = int_limits(scalar)
    a = np.array([low, low + 1, 0, 1, 2, 77, high - 1, high], scalar.dtype)
    one = Instance((scalar,), scalar)
    assert np.array_equal(means(OPS["bit_not"], one, 0, [a]), ~a)
    truth = Instance((scalar,), BOOL)
    assert means(OPS["is_odd"], truth, 0, [a]).tolist() == [int(x) % 2 == 1 for x in a]
    if scalar.kind == "int":
        assert np.array_equal(means(OPS["neg"], one, 0, [a]), -a)
        assert means(OPS["abs"], one, 0, [a])[0] == low  # it has no positive counterpart
        assert means(OPS["sign"], one, 0, [a]).tolist() == [-1, -1, 0, 1, 1, 1, 1, 1]


def test_casts() -> None:
    def cast(values: list[float], source: Scalar, target: Scalar) -> Any:
        array = np.array(values, number_type(source))
        return means(OPS["cast"], Instance((source,), target), 0, [array])

    assert cast([-2.9, -0.5, 0.5, 2.9], F32, I32).tolist() == [-2, 0, 0, 2]
    assert cast([-0.0, 0.0, 1e-40, -3.0, np.nan], F32, BOOL).tolist() == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert cast([0, 1, 256, -1], I32, BOOL).tolist() == [False, True, True, True]
    assert cast([300, -1, 127, 128], I32, I8).tolist() == [44, -1, 127, -128]
    assert cast([-1, 200], I16, U8).tolist() == [255, 200]
    assert cast([True, False], BOOL, F16).dtype == np.float16
    assert cast([2**24 + 1], I32, F32).tolist() == [2.0**24]
    assert cast([2049.0, 2051.0], F32, F16).tolist() == [2048.0, 2052.0]  # ties to even
    assert cast([1.00390625, 1.01171875, 3.39e38], F32, BF16).tolist() == [
        1.0,
        1.015625,
        3.3895313892515355e38,
    ]


@pytest.mark.parametrize("scalar", [F16, F32, F64], ids=str)
def test_roundings_and_signs(scalar: Scalar) -> None:
    one = Instance((scalar,), scalar)
    largest_half = float(np.nextafter(number_type(scalar)(0.5), number_type(scalar)(0)))
    values = [
        -2.5,
        -1.5,
        -0.5,
        -largest_half,
        -0.0,
        0.0,
        largest_half,
        0.5,
        1.5,
        2.5,
        np.inf,
        -np.inf,
        np.nan,
    ]
    a = np.array(values, scalar.dtype)

    def found(name: str) -> list[float]:
        return means(OPS[name], one, 0, [a]).tolist()

    def same(name: str, wanted: list[float]) -> None:
        made = np.array(found(name))
        assert np.array_equal(made, wanted, equal_nan=True), name
        signs = ~np.isnan(np.array(wanted))
        assert np.array_equal(np.signbit(made)[signs], np.signbit(wanted)[signs]), name

    inf, nan = np.inf, np.nan
    same("round", [-3.0, -2.0, -1.0, -0.0, -0.0, 0.0, 0.0, 1.0, 2.0, 3.0, inf, -inf, nan])
    same("rint", [-2.0, -2.0, -0.0, -0.0, -0.0, 0.0, 0.0, 0.0, 2.0, 2.0, inf, -inf, nan])
    same("trunc", [-2.0, -1.0, -0.0, -0.0, -0.0, 0.0, 0.0, 0.0, 1.0, 2.0, inf, -inf, nan])
    same("floor", [-3.0, -2.0, -1.0, -1.0, -0.0, 0.0, 0.0, 0.0, 1.0, 2.0, inf, -inf, nan])
    same("ceil", [-2.0, -1.0, -0.0, -0.0, -0.0, 0.0, 1.0, 1.0, 2.0, 3.0, inf, -inf, nan])
    assert found("sign_not_zero") == [-1.0] * 4 + [1.0] * 7 + [-1.0, 1.0]
    assert found("step") == [1.0] * 4 + [0.0] * 7 + [1.0, 0.0]
    assert found("heaviside") == [0.0] * 4 + [1.0] * 7 + [0.0, 1.0]
    assert found("nonzero") == [1.0] * 4 + [0.0, 0.0] + [1.0] * 7
    assert found("sign")[:-1] == [-1.0] * 4 + [0.0, 0.0] + [1.0] * 5 + [-1.0]


def test_vectors_are_meant_componentwise() -> None:
    vector = Vector(F64, 3)
    a, b = np.array([[1.0, 2.0, 3.0]]), np.array([[-1.0, 0.5, 2.0]])
    assert means(OPS["cross"], Instance((vector, vector), vector), 0, [a, b]).tolist() == [
        [2.5, -5.0, 2.5]
    ]
