"""The oracle on hand-made programs: what it accepts, what it rejects, and what it leaves open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backends.base import Execution, Limitation
from grammar.bounds.precision import Precision
from grammar.build import Builder, ProgramBuilder
from grammar.gradient import gradient
from grammar.program import Program, Value
from grammar.special import round_bfloat16
from grammar.types import BF16, F16, F32, F64, I32, Array, Scalar
from irgen import oracle
from irgen.oracle import Expected
from irgen.verdict import Verdict

LANES = 16
PRECISION = Precision()
UNREAL = Limitation("unreal", "stand-in", "a limitation", "nowhere")

Body = Callable[[Builder, Value], Value]


def elementwise(body: Body, scalar: Scalar = F32) -> Program:
    """A kernel that stores `body` of each element."""
    units = ProgramBuilder()
    array = Array(scalar, (LANES,))

    def kernel(b: Builder, i: Value, source: Value, target: Value) -> None:
        b.store(target, i, body(b, b.load(source, i)))

    units.kernel((LANES,), (array, array), kernel)
    return units.finish()


def expected_of(program: Program, x: Any) -> Expected:
    out = np.zeros(LANES, x.dtype)
    cotangents = (np.ones(LANES, x.dtype),)
    return oracle.expect(program, gradient(program), (x, out), cotangents, PRECISION)


def verdict(
    program: Program, x: Any, outputs: Any, slope: Any, limitations: tuple[Limitation, ...] = ()
) -> Verdict:
    got = Execution("stand-in", (outputs,), (slope, None))
    return oracle.judge(program, "stand-in", expected_of(program, x), got, limitations)


X = np.linspace(0.25, 3.75, LANES, dtype=np.float32)
SINE = elementwise(lambda b, x: b.op("sin", x))


def test_the_right_answer_is_verified() -> None:
    found = verdict(SINE, X, np.sin(X), np.cos(X))
    assert (found.forward, found.gradient) == ("verified", "verified")
    assert found.verified
    output, slope = found.compared
    assert (output.role, output.position, output.lanes) == ("output", 0, LANES)
    assert output.exact + output.within == LANES
    assert output.max_ulp < 1
    assert (slope.role, slope.position) == ("gradient", 0)


@pytest.mark.parametrize("lane", [0, 7, LANES - 1])
def test_one_wrong_lane_is_a_mismatch(lane: int) -> None:
    wrong = np.sin(X)
    wrong[lane] *= np.float32(1 + 2e-6)
    found = verdict(SINE, X, wrong, np.cos(X))
    assert (found.forward, found.gradient) == ("mismatch", "verified")
    assert not found.verified
    assert found.compared[0].mismatched == 1
    assert found.compared[0].worst == [lane]
    assert found.compared[0].max_share > 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_a_mismatch(bad: float) -> None:
    wrong = np.sin(X)
    wrong[3] = bad
    assert verdict(SINE, X, wrong, np.cos(X)).forward == "mismatch"


def test_a_limitation_explains_a_gradient_and_never_a_value() -> None:
    found = verdict(SINE, X, np.sin(X), -np.cos(X), (UNREAL,))
    assert (found.forward, found.gradient) == ("verified", "known_wrong")
    assert found.limitations == ["unreal"]
    assert not found.verified
    found = verdict(SINE, X, -np.sin(X), np.cos(X), (UNREAL,))
    assert (found.forward, found.gradient) == ("mismatch", "verified")


def test_a_limitation_does_not_spoil_a_gradient_that_is_right() -> None:
    assert verdict(SINE, X, np.sin(X), np.cos(X), (UNREAL,)).verified


def test_doubles_are_judged_as_doubles() -> None:
    program = elementwise(lambda b, x: b.op("sin", x), F64)
    x = X.astype(np.float64)
    assert verdict(program, x, np.sin(x), np.cos(x)).verified
    assert verdict(program, x, np.sin(x) * (1 + 3e-15), np.cos(x)).forward == "mismatch"
    assert verdict(program, x, np.sin(X).astype(np.float64), np.cos(x)).forward == "mismatch"


def test_halves_are_judged_as_halves() -> None:
    program = elementwise(lambda b, x: b.op("mul", x, x), F16)
    x = X.astype(np.float16)
    assert verdict(program, x, x * x, np.float16(2) * x).verified
    wrong = x * x
    wrong[5] = np.nextafter(wrong[5], np.float16(100))
    assert verdict(program, x, wrong, np.float16(2) * x).forward == "mismatch"


def test_integers_agree_exactly_or_not() -> None:
    program = elementwise(lambda b, x: b.op("add", x, b.const(I32, 3)), I32)
    x = np.arange(LANES, dtype=np.int32)
    expected = oracle.expect(program, None, (x, np.zeros_like(x)), (None,), PRECISION)
    for delta, outcome in ((0, "verified"), (1, "mismatch")):
        got = Execution("stand-in", (x + 3 + delta,), None, gradient_reason="no_float_inputs")
        found = oracle.judge(program, "stand-in", expected, got)
        assert (found.forward, found.gradient) == (outcome, "none")


def test_a_step_that_rounding_decides_is_left_open() -> None:
    """Whether exp(log(x)) reaches the whole number x depends on the last bit."""
    program = elementwise(lambda b, x: b.op("floor", b.op("exp", b.op("log", x))))
    x = np.arange(1, LANES + 1, dtype=np.float32)
    zero = np.zeros(LANES, np.float32)
    found = verdict(program, x, x - 1, zero)
    assert found.forward == "not_comparable"
    assert found.reasons["step"] > 0
    assert found.compared[0].mismatched == 0
    assert verdict(program, x + np.float32(0.5), x - 1, zero).forward == "mismatch"


def test_the_slope_at_a_kink_is_left_open() -> None:
    program = elementwise(lambda b, x: b.op("abs", x))
    x = X.copy()
    x[:4] = 0.0
    slope = np.sign(x)
    for convention in (-1.0, 0.0, 1.0):
        slope[:4] = convention
        found = verdict(program, x, np.abs(x), slope)
        assert found.forward == "verified"
        assert found.gradient in ("verified", "not_comparable")
        assert found.compared[1].mismatched == 0
    slope[:4] = 3.0
    assert verdict(program, x, np.abs(x), slope).gradient == "mismatch"


def test_what_did_not_run_says_why() -> None:
    expected = expected_of(SINE, X)
    got = Execution("stand-in", None, None, reason="crashed", gradient_reason="crashed")
    found = oracle.judge(SINE, "stand-in", expected, got)
    assert (found.forward, found.gradient) == ("failed", "failed")
    assert (found.reason, found.gradient_reason) == ("crashed", "crashed")


def test_an_amplified_rounding_is_no_mismatch() -> None:
    """sin(37 x^2) amplifies the rounding of its argument; a fixed tolerance would object."""
    program = elementwise(
        lambda b, x: b.op("sin", b.op("mul", b.op("mul", x, x), b.const(F32, 37.0)))
    )
    x = X
    square = np.float32(37) * (x * x)
    slope = np.cos(square) * np.float32(37) * (np.float32(2) * x)
    other = np.cos(x.astype(np.float64) ** 2 * 37) * 74 * x
    assert np.abs(slope - other).max() > 1e-4
    assert verdict(program, x, np.sin(square), slope).verified
    assert verdict(program, x, np.sin(square), slope * np.float32(1.01)).gradient == "mismatch"


def test_a_gradient_may_be_summed_before_or_after_a_cast() -> None:
    """The slope of a double that every lane casts to float is a sum of floats."""
    units = ProgramBuilder()
    array = Array(F32, (LANES,))

    def kernel(b: Builder, i: Value, shift: Value, source: Value, target: Value) -> None:
        b.store(target, i, b.op("add", b.load(source, i), b.op("cast", shift, result=F32)))

    units.kernel((LANES,), (F64, array, array), kernel)
    program = units.finish()
    shift, out = np.float64(0.3), np.zeros(LANES, np.float32)
    cotangent = np.exp(X) / np.float32(3)
    inputs = (np.asarray(shift), X, out)
    expected = oracle.expect(program, gradient(program), inputs, (cotangent,), PRECISION)
    after, before = cotangent.astype(np.float64).sum(), np.float64(np.cumsum(cotangent)[-1])
    assert abs(after - before) > 1e-9
    for slope, outcome in ((after, "verified"), (before, "verified"), (after + 1e-3, "mismatch")):
        gradients = (np.asarray(slope), cotangent, None)
        got = Execution("stand-in", (X + np.float32(shift),), gradients)
        assert oracle.judge(program, "stand-in", expected, got).gradient == outcome


def test_literals_are_those_of_their_type() -> None:
    """bfloat16 has no 0.15: a backend multiplies by the nearest number that it has."""
    program = elementwise(lambda b, x: b.op("mul", x, b.const(BF16, 0.15)), BF16)
    x = np.arange(1, LANES + 1, dtype=np.float32)
    literal = np.float32(0.150390625)
    outputs = round_bfloat16(x * literal)
    assert verdict(program, x, outputs, np.full(LANES, literal)).verified
