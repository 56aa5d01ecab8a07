"""Small programs of each construct and the limitations they have. What Warp computes for each was
compared with central differences when the table was made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from grammar.build import Builder, ProgramBuilder, break_, continue_, return_
from grammar.program import Program, Value
from grammar.types import F64, I32, Array

LINE, ONE = Array(F64, (8,)), Array(F64, (1,))
READ = (LINE, LINE)
COUNTED = (LINE, I32, LINE)

CASES: dict[str, tuple[Program, set[str]]] = {}
"""A program and the names of its limitations, by name of the construct."""


def _case(params: Sequence[Any], *names: str) -> Callable[[Callable[..., None]], None]:
    def add(body: Callable[..., None]) -> None:
        p = ProgramBuilder()
        p.kernel((8,), params, body)
        CASES[body.__name__.strip("_")] = (p.finish(), set(names))

    return add


def _sum(b: Builder, stop: Value, first: Value, term: Callable[[Value], Value]) -> Value:
    """A dynamic loop that adds terms up."""
    return b.for_(b.const(I32, 0), stop, (first,), lambda k, s: b.op("add", s, term(k)), bound=8)[0]


@_case(COUNTED)
def _sum_of_squares(b, i, a, n, o):
    b.store(o, i, _sum(b, n, b.load(a, i), lambda k: b.op("square", b.load(a, k))))


@_case(COUNTED)
def _decay(b, i, a, n, o):
    half = b.const(F64, 0.5)
    (t,) = b.for_(b.const(I32, 0), n, (b.load(a, i),), lambda k, s: b.op("mul", s, half), bound=8)
    b.store(o, i, t)


@_case(COUNTED)
def _exchange(b, i, a, n, o):
    start = (b.load(a, i), b.load(a, b.const(I32, 0)))
    s, t = b.for_(b.const(I32, 0), n, start, lambda k, s, t: (t, b.op("add", s, t)), bound=8)
    b.store(o, i, b.op("sub", s, t))


@_case(COUNTED)
def _branch_on_the_index(b, i, a, n, o):
    def body(k, s):
        few = b.op("lt", k, b.const(I32, 2))
        return b.if_(few, lambda: b.op("add", s, b.load(a, k)), lambda: s)

    (t,) = b.for_(b.const(I32, 0), n, (b.load(a, i),), body, bound=8)
    b.store(o, i, t)


@_case(COUNTED, "loop_value")
def _branch_on_the_sum(b, i, a, n, o):
    def body(k, s):
        small = b.op("lt", s, b.const(F64, 0.3))
        return b.if_(small, lambda: b.op("add", s, b.load(a, k)), lambda: s)

    (t,) = b.for_(b.const(I32, 0), n, (b.load(a, i),), body, bound=8)
    b.store(o, i, t)


@_case(COUNTED, "loop_result")
def _branch_after(b, i, a, n, o):
    x = b.load(a, i)
    t = _sum(b, n, b.const(F64, 0), lambda k: b.load(a, k))
    positive = b.op("gt", t, b.const(F64, 0.5))
    b.store(o, i, *b.if_(positive, lambda: b.op("square", x), lambda: x))


@_case(COUNTED)
def _sum_of_sums(b, i, a, n, o):
    def inner(k):
        product = lambda m: b.op("mul", b.load(a, k), b.load(a, m))  # noqa: E731
        return _sum(b, n, b.const(F64, 0), product)

    b.store(o, i, _sum(b, n, b.const(F64, 0), inner))


@_case(COUNTED, "loop_result")
def _sum_of_squared_sums(b, i, a, n, o):
    def inner(k):
        return b.op("square", _sum(b, n, b.const(F64, 0), lambda m: b.load(a, m)))

    b.store(o, i, _sum(b, n, b.const(F64, 0), inner))


@_case(COUNTED)
def _unrolled_inside(b, i, a, n, o):
    def inner(k):
        return b.for_(0, 3, (b.load(a, k),), lambda m, r: b.op("mul", r, b.load(a, m)))[0]

    b.store(o, i, _sum(b, n, b.load(a, i), inner))


@_case(COUNTED)
def _start_used_after(b, i, a, n, o):
    x = b.op("exp", b.load(a, i))
    t = _sum(b, n, x, lambda k: b.load(a, k))
    b.store(o, i, b.op("add", t, b.op("square", x)))


@_case(COUNTED, "loop_start")
def _start_used_before(b, i, a, n, o):
    x = b.load(a, i)
    y = b.op("square", x)
    b.store(o, i, b.op("add", _sum(b, n, x, lambda k: b.load(a, k)), y))


@_case(READ)
def _sixteen_rounds(b, i, a, o):
    (t,) = b.for_(0, 16, (b.load(a, i),), lambda k, s: b.op("sin", s))
    b.store(o, i, b.op("square", t))


@_case(READ, "loop_value", "loop_result")
def _seventeen_rounds(b, i, a, o):
    (t,) = b.for_(0, 17, (b.load(a, i),), lambda k, s: b.op("sin", b.op("square", s)))
    b.store(o, i, b.op("square", t))


@_case(READ)
def _return_from_unrolled(b, i, a, o):
    def body(k, s):
        def leave():
            b.store(o, i, b.op("square", s))
            return return_()

        b.if_(b.op("gt", b.load(a, k), b.const(F64, 0.8)), leave)
        return b.op("sin", s)

    (t,) = b.for_(0, 5, (b.load(a, i),), body)
    b.store(o, i, t)


@_case(COUNTED, "loop_exit")
def _return_from_dynamic(b, i, a, n, o):
    def term(k):
        b.if_(b.op("gt", b.load(a, k), b.const(F64, 0.8)), return_)
        return b.load(a, k)

    b.store(o, i, _sum(b, n, b.load(a, i), term))


@_case(COUNTED)
def _continue_at_once(b, i, a, n, o):
    def body(k, s):
        b.if_(b.op("eq", k, b.const(I32, 1)), lambda: continue_(s))
        return b.op("add", s, b.load(a, k))

    (t,) = b.for_(b.const(I32, 0), n, (b.load(a, i),), body, bound=8)
    b.store(o, i, t)


@_case(COUNTED, "loop_exit")
def _continue_with_another(b, i, a, n, o):
    def body(k, s):
        b.if_(b.op("eq", k, b.const(I32, 1)), lambda: continue_(b.op("add", s, s)))
        return b.op("add", s, b.load(a, k))

    (t,) = b.for_(b.const(I32, 0), n, (b.load(a, i),), body, bound=8)
    b.store(o, i, t)


@_case((Array(I32, (8,)), Array(I32, (8,))))
def _break_without_floats(b, i, a, o):
    def body(k, s):
        b.if_(b.op("gt", s, b.const(I32, 3)), lambda: break_(s))
        return b.op("add", s, b.load(a, k))

    (t,) = b.for_(0, 5, (b.load(a, i),), body)
    b.store(o, i, t)


@_case(READ)
def _early_return(b, i, a, o):
    x = b.load(a, i)
    b.if_(b.op("gt", x, b.const(F64, 0.8)), return_)
    b.store(o, i, b.op("square", x))


@_case(READ)
def _added_to_twice(b, i, a, o):
    b.store(o, i, b.op("add", b.load(o, i), b.op("sin", b.load(a, i))))
    b.store(o, i, b.op("add", b.load(o, i), b.op("exp", b.load(a, i))))


@_case(READ, "overwritten_cell")
def _multiplied_in_place(b, i, a, o):
    b.store(o, i, b.load(a, i))
    b.store(o, i, b.op("mul", b.load(o, i), b.load(a, i)))


@_case((LINE, LINE, LINE))
def _read_after_the_last_store(b, i, a, o, q):
    b.store(o, i, b.op("sin", b.load(a, i)))
    b.store(q, i, b.op("square", b.load(o, i)))


@_case(READ)
def _other_side_of_a_branch(b, i, a, o):
    positive = b.op("gt", b.const(F64, 1.0), b.const(F64, 0.0))

    def store() -> None:
        b.store(o, i, b.load(a, i))

    def read() -> None:
        b.store(a, i, b.const(F64, 1.0))

    def square() -> None:
        b.store(o, i, b.op("square", b.load(a, i)))
        store()

    b.if_(positive, square, read)


@_case((LINE, ONE))
def _sum_of_lanes(b, i, a, o):
    b.atomic("add", o, b.const(I32, 0), b.op("square", b.load(a, i)))


@_case((Array(I32, (8,)), Array(I32, (1,))))
def _largest_whole_number(b, i, a, o):
    b.atomic("max", o, b.const(I32, 0), b.load(a, i))


def _with_function(name: str, result: Callable[..., Value], after: str, *names: str) -> None:
    p = ProgramBuilder()
    made = p.function((F64, I32), result)

    def body(b, i, a, n, o):
        y = b.call(made, b.load(a, i), n)[0]
        b.store(o, i, b.op(after, y))

    p.kernel((8,), COUNTED, body)
    CASES[name] = (p.finish(), set(names))


def _total(b: Builder, x: Value, n: Value) -> Value:
    return _sum(b, n, b.const(F64, 0), lambda k: b.op("mul", x, b.op("cast", k, result=F64)))


_with_function("loop_in_a_function_used_outside", _total, "square")
_with_function(
    "loop_in_a_function_used_inside",
    lambda b, x, n: b.op("square", _total(b, x, n)),
    "neg",
    "loop_result",
)


@_case(READ, "overwritten_cell")
def _dead_power_of_an_overwritten_cell(b, i, a, o):
    x = b.load(a, i)
    steps = b.op("floor", b.op("pow", b.const(F64, 4.0), x))
    b.store(a, i, b.op("add", x, steps))


@_case(READ)
def _dead_sum_of_an_overwritten_cell(b, i, a, o):
    x = b.load(a, i)
    steps = b.op("floor", b.op("add", x, x))
    b.store(a, i, b.op("add", x, steps))
