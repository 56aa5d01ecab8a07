"""Programs by hand, one for each construct that a gradient has a rule for."""

from __future__ import annotations

from collections.abc import Callable

from grammar.build import Builder, ProgramBuilder, Yielded, break_, continue_, return_
from grammar.program import Program, Value
from grammar.types import BOOL, F16, F32, F64, I32, Array, Matrix, Type, Vector

N = 6
LANES = Array(F64, (N,))
ONE = Array(F64, (1,))
V3, M3 = Vector(F64, 3), Matrix(F64, 3, 3)


def _kernel(params: tuple[Type, ...], body: Callable[..., Yielded]) -> Program:
    units = ProgramBuilder()
    units.kernel((N,), params, body)
    return units.finish()


def _function(params: tuple[Type, ...], body: Callable[..., Yielded]) -> Program:
    units = ProgramBuilder()
    units.function(params, body)
    return units.finish()


def _elements() -> Program:
    """Numbers, vectors and matrices, an attribute, and a result that is a parameter."""

    def body(b: Builder, x: Value, v: Value, m: Value) -> list[Value]:
        w = b.op("matvec", m, b.op("scale", b.op("sin", x), v))
        c = b.op("component", b.op("cross", w, v), attribute=1)
        e = b.op("element", b.op("matmat", m, m), attribute=5)
        return [b.op("div", c, b.op("add", b.op("square", e), b.const(F64, 2.0))), v, w]

    return _function((F64, V3, M3), body)


def _casts() -> Program:
    """Precisions mixed, and a way through an integer, which carries nothing."""

    def body(b: Builder, i: Value, x: Value, y: Value, out: Value) -> None:
        a = b.op("cast", b.op("sin", b.load(x, i)), result=F64)
        c = b.op("cast", b.load(y, i), result=F64)
        n = b.op("cast", b.op("cast", a, result=I32), result=F64)
        b.store(out, i, b.op("cast", b.op("add", b.op("mul", a, c), n), result=F32))

    return _kernel((Array(F32, (N,)), Array(F16, (N,)), Array(F32, (N,))), body)


def _branches() -> Program:
    """Nested branches that use values from outside, on one side or on both."""

    def body(b: Builder, i: Value, x: Value, s: Value, out: Value) -> None:
        a = b.load(x, i)
        zero = b.const(F64, 0.0)

        def then() -> Value:
            inner = b.if_(
                b.op("gt", s, zero), lambda: b.op("mul", a, s), lambda: b.op("neg", b.op("sin", a))
            )
            return b.op("square", inner[0])

        (r,) = b.if_(b.op("gt", a, zero), then, lambda: b.op("exp", s))
        b.store(out, i, b.op("mul", r, a))

    return _kernel((LANES, F64, LANES), body)


