"""Edits of programs: what they give verifies, and is less where they say so."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.generate import draw_program
from grammar.parse import parse_program as parse
from grammar.presets import GRAMMARS
from grammar.program import Program, size
from grammar.shrinking import Edit, cost, literal_cost
from grammar.shrinking.actions import Drop, Inline, Operand, Place, Uncarry, Unwrap
from grammar.shrinking.drivers import driven
from grammar.shrinking.edits import joined
from grammar.shrinking.extents import smaller
from grammar.shrinking.launches import launched
from grammar.shrinking.outputs import bypassed
from grammar.shrinking.removal import dropped, dropped_chunks, dropped_pairs, widths
from grammar.shrinking.retyping import retyped
from grammar.shrinking.simplifying import simpler, simpler_literals
from grammar.shrinking.tidy import tidy
from grammar.shrinking.whole import fewer_results, tidied
from grammar.source import RandomSource
from grammar.text import print_program
from grammar.types import Array
from grammar.verify import verify
from irgen.vectors import make

EACH = 12
"""Edits of each kind that are tried on a program."""


def drawn(preset: str, index: int) -> Program:
    return draw_program(RandomSource(5, index), GRAMMARS[preset])


def edits(program: Program) -> Iterator[Edit]:
    """Edits of every kind, spread evenly over those there are."""
    kinds = (
        iter([tidied()]),
        dropped(program),
        itertools.chain.from_iterable(dropped_chunks(program, each) for each in widths(program)),
        dropped_pairs(program),
        simpler(program),
        smaller(program),
        retyped(program),
        bypassed(program),
        driven(program),
        fewer_results(program),
        launched(program, make(program)[0]),
    )
    for kind in kinds:
        every = list(kind)
        yield from every[:: max(1, len(every) // EACH)]


@pytest.mark.parametrize("preset", GRAMMARS)
def test_edits_of_drawn_programs_verify(preset: str) -> None:
    program = drawn(preset, 0)
    applied = 0
    for edit in edits(program):
        for clean in (True, False):
            found = edit.apply(program, clean=clean)
            if found is not None:
                applied += 1
                verify(found.program)
                assert parse(print_program(found.program)) == found.program, edit.name
                if clean:
                    assert tidy(found.program) == found.program, edit.name
    assert applied > 20


@given(st.sampled_from(sorted(GRAMMARS)), st.integers(0, 1 << 16), st.data())
def test_any_edit_verifies(preset: str, index: int, data: st.DataObject) -> None:
    program = drawn(preset, index)
    kind = data.draw(st.sampled_from((dropped, simpler, smaller, retyped)))
    every = list(kind(program))
    if every:
        found = data.draw(st.sampled_from(every)).apply(program)
        if found is not None:
            verify(found.program)


def test_tidy_programs_stay_what_they_are() -> None:
    program = tidy(drawn("program", 3))
    assert tidied().apply(program) is not None
    assert tidied().apply(program).program == program  # type: ignore[union-attr]


LOOP = """irgen 1
function @0(%0: f32, %1: i32) -> f32, f32 {
  %2: f32 = sin %0
  %3: f32 = cos %0
  return %2, %3
}
kernel @1 [4] (%0: i32, %1: f32[4], %2: i32, %3: f32[4]) {
  %4: i32 = const 0
  %5: f32 = load %1, %0
  %6: f32 = for %4, %2, %5 {1, 8} (%7: i32, %8: f32) {
    %9: f32 = mul %8, %5
    yield %9
  }
  %10: f32, %11: f32 = call %6, %2 {0}
  store %3, %0, %10
  yield
}
"""


def edited(*actions: tuple[int, object]) -> str:
    """The kernel of `LOOP` after actions on statements, by number."""
    made = {Place(1, at): action for at, action in actions}
    found = Edit("", made).apply(parse(LOOP))  # type: ignore[arg-type]
    assert found is not None
    return print_program(found.program)


def test_results_and_parameters_that_nothing_uses_go() -> None:
    assert print_program(tidy(parse(LOOP))).splitlines()[1:4] == [
        "function @0(%0: f32) -> f32 {",
        "  %2: f32 = sin %0",
        "  return %2",
    ]


def test_a_call_gives_way_to_the_body_of_the_function() -> None:
    text = edited((4, Inline()))
    assert "function" not in text
    assert "= sin %6" in text


def test_a_loop_gives_way_to_one_round() -> None:
    text = edited((2, Unwrap(0)))
    assert "for" not in text
    assert "= mul %5, %5" in text


def test_a_loop_carries_a_value_no_more() -> None:
    assert "for" not in edited((2, Uncarry(0)))


def test_a_statement_gives_way_to_its_first_operand() -> None:
    assert "%6: f32 = for %4, %2, %5 {1, 8} (%7: i32, %8: f32) {\n    yield %8" in edited(
        (3, Drop("first"))
    )


def test_a_new_parameter_is_fed() -> None:
    edit = Edit("", {Place(1, 2): Operand(1, "param")})
    found = edit.apply(parse(LOOP))
    assert found is not None
    (new,) = found.fresh
    assert new == found.program.entry.parameters[-1].id


def test_edits_at_different_statements_join() -> None:
    one = Edit("", {Place(1, 3): Drop("first")})
    other = Edit("", {Place(1, 4): Drop("first")})
    both = joined((one, other, one))
    assert both is not None
    found = both.apply(parse(LOOP))
    assert found is not None
    assert size(found.program) == 3
    assert joined((one, one)) is None
    assert joined((one, tidied())) is None


def test_an_edit_that_breaks_a_rule_does_not_apply() -> None:
    assert Edit("", {Place(1, 5): Operand(0, "early")}).apply(parse(LOOP)) is None
    assert Edit("", {Place(1, 5): Unwrap(0)}).apply(parse(LOOP)) is None


def test_two_arrays_never_become_one() -> None:
    """An array written in place of one only read would be another bug."""
    for preset in ("elementwise", "compound"):
        program = drawn(preset, 1)
        arrays = {v.id for v in program.entry.parameters if isinstance(v.type, Array)}
        stored = [s.operands[0].id for s in program.entry.body.body if s.op == "store"]
        for edit in edits(program):
            found = edit.apply(program)
            if found is not None and size(found.program):
                own = {v.id for v in found.program.entry.parameters}
                now = [s.operands[0].id for s in found.program.entry.body.body if s.op == "store"]
                assert {one for one in now if one in arrays & own} <= set(stored), edit.name


def test_a_launch_alone_is_fed_what_it_is_launched_on() -> None:
    program = parse("""irgen 1
