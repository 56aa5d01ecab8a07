"""Loops that only accumulate: all their rounds at once give what they give one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from grammar.build import Builder, ProgramBuilder, Yielded, break_
from grammar.generate import program_at
from grammar.interpret import rounds, run
from grammar.plain import Plain
from grammar.presets import GRAMMARS
from grammar.program import Program, Value
from grammar.types import BF16, F16, F32, F64, I8, I32, U16, Array, Scalar, Vector
from tests.grammar.run_both import drawn_inputs

SCALARS = (F32, F64, F16, BF16, I32, I8, U16)


def run_both_ways(
    program: Program, inputs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> tuple[list[Any], int]:
    """The outputs, which are the same bit for bit either way, and how many loops ran at once."""
    seen = 0
    whole = Plain.fold

    def fold(self: Plain, *given: Any) -> Any:
        nonlocal seen
        seen += 1
        return whole(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Plain, "fold", fold)
        at_once = run(program, inputs, Plain())
        count = seen
        patch.setattr(rounds, "_MOST", 0)
        one_by_one = run(program, inputs, Plain())
        assert seen == count
    for fast, slow in zip(at_once, one_by_one, strict=True):
        assert fast.dtype == slow.dtype
        assert fast.tobytes() == slow.tobytes()
    return at_once, count


def summing(scalar: Scalar, body: Callable[..., Yielded], start: int = 0, stop: int = 7) -> Program:
    """A kernel that runs `body(b, i, table, k, *carried)` over rounds with two carried values."""
    p = ProgramBuilder()
    line, table = Array(scalar, (5,)), Array(scalar, (5, 8))

    def main(b: Builder, i: Value, a: Value, out: Value, more: Value) -> None:
        init = b.load(a, i, b.const(I32, 1))

        def step(k: Value, *carried: Value) -> Yielded:
            return body(b, i, a, k, *carried)

        one, two = b.for_(start, stop, (init, b.const(scalar, 1)), step, step=2)
        b.store(out, i, one)
        b.store(more, i, two)

    p.kernel((5,), (table, line, line), main)
    return p.finish()


def accumulate(first: str, second: str) -> Callable[..., Yielded]:
    def body(b: Builder, i: Value, a: Value, k: Value, s: Value, t: Value) -> Yielded:
        term = b.load(a, i, k)
        other = b.op("mul", term, b.load(a, i, b.const(I32, 0)))
        return b.op(first, s, term), b.op(second, *((t, other) if second == "sub" else (other, t)))

    return body


@pytest.mark.parametrize("scalar", SCALARS, ids=str)
@pytest.mark.parametrize("ops", [("add", "sub"), ("mul", "min"), ("max", "add")])
def test_every_way_to_accumulate_in_every_type(
    scalar: Scalar, ops: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = summing(scalar, accumulate(*ops))
    _, count = run_both_ways(program, drawn_inputs(program.entry, 5), monkeypatch)
    assert count == (0 if scalar == BF16 else 2)


def no_rounds(b: Builder, i: Value, a: Value, k: Value, s: Value, t: Value) -> Yielded:
    return b.op("add", s, b.load(a, i, k)), t


def carried_twice(b: Builder, i: Value, a: Value, k: Value, s: Value, t: Value) -> Yielded:
    return b.op("add", s, s), t


def subtracted_from(b: Builder, i: Value, a: Value, k: Value, s: Value, t: Value) -> Yielded:
    return b.op("sub", b.load(a, i, k), s), t


def reads_the_other(b: Builder, i: Value, a: Value, k: Value, s: Value, t: Value) -> Yielded:
    return b.op("add", s, t), b.op("add", t, b.load(a, i, k))


def leaves(b: Builder, i: Value, a: Value, k: Value, s: Value, t: Value) -> Yielded:
    term = b.load(a, i, k)
    b.if_(b.op("gt", term, t), lambda: break_(s, t))
    return b.op("add", s, term), t


def sum_is_read(b: Builder, i: Value, a: Value, k: Value, s: Value, t: Value) -> Yielded:
    made = b.op("add", s, b.load(a, i, k))
    return made, b.op("max", t, made)


@pytest.mark.parametrize(
    "body", [carried_twice, subtracted_from, reads_the_other, leaves, sum_is_read]
)
def test_other_loops_run_round_by_round(
    body: Callable[..., Yielded], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = summing(F32, body)
    assert run_both_ways(program, drawn_inputs(program.entry, 5), monkeypatch)[1] == 0


@pytest.mark.parametrize("stop", [0, 1])
def test_loops_of_few_rounds(stop: int, monkeypatch: pytest.MonkeyPatch) -> None:
    program = summing(F32, no_rounds, 0, stop)
    inputs = drawn_inputs(program.entry, 5)
    (out, _), _ = run_both_ways(program, inputs, monkeypatch)
    assert np.array_equal(out, inputs[0][:, 1] + (inputs[0][:, 0] if stop else 0))


def test_what_stays_as_it_is_may_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def body(b: Builder, i: Value, a: Value, k: Value, s: Value, t: Value) -> Yielded:
        inside = b.op("lt", k, b.const(I32, 3))
        (term,) = b.if_(inside, lambda: b.load(a, i, k), lambda: b.op("mul", t, t))
        return b.op("add", s, term), t

    program = summing(F32, body)
    (out, one), count = run_both_ways(program, drawn_inputs(program.entry, 5), monkeypatch)
    assert count == 1
    assert np.array_equal(one, np.ones(5))
    assert not np.array_equal(out, one)


def test_nested_loops_vectors_atomics_and_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    p = ProgramBuilder()
    vec = Vector(F64, 2)

    def main(b: Builder, i: Value, a: Value, out: Value, cells: Value) -> None:
        zero, four = b.const(I32, 0), b.const(I32, 4)
        first = b.load(a, i, zero)

        def inner(k: Value) -> Callable[..., Yielded]:
            def step(n: Value, s: Value) -> Yielded:
                v = b.load(a, k, n)
                b.atomic("add", cells, b.op("modulo", b.op("add", i, n), four), v)
                return b.op("add", s, v)

            return step

        def outer(k: Value, s: Value) -> Yielded:
            (made,) = b.for_(0, 3, (first,), inner(k))
            return b.op("add", s, made)

        def run_it() -> Yielded:
            return b.for_(1, 4, (first,), outer)

        (found,) = b.if_(b.op("gt", i, zero), run_it, lambda: b.op("neg", first))
        b.store(out, i, found)

    p.kernel((5,), (Array(vec, (5, 3)), Array(vec, (5,)), Array(vec, (4,))), main)
    program = p.finish()
    a = np.arange(30.0).reshape(5, 3, 2)
    inputs = [a, np.zeros((5, 2)), np.zeros((4, 2))]
    (out, cells), count = run_both_ways(program, inputs, monkeypatch)
    assert count == 2
    wanted = a[:, 0] + sum(a[:, 0] + a[k].sum(0) for k in range(1, 4))
    wanted[0] = -a[0, 0]
    assert np.array_equal(out, wanted)
    assert np.array_equal(cells.sum(0), 4 * a[1:4].sum((0, 1)))


def test_array_ops_at_once_and_round_by_round(monkeypatch: pytest.MonkeyPatch) -> None:
    most = 0
    for index in range(25):
        program = program_at(GRAMMARS["ml"], 4, index)
        inputs = drawn_inputs(program.entry, index)
        most = max(most, run_both_ways(program, inputs, monkeypatch)[1])
    assert most >= 3


def test_functions_without_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    p = ProgramBuilder()

    def body(b: Builder, x: Value) -> Yielded:
        return b.for_(0, 5, (x,), lambda k, s: b.op("add", s, b.op("mul", x, k)))

    p.function((I32,), body)
    (out,), count = run_both_ways(p.finish(), [np.asarray(3, np.int32)], monkeypatch)
    assert out.shape == ()
    assert (int(out), count) == (33, 1)