def _loop(start: int, stop: int, step: int) -> Callable[[], Program]:
    def made() -> Program:
        def body(b: Builder, i: Value, x: Value, s: Value, out: Value) -> None:
            def round_(k: Value, c: Value, d: Value) -> list[Value]:
                n = b.op("cast", k, result=F64)
                e = b.op("sin", b.op("add", b.op("mul", c, s), n))
                return [e, b.op("add", d, b.op("mul", e, c))]

            a = b.load(x, i)
            bound = max(1, -((start - stop) // step))
            both = b.for_(start, stop, [a, s], round_, step=step, bound=bound)
            b.store(out, i, b.op("add", *both))

        return _kernel((LANES, F64, LANES), body)

    return made


def _dynamic_loop() -> Program:
    """Start and stop are values, the step is 2, and the bound cuts some loops short."""

    def body(b: Builder, i: Value, x: Value, start: Value, stop: Value, out: Value) -> None:
        def round_(k: Value, c: Value) -> Value:
            n = b.op("cast", k, result=F64)
            return b.op("cos", b.op("add", b.op("mul", c, b.load(x, i)), n))

        b.store(out, i, b.for_(start, stop, [b.load(x, i)], round_, step=2, bound=3)[0])

    return _kernel((LANES, I32, I32, LANES), body)


def _gathered() -> Program:
    """Sums over rows, read at computed indices, and at the own place of another lane."""

    def body(b: Builder, i: Value, x: Value, m: Value, at: Value, out: Value) -> None:
        def round_(k: Value, c: Value) -> Value:
            return b.op("add", c, b.op("mul", b.load(m, i, k), b.load(x, k)))

        total = b.for_(0, N, [b.const(F64, 0.0)], round_)[0]
        j = b.op("clamp", b.load(at, i), b.const(I32, 0), b.const(I32, N - 1))
        b.store(out, i, b.op("mul", total, b.op("mul", b.load(x, j), b.load(x, i))))

    return _kernel((LANES, Array(F64, (N, N)), Array(I32, (N,)), LANES), body)


def _wider() -> Program:
    """An array of more elements than there are lanes, read at the lane's own index."""

    def body(b: Builder, i: Value, x: Value, out: Value) -> None:
        b.store(out, i, b.op("sin", b.load(x, i)))

    return _kernel((Array(F64, (2 * N,)), LANES), body)


def _nested_loops() -> Program:
    def body(b: Builder, i: Value, x: Value, s: Value, out: Value) -> None:
        def outer(k: Value, c: Value) -> Value:
            def inner(j: Value, d: Value) -> Value:
                return b.op("sin", b.op("add", b.op("mul", d, c), s))

            count = b.op("add", k, b.const(I32, 1))
            (d,) = b.for_(b.const(I32, 0), count, [c], inner, bound=3)
            return b.op("mul", d, b.op("cos", c))

        b.store(out, i, b.for_(0, 3, [b.load(x, i)], outer)[0])

    return _kernel((LANES, F64, LANES), body)


def _while() -> Program:
    def body(b: Builder, i: Value, x: Value, s: Value, out: Value) -> None:
        def test(k: Value, c: Value, d: Value) -> Value:
            return b.op("lt", b.op("abs", c), b.const(F64, 9.0))

        def round_(k: Value, c: Value, d: Value) -> list[Value]:
            return [b.op("add", b.op("mul", c, s), d), b.op("sin", b.op("mul", c, d))]

        b.store(out, i, b.op("add", *b.while_([b.load(x, i), s], test, round_, 5)))

    return _kernel((LANES, F64, LANES), body)


def _exits() -> Program:
    """Break and continue under conditions, a store among them, and a return before the end."""

    def body(b: Builder, i: Value, x: Value, out: Value) -> Yielded:
        a = b.load(x, i)
        two = b.const(F64, 2.0)

        def round_(k: Value, c: Value) -> Value:
            d = b.op("mul", b.op("sin", c), two)
            b.if_(b.op("gt", d, b.const(F64, 1.9)), lambda: break_(b.op("square", d)))
            b.store(out, i, b.op("mul", d, a))
            b.if_(b.op("lt", d, b.const(F64, -1.0)), lambda: continue_(b.op("neg", c)))
            return b.op("add", d, a)

        (c,) = b.for_(0, 5, [a], round_)
        b.if_(b.op("gt", c, two), return_)
        b.store(out, i, b.op("exp", b.op("mul", c, b.load(out, i))))
        return None

    return _kernel((LANES, LANES), body)


def _calls() -> Program:
    """A function with two results that returns from a loop, called by another one, in a loop."""
    units = ProgramBuilder()

    def inner(b: Builder, x: Value, n: Value) -> list[Value]:
        def round_(k: Value, c: Value) -> Value:
            d = b.op("sin", b.op("add", c, x))
            b.if_(
                b.op("gt", d, b.const(F64, 0.8)), lambda: return_(b.op("mul", d, c), b.op("neg", x))
            )
            return b.op("mul", d, b.const(F64, 1.5))

        (c,) = b.for_(b.const(I32, 0), n, [x], round_, bound=4)
        return [c, b.op("square", c)]

    first = units.function((F64, I32), inner)

    def outer(b: Builder, x: Value, s: Value) -> Value:
        return b.op("mul", s, b.op("sub", *b.call(first, x, b.const(I32, 3))))

    second = units.function((F64, F64), outer)

    def body(b: Builder, i: Value, x: Value, s: Value, out: Value) -> None:
        def round_(k: Value, c: Value) -> Value:
            return b.op("add", c, b.call(second, c, s)[0])

        (c,) = b.for_(0, 3, [b.load(x, i)], round_)
        b.store(out, i, b.op("add", c, b.call(first, s, i)[1]))

    units.kernel((N,), (LANES, F64, LANES), body)
    return units.finish()


def _sums() -> Program:
    """Atomic sums and differences at a cell of all lanes, under a condition, and in a loop."""

    def body(b: Builder, i: Value, x: Value, s: Value, all_: Value, slots: Value) -> None:
        a, zero = b.load(x, i), b.const(I32, 0)
        b.atomic("add", all_, zero, b.op("mul", a, s))

        def then() -> None:
            b.atomic("sub", all_, zero, b.op("exp", a))

        b.if_(b.op("lt", a, b.const(F64, 0.5)), then)

        def round_(k: Value, c: Value) -> Value:
            b.atomic("add", slots, i, b.op("sin", c))
            return b.op("mul", c, a)

        b.for_(0, 3, [s], round_)

    return _kernel((LANES, F64, ONE, LANES), body)


def _extremes(kind: str) -> Callable[[], Program]:
    """The least or largest of several values a lane, of which some are not always there."""

    def made() -> Program:
        def body(b: Builder, i: Value, x: Value, y: Value, best: Value, slots: Value) -> None:
            a, zero = b.load(x, i), b.const(I32, 0)
            b.atomic(kind, best, zero, b.op("sin", a))

            def then() -> None:
                b.atomic(kind, best, zero, b.op("mul", a, b.load(y, i)))

            b.if_(b.op("lt", a, b.const(F64, 2.0)), then)

            def round_(k: Value, c: Value) -> Value:
                b.atomic(kind, slots, i, c)
                return b.op("mul", c, b.op("cos", c))

            b.for_(0, 3, [a], round_)

        return _kernel((LANES, LANES, ONE, LANES), body)

    return made


def _cells() -> Program:
    """A cell that is read, overwritten twice, and read between; another written in part."""

    def body(b: Builder, i: Value, x: Value, y: Value) -> None:
        b.store(x, i, b.op("sin", b.op("mul", b.load(x, i), b.load(y, i))))
        b.store(x, i, b.op("square", b.load(x, i)))

        def then() -> None:
            b.store(y, i, b.op("exp", b.load(x, i)))

        b.if_(b.op("gt", b.load(y, i), b.const(F64, 0.0)), then)

    return _kernel((LANES, LANES), body)


def _matrices() -> Program:
    """Arrays of vectors and matrices, over a grid of two axes, one of them broadcast."""
    units = ProgramBuilder()

    def body(b: Builder, i: Value, j: Value, m: Value, v: Value, out: Value) -> None:
        square = b.op("matmat", b.load(m, i, j), b.load(m, i, j))
        b.store(out, i, j, b.op("matvec", b.op("matrix_squash", square), b.load(v, j)))

    units.kernel((3, 2), (Array(M3, (3, 2)), Array(V3, (2,)), Array(V3, (3, 2))), body)
    return units.finish()


def _step_kernel(units: ProgramBuilder) -> int:
    """out = sin(x * s) + y, cell by cell."""

    def body(b: Builder, i: Value, x: Value, y: Value, s: Value, out: Value) -> None:
        a = b.op("sin", b.op("mul", b.load(x, i), s))
        b.store(out, i, b.op("add", a, b.load(y, i)))

    return units.kernel((N,), (LANES, LANES, F64, LANES), body)


def _grow_kernel(units: ProgramBuilder) -> int:
    """x = x * cos(x) + y, in place."""

    def body(b: Builder, i: Value, x: Value, y: Value) -> None:
        a = b.load(x, i)
        b.store(x, i, b.op("add", b.op("mul", a, b.op("cos", a)), b.load(y, i)))

    return units.kernel((N,), (LANES, LANES), body)


def _ping_pong(dynamic: bool) -> Callable[[], Program]:
    """Two buffers that change places, one updated in place beside them, read in each round."""

    def made() -> Program:
        units = ProgramBuilder()
        step, grow = _step_kernel(units), _grow_kernel(units)

        def body(b: Builder, x: Value, y: Value, s: Value, n: Value) -> list[Value]:
            first, second, third = b.copy(x), b.zeros(LANES), b.copy(y)

            def round_(k: Value, here: Value, there: Value) -> list[Value]:
                b.launch(step, here, third, s, there)
                b.launch(grow, third, y)
                return [there, here]

            start = b.const(I32, 0)
            stop = n if dynamic else b.const(I32, 3)
            here, there = b.for_(start, stop, [first, second], round_, bound=4)
            b.launch(grow, there, third)
            return [here, there, third]

        units.program((LANES, LANES, F64, I32), body)
        return units.finish()

    return made


def _fresh_buffers() -> Program:
    """A new buffer in each round; what the round reads from outside is written afterwards."""
    units = ProgramBuilder()
    step, grow = _step_kernel(units), _grow_kernel(units)

    def body(b: Builder, x: Value, y: Value, s: Value, n: Value) -> list[Value]:
        state, other = b.copy(x), b.copy(y)

        def round_(k: Value, c: Value) -> Value:
            made = b.zeros(LANES)
            b.launch(step, c, other, s, made)
            return made

        (last,) = b.for_(b.const(I32, -1), n, [state], round_, step=2, bound=3)
        b.launch(grow, other, last)
        return [last, other]

    units.program((LANES, LANES, F64, I32), body)
    return units.finish()


def _buffers() -> Program:
    """Copies before and after writing, one array passed twice, and arithmetic on scalars."""
    units = ProgramBuilder()
    step, grow = _step_kernel(units), _grow_kernel(units)

    def total(b: Builder, i: Value, x: Value, out: Value) -> None:
        b.atomic("add", out, b.const(I32, 0), b.op("square", b.load(x, i)))

    summed = units.kernel((N,), (LANES, ONE), total)

    def body(b: Builder, x: Value, s: Value) -> list[Value]:
        t = b.op("mul", b.op("sin", s), b.const(F64, 2.0))
        a = b.zeros(LANES)
        b.launch(step, x, x, t, a)
        before = b.copy(a)
        b.launch(grow, a, before)
        out = b.zeros(ONE)
        b.launch(summed, a, out)
        b.launch(summed, before, out)
        early = b.copy(out)
        b.launch(summed, x, out)
        return [a, before, out, early, a]

    units.program((LANES, F64), body)
    return units.finish()


def _arrays() -> Program:
    """Ops on whole arrays, which become kernels."""
    units = ProgramBuilder()
    matrix = Array(F64, (4, 4))

    def body(b: Builder, x: Value, y: Value, s: Value) -> list[Value]:
        z = b.op("tanh", b.op("matmul", x, b.op("mul", y, s)))
        return [b.op("softmax", z, attribute=1), b.op("add", z, y)]

    units.program((matrix, matrix, F64), body)
    return units.finish()


def _unused() -> Program:
    """A parameter of which nothing depends, and results that carry nothing."""

    def body(b: Builder, x: Value, y: Value, n: Value, c: Value) -> list[Value]:
        return [b.op("floor", x), b.op("neg", n), b.op("sin", x), b.const(F64, 1.0), c]

    return _function((F64, F64, I32, BOOL), body)


GRADIENT_EXAMPLES: dict[str, Callable[[], Program]] = {
    "elements": _elements,
    "casts": _casts,
    "branches": _branches,
    "loop": _loop(0, 4, 1),
    "loop_with_step": _loop(-3, 5, 3),
    "loop_of_no_rounds": _loop(3, 3, 1),
    "loop_of_one_round": _loop(2, 3, 1),
    "dynamic_loop": _dynamic_loop,
    "gathered": _gathered,
    "wider": _wider,
    "nested_loops": _nested_loops,
    "while": _while,
    "exits": _exits,
    "calls": _calls,
    "sums": _sums,
    "minima": _extremes("min"),
    "maxima": _extremes("max"),
    "cells": _cells,
    "matrices": _matrices,
    "ping_pong": _ping_pong(False),
    "ping_pong_dynamic": _ping_pong(True),
    "fresh_buffers": _fresh_buffers,
    "buffers": _buffers,
    "arrays": _arrays,
    "unused": _unused,
}
