"""Gradients agree with central differences, and are programs like all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from grammar.build import Builder, ProgramBuilder
from grammar.generate import program_at
from grammar.gradient import gradient
from grammar.gradient.partial import pulls
from grammar.ops import OPS, Instance, Op
from grammar.parse import parse_program
from grammar.presets import GRAMMARS
from grammar.program import Program, Value, size, statements
from grammar.structural import TAPE
from grammar.types import BOOL, F32, F64, I32, Array, scalar_of
from grammar.verify import verify
from tests.grammar.gradient_checks import Comparison, compare, shape_is_right
from tests.grammar.gradient_examples import GRADIENT_EXAMPLES

EXAMPLES = pytest.mark.parametrize("name", GRADIENT_EXAMPLES)
PRESETS = pytest.mark.parametrize("preset", GRAMMARS)
POINTS = 3


def settled(program: Program, seed: int, points: int = POINTS) -> list[Comparison]:
    """Comparisons in some points that are away from kinks."""
    made = gradient(program)
    found = [compare(program, np.random.default_rng((seed, at)), made) for at in range(points)]
    return [comparison for comparison in found if comparison and comparison.settled]


@EXAMPLES
def test_examples_agree_with_differences(name: str) -> None:
    found = settled(GRADIENT_EXAMPLES[name](), 1)
    assert found
    assert all(comparison.agrees for comparison in found), found


@EXAMPLES
def test_second_derivatives_agree_with_differences(name: str) -> None:
    found = settled(gradient(GRADIENT_EXAMPLES[name]()).program, 2)
    assert found
    assert all(comparison.agrees for comparison in found), found


def is_well_formed(program: Program) -> bool:
    """Whether the gradient keeps the rules, reads back, has the signature it promises and comes
    out the same again."""
    made = gradient(program)
    verify(made.program)
    return (
        shape_is_right(program, made)
        and parse_program(str(made.program)) == made.program
        and gradient(program) == made
    )


@EXAMPLES
def test_gradients_of_examples_are_well_formed(name: str) -> None:
    assert is_well_formed(GRADIENT_EXAMPLES[name]())


@PRESETS
def test_gradients_of_presets_agree_with_differences(preset: str) -> None:
    count = 0
    for index in range(5):
        program = program_at(GRAMMARS[preset], 7, index)
        assert is_well_formed(program)
        found = settled(program, index)
        assert all(comparison.agrees for comparison in found), (index, found)
        count += len(found)
    assert count >= POINTS


@pytest.mark.campaign
@PRESETS
def test_many_gradients_agree_with_differences(preset: str) -> None:
    seen: Counter[str] = Counter()
    for index in range(100):
        program = program_at(GRAMMARS[preset], 11, index)
        assert is_well_formed(program)
        found = settled(program, index)
        assert all(comparison.agrees for comparison in found), (index, found)
        seen["settled" if found else "not settled"] += 1
    assert seen["settled"] >= 60, seen


def test_examples_use_the_tape() -> None:
    used = {
        s.op for make in GRADIENT_EXAMPLES.values() for s in statements(gradient(make()).program)
    }
    assert used >= set(TAPE)


def _twice(op: str) -> Program:
    units = ProgramBuilder()
    units.function((F64,), lambda b, x: b.op(op, b.op(op, x)))
    return units.finish()


@pytest.fixture
def _fresh_pulls() -> Iterator[None]:
    pulls.cache_clear()
    yield
    pulls.cache_clear()


@pytest.mark.usefixtures("_fresh_pulls")
@pytest.mark.parametrize(
    ("op", "wrong"), [("sin", "sin(a)"), ("tanh", "1.0 - y"), ("cos", "-cos(a)")]
)
def test_a_wrong_partial_is_caught(op: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(comparison.agrees for comparison in settled(_twice(op), 3))
    pulls.cache_clear()
    monkeypatch.setitem(OPS, op, replace(OPS[op], partials=(wrong,)))
    assert not any(comparison.agrees for comparison in settled(_twice(op), 3))


def _applied(op: Op, instance: Instance, attribute: int) -> Program:
    """A function that applies a row at one typing, near zero where the row asks for that."""
    units = ProgramBuilder()

    def body(b: Builder, *xs: Value) -> Value:
        if {"half", "unit"} & set(op.requires):
            xs = tuple([b.op("mul", x, b.const(F64, 0.125)) for x in xs])
        given = attribute if op.attributes(instance) else None
        return b.op(op.name, *xs, attribute=given, result=instance.result)

    units.function(instance.operands, body)
    return units.finish()


def _is_f64(instance: Instance) -> bool:
    scalars = [scalar_of(type_) for type_ in instance.operands]
    return scalar_of(instance.result) == F64 and F64 in scalars and {*scalars} <= {F64, BOOL}


def _smooth(op: Op) -> bool:
    return bool(op.partials) and op.smoothness == "smooth" and any(map(_is_f64, op.instances))


@pytest.mark.parametrize("op", [*filter(_smooth, OPS.values())], ids=lambda op: op.name)
def test_smooth_rows_agree_with_differences(op: Op) -> None:
    """At float64, for every typing and attribute."""
    for instance in filter(_is_f64, op.instances):
        for attribute in range(max(1, op.attributes(instance))):
            found = settled(_applied(op, instance, attribute), attribute, 8)
            assert found
            assert all(comparison.agrees for comparison in found), found


def test_sums_keep_no_tape_and_only_accumulate() -> None:
    """The reverse of a matrix product's loop adds to gradients and carries nothing else."""
    units = ProgramBuilder()

    def body(b: Builder, i: Value, j: Value, x: Value, y: Value, out: Value) -> None:
        def round_(k: Value, c: Value) -> Value:
            return b.op("add", c, b.op("mul", b.load(x, i, k), b.load(y, k, j)))

        b.store(out, i, j, b.for_(0, 4, [b.const(F32, 0.0)], round_)[0])

    matrix = Array(F32, (4, 4))
    units.kernel((4, 4), (matrix, matrix, matrix), body)
    made = gradient(units.finish()).program
    loops = [s for s in statements(made) if s.op == "for"]
    assert [len(loop.results) for loop in loops] == [0]
    assert not any(s.op in TAPE for s in statements(made))


