"""The interpreter: control flow by masks, memory, functions, programs, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from grammar.build import Builder, ProgramBuilder, Yielded, break_, continue_, return_
from grammar.domain import Domain
from grammar.generate import program_at
from grammar.interpret import DivisionByZero, OutOfBounds, UndefinedBehaviour, run
from grammar.ops import Instance, Op
from grammar.plain import Plain
from grammar.presets import GRAMMARS
from grammar.program import Program, Value
from grammar.reference import reference
from grammar.types import F32, I32, Array, Vector
from grammar.verify import verify
from tests.grammar import random_units
from tests.grammar.examples import EXAMPLES
from tests.grammar.run_both import DynamicMaker, drawn_inputs, evaluated, integers, interpreted
from tests.grammar.test_passes import UNITS

LINE = Array(I32, (6,))
CELL = Array(I32, (1,))
SIX = np.array([3, -1, 0, 5, -4, 2])


def assert_agrees(program: Program, *inputs: Any) -> None:
    assert interpreted(program, inputs) == evaluated(program, inputs)


def kernel(body: Callable[..., None], *types: Array) -> Program:
    p = ProgramBuilder()
    p.kernel((6,), types, body)
    program = p.finish()
    verify(program)
    return program


def function(body: Callable[..., Yielded], count: int = 2) -> Program:
    p = ProgramBuilder()
    p.function((I32,) * count, body)
    program = p.finish()
    verify(program)
    return program


# Control flow against the evaluator, which runs one lane at a time with exceptions for exits


@settings(max_examples=80)
@given(UNITS)
def test_random_units_run_as_one_lane_at_a_time_does(program: Program) -> None:
    assert_agrees(program, *integers(program.entry, Random(0)))


def random_units_of(seed: int, make: Callable[..., Program]) -> Program:
    return make(Random(seed).randrange)


@pytest.mark.parametrize("make", [random_units.random_function, random_units.random_kernel])
def test_units_of_many_seeds_with_dynamic_loops(
    make: Callable[..., Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random_units, "Maker", DynamicMaker)
    for seed in range(150):
        program = random_units_of(seed, make)
        assert_agrees(program, *integers(program.entry, Random(seed)))


def test_a_function_without_lanes_has_results_without_lanes() -> None:
    for seed in range(50):
        program = random_units_of(seed, random_units.random_function)
        inputs = integers(program.entry, Random(seed), 1)
        single = run(program, [np.asarray(one[0], np.int32) for one in inputs], Plain())
        assert all(out.shape == () for out in map(np.asarray, single))
        assert [[int(out)] for out in single] == evaluated(program, inputs)


def test_each_lane_has_its_own_number_of_rounds() -> None:
    def body(b: Builder, x: Value, y: Value) -> Yielded:
        total = b.for_(y, x, (b.const(I32, 0), x), step=2, bound=3, body=grow(b))
        return *total, y

    def grow(b: Builder) -> Callable[..., Yielded]:
        return lambda k, t, z: (b.op("add", b.op("mul", t, z), k), b.op("sub", z, t))

    program = function(body)
    assert_agrees(program, [5, 0, 9, -3, 2], [0, 3, 1, -9, 1])


def test_a_for_never_exceeds_its_bound() -> None:
    def body(b: Builder, x: Value, y: Value) -> Yielded:
        def step(k: Value, t: Value) -> Value:
            return b.op("add", b.op("add", t, t), b.const(I32, 1))

        return b.for_(b.const(I32, 0), y, (x,), step, bound=3)

    assert interpreted(function(body), [[0, 0], [2, 9]]) == [[3, 7]]


def test_nested_loops_with_all_exits() -> None:
    def body(b: Builder, x: Value, y: Value) -> Yielded:
        zero = b.const(I32, 0)

        def inner(outer: Value) -> Callable[..., Yielded]:
            def rounds(k: Value, t: Value) -> Yielded:
                b.if_(b.op("gt", t, b.const(I32, 20)), lambda: return_(t, k))
                b.if_(b.op("eq", k, x), lambda: continue_(b.op("add", t, y)))
                b.if_(b.op("gt", k, outer), lambda: break_(b.op("sub", t, k)))
                return b.op("add", t, outer)

            return rounds

        def rounds(k: Value, t: Value, n: Value) -> Yielded:
            b.if_(b.op("eq", k, y), lambda: continue_(n, t))
            (t2,) = b.for_(0, 4, (t,), inner(k))
            b.if_(b.op("lt", t2, n), lambda: break_(t2, t2))
            return t2, b.op("add", n, k)

        total, _ = b.for_(0, 5, (x, zero), rounds)
        return total, y

    grid = np.array(np.meshgrid(range(-4, 5), range(-4, 5))).reshape(2, -1)
    assert_agrees(function(body), *grid.tolist())


def test_functions_return_in_branches_under_a_mask() -> None:
    p = ProgramBuilder()

    def clip(b: Builder, x: Value) -> Yielded:
        zero, two = b.const(I32, 0), b.const(I32, 2)
        b.if_(b.op("lt", x, zero), lambda: return_(zero))
        b.if_(b.op("gt", x, two), lambda: return_(two))
        return x

    clipped = p.function((I32,), clip)

    def main(b: Builder, i: Value, a: Value, out: Value) -> None:
        x = b.load(a, i)
        odd = b.op("is_odd", x)
        (y,) = b.if_(odd, lambda: b.call(clipped, x), lambda: b.op("neg", x))
        b.store(out, i, y)

    p.kernel((6,), (LINE, LINE), main)
    outcome = interpreted(p.finish(), [SIX, 0 * SIX])
    assert outcome == [[2, 0, 0, 2, 4, -2]]


# Memory


def test_stores_and_atomics_only_of_the_lanes_that_run_them() -> None:
    def body(b: Builder, i: Value, a: Value, out: Value, total: Value, low: Value) -> None:
        x, zero = b.load(a, i), b.const(I32, 0)

        def positive() -> None:
            b.store(out, i, x)
            b.atomic("add", total, zero, x)
            b.if_(b.op("gt", x, b.const(I32, 4)), return_)
            b.atomic("sub", total, zero, b.const(I32, 100))

        b.if_(b.op("gt", x, zero), positive)
        b.atomic("min", low, zero, b.op("mul", x, x))
        b.store(out, i, b.op("add", b.load(out, i), b.const(I32, 1)))

    program = kernel(body, LINE, LINE, CELL, CELL)
    inputs = (SIX, 10 * np.arange(6), [1000], [50])
    assert_agrees(program, *inputs)
    assert interpreted(program, inputs) == [[4, 11, 21, 5, 41, 3], [1000 + 10 - 200], [0]]


def test_inputs_stay_as_they_are() -> None:
    program = kernel(
        lambda b, i, a, s: b.atomic("add", s, b.const(I32, 0), b.load(a, i)), LINE, CELL
    )
    cell = np.zeros(1, np.int32)
    assert int(run(program, [SIX.astype(np.int32), cell], Plain())[0][0]) == 5
    assert int(cell[0]) == 0


def test_a_cell_loaded_before_a_store_keeps_its_value() -> None:
    def body(b: Builder, i: Value, a: Value) -> None:
        before = b.load(a, i)
        b.store(a, i, b.const(I32, 7))
        b.if_(b.op("gt", before, b.const(I32, 0)), lambda: b.store(a, i, b.op("neg", before)))

    assert interpreted(kernel(body, LINE), [SIX]) == [[-3, 7, 7, -5, 7, -2]]


def tape(local: Array) -> Program:
    """Writes and reads a local array at indices that differ from lane to lane and do not."""

    def body(b: Builder, x: Value, y: Value) -> Yielded:
        def value(op: str, *operands: Value) -> Value:
            return b.emit(op, operands, (local if op == "put" else I32,))[0]

        (first,) = b.emit("local", (), (local,))
        three = b.const(I32, 3)
        at = b.op("modulo", x, three)

        def rounds(k: Value, t: Value) -> Yielded:
            put = value("put", first, k, b.op("mul", t, y))
            put = value("put", put, at, b.op("add", t, k))
            return b.op("add", value("get", put, k), value("get", put, b.const(I32, 1)))

        (total,) = b.for_(0, 3, (x,), rounds)
        return total, value("get", first, at)

    p = ProgramBuilder()
    p.function((I32, I32), body)
    return p.finish()


def test_local_arrays_are_values() -> None:
    assert_agrees(tape(Array(I32, (3,))), [4, -1, 2, 0], [3, 5, -2, 1])


def test_local_arrays_pass_through_branches_and_loops() -> None:
    local = Array(I32, (2, 2))

    def body(b: Builder, x: Value, y: Value) -> Yielded:
        zero, one = b.const(I32, 0), b.const(I32, 1)
        (first,) = b.emit("local", (), (local,))

        def put(array: Value, i: Value, j: Value, value: Value) -> Value:
            return b.emit("put", (array, i, j, value), (local,))[0]

        def rounds(k: Value, array: Value) -> Yielded:
            side = b.op("gt", x, k)
            (made,) = b.if_(side, lambda: put(array, k, zero, x), lambda: put(array, one, k, y))
            b.if_(b.op("eq", y, k), lambda: break_(made))
            return made

        (last,) = b.for_(0, 2, (first,), rounds)

        def get(i: Value, j: Value) -> Value:
            return b.emit("get", (last, i, j), (I32,))[0]

        return get(zero, zero), get(zero, one), get(one, zero), get(one, one)

    p = ProgramBuilder()
    p.function((I32, I32), body)
    program = p.finish()
    grid = np.array(np.meshgrid(range(-1, 3), range(-1, 3))).reshape(2, -1)
    assert_agrees(program, *grid.tolist())


# Programs


def test_ping_pong_buffers_change_places() -> None:
    p = ProgramBuilder()

    def shift(b: Builder, i: Value, old: Value, new: Value) -> None:
        at = b.op("modulo", b.op("add", i, b.const(I32, 1)), b.const(I32, 6))
        b.store(new, i, b.op("add", b.load(old, at), i))

    step = p.kernel((6,), (LINE, LINE), shift)

    def main(b: Builder, first: Value) -> Yielded:
        def body(k: Value, old: Value, new: Value) -> Yielded:
            b.launch(step, old, new)
            return new, old

        return b.for_(0, 3, (b.copy(first), b.zeros(LINE)), body)

    p.program((LINE,), main)
    program = p.finish()
    verify(program)
    assert_agrees(program, SIX)


def test_examples_run() -> None:
    for name, program in EXAMPLES.items():
        outputs = reference(program, drawn_inputs(program.entry, 3))
        assert outputs, name


def test_heat_spreads_as_arithmetic_says() -> None:
    first = np.linspace(0, 1, 16, dtype=np.float32)
    last, change = reference(EXAMPLES["heat"], [first, np.asarray(0.5, np.float32)])
    old = first
    for _ in range(5):
        left = old[np.maximum(np.arange(16) - 1, 0)]
        old = old + np.float32(0.5) * (left - old)
    assert np.array_equal(last, old)
    assert np.array_equal(change, last * np.float32(0.5) - first)


# Undefined behaviour


def reading(index: Callable[[Builder, Value, Value], Value]) -> Program:
    def body(b: Builder, i: Value, a: Value, out: Value) -> None:
        b.store(out, i, b.load(a, index(b, i, b.load(a, i))))

    return kernel(body, LINE, LINE)


def test_an_index_out_of_bounds_names_statement_and_lane() -> None:
    program = reading(lambda b, i, x: b.op("add", i, x))
    with pytest.raises(OutOfBounds, match=r"load %1, %4: index \[8\] of lane 3 is outside \[6\]"):
        run(program, [np.array([1, 1, 1, 5, 0, 0], np.int32), SIX.astype(np.int32)], Plain())
    with pytest.raises(IndexError, match=r"index \[-1\] of lane 0"):
        run(program, [np.array([-1, 1, 1, 1, 0, 0], np.int32), SIX.astype(np.int32)], Plain())


def test_indices_of_lanes_that_do_not_run_do_not_matter() -> None:
    def body(b: Builder, i: Value, a: Value, out: Value) -> None:
        def following() -> Value:
            return b.load(a, b.op("add", i, b.const(I32, 1)))

        (x,) = b.if_(b.op("lt", i, b.const(I32, 5)), following, lambda: b.const(I32, -1))
        b.store(out, i, x)

    assert interpreted(kernel(body, LINE, LINE), [SIX, SIX]) == [[-1, 0, 5, -4, 2, -1]]


def test_every_axis_is_checked() -> None:
    p = ProgramBuilder()
    plane = Array(I32, (2, 3))

    def body(b: Builder, i: Value, j: Value, a: Value, out: Value) -> None:
        b.store(out, i, j, b.load(a, i, b.op("add", j, b.const(I32, 1))))

    p.kernel((2, 3), (plane, plane), body)
    with pytest.raises(OutOfBounds, match=r"index \[0, 3\] of lane 2 is outside \[2, 3\]"):
        interpreted(p.finish(), [SIX.reshape(2, 3)] * 2)


def test_local_arrays_have_bounds_too() -> None:
    local = Array(I32, (3,))

    def body(b: Builder, x: Value, y: Value) -> Yielded:
        (first,) = b.emit("local", (), (local,))
        (made,) = b.emit("put", (first, x, y), (local,))
        return b.emit("get", (made, y), (I32,))

    p = ProgramBuilder()
    p.function((I32, I32), body)
    assert interpreted(p.finish(), [[0, 2], [1, 2]]) == [[0, 2]]
    with pytest.raises(OutOfBounds, match=r"put %2, %0, %1: index \[3\] of lane 1"):
        interpreted(p.finish(), [[0, 3], [0, 0]])
    with pytest.raises(OutOfBounds, match=r"get %3, %1: index \[-1\] of lane 0"):
        interpreted(p.finish(), [[0, 0], [-1, 0]])


@pytest.mark.parametrize("op", ["div_trunc", "div_floor", "rem", "modulo"])
def test_division_by_zero_is_refused_where_it_runs(op: str) -> None:
    def divide(b: Builder, x: Value, y: Value) -> Yielded:
        return b.op(op, x, y)

    def guarded(b: Builder, x: Value, y: Value) -> Yielded:
        zero = b.const(I32, 0)
        return b.if_(b.op("ne", y, zero), lambda: b.op(op, x, y), lambda: zero)

    with pytest.raises(DivisionByZero, match=rf"{op} %0, %1: division by zero in lane 1"):
        interpreted(function(divide), [[4, 5], [2, 0]])
    assert interpreted(function(guarded), [[4, 5], [2, 0]])[0][1] == 0
    assert issubclass(DivisionByZero, UndefinedBehaviour)


@pytest.mark.parametrize("name", sorted(GRAMMARS))
def test_drawn_programs_run_without_undefined_behaviour(name: str) -> None:
    for index in range(10):
        program = program_at(GRAMMARS[name], 11, index)
        outputs = reference(program, drawn_inputs(program.entry, index))
        assert outputs


# The tests above notice an interpreter that is wrong


class Swapped(Plain):
    """Plain values, but one op takes its operands the other way round."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        super().__init__()
        object.__setattr__(self, "name", name)

    def meaning(
        self, op: Op, instance: Instance, attribute: int, adjoint: bool
    ) -> Callable[..., Any]:
        means = super().meaning(op, instance, attribute, adjoint)
        return (lambda *given: means(*given[::-1])) if op.name == self.name else means


@pytest.mark.parametrize("op", ["sub", "lt", "le"])
def test_swapped_operands_are_noticed(op: str) -> None:
    domain: Domain = Swapped(op)
    wrong = 0
    for seed in range(60):
        program = random_units_of(seed, random_units.random_function)
        inputs = integers(program.entry, Random(seed))
        wrong += interpreted(program, inputs, domain) != evaluated(program, inputs)
    assert wrong >= 3


def test_vectors_move_as_one_element() -> None:
    p = ProgramBuilder()
    vec = Vector(F32, 3)

    def body(b: Builder, i: Value, a: Value, out: Value) -> None:
        v = b.load(a, i)
        positive = b.op("gt", b.op("component", v, attribute=0), b.const(F32, 0.0))
        (w,) = b.if_(positive, lambda: b.op("add", v, v), lambda: v)
        b.if_(b.op("lt", i, b.const(I32, 4)), lambda: b.store(out, i, w))

    p.kernel((6,), (Array(vec, (6,)), Array(vec, (6,))), body)
    a = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    (out,) = reference(p.finish(), [a, np.zeros_like(a)])
    wanted = np.where(a[:, :1] > 0, 2 * a, a)
    wanted[4:] = 0
    assert np.array_equal(out, wanted)
