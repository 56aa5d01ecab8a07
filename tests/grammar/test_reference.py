"""The reference: arithmetic of every dtype, entries of every kind, and inputs that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from grammar.build import Builder, ProgramBuilder
from grammar.generate import program_at
from grammar.interpret import run
from grammar.passes.entry import as_kernel
from grammar.plain import Plain, array_dtype
from grammar.presets import GRAMMARS
from grammar.program import Program, Value
from grammar.reference import output_types, reference, shape_of
from grammar.special import round_bfloat16
from grammar.types import (
    BF16,
    BOOL,
    F16,
    F32,
    F64,
    I32,
    INTEGERS,
    Array,
    Matrix,
    Scalar,
    Type,
    Vector,
    int_limits,
    scalar_of,
)
from grammar.verify import verify
from tests.grammar.examples import EXAMPLES
from tests.grammar.run_both import drawn_inputs


def applying(op: str, *types: Scalar, result: Scalar | None = None) -> Program:
    p = ProgramBuilder()
    p.function(types, lambda b, *x: b.op(op, *x, result=result))
    return p.finish()


def apply(op: str, scalar: Scalar, *operands: Any, result: Scalar | None = None) -> Any:
    given = [np.asarray(x, array_dtype(scalar)) for x in operands]
    return reference(applying(op, *[scalar] * len(given), result=result), given)[0]


@pytest.mark.parametrize("scalar", INTEGERS, ids=str)
def test_integers_wrap_in_their_own_dtype(scalar: Scalar) -> None:
    low, high = int_limits(scalar)
    assert apply("add", scalar, high, 1) == low
    assert apply("sub", scalar, low, 1) == high
    product = (high * high - low) % (high - low + 1) + low
    assert apply("mul", scalar, [high], [high]).tolist() == [product]
    assert apply("add", scalar, 1, 2).dtype == scalar.dtype


def test_signed_zeros_and_nan() -> None:
    zeros = apply("mul", F32, [0.0, -0.0, 0.0], [-1.0, -1.0, 1.0])
    assert np.signbit(zeros).tolist() == [True, False, False]
    assert np.signbit(apply("neg", F64, 0.0))
    assert np.isnan(apply("sub", F32, np.inf, np.inf))
    assert np.isnan(apply("div", F16, 0.0, 0.0))
    assert apply("div", F32, 1.0, -0.0) == -np.inf
    assert not apply("eq", F32, np.nan, np.nan)
    assert apply("ne", F32, np.nan, np.nan)


def test_nothing_warns() -> None:
    """Warnings are errors here."""
    apply("add", F16, 60000.0, 60000.0)
    apply("log", F32, [-1.0, 0.0])
    apply("mul", F32, [1e30, 1e-30], [1e30, 1e-30])


@pytest.mark.parametrize(("scalar", "dtype"), [(F16, np.float16), (BF16, ml_dtypes.bfloat16)])
def test_halves_round_after_each_op(scalar: Scalar, dtype: Any) -> None:
    random = np.random.default_rng(3)
    a, b, c = (random.normal(size=500).astype(dtype) for _ in range(3))
    p = ProgramBuilder()
    p.function((scalar,) * 3, lambda f, x, y, z: f.op("add", f.op("mul", x, y), z))
    given = [x.astype(array_dtype(scalar)) for x in (a, b, c)]
    (out,) = reference(p.finish(), given)
    assert np.array_equal(out, (a * b + c).astype(out.dtype))
    assert out.dtype == array_dtype(scalar)


def test_rounding_to_bfloat16() -> None:
    bits = np.random.default_rng(1).integers(0, 1 << 32, 20000, np.uint32).view(np.float32)
    edge = np.array(
        [0.0, -0.0, np.inf, -np.inf, np.nan, 3.3961775e38, 1e-45, 1.00390625], np.float32
    )
    for values in (bits, edge):
        with np.errstate(invalid="ignore"):
            theirs = values.astype(ml_dtypes.bfloat16).astype(np.float32)
        ours = round_bfloat16(values)
        assert np.array_equal(ours, theirs, equal_nan=True)
        assert np.array_equal(
            np.signbit(ours[~np.isnan(ours)]), np.signbit(theirs[~np.isnan(ours)])
        )


def test_conversions() -> None:
    assert apply("cast", F32, [1.9, -1.9], result=I32).tolist() == [1, -1]
    assert apply("cast", I32, [0, -3], result=BOOL).tolist() == [False, True]
    assert apply("cast", F32, [1.00390625], result=BF16).tolist() == [1.0]
    assert apply("cast", F64, [1.0 + 2.0**-12], result=F16).dtype == np.float16


def test_wide_floats_are_not_rounded() -> None:
    a, b = np.asarray(1.0, np.float32), np.asarray(2.0**-40, np.float32)
    (narrow,) = run(applying("add", F32, F32), [a, b], Plain())
    (wide,) = run(applying("add", F32, F32), [a, b], Plain(np.float64))
    (longest,) = run(applying("cast", F32, result=F16), [b], Plain(np.longdouble))
    assert (float(narrow), float(wide)) == (1.0, 1.0 + 2.0**-40)
    assert (longest.dtype, float(longest)) == (np.longdouble, 2.0**-40)
    (count,) = run(
        applying("add", I32, I32), [np.asarray(2**31 - 1, np.int32)] * 2, Plain(np.float64)
    )
    assert int(count) == -2


@pytest.mark.parametrize("name", sorted(GRAMMARS))
def test_outputs_have_the_types_of_the_program(name: str) -> None:
    for index in range(5):
        program = program_at(GRAMMARS[name], 2, index)
        outputs = reference(program, drawn_inputs(program.entry, index))
        assert_typed(outputs, output_types(program.entry))


def assert_typed(outputs: list[Any], types: tuple[Type, ...], lanes: tuple[int, ...] = ()) -> None:
    assert [out.dtype for out in outputs] == [array_dtype(scalar_of(t)) for t in types]
    assert [out.shape for out in outputs] == [(*lanes, *shape_of(t)) for t in types]


def mixed() -> Program:
    """A function with several arguments and results of different types."""
    p = ProgramBuilder()
    vec, mat = Vector(F32, 3), Matrix(F32, 3, 3)

    def body(b: Builder, x: Value, v: Value, m: Value) -> Any:
        return (
            b.op("gt", x, b.const(F32, 0.0)),
            b.op("scale", x, b.op("matvec", m, v)),
            b.const(I32, 4),
        )

    p.function((F32, vec, mat), body)
    return p.finish()


def test_a_function_gives_lanes_where_any_input_has_them() -> None:
    x, v, m = drawn_inputs(mixed().entry, 0, lanes=4)
    lanes = reference(mixed(), [x, v[0], m[0]])
    assert_typed(lanes, mixed().entry.results, (4,))
    for lane in range(4):
        single = reference(mixed(), [x[lane], v[0], m[0]])
        assert_typed(single, mixed().entry.results)
        assert all(np.allclose(one, many[lane]) for one, many in zip(single, lanes, strict=True))


def test_a_function_as_a_kernel() -> None:
    program = as_kernel(mixed(), 4)
    verify(program)
    inputs = drawn_inputs(mixed().entry, 0, lanes=4)
    arrays = [np.zeros((4, *shape_of(t)), array_dtype(scalar_of(t))) for t in mixed().entry.results]
    found = reference(program, [*inputs, *arrays])
    assert [out.tolist() for out in found] == [out.tolist() for out in reference(mixed(), inputs)]
    assert as_kernel(EXAMPLES["heat"], 4) is EXAMPLES["heat"]
    assert as_kernel(program, 8) is program


def without_last(inputs: list[Any]) -> list[Any]:
    return inputs[:-1]


def doubled(inputs: list[Any]) -> list[Any]:
    return [inputs[0].astype(np.float64), *inputs[1:]]


def flattened(inputs: list[Any]) -> list[Any]:
    return [inputs[0].reshape(-1), *inputs[1:]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_last, "2 inputs are needed, not 1"),
        (doubled, r"input 0 \(f32\[8,4\]\) has dtype float32, not float64"),
        (flattened, r"input 0 \(f32\[8,4\]\) has shape \(8, 4\), not \(32,\)"),
    ],
)
def test_inputs_that_do_not_fit(change: Callable[[list[Any]], list[Any]], message: str) -> None:
    program = EXAMPLES["stencil"]
    with pytest.raises(ValueError, match=message):
        reference(program, change(drawn_inputs(program.entry, 0)))


def test_lanes_that_differ() -> None:
    with pytest.raises(ValueError, match=r"different numbers of lanes: \[2, 3\]"):
        apply("add", F32, [1.0, 2.0], [1.0, 2.0, 3.0])


def test_array_ops_mean_what_numpy_says() -> None:
    p = ProgramBuilder()
    left, right = Array(F64, (3, 4)), Array(F64, (4, 5))
    p.program((left, right), lambda b, x, y: b.op("matmul", x, y))
    a, b = np.random.default_rng(0).normal(size=(2, 4, 5))
    (out,) = reference(p.finish(), [np.ascontiguousarray(a[:3, :4]), b])
    assert np.allclose(out, a[:3, :4] @ b, rtol=1e-14)
