"""Conditions that are not certain: what the interpreter calls certain holds whatever they are."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest

from grammar.bounds.domain import Bounds
from grammar.bounds.known import Known, parts
from grammar.bounds.precision import Precision
from grammar.build import Builder, ProgramBuilder, Yielded, continue_, return_
from grammar.interpret import run
from grammar.program import Program, Value
from grammar.types import I32, Array, Scalar
from tests.grammar import random_units
from tests.grammar.doubt import UNKNOWN, Doubting, known
from tests.grammar.run_both import DynamicMaker, evaluated, integers


class UnknownIntegers(Bounds):
    """Values with bounds; inputs that are UNKNOWN are not known."""

    __slots__ = ("guess",)

    def __init__(self, guess: int) -> None:
        super().__init__(Precision(), np.float64)
        self.guess = guess

    def lift(self, array: Any, scalar: Scalar) -> Any:
        made = Doubting(self.guess).lift(np.asarray(array), scalar)
        return Known(made.value, made.ok)


def outputs(program: Program, inputs: list[Any], domain: str, guess: int) -> list[tuple[Any, Any]]:
    """Values, and where they are certain."""
    if domain == "doubting":
        found = map(known, run(program, inputs, Doubting(guess)))
        return [(out.value, out.ok) for out in found]
    found = run(program, inputs, UnknownIntegers(guess))
    return [(v, np.broadcast_to(ok, np.shape(v))) for v, ok in map(parts, found)]


@pytest.mark.parametrize("domain", ["doubting", "bounds"])
@pytest.mark.parametrize("make", [random_units.random_function, random_units.random_kernel])
def test_what_is_certain_holds_for_every_value_of_the_unknown(
    make: Callable[..., Program], domain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random_units, "Maker", DynamicMaker)
    certain = total = 0
    for seed in range(120):
        random = Random(seed)
        program = make(Random(seed).randrange)
        inputs = integers(program.entry, random)
        hidden = [
            np.random.default_rng(seed + at).random(x.shape) < 0.3 for at, x in enumerate(inputs)
        ]
        marked = [
            np.where(h, UNKNOWN, x).astype(np.int32) for h, x in zip(hidden, inputs, strict=True)
        ]
        found = outputs(program, marked, domain, random.randrange(-4, 5))
        for _ in range(3):
            for at, (h, x) in enumerate(zip(hidden, inputs, strict=True)):
                other = np.array([random.randrange(-5, 6) for _ in range(x.size)]).reshape(x.shape)
                inputs[at] = np.where(h, other, x)
            for (value, ok), wanted in zip(found, evaluated(program, inputs), strict=True):
                assert np.array_equal(value[ok], np.array(wanted)[ok]), seed
                certain, total = certain + int(ok.sum()), total + ok.size
    assert certain >= 0.3 * total


def certain_lanes(body: Callable[..., None], *types: Array) -> list[list[bool]]:
    """Where the outputs of a kernel over [0, 1, UNKNOWN, 3] are certain."""
    p = ProgramBuilder()
    p.kernel((4,), types, body)
    first = np.array([0, 1, UNKNOWN, 3], np.int32)
    inputs = [first, *[np.zeros(type_.shape, np.int32) for type_ in types[1:]]]
    return [ok.tolist() for _, ok in outputs(p.finish(), inputs, "doubting", 2)]


LINE = Array(I32, (4,))
CELLS = Array(I32, (3,))


def test_both_sides_run_and_agree_where_they_yield_the_same() -> None:
    def body(b: Builder, i: Value, a: Value, out: Value, more: Value) -> None:
        positive = b.op("gt", b.load(a, i), b.const(I32, 0))
        same, other = b.if_(positive, lambda: (i, i), lambda: (i, b.op("neg", i)))
        b.store(out, i, same)
        b.store(more, i, other)

    assert certain_lanes(body, LINE, LINE, LINE) == [[True] * 4, [True, True, False, True]]


def test_a_store_that_may_not_happen_leaves_only_its_cell_unknown() -> None:
    def body(b: Builder, i: Value, a: Value, out: Value) -> None:
        positive = b.op("gt", b.load(a, i), b.const(I32, 0))
        b.if_(positive, lambda: b.store(out, i, b.const(I32, 1)))

    assert certain_lanes(body, LINE, LINE) == [[True, True, False, True]]


def test_an_atomic_at_an_unknown_place_leaves_the_array_unknown() -> None:
    def at_unknown(b: Builder, i: Value, a: Value, cells: Value) -> None:
        at = b.op("modulo", b.load(a, i), b.const(I32, 3))
        b.atomic("add", cells, at, i)

    def at_known(b: Builder, i: Value, a: Value, cells: Value) -> None:
        b.atomic("add", cells, b.op("modulo", i, b.const(I32, 3)), b.load(a, i))

    assert certain_lanes(at_unknown, LINE, CELLS) == [[False] * 3]
    assert certain_lanes(at_known, LINE, CELLS) == [[True, True, False]]


def test_an_exit_that_may_not_happen_costs_the_rest_of_the_lane() -> None:
    def body(b: Builder, i: Value, a: Value, out: Value, more: Value) -> None:
        b.store(out, i, b.const(I32, 1))
        b.if_(b.op("gt", b.load(a, i), b.const(I32, 2)), return_)
        b.store(more, i, b.const(I32, 1))

    assert certain_lanes(body, LINE, LINE, LINE) == [[True] * 4, [True, True, False, True]]


def test_an_unknown_lane_may_index_outside() -> None:
    def body(b: Builder, i: Value, a: Value, out: Value) -> None:
        x = b.load(a, i)
        far = b.op("mul", x, b.const(I32, 50))

        def inside() -> Yielded:
            return b.load(a, b.op("add", far, i))

        (y,) = b.if_(b.op("lt", x, b.const(I32, 1)), inside, lambda: x)
        b.store(out, i, y)

    assert certain_lanes(body, LINE, LINE) == [[True, True, False, True]]


def test_a_loop_an_unknown_lane_may_leave_early() -> None:
    def body(b: Builder, i: Value, a: Value, out: Value, cells: Value) -> None:
        x = b.load(a, i)

        def rounds(k: Value, t: Value) -> Yielded:
            b.if_(b.op("eq", k, x), lambda: continue_(t))
            b.atomic("add", cells, b.const(I32, 1), k)
            return b.op("add", t, k)

        (t,) = b.for_(0, 3, (i,), rounds)
        b.store(out, i, t)

    assert certain_lanes(body, LINE, LINE, CELLS) == [
        [True, True, False, True],
        [True, False, True],
    ]
