"""Passes keep the meaning of programs, judged by running them, and do what they promise."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grammar.build import ProgramBuilder, break_, continue_, return_
from grammar.parse import parse_program
from grammar.passes.cells import promote_cells
from grammar.passes.dce import (
    drop_unused_parameters,
    drop_unused_units,
    eliminate_dead,
    eliminate_dead_code,
    used_parameters,
)
from grammar.passes.effects import written
from grammar.passes.exits import has_exits, remove_exits
from grammar.program import Program, Unit, walk
from grammar.structural import ATOMICS, effect_of
from grammar.text import print_program
from grammar.types import BOOL, F32, I32, Array, Matrix, Vector
from grammar.verify import verify
from tests.grammar.evaluate import Buffer, evaluate
from tests.grammar.examples import EXAMPLES
from tests.grammar.random_units import GRID, random_function, random_kernel

ARGUMENTS = ((-2, 1), (0, 5), (3, 3), (7, -1))
CONTENTS = ((3, -1, 0), (-4, 2, 5), (1, 1, -2), (6, 0, -5), (2, -3, 4))


def outcomes(program: Program) -> list[Any]:
    """What the entry gives back, or leaves in its arrays, for a few arguments."""
    unit = program.entry
    if unit.kind == "function":
        return [evaluate(program, unit, list(pair)) for pair in ARGUMENTS]
    return [run_kernel(program, shift) for shift in range(3)]


def run_kernel(program: Program, shift: int, replaced: dict[int, int] | None = None) -> list[Any]:
    """The contents of all arrays after a run. `replaced` fills some arrays with a number first."""
    arguments: list[Any] = []
    for at, value in enumerate(program.entry.parameters):
        if not isinstance(value.type, Array):
            arguments.append(shift)
            continue
        numbers = CONTENTS[(at + shift) % len(CONTENTS)]
        fill = (replaced or {}).get(at)
        cells = {(i,): numbers[i % 3] if fill is None else fill for i in range(value.type.shape[0])}
        arguments.append(Buffer(value.type.shape, cells))
    evaluate(program, program.entry, arguments)
    return [a.cells if isinstance(a, Buffer) else a for a in arguments]


def programs(make: Callable[[Callable[[int], int]], Program]) -> st.SearchStrategy[Program]:
    @st.composite
    def build(draw: st.DrawFn) -> Program:
        return make(lambda n: draw(st.integers(0, n - 1)))

    return build()


def rewritten(program: Program, change: Callable[[Unit], Unit]) -> Program:
    """The program with its entry changed, verified."""
    out = Program((*program.units[:-1], change(program.entry)))
    verify(out)
    return out


UNITS = programs(random_function) | programs(random_kernel)
KERNELS = programs(random_kernel)


@settings(max_examples=150)
@given(UNITS)
def test_random_units_are_well_formed_and_readable(program: Program) -> None:
    verify(program)
    assert parse_program(print_program(program)) == program


@settings(max_examples=150)
@given(UNITS)
def test_remove_exits_keeps_results(program: Program) -> None:
    lowered = rewritten(program, remove_exits)
    assert not has_exits(lowered.entry)
    assert outcomes(lowered) == outcomes(program)
    if not has_exits(program.entry):
        assert lowered.entry is program.entry


@settings(max_examples=150)
@given(UNITS)
def test_dead_code_elimination_keeps_results(program: Program) -> None:
    for before in (program, rewritten(program, remove_exits)):
        after = eliminate_dead_code(before)
        verify(after)
        assert outcomes(after) == outcomes(program)
        assert eliminate_dead_code(after) == after
        sizes = [sum(1 for _ in walk(p.entry.body)) for p in (before, after)]
        assert sizes[0] >= sizes[1]


@settings(max_examples=200)
@given(KERNELS)
def test_promote_cells_keeps_results(program: Program) -> None:
    promoted = rewritten(program, lambda unit: promote_cells(remove_exits(unit)))
    assert outcomes(promoted) == outcomes(program)
    assert_promoted(program.entry, promoted.entry)


def test_passes_keep_results_of_many_seeds() -> None:
    """The same as above over evenly drawn units, which nest more than grown ones."""
    for seed in range(300):
        below = Random(seed).randrange
        program = random_kernel(below) if seed % 3 else random_function(below)
        lowered = rewritten(program, remove_exits)
        results = [lowered, rewritten(program, eliminate_dead), rewritten(lowered, eliminate_dead)]
        if program.entry.kind == "kernel":
            promoted = rewritten(lowered, promote_cells)
            assert_promoted(program.entry, promoted.entry)
            results += [promoted, rewritten(promoted, eliminate_dead)]
        expected = outcomes(program)
        for result in results:
            assert outcomes(result) == expected, seed


def assert_promoted(before: Unit, after: Unit) -> None:
    """All writes stand at the top level: one store per array, one atomic per atomic statement."""
    top = after.body.body
    writes = [s for s in walk(after.body) if effect_of(s.op) == "write"]
    assert [s for s in top if effect_of(s.op) == "write"] == writes
    stores = [s.operands[0].id for s in writes if s.op == "store"]
    assert stores == sorted({s.operands[0].id for s in walk(before.body) if s.op == "store"})
    for op in ATOMICS:
        count = sum(s.op == op for s in walk(before.body))
        assert sum(s.op == op for s in writes) == count
    loads = [s.operands[0].id for s in walk(after.body) if s.op == "load"]
    assert all(loads.count(array) <= 1 for array in stores)


@settings(max_examples=150)
@given(KERNELS)
def test_an_out_array_does_not_depend_on_its_content(program: Program) -> None:
    for at, kind in written(program.entry).items():
        if kind == "out":
            assert run_kernel(program, 1, {at: 0}) == run_kernel(program, 1, {at: 17})


@settings(max_examples=150)
@given(KERNELS)
def test_promoted_kernels_load_what_is_inout_only(program: Program) -> None:
    kinds = written(program.entry)
    promoted = eliminate_dead(promote_cells(remove_exits(program.entry)))
    loads = {s.operands[0].id for s in walk(promoted.body) if s.op == "load"}
    for at, value in enumerate(program.entry.parameters):
        if kinds.get(at) == "out":
            assert value.id not in loads


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_keep_their_results(name: str) -> None:
    program = EXAMPLES[name]
    lowered = Program(tuple(remove_exits(unit) for unit in program.units))
    promoted = Program(tuple(promote_cells(u) if u.kind == "kernel" else u for u in lowered.units))
    clean = eliminate_dead_code(promoted)
    for after in (lowered, promoted, clean):
        verify(after)
    assert eliminate_dead_code(clean) == clean
    if name in ("calls", "branches", "loops", "exits", "atomics"):
        for shift in range(3):
            expected = run_kernel(program, shift)
            for after in (lowered, promoted, clean):
                assert run_kernel(after, shift) == expected


def _function(types: Sequence[Any], body: Callable[..., Any]) -> Program:
    p = ProgramBuilder()
    p.function(types, body)
    program = p.finish()
    verify(program)
    return program


def test_exits_of_vectors_and_matrices() -> None:
    vector, matrix = Vector(F32, 3), Matrix(F32, 2, 2)

    def body(b, v, m, stop):
        def inner():
            b.if_(stop, lambda: return_(b.op("add", v, v), m))
            return v

        (w,) = b.if_(b.op("logical_not", stop), inner, lambda: v)

        def perhaps():
            b.if_(stop, lambda: break_(v))

        def turn(k, u):
            b.if_(b.op("logical_not", stop), perhaps, perhaps)
            return u

        (x,) = b.for_(0, 3, (w,), turn)
        return x, b.op("add", m, m)

    lowered = rewritten(_function((vector, matrix, BOOL), body), remove_exits)
    assert "return %0" not in print_program(lowered)
    for stop in (True, False):
        original = _function((vector, matrix, BOOL), body)
        assert evaluate(lowered, lowered.entry, [1, 2, stop]) == evaluate(
            original, original.entry, [1, 2, stop]
        )


def test_a_certain_exit_needs_no_flag() -> None:
    def body(b, x, y):
        b.if_(b.op("lt", x, y), lambda: return_(y))
        return b.op("add", x, y)

    clean = eliminate_dead_code(rewritten(_function((I32, I32), body), remove_exits))
    assert [s.op for s in walk(clean.entry.body)] == ["lt", "if", "add"]


def test_continue_needs_no_carried_flag() -> None:
    def body(b, x, y):
        def turn(k, t):
            b.if_(b.op("lt", k, y), lambda: continue_(t))
            return b.op("add", t, k)

        return b.for_(0, 5, (x,), turn)

    clean = eliminate_dead_code(rewritten(_function((I32, I32), body), remove_exits))
    loop = next(s for s in walk(clean.entry.body) if s.op == "for")
    assert len(loop.results) == 1


def _kernel(body: Callable[..., Any], shapes: Sequence[int] = (GRID, GRID)) -> Program:
    p = ProgramBuilder()
    p.kernel((GRID,), [Array(I32, (n,)) for n in shapes], body)
    program = p.finish()
    verify(program)
    return program


def test_indices_of_atomics_stay_at_the_top_level_after_a_return() -> None:
    def body(b, i, a, total):
        two = b.const(I32, 2)
        b.if_(b.op("eq", i, two), return_)
        first = b.op("modulo", b.load(a, i), two)
        b.atomic("add", total, first, i)
        second = b.op("modulo", b.op("add", first, i), two)
        b.if_(b.op("lt", i, first), return_)
        b.atomic("sub", total, second, two)

    program = _kernel(body, (GRID, 2))
    lowered = rewritten(program, remove_exits)
    promoted = rewritten(lowered, promote_cells)
    assert outcomes(program) == outcomes(lowered) == outcomes(promoted)
    assert [s.op for s in promoted.entry.body.body[-2:]] == ["atomic_add", "atomic_sub"]


@pytest.mark.parametrize(
    ("what", "contents", "expected"),
    [("add", -5, -5), ("sub", -5, -5), ("min", 2**31 - 1, 2**31 - 1), ("max", -(2**31), -(2**31))],
)
def test_an_untaken_atomic_changes_nothing(what: str, contents: int, expected: int) -> None:
    def body(b, i, a, total):
        zero = b.const(I32, 0)
        b.if_(b.op("lt", i, zero), lambda: b.atomic(what, total, zero, i))

    promoted = rewritten(_kernel(body, (GRID, 1)), promote_cells)
    assert run_kernel(promoted, 0, {1: contents})[1] == {(0,): expected}


def test_an_untaken_float_sum_keeps_the_sign_of_zero() -> None:
    p = ProgramBuilder()

    def body(b, i, total):
        zero = b.const(I32, 0)
        b.if_(b.op("lt", i, zero), lambda: b.atomic("add", total, zero, b.const(F32, 1.0)))

    p.kernel((1,), (Array(F32, (1,)),), body)
    promoted = rewritten(p.finish(), promote_cells)
    buffer = Buffer((1,), {(0,): -0.0})
    evaluate(promoted, promoted.entry, [buffer])
    assert str(buffer.cells[(0,)]) == "-0.0"


def _store_in_loop(trips: int) -> Callable[..., Any]:
    def body(b, i, a, out):
        b.for_(0, trips, (), lambda k: b.store(out, i, k), bound=3)

    return body


def _store_in_both(b, i, a, out):
    x = b.load(a, i)
    b.if_(b.op("lt", x, i), lambda: b.store(out, i, x), lambda: b.store(out, i, i))


def _store_in_one(b, i, a, out):
    x = b.load(a, i)
    b.if_(b.op("lt", x, i), lambda: b.store(out, i, x))


def _store_after_return(b, i, a, out):
    x = b.load(a, i)
    b.if_(b.op("lt", x, i), return_)
    b.store(out, i, x)


def _load_then_store(b, i, a, out):
    b.store(out, i, b.op("add", b.load(out, i), i))


def _store_then_load(b, i, a, out):
    b.store(out, i, i)
    b.store(out, i, b.op("add", b.load(out, i), i))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (_store_in_loop(3), "out"),
        (_store_in_loop(0), "inout"),
        (_store_in_both, "out"),
        (_store_in_one, "inout"),
        (_store_after_return, "inout"),
        (_load_then_store, "inout"),
        (_store_then_load, "out"),
    ],
)
def test_written(body: Callable[..., Any], kind: str) -> None:
    program = _kernel(body)
    assert written(program.entry) == {1: kind}
    promoted = eliminate_dead(promote_cells(remove_exits(program.entry)))
    loads = [s for s in walk(promoted.body) if s.op == "load"]
    assert any(s.operands[0] == promoted.parameters[1] for s in loads) == (kind == "inout")


def test_written_by_atomics() -> None:
    assert written(EXAMPLES["atomics"].entry) == dict.fromkeys((1, 2, 3, 4), "atomic")
    assert written(EXAMPLES["heat"].units[0]) == {1: "out"}


def test_promote_cells_wants_no_exits_and_leaves_pure_units() -> None:
    with pytest.raises(ValueError, match="apply remove_exits first"):
        promote_cells(EXAMPLES["exits"].entry)
    function = EXAMPLES["calls"].units[0]
    assert promote_cells(function) is function


def test_a_value_carried_for_itself_only_is_dead() -> None:
    def body(b, x, y):
        def turn(k, t, s, u):
            return b.op("add", t, x), b.op("mul", s, u), b.op("mul", u, s)

        return b.for_(0, 4, (x, y, y), turn)[0]

    program = _function((I32, I32), body)
    clean = eliminate_dead_code(program)
    loop = next(s for s in clean.entry.body.body if s.op == "for")
    assert len(loop.results) == 1
    assert [s.op for s in loop.regions[0].body] == ["add"]
    assert outcomes(clean) == outcomes(program)


@pytest.mark.parametrize("leave", [break_, continue_])
def test_an_exit_from_a_needed_loop_is_not_dead(leave: Callable[..., Any]) -> None:
    def body(b, x, y):
        def turn(k, t, s):
            b.if_(b.op("lt", k, y), lambda: leave(b.op("sub", t, x), s))
            return b.op("add", t, k), b.op("add", s, k)

        return b.for_(0, 5, (x, y), turn)[0]

    program = _function((I32, I32), body)
    clean = rewritten(program, eliminate_dead)
    assert outcomes(clean) == outcomes(program)
    loop = next(s for s in clean.entry.body.body if s.op == "for")
    assert len(loop.results) == 1
    assert [s.op for s in walk(loop.regions[0])] == ["lt", "if", "sub", "add"]


def test_unused_units_go_and_the_others_are_renumbered() -> None:
    p = ProgramBuilder()
    p.function((F32,), lambda b, x: b.op("neg", x))
    kept = p.function((F32,), lambda b, x: b.op("add", x, x))
    p.function((F32,), lambda b, x: b.call(kept, x)[0])

    def body(b, i, a):
        b.call(2, b.load(a, i))
        b.store(a, i, b.call(kept, b.load(a, i))[0])

    p.kernel((16,), (Array(F32, (16,)),), body)
    program = p.finish()
    assert len(drop_unused_units(program).units) == 3
    clean = eliminate_dead_code(program)
    verify(clean)
    assert len(clean.units) == 2
    assert [s.attribute for s in walk(clean.entry.body) if s.op == "call"] == [0]


def test_unused_parameters() -> None:
    program = _kernel(_store_in_loop(2))
    assert used_parameters(program.entry) == (1,)
    slim = rewritten(program, drop_unused_parameters)
    assert slim.entry.parameters == program.entry.parameters[1:]
    assert slim.entry.body.params[0] == program.entry.body.params[0]


def test_passes_do_not_change_their_input() -> None:
    for program in EXAMPLES.values():
        before = copy.deepcopy(program)
        eliminate_dead_code(program)
        for unit in program.units:
            lowered = remove_exits(unit)
            if unit.kind == "kernel":
                promote_cells(lowered)
        assert program == before
