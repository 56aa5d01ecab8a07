"""Array ops: typing rules, and kernels that compute what NumPy does."""

from __future__ import annotations

import numpy as np
import pytest

from grammar.build import ProgramBuilder
from grammar.ops import OPS
from grammar.ops.array import ARRAY_OPS, result_type, results
from grammar.parse import parse_program
from grammar.passes.kernels import to_kernels
from grammar.program import Attribute, Program, walk
from grammar.structural import STRUCTURAL, op_kind
from grammar.text import print_program
from grammar.types import F32, I32, Array
from grammar.verify import VerifyError, verify
from tests.grammar.array_examples import CASES, EXAMPLES, NUMPY, ROWS, expected, run, sample, types
from tests.grammar.scalar_ops import scalar_ops  # noqa: F401 (fixture)


def program_of(name: str, operands: tuple[Array, ...], attribute: Attribute) -> Program:
    p = ProgramBuilder()
    p.program(operands, lambda b, *xs: b.op(name, *xs, attribute=attribute))
    return p.finish()


def test_every_op_has_examples_and_a_meaning_here() -> None:
    assert set(EXAMPLES) == set(NUMPY) == set(ARRAY_OPS)


def test_names_are_not_taken_by_other_ops() -> None:
    assert not set(ARRAY_OPS) & (set(OPS) | set(STRUCTURAL))
    assert {op_kind(name) for name in ARRAY_OPS} == {"array"}


@pytest.mark.parametrize(("name", "operands", "attribute"), CASES)
def test_result_type_is_the_one_numpy_gives(name: str, operands: str, attribute: Attribute) -> None:
    given = types(operands)
    found = result_type(name, given, attribute)
    assert found.shape == expected(name, given, attribute).shape
    assert len(given) == ARRAY_OPS[name].arity
    assert (attribute is None) == (ARRAY_OPS[name].attribute == "")


@pytest.mark.usefixtures("scalar_ops")
@pytest.mark.parametrize(("name", "operands", "attribute"), CASES)
def test_kernels_compute_what_numpy_does(name: str, operands: str, attribute: Attribute) -> None:
    given = types(operands)
    program = program_of(name, given, attribute)
    verify(program)
    assert parse_program(print_program(program)) == program
    lowered = to_kernels(program)
    verify(lowered)
    assert parse_program(print_program(lowered)) == lowered
    assert not [s for s in walk(lowered.entry.body) if op_kind(s.op) == "array"]
    (found,) = run(lowered, [sample(type_, seed) for seed, type_ in enumerate(given)])
    np.testing.assert_allclose(found, expected(name, given, attribute), rtol=1e-9, atol=1e-9)


ILL_TYPED: list[tuple[str, str, Attribute, str]] = [
    ("matmul", "f32[3,4] f32[3,4]", None, "the contracted extents differ: 4 and 3"),
    ("matmul", "f32[3,4] f64[4,3]", None, "has other elements"),
    ("matmul", "i32[3,4] i32[4,3]", None, "floats"),
    ("matmul", "f32[3,4] f32[4,3]", 1, "there is no attribute"),
    ("matmul", "f32[3,4]", None, "takes 2 arrays"),
    ("matmul", "f32[3,4] f32[2,4,3]", None, "no stack"),
    ("reduce_sum", "f32[4]", 0, "only one axis"),
    ("reduce_sum", "f32[3,4]", 2, "axis of"),
    ("reduce_sum", "f32[3,4]", True, "axis of"),
    ("transpose", "f32[3,4]", (0, 0), "no order of the axes"),
    ("broadcast", "f32[3]", (3, 4), "does not broadcast"),
    ("reshape", "f32[3,4]", (5, 2), "the numbers of elements differ: 12 and 10"),
    ("reshape", "f32[3,4]", (1, 1, 1, 1, 12), "no shape"),
    ("expand_dims", "f32[2,2,2,2]", 0, "no place"),
    ("squeeze", "f32[3,4]", 0, "cannot be dropped"),
    ("slice", "f32[3,4]", (1, 2, 5), "no part"),
    ("roll", "f32[3]", (0, 3), "a shift by 3"),
    ("concat", "f32[2,3] f32[3,2]", 1, "the extents of axis 0 differ"),
    ("take", "f32[3] f32[3]", None, "i32 indices"),
    ("one_hot", "i32[3]", 0, "number of classes"),
    ("softmax", "f16[3]", 0, "at least 32 bits"),
    ("layernorm", "f32[3,4] f32[3] f32[4]", None, "the extents of the last axis differ"),
    ("attention", "f32[3,4] f32[5,3] f32[5,2]", None, "widths of queries and keys"),
    ("conv1d", "f32[6,2] f32[3,3,4]", None, "numbers of channels"),
    ("cross_entropy", "f32[6,2] i32[5]", None, "numbers of rows"),
    ("squared_error", "f32[6,2] f32[6,3]", None, "different shapes"),
]


@pytest.mark.parametrize(("name", "operands", "attribute", "why"), ILL_TYPED)
def test_ill_typed_operands_are_refused(
    name: str, operands: str, attribute: Attribute, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        result_type(name, types(operands), attribute)
    assert results(name, types(operands), attribute) == ()


def test_verifier_refuses_a_wrong_result_type_and_array_ops_in_kernels() -> None:
    p = ProgramBuilder()
    p.program((ROWS,), lambda b, x: b.op("reduce_sum", x, attribute=1, result=ROWS))
    with pytest.raises(VerifyError, match=r"one result of type f32\[4\]"):
        verify(p.finish())

    def body(b, i, x):
        b.op("flip", x, attribute=0)

    p = ProgramBuilder()
    p.kernel((4,), (ROWS,), body)
    with pytest.raises(VerifyError, match="does not stand in a kernel"):
        verify(p.finish())


def test_spellings_follow_the_rank_of_the_first_operand() -> None:
    row = ARRAY_OPS["transpose"]
    assert row.spellings(types("f32[2,3]"), "jax")[0] == "a.T"
    assert row.spellings((Array(F32, (2, 3, 4)),), "jax")[0] == "jnp.transpose(a, s)"
    assert ARRAY_OPS["one_hot"].spellings((Array(I32, (2,)),), "jax")