kernel @0 [3] (%0: i32, %1: f32[3], %2: i32, %3: f32[3]) {
  %4: f32 = load %1, %0
  %5: f32 = cast %2
  %6: f32 = add %4, %5
  store %3, %0, %6
  yield
}
program @1(%0: f32[3], %1: i32) -> f32[3] {
  %2: f32[3] = zeros
  %3: f32[3] = zeros
  %4: i32 = const 5
  launch %0, %4, %2 {0}
  launch %2, %1, %3 {0}
  return %3
}
""")
    inputs = (np.arange(3, dtype=np.float32), np.asarray(7, np.int32))
    found = [edit.apply(program, clean=False) for edit in launched(program, inputs)]
    fed = [[array.tolist() for array in one.inputs or ()] for one in found if one]
    assert fed == [[[0, 1, 2], 5, [0, 0, 0]], [[5, 6, 7], 7, [0, 0, 0]]]
    for one in found:
        assert one is not None
        assert one.program.entry.kind == "kernel"


def test_literals_are_ordered() -> None:
    order = [0, 1, 2, -2, 3, 0.5, 0.25, 0.125]
    assert sorted(order, key=literal_cost) == order
    assert literal_cost(-0.0) > literal_cost(0.0)
    for literal in (7, -3, 2.75, 1e30, True):
        costs = [literal_cost(one) for one in simpler_literals(literal)]
        assert costs == sorted(costs)
        assert max(costs) < literal_cost(literal)


@pytest.mark.parametrize("preset", ["compound", "program", "ml"])
def test_costs_are_natural_numbers(preset: str) -> None:
    """So many for every program: a tuple of them cannot go down for ever."""
    costs = [cost(drawn(preset, index)) for index in range(8)]
    assert len({len(one) for one in costs}) == 1
    assert all(number >= 0 for one in costs for number in one)


def test_a_driver_gives_back_an_earlier_buffer_and_launches_one_kernel_twice() -> None:
    program = parse("""irgen 1
kernel @0 [4] (%0: i32, %1: f32[4], %2: f32[4]) {
  %3: f32 = load %1, %0
  %4: f32 = square %3
  store %2, %0, %4
  yield
}
kernel @1 [4] (%0: i32, %1: f32[4], %2: f32[4]) {
  %3: f32 = load %1, %0
  store %2, %0, %3
  yield
}
program @2(%0: f32[4]) -> f32[4] {
  %1: f32[4] = copy %0
  %2: f32[4] = zeros
  launch %1, %2 {0}
  launch %2, %1 {1}
  return %2
}
""")
    made = {edit.name: edit.apply(program) for edit in driven(program)}
    assert list(made) == ["return %1", "launch @0 for @1"]
    returned, instead = (str(found.program) for found in made.values() if found)
    assert "return %1" in returned
    assert instead.count("kernel") == 1
    assert instead.count("{0}") == 2
