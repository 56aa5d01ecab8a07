"""The domain of values with error bounds: op rows, writing in place, folding, doubt."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from grammar import numeric
from grammar.bounds.bounded import Bounded
from grammar.bounds.domain import Bounds
from grammar.bounds.known import Known
from grammar.bounds.precision import Precision
from grammar.ops import OPS
from grammar.ops.base import Instance, Op
from grammar.plain import Plain
from grammar.types import BF16, BOOL, F16, F32, F64, I32, Scalar, element_shape, scalar_of

# NumPy has no bfloat16: plain meanings of several steps round only once.
PRECISION = Precision(excess=frozenset({"bf16"}))
UFUNCS = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
}
ROWS = np.array([0, 2, 2, 5, 0, 2])


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with np.errstate(all="ignore"):
        yield


def domain(wide: Any = np.float64) -> Bounds:
    return Bounds(PRECISION, wide)


def _operand(
    random: np.random.Generator, made: Bounds, op: Op, instance: Instance, k: int
) -> tuple[Any, Any]:
    """Plain values near a bounded operand's centre, and that operand."""
    scalar, plain = scalar_of(instance.operands[k]), Plain()
    shape = (12, *element_shape(instance.operands[k]))
    if scalar.kind == "bool":
        at = random.random(shape) < 0.5
    elif scalar.kind != "float":
        at = random.integers(1, 5, shape)
    else:
        signed = op.requires == () or op.requires[k] == ""
        at = random.uniform(0.1, 0.9, shape) * (random.choice([-1, 1], shape) if signed else 1)
    working = plain.lift(at, scalar)
    if random.random() < 0.2:  # the same in all lanes
        working = working[0]
    value = made.lift(working, scalar)
    if scalar.kind == "float" and random.random() < 0.7:
        e = np.abs(value.v) * random.choice([0, 1e-5, 1e-3], value.shape).astype(made.wide)
        near = plain.lift(np.asarray(value.v + e * random.uniform(-1, 1, value.shape)), scalar)
        inside = np.abs(near.astype(made.wide) - value.v) <= e
        return np.where(inside, near, working), Bounded(value.v, e, True, value.format)
    return working, value


@pytest.mark.parametrize("name", OPS)
def test_every_op_row_holds_for_values_with_bounds(name: str) -> None:
    op = OPS[name]
    random = np.random.default_rng(len(name))
    places = random.permutation(len(op.instances))[:8]
    domains = {wide: domain(wide) for wide in (np.float64, np.longdouble)}
    compared = lanes = 0
    for instance in (op.instances[place] for place in places):
        types = (*instance.operands, instance.result)
        made = domains[np.longdouble if F64 in map(scalar_of, types) else np.float64]
        attribute = int(random.integers(max(1, op.attributes(instance))))
        pairs = [_operand(random, made, op, instance, k) for k in range(op.arity)]
        expected = Plain().meaning(op, instance, attribute, False)(*(at for at, _ in pairs))
        scalar = scalar_of(instance.result)
        for adjoint in (False, True):
            result = made.meaning(op, instance, attribute, adjoint)(*(x for _, x in pairs))
            if scalar.kind == "float":
                assert result.format is made.format(scalar, adjoint)
                assert result.shape == expected.shape
                sure = result.bound < math.inf
                right = np.abs(expected.astype(made.wide) - result.v) <= result.bound
            else:
                v, unsure = made.exact(result)
                assert v.dtype == np.dtype(scalar.dtype)
                sure = np.ones(v.shape, bool) if unsure is None else ~unsure
                right = v == expected
            assert right[sure].all()
            compared += int(sure.sum())
            lanes += sure.size
    assert compared > 0.4 * lanes


def test_meanings_are_made_once() -> None:
    made = domain()
    instance = Instance((F32, F32), F32)
    assert made.meaning(OPS["add"], instance, 0, False) is made.meaning(
        OPS["add"], instance, 0, False
    )


def test_more_error_of_an_op() -> None:
    instance = Instance((F32,), F32)
    bounds: list[Any] = []
    for precision in (
        Precision(),
        Precision(absolute={"sigmoid": (2.0, 2.0)}),
        Precision(ulps={"sigmoid": (3.0, 3.0)}),
        Precision(absolute={"exp": (2.0, 2.0)}),
    ):
        made = Bounds(precision, np.float64)
        a = made.lift(np.array([-10.0, 0.0], "f4"), F32)
        bounds.append(made.meaning(OPS["sigmoid"], instance, 0, False)(a).bound)
    plain, absolute, relative, inner = bounds
    assert (absolute - plain >= 2 * 2.0**-24).all()
    assert (relative - plain >= 6 * 2.0**-24 * np.array([4e-5, 0.5])).all()
    assert inner[1] > plain[1]


