"""Array ops become kernels: what is fused, what is stored, and that the values stay the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from grammar.build import Builder, ProgramBuilder
from grammar.config import Grammar
from grammar.drawing.layers import draw_layers
from grammar.drawing.tables import tables
from grammar.parse import parse_program
from grammar.passes.kernels import to_kernels
from grammar.program import Program, Statement, Value, walk
from grammar.source import RandomSource
from grammar.structural import op_kind
from grammar.text import print_program
from grammar.types import BOOL, F32, I32, Array, Type
from grammar.verify import verify
from tests.grammar.array_examples import interpret, run, sample
from tests.grammar.scalar_ops import FLOAT_OPS, scalar_ops  # noqa: F401 (fixture)

pytestmark = pytest.mark.usefixtures("scalar_ops")

ROWS = Array(F32, (4, 6))
LINE = Array(F32, (6,))
Body = Callable[..., Any]


def program(params: Sequence[Type], body: Body) -> Program:
    p = ProgramBuilder()
    p.program(params, body)
    found = p.finish()
    verify(found)
    return found


def inputs(found: Program) -> list[Any]:
    given = [v.type for v in found.entry.parameters]
    return [
        sample(type_, k) if isinstance(type_, Array) else 0.5 + k for k, type_ in enumerate(given)
    ]


def lowered(found: Program) -> Program:
    """The program in kernels, which computes the same."""
    made = to_kernels(found)
    verify(made)
    assert parse_program(print_program(made)) == made
    assert not [s for s in walk(made.entry.body) if op_kind(s.op) != "structural"]
    for old, new in zip(interpret(found, inputs(found)), run(made, inputs(found)), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-9, atol=1e-9)
    return made


def ops_of(found: Program) -> list[str]:
    return [s.op for s in found.entry.body.body]


def launches(found: Program) -> list[Statement]:
    return [s for s in walk(found.entry.body) if s.op == "launch"]


def test_a_chain_of_elementwise_ops_is_one_kernel() -> None:
    def body(b: Builder, x: Value, y: Value, s: Value) -> Value:
        z = b.op("mul", b.op("add", x, y), b.const(F32, 0.5))
        return b.op("tanh", b.op("mul", z, s))

    made = lowered(program((ROWS, ROWS, F32), body))
    assert ops_of(made) == ["zeros", "launch"]
    assert [str(v.type) for v in made.units[0].parameters] == [
        str(t) for t in (ROWS, ROWS, F32)
    ] + [str(ROWS)]
    assert sum(s.op == "store" for s in walk(made.units[0].body)) == 1


def test_values_needed_later_are_stored_by_the_same_kernel() -> None:
    def body(b: Builder, x: Value) -> list[Value]:
        y = b.op("square", x)
        dead = b.op("tanh", y)
        z = b.op("add", y, x)
        assert dead
        return [z, b.op("reduce_sum", y, attribute=1)]

    made = lowered(program((ROWS,), body))
    assert ops_of(made) == ["zeros", "zeros", "launch", "zeros", "launch"]
    assert [s.op for s in walk(made.units[0].body)] == ["load", "square", "add", "store", "store"]


def test_chains_of_different_shapes_are_different_kernels() -> None:
    def body(b: Builder, x: Value, y: Value) -> list[Value]:
        return [b.op("tanh", x), b.op("tanh", y)]

    assert len(launches(lowered(program((ROWS, LINE), body)))) == 2


def test_conditions_need_no_memory_within_a_chain() -> None:
    def body(b: Builder, x: Value, y: Value) -> Value:
        return b.op("select", b.op("lt", x, y), x, y)

    made = lowered(program((ROWS, ROWS), body))
    assert ops_of(made) == ["zeros", "launch"]
    assert all(v.type != Array(BOOL, (4, 6)) for v in made.units[0].parameters)


def test_equal_kernels_are_one_unit() -> None:
    def body(b: Builder, x: Value, w: Value) -> Value:
        for _ in range(3):
            x = b.op("matmul", x, w)
            x = b.op("softmax", x, attribute=1)
        return x

    made = lowered(program((ROWS, Array(F32, (6, 6))), body))
    assert len(launches(made)) == 12
    assert len(made.units) == 5


def test_views_become_index_arithmetic() -> None:
    def body(b: Builder, x: Value, v: Value, w: Value) -> Value:
        spread = b.op("broadcast", v, attribute=(4, 6))
        y = b.op("add", x, spread)
        turned = b.op("transpose", w, attribute=(1, 0))
        return b.op("matmul", y, turned)

    made = lowered(program((ROWS, LINE, Array(F32, (5, 6))), body))
    assert len(launches(made)) == 2


def test_views_of_views_and_views_that_are_returned() -> None:
    def body(b: Builder, x: Value) -> list[Value]:
        turned = b.op("transpose", x, attribute=(1, 0))
        flat = b.op("reshape", turned, attribute=(24,))
        part = b.op("slice", flat, attribute=(0, 3, 9))
        return [b.op("tanh", part), flat]

    made = lowered(program((ROWS,), body))
    assert len(launches(made)) == 2


def test_a_view_of_a_chain_ends_the_chain() -> None:
    square = Array(F32, (4, 4))

    def body(b: Builder, x: Value) -> Value:
        y = b.op("square", x)
        return b.op("add", y, b.op("transpose", y, attribute=(1, 0)))

    assert len(launches(lowered(program((square,), body)))) == 2


def test_scalars_of_the_program_are_computed_in_the_kernel() -> None:
    def body(b: Builder, x: Value, s: Value) -> Value:
        return b.op("mul", x, b.op("tanh", b.op("add", s, b.const(F32, 1.0))))

    made = lowered(program((ROWS, F32), body))
    assert ops_of(made) == ["zeros", "launch"]


def test_programs_without_array_ops_stay_as_they_are() -> None:
    p = ProgramBuilder()
    double = p.kernel((6,), (LINE, LINE), lambda b, i, x, y: b.store(y, i, b.load(x, i)))

    def body(b: Builder, x: Value) -> Value:
        y = b.zeros(LINE)
        b.launch(double, x, y)
        return y

    p.program((LINE,), body)
    found = p.finish()
    assert to_kernels(found) is found


def test_launches_keep_their_kernels_and_their_order() -> None:
    """What is made of a buffer before a launch sees what it held then."""
    p = ProgramBuilder()

    def cell(b: Builder, i: Value, x: Value) -> None:
        b.store(x, i, b.op("add", b.load(x, i), b.const(F32, 1.0)))

    step = p.kernel((6,), (LINE,), cell)

    def body(b: Builder, x: Value) -> list[Value]:
        y = b.copy(x)
        flipped = b.op("flip", y, attribute=0)
        squares = b.op("square", y)
        b.launch(step, y)
        return [flipped, squares, b.op("square", y)]

    p.program((LINE,), body)
    found = p.finish()
    verify(found)
    made = to_kernels(found)
    verify(made)
    assert made.units[0] == found.units[0]
    x = sample(LINE, 0)
    wanted = [x[::-1], x * x, (x + 1) ** 2]
    for new, old in zip(run(made, [x]), wanted, strict=True):
        np.testing.assert_allclose(new, old)


def test_loops_carry_arrays_as_buffers_of_their_own() -> None:
    def body(b: Builder, x: Value, w: Value) -> list[Value]:
        start = b.op("tanh", x)

        def step(i: Value, a: Value, c: Value) -> list[Value]:
            made = b.op("tanh", b.op("matmul", a, w))
            return [made, a]

        a, c = b.for_(0, 3, [start, x], step)
        return [b.op("add", a, c), start]

    found = program((ROWS, Array(F32, (6, 6))), body)
    made = to_kernels(found)
    verify(made)
    x, w = inputs(found)
    a, c = np.tanh(x), x
    for _ in range(3):
        a, c = np.tanh(a @ w), a
    for new, old in zip(run(made, [x, w]), [a + c, np.tanh(x)], strict=True):
        np.testing.assert_allclose(new, old)


def test_a_carried_value_used_once_needs_no_copy() -> None:
    def body(b: Builder, x: Value) -> Value:
        (a,) = b.for_(0, 3, [b.op("tanh", x)], lambda i, a: [b.op("square", a)])
        return a

    made = to_kernels(program((LINE,), body))
    verify(made)
    assert "copy" not in [s.op for s in walk(made.entry.body)]
    x = sample(LINE, 0)
    np.testing.assert_allclose(run(made, [x])[0], np.tanh(x) ** 8)


def test_loop_indices_reach_the_kernels() -> None:
    def body(b: Builder, x: Value) -> Value:
        def step(i: Value, a: Value) -> list[Value]:
            return [b.op("select", b.op("lt", i, b.const(I32, 2)), b.op("add", a, a), a)]

        (a,) = b.for_(0, 4, [x], step)
        return a

    found = program((LINE,), body)
    made = to_kernels(found)
    verify(made)
    x = sample(LINE, 0)
    np.testing.assert_allclose(run(made, [x])[0], 4 * x)


GRAMMAR = Grammar(
    name="small_layers",
    shape="arrays",
    statements=(3, 10),
    groups={},
    ops=FLOAT_OPS,
    extents=(2, 3, 4),
    ranks={"2": 3, "3": 1},
)


def test_drawn_programs_compute_the_same_in_kernels() -> None:
    for number in range(60):
        found = draw_layers(RandomSource(7, number), tables(GRAMMAR))
        lowered(found)
