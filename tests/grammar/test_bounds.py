"""Values with error bounds: sound, sharp, and unknown where they must be."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from grammar import numeric
from grammar.bounds import bounded, structure
from grammar.bounds.bounded import Bounded
from grammar.bounds.domain import Bounds
from grammar.bounds.known import Known
from grammar.bounds.precision import Precision
from grammar.ops import OPS
from grammar.ops.base import Instance
from grammar.types import BF16, BOOL, F16, F32, F64, I32, I64, Scalar
from tests.grammar.boxes import FUNCTIONS, trial, wide_of

PLAIN = Precision()
ROUGH = Precision(
    exact=frozenset({"add", "cast"}),
    units={"mul": 2, "div": 3, "sqrt": 2},
    fused=True,
    flush=frozenset({"f32"}),
    argument=1.0,
)
EXCESS = Precision(excess=frozenset({"bf16"}))


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with np.errstate(all="ignore"):
        yield


def domain(scalar: Scalar = F32, precision: Precision = PLAIN) -> Bounds:
    return Bounds(precision, wide_of(scalar))


def value(v: Any, e: Any, scalar: Scalar = F32, precision: Precision = PLAIN) -> Any:
    made = domain(scalar, precision)
    v, e = np.broadcast_arrays(np.asarray(v, made.wide), np.asarray(e, made.wide))
    return Bounded(v, e, True, made.format(scalar))


def exact(v: Any, scalar: Scalar = F32, precision: Precision = PLAIN) -> Any:
    return domain(scalar, precision).lift(np.asarray(v, scalar.dtype), scalar)


def adjoint(a: Bounded) -> Any:
    return Bounded(a.v, a.e, a.mixed, a.format.other)


CASES = [
    (F32, PLAIN),
    (F32, ROUGH),
    (F64, PLAIN),
    (F64, ROUGH),
    (F16, PLAIN),
    # NumPy has no bfloat16: functions of several steps run in float32 between them.
    (BF16, EXCESS),
]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("scalar", "precision"), CASES)
def test_every_result_lies_within_its_bound(
    name: str, scalar: Scalar, precision: Precision
) -> None:
    outcome = trial(name, domain(scalar, precision), scalar, 1)
    assert outcome.wrong == 0
    assert outcome.compared > 0.25 * outcome.lanes


def test_bounds_are_sharp() -> None:
    """A few units in the last place where few are possible."""
    a, b = exact(np.linspace(0.5, 2, 50)), exact(np.linspace(2, 0.7, 50))
    inexact = np.exp(a)
    for made, units in ((inexact + b, 4.5), (inexact * b, 10.5), (inexact / b, 10.5)):
        assert (made.bound <= units * 2.0**-24 * np.abs(made.v) * 2).all()
    wide = np.exp(exact(np.linspace(0.5, 2, 50), F64)) * 2.0
    assert (wide.bound <= 1e-14 * wide.v).all()


def _no_product_term(a: Bounded, b: Bounded, format: Any) -> Any:
    return np.abs(a.v) * b.bound + np.abs(b.v) * a.bound


def _narrow_cover(a: Bounded, b: Bounded) -> Any:
    return a.v, np.maximum(a.bound, b.bound)


def _careless_settle(v: Any, e: Any, format: Any, units: Any, tiny: bool = True) -> Bounded:
    return Bounded(v, np.broadcast_to(e, np.shape(v)), False, format)


def _few_additions(v: Any, spread: Any, size: Any, additions: Any, format: Any) -> Bounded:
    return Bounded(v, np.broadcast_to(spread, v.shape), False, format)


def _certain(ufunc: np.ufunc, a: Any, b: Any) -> NDArray[np.bool_]:
    return ufunc(a.v, b.v)


def _everywhere(a: Bounded, b: Bounded) -> NDArray[np.bool_]:
    return np.isfinite(a.v + b.v)


@pytest.mark.parametrize(
    ("module", "attribute", "replacement", "name"),
    [
        (bounded, "spread_product", _no_product_term, "mul"),
        (structure, "cover", _narrow_cover, "select"),
        (bounded, "settle", _careless_settle, "add"),
        (bounded, "settle", _careless_settle, "div"),
        (structure, "summed", _few_additions, "total"),
        (bounded, "compare", _certain, "less"),
        (bounded, "exact_lanes", _everywhere, "add"),
    ],
)
def test_an_unsound_rule_is_caught(
    monkeypatch: pytest.MonkeyPatch, module: Any, attribute: str, replacement: Any, name: str
) -> None:
    monkeypatch.setattr(module, attribute, replacement)
    assert sum(trial(name, domain(), F32, seed).wrong for seed in range(3)) > 0


def test_exact_operands_stay_exact() -> None:
    a, b = exact([0.1, 0.2, 3.0]), exact([0.7, 1e-3, 7.0])
    pairs: list[Callable[[Any, Any], Any]] = [
        lambda x, y: x + y,
        lambda x, y: x - y,
        lambda x, y: x * y,
        lambda x, y: x / y,
        lambda x, y: np.sqrt(x * y),
        lambda x, y: np.fmod(y, x),
        lambda x, y: 0.1 * x,
    ]
    x, y = np.array([0.1, 0.2, 3.0], "f4"), np.array([0.7, 1e-3, 7.0], "f4")
    for function in pairs:
        made = function(a, b)
        assert made.e is None
        assert (made.v == function(x, y)).all()


def test_some_lanes_exact() -> None:
    a = value([0.1, np.float32(0.1)], [1e-3, 0.0])
    made = a + 1.0
    assert made.bound[0] > 1e-3
    assert made.bound[1] == 0
    assert made.v[1] == np.float32(0.1) + np.float32(1.0)


def test_fused_products_are_exact_only_where_they_fit() -> None:
    fused = Precision(fused=True)
    made = exact([1.5, 0.1], precision=fused) * exact([3.0, 0.7], precision=fused)
    assert made.bound[0] == 0
    assert made.bound[1] > 0
    made = exact([1.5, 0.1], F64, fused) * exact([3.0, 0.7], F64, fused)
    assert made.bound[0] == 0
    assert made.bound[1] > 0


def test_flushed_denormals() -> None:
    flush = Precision(flush=frozenset({"f32"}))
    tiny = exact([2.0**-140, 1.0], precision=flush)
    assert tiny.bound.tolist() == [2.0**-140, 0.0]
    assert (exact([2.0**-70], precision=flush) * 2.0**-70).bound[0] >= 2.0**-140
    assert (exact([2.0**-126], precision=flush) - 1.5 * 2.0**-126).bound[0] >= 2.0**-127


def test_overflow_is_unknown() -> None:
    made = exact([1e38, 1.0]) * 10.0
    assert made.bound.tolist() == [math.inf, 0.0]
    assert (np.exp(exact([100.0, 1.0])).bound == [math.inf, made.bound[1]])[0]
    half = exact([60000.0], F16) + exact([60000.0], F16)
    assert half.bound[0] == math.inf
    assert (made - made).bound[0] == math.inf
    assert (made.format.reasons["overflow"]) >= 1


def test_unknown_stays_unknown() -> None:
    unknown = value([1.0], [math.inf])
    for made in (
        unknown + 1.0,
        unknown * 0.0,
        0.0 / unknown,
        np.tanh(unknown),
        np.sin(unknown),
        np.arctan(unknown),
        np.minimum(unknown, -1.0),
        np.sign(unknown),
        np.floor(unknown),
        np.fmod(unknown, 2.0),
        numeric.total(numeric.stack((unknown, unknown, 1.0))),
        numeric.extreme(numeric.stack((unknown, 2.0)), largest=True),
        numeric.select(np.array([True]), unknown, 0.0),
    ):
        assert made.bound[0] == math.inf
    assert not (unknown < 5.0).ok[0]
    assert not np.isfinite(unknown).ok[0]


def test_poles_and_domains() -> None:
    assert (1.0 / value([0.5, 0.5], [0.4, 0.5])).bound.tolist()[1] == math.inf
    assert np.log(value([0.5], [0.6])).bound[0] == math.inf
    assert np.sqrt(value([0.5], [0.6])).bound[0] == math.inf
    assert np.arcsin(value([0.9], [0.2])).bound[0] == math.inf
    tangent = np.tan(value([1.5, 1.5], [0.01, 0.1])).bound
    assert np.isfinite(tangent[0])
    assert tangent[1] == math.inf
    turn = np.arctan2(value([0.1, 0.1], [0.2, 0.2]), value([-1.0, 1.0], [0.0, 0.0])).bound
    assert turn[0] == math.inf
    assert np.isfinite(turn[1])
    assert np.power(value([0.1], [0.2]), 2.5).bound[0] == math.inf


def test_steps() -> None:
    a = value([0.9, 0.9, 2.0, 2.0], [0.05, 0.2, 0.0, 1e-6])
    made = np.floor(a)
    assert made.bound.tolist() == [0.0, 0.5, 0.0, 0.5]
    assert made.v.tolist() == [0.0, 0.5, 2.0, 1.5]
    assert np.floor(value([0.9], [0.05])).e is None
    assert numeric.round_half_away(value([0.5, 0.5], [0.0, 1e-9])).bound.tolist() == [0.0, 0.5]
    assert np.fmod(value([5.5, 6.0], [0.1, 0.1]), 2.0).bound[0] < 0.11


def test_kinks() -> None:
    made = np.maximum(value([-1.0, 1e-3, -1e-3], 0.01), 0.0)
    assert made.v[0] == 0
    assert made.bound[0] == 0
    assert np.allclose(made.bound[1:].astype(float), [0.01, 0.009])
    signs = np.sign(value([-1.0, 1e-3, 0.0], [0.1, 0.01, 0.0]))
    assert signs.bound.tolist() == [0.0, 1.0, 0.0]


def test_comparisons() -> None:
    a = value([1.0, 1.0, 1.0], [0.0, 0.1, 0.1])
    made = a < value([1.0, 1.3, 1.15], [0.0, 0.1, 0.1])
    assert isinstance(made, Known)
    assert made.ok.tolist() == [True, True, False]
    assert made.v.tolist()[:2] == [False, True]
    assert isinstance(a < 5.0, np.ndarray)
    assert isinstance(exact([1.0, math.nan, math.inf]) < 2.0, np.ndarray)
    unsure = a < 1.05
    assert ((a > 5.0) & unsure).tolist() == [False] * 3
    assert ((a < 5.0) | unsure).tolist() == [True] * 3
    assert ((a < 5.0) & unsure).ok.tolist() == unsure.ok.tolist()


def test_choice_by_an_unknown_condition_covers_both() -> None:
    condition = Known(np.array([True, True]), np.array([True, False]))
    made = numeric.select(condition, value([1.0, 1.0], 0.1), value([4.0, 4.0], 0.2))
    assert made.v.tolist()[0] == 1.0
    assert made.bound[0] == 0.1
    assert made.v[1] - made.bound[1] <= 0.9
    assert made.v[1] + made.bound[1] >= 4.2
    same = numeric.select(condition, exact([2.0, 2.0]), 2.0)
    assert same.v.tolist() == [2.0, 2.0]
    assert same.bound.tolist() == [0.0, 0.0]
    weights = numeric.select(condition, 1.0, 0.0) * exact([3.0, 3.0])
    assert weights.format.scalar is F32
    assert weights.v.tolist() == [3.0, 1.5]
    assert weights.bound[1] >= 1.5
    integers = numeric.select(condition, np.array([1, 2]), np.array([3, 2]))
    assert integers.tolist() == [1, 2]
    assert numeric.select(condition, np.array([1, 2]), np.array([3, 4])).ok.tolist() == [
        True,
        False,
    ]


def test_gradients_predict_no_rounding_and_leave_ties_open() -> None:
    a, b = adjoint(exact([0.5, 1.0])), adjoint(exact([1.0, 1.0]))
    made = a + b
    assert (made.bound >= 2 * 2.0**-24 * made.v).all()
    assert (a < b).ok.tolist() == [True, False]
    assert (a == b).ok.tolist() == [True, False]
    hull = numeric.select(a < b, 1.0, 0.0)
    assert hull.v.tolist() == [1.0, 0.5]
    assert hull.bound[0] == 0
    assert 0.5 <= hull.bound[1] < 0.51
    assert np.sign(adjoint(exact([0.0, -2.0]))).bound.tolist() == [1.0, 0.0]
    assert b.format.reasons["kink"] == 3


def test_sums_in_any_order() -> None:
    random = np.random.default_rng(3)
    terms = (random.normal(size=(12, 40)) * 10.0 ** random.uniform(-4, 4, (12, 40))).astype("f4")
    made = numeric.total(exact(terms))
    for _ in range(50):
        order = random.permutation(40)
        held = np.zeros(12, np.float32)
        for k in order:
            held = held + terms[:, k]
        assert (np.abs(held - made.v) <= made.bound).all()
    assert (made.bound <= 40 * 2.0**-24 * np.abs(terms).sum(1)).all()


@pytest.mark.parametrize("scalar", [F32, F64, F16])
def test_nan_and_infinity_as_inputs(scalar: Scalar) -> None:
    a = exact([math.nan, math.inf, 1.0], scalar)
    assert np.isnan(a).tolist() == [True, False, False]
    assert np.isinf(a).tolist() == [False, True, False]
    assert (a * 2.0).bound.tolist() == [math.inf, math.inf, 0.0]
    assert np.maximum(a, 0.0).bound.tolist()[0] == math.inf
    assert (a > 0.0).tolist() == [False, True, True]


def _cast(source: Scalar, result: Scalar, precision: Precision = PLAIN) -> Any:
    made = Bounds(precision, np.longdouble if F64 in (source, result) else np.float64)
    return made, made.meaning(OPS["cast"], Instance((source,), result), 0, False)


def test_casts_of_floats() -> None:
    _, to_int = _cast(F32, I32)
    assert to_int(exact([1.5, -1.5])).tolist() == [1, -1]
    made = to_int(value([1.5, 2.0, 3e9, 1.0], [0.1, 0.1, 0.0, math.inf]))
    assert made.ok.tolist() == [True, False, False, False]
    assert made.v.dtype == np.int32
    _, to_long = _cast(F32, I64)
    assert not to_long(exact([2.0**63, 1.0])).ok[0]
    _, to_bool = _cast(F32, BOOL)
    assert to_bool(value([1.0, 0.05], 0.1)).ok.tolist() == [True, False]
    made, narrow = _cast(F64, F32)
    rounded = narrow(made.lift(np.array([0.1, 1e300]), F64))
    assert rounded.v[0] == np.float32(0.1)
    assert rounded.bound.tolist() == [0.0, math.inf]
    _, widen = _cast(F32, F64)
    assert widen(value([1.0], 1e-3)).bound[0] == 1e-3


def test_casts_of_integers() -> None:
    _, to_float = _cast(I32, F32)
    assert to_float(np.array([3, 2**24 + 1], np.int32)).e is None
    assert to_float(np.array([2**24 + 1], np.int32)).v[0] == 2**24
    unsure = Known(np.array([1, 2], np.int32), np.array([True, False]))
    assert to_float(unsure).bound.tolist() == [0.0, math.inf]
    _, to_half = _cast(I32, F16)
    assert to_half(np.array([2049, 100000], np.int32)).bound.tolist() == [0.0, math.inf]
    _, wrap = _cast(I64, I32)
    assert wrap(np.array([2**32 + 5])).tolist() == [5]
    assert wrap(np.array([2**32 + 5])).dtype == np.int32