def test_replayed_values_are_those_of_the_primal() -> None:
    """Of sin(x) * y, the gradient replays the sine only."""
    units = ProgramBuilder()
    units.function((F64, F64), lambda b, x, y: b.op("mul", b.op("sin", x), y))
    made = gradient(units.finish())
    names = {s.results[0].id: s.op for s in statements(made.program)}
    (replayed,) = made.replayed
    assert {names[at] for at in replayed & names.keys()} == {"sin"}
    assert sorted(names.values()) == ["cos", "mul", "mul", "mul", "sin"]


def test_parameters_that_carry_nothing_have_no_gradient() -> None:
    """Integers, and arrays that a kernel overwrites without looking."""
    units = ProgramBuilder()

    def body(b: Builder, i: Value, x: Value, n: Value, out: Value, sums: Value) -> None:
        b.store(out, i, b.load(x, i))
        b.atomic("add", sums, b.const(I32, 0), b.load(x, i))

    lanes = Array(F32, (4,))
    units.kernel((4,), (lanes, I32, lanes, Array(F32, (1,))), body)
    entry = gradient(units.finish()).program.entry
    assert [str(value.type) for value in entry.parameters] == [
        *("f32[4]", "i32", "f32[4]", "f32[1]"),
        *("f32[4]", "f32[1]"),
    ]
    assert [str(type_) for type_ in entry.results] == ["f32[4]", "f32[1]"]


def test_gradients_stay_small() -> None:
    """Statements of the gradient over those of the primal, over many kernels."""
    primal = derived = 0
    for index in range(40):
        program = program_at(GRAMMARS["compound"], 7, index)
        primal += size(program)
        derived += size(gradient(program).program)
    assert derived < 3 * primal


def test_a_loop_that_reads_what_it_carries_is_refused() -> None:
    units = ProgramBuilder()

    def body(b: Builder, x: Value) -> Value:
        tape = b.emit("local", (), (Array(F64, (3,)),))[0]

        def round_(k: Value, c: Value) -> Value:
            old = b.emit("get", (c, b.const(I32, 0)), (F64,))[0]
            new = b.op("sin", b.op("add", old, x))
            return b.emit("put", (c, b.const(I32, 0), new), (c.type,))[0]

        (end,) = b.for_(0, 3, [tape], round_)
        return b.emit("get", (end, b.const(I32, 0)), (F64,))[0]

    units.function((F64,), body)
    program = units.finish()
    verify(program)
    with pytest.raises(ValueError, match="reads a local array that it carries"):
        gradient(program)