@pytest.mark.parametrize("scalar", [F32, F64, F16, BF16])
def test_values_go_in_and_out_unchanged(scalar: Scalar) -> None:
    made = domain(np.longdouble if scalar is F64 else np.float64)
    array = Plain().lift(np.array([0.1, -0.0, math.inf, 3.0]), scalar)
    back = made.lower(made.lift(array, scalar), scalar)
    assert back.dtype == array.dtype
    assert back.tobytes() == array.tobytes()


@pytest.mark.parametrize("kind", ["add", "sub", "min", "max", "mul"])
@pytest.mark.parametrize("seed", range(6))
def test_repeated_rows_combine_in_any_order(kind: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    made = domain()
    start = random.normal(size=7).astype("f4") * (seed % 3)
    terms = random.normal(size=6).astype("f4")
    e = np.abs(terms) * random.choice([0, 1e-4], 6)
    value = made.copy(made.lift(start, F32))
    made.combine(kind, value, ROWS, Bounded(terms.astype("f8"), e, True, value.format))
    function = UFUNCS[kind]
    for _ in range(30):
        held = start.copy()
        order = random.permutation(6)
        part = (terms + e * random.choice([-1, 0, 1], 6)).astype("f4")
        part = np.where(np.abs(part - terms.astype("f8")) <= e, part, terms)
        for k in order:
            held[ROWS[k]] = function(held[ROWS[k]], part[k])
        assert (np.abs(held - value.v) <= value.bound).all()
    untouched = [1, 3, 4, 6]
    assert (value.bound[untouched] == 0).all()
    assert (value.v[untouched] == start[untouched]).all()


@pytest.mark.parametrize("kind", ["add", "min", "mul"])
def test_repeated_rows_of_vectors(kind: Any) -> None:
    random, made = np.random.default_rng(4), domain()
    start, terms = random.normal(size=(7, 3)).astype("f4"), random.normal(size=(6, 3)).astype("f4")
    value = made.copy(made.lift(start, F32))
    made.combine(kind, value, ROWS, made.lift(terms, F32))
    held = start.copy()
    UFUNCS[kind].at(held, ROWS, terms)
    assert value.bound.shape == (7, 3)
    assert (np.abs(held - value.v) <= value.bound).all()


def test_places_of_ties_stay_open_in_gradients() -> None:
    a = domain().lift(np.array([[1.0, 2.0, 2.0], [1.0, 2.0, 3.0]], "f4"), F32)
    assert numeric.arg_extreme(a, largest=True).tolist() == [1, 2]
    adjoint = Bounded(a.v, a.e, a.mixed, a.format.other)
    place = numeric.arg_extreme(adjoint, largest=True)
    assert place.ok.tolist() == [False, True]
    assert a.format.reasons == {"kink": 1}


def test_the_first_addition_to_nothing_is_exact() -> None:
    made = domain()
    value = made.copy(made.lift(np.array([0.0, 0.2, 0.0], "f4"), F32))
    made.combine("add", value, np.array([2, 0]), made.lift(np.array([0.7, 0.9], "f4"), F32))
    assert value.bound.tolist() == [0.0] * 3
    made.combine("add", value, np.array([1]), made.lift(np.array([0.1], "f4"), F32))
    assert (value.bound > 0).tolist() == [False, True, False]


def test_additions_one_after_the_other_may_happen_in_any_order() -> None:
    made = domain()
    terms = np.array([1e6, -1e6, 1e-3], "f4")
    value = made.copy(made.lift(np.zeros(1, "f4"), F32))
    for term in terms:
        made.combine("add", value, np.array([0]), made.lift(np.array([term]), F32))
    other = (terms[2] + terms[0]) + terms[1]
    assert other != (terms[0] + terms[1]) + terms[2]
    assert abs(other - value.v[0]) <= value.bound[0]


def test_unknown_elements_stay_unknown_when_combined() -> None:
    made = domain()
    value = made.copy(made.zeros(F32, (3,)))
    new = made.blind(np.array([False, True]), made.lift(np.array([1.0, 2.0], "f4"), F32))
    made.combine("add", value, np.array([0, 0]), new)
    made.combine("add", value, np.array([0, 1]), made.lift(np.array([1.0, 2.0], "f4"), F32))
    assert value.bound.tolist() == [math.inf, 0.0, 0.0]
    made.put(value, np.array([0]), made.lift(np.array([5.0], "f4"), F32))
    assert value.bound.tolist() == [0.0, 0.0, 0.0]
    assert value.v.tolist() == [5.0, 2.0, 0.0]


def test_uncertain_integers_in_place() -> None:
    made = domain()
    value = made.copy(np.arange(4, dtype=np.int32))
    unsure = Known(np.array([7, 8], np.int32), np.array([True, False]))
    made.put(value, np.array([0, 1]), unsure)
    made.combine("add", value, np.array([2, 2]), np.array([1, 1], np.int32))
    v, doubt = made.exact(value)
    assert v.tolist() == [7, 8, 4, 3]
    assert doubt is not None
    assert doubt.tolist() == [False, True, False, False]
    made.combine("max", value, np.array([3]), unsure[1:])
    assert value.ok.tolist() == [True, False, True, False]
    assert isinstance(made.take(value, np.array([0, 2])), np.ndarray)
    with pytest.raises(TypeError, match="write into a copy"):
        made.put(np.arange(4, dtype=np.int32), np.array([0, 1]), unsure)


@pytest.mark.parametrize("kind", ["add", "sub", "min", "max", "mul"])
@pytest.mark.parametrize("count", [1, 2, 9])
def test_folds_hold_in_any_order(kind: Any, count: int) -> None:
    random = np.random.default_rng(count)
    made, plain = domain(), Plain()
    initial = random.normal(size=5).astype("f4")
    terms = random.normal(size=(5, count)).astype("f4")
    folded = made.fold(kind, made.lift(initial, F32), made.lift(terms.reshape(-1), F32), count)
    for _ in range(20):
        shuffled = random.permuted(terms, axis=1).reshape(-1)
        held = plain.fold(kind, initial, shuffled, count)
        assert (np.abs(held - folded.v) <= folded.bound).all()
    integers = made.fold(kind, np.arange(5), np.arange(5 * count) + 1, count)
    assert (
        integers.tolist()
        == plain.fold(kind, np.arange(5), np.arange(5 * count) + 1, count).tolist()
    )


def test_doubt() -> None:
    made = domain()
    mask = np.array([True, False])
    a, b = made.lift(np.array([1.0, 1.0], "f4"), F32), made.lift(np.array([3.0, 3.0], "f4"), F32)
    hull = made.hull(mask, a, b)
    assert hull.v.tolist() == [2.0, 1.0]
    assert 1 <= hull.bound[0] < 1.01
    assert hull.bound[1] == 0
    assert made.hull(np.array([False, False]), a, b) is a
    integers = made.hull(mask, np.array([1, 1]), np.array([2, 2]))
    assert integers.ok.tolist() == [False, True]
    assert made.hull(mask, np.array([1, 1]), np.array([1, 2])).tolist() == [1, 1]
    assert made.blind(mask, a).bound.tolist() == [math.inf, 0.0]
    assert made.blind(mask, np.array([True, True])).ok.tolist() == [False, True]
    doubt = made.exact(made.blind(mask, np.array([1, 2])))[1]
    assert doubt is not None
    assert doubt.tolist() == [True, False]


def test_shapes() -> None:
    made = domain()
    for value in (
        made.lift(np.arange(6, dtype="f4"), F32) * 0.1,
        made.lift(np.arange(6, dtype="f4"), F32),
        np.arange(6, dtype="i4"),
        made.blind(np.arange(6) == 2, np.arange(6, dtype="i4")),
    ):
        square = made.reshape(value, (2, 3))
        assert square.shape == (2, 3)
        assert made.broadcast(square, (4, 2, 3)).shape == (4, 2, 3)
        assert made.repeat(square, 2).shape == (4, 3)
        assert made.take(square, np.array([1, 1, 0])).shape == (3, 3)
        assert made.copy(square).ndim == 2
    assert made.zeros(I32, (2,)).v.dtype == np.int32
    assert made.zeros(BOOL, ()).shape == ()


def test_lanes_of_exact_vectors_can_be_blinded() -> None:
    made = domain()
    vectors = made.lift(np.ones((3, 2), np.float32), F32)
    blind = made.blind(np.array([False, True, False])[:, None], vectors)
    assert np.isinf(blind.bound).tolist() == [[False] * 2, [True] * 2, [False] * 2]
    assert blind.v.shape == (3, 2)


@pytest.mark.parametrize("shape", [(3,), ()])
def test_contributions_to_a_gradient_cancel_in_any_order(shape: tuple[int, ...]) -> None:
    made = domain()
    add = made.meaning(
        OPS["add"], next(i for i in OPS["add"].instances if i.result == F32), 0, True
    )
    large, small = np.full(shape, 1e6, "f4"), np.full(shape, 1e-3, "f4")
    g, less, s = (made.lift(x, F32) for x in (large, -large, small))
    found = add(add(g, less), s)
    other = (small + large) - large
    assert (other != small).all()
    assert (np.abs(other - found.v) <= found.bound).all()
