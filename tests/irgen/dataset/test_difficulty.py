"""Difficulty: from 0 to 1, and never less for a program with more in it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grammar.generate import program_at
from grammar.parse import parse_program
from grammar.presets import ALL_GRAMMARS, GRAMMARS
from grammar.program import Program, Region, Statement
from grammar.strategies import programs
from irgen.dataset.training.difficulty import DIGITS, difficulty, points

EMPTY = "irgen 1\nkernel @0 [4] (%0: i32, %1: f32[4]) {\n  yield\n}\n"


def _kernel(body: str) -> Program:
    return parse_program(
        f"irgen 1\nkernel @0 [4] (%0: i32, %1: f32[4], %2: f32[4]) {{\n{body}  yield\n}}\n"
    )


LOAD = "  %3: f32 = load %1, %0\n"
STORE = "  store %2, %0, %3\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", 0),
        ("  %3: f32 = const 1.0\n", 0),
        (LOAD + STORE, 2 + 2 * 2),
        (LOAD + "  store %2, %0, %3\n" * 2, 3 + 2 * 2),
        (LOAD + "  atomic_add %2, %0, %3\n", 2 + 3 + 2 * 2),
        (
            "  %3: bool = const true\n  if %3 {\n    yield\n  } else {\n    yield\n  }\n",
            1 + 3 + 2 + 6,
        ),
        (
            LOAD + "  %4: i32 = const 2\n"
            "  %5: f32 = for %0, %4, %3 {1, 2} (%6: i32, %7: f32) {\n    break %7\n  }\n",
            2 + 4 + 3 + 4 + 2 * 2 + 6,
        ),
        (
            "  %3: bool = const true\n"
            "  if %3 {\n    if %3 {\n      yield\n    } else {\n      yield\n    }\n    yield\n"
            "  } else {\n    yield\n  }\n"
            "  if %3 {\n    yield\n  } else {\n    yield\n  }\n",
            3 * (1 + 3) + 2 + 2 * 6,
        ),
    ],
)
def test_points(body: str, expected: int) -> None:
    program = _kernel(body)
    assert points(program) == expected
    assert difficulty(program) == round(expected / (expected + 60), DIGITS)


def test_an_empty_program_is_not_hard_and_presets_differ() -> None:
    assert difficulty(parse_program(EMPTY)) == 0
    hard, easy = (
        sum(difficulty(program_at(GRAMMARS[name], 0, index)) for index in range(40))
        for name in ("program", "elementwise")
    )
    assert hard > 1.5 * easy


def _without(region: Region, at: int) -> tuple[Region, int]:
    """The region less the statement at a place, counted through nested regions; what is left."""
    body: list[Statement] = []
    for statement in region.body:
        at -= 1
        if at == -1:
            continue
        inner: list[Region] = []
        for nested in statement.regions:
            kept, at = _without(nested, at)
            inner.append(kept)
        body.append(statement._replace(regions=tuple(inner)))
    return region._replace(body=tuple(body)), at


@given(
    program=programs(*GRAMMARS.values(), ALL_GRAMMARS["fuzz"], ALL_GRAMMARS["fuzz-program"]),
    at=st.integers(0, 60),
)
@settings(max_examples=80)
def test_a_statement_more_is_as_hard_or_harder(program: Program, at: int) -> None:
    assert 0 <= difficulty(program) < 1
    body, _ = _without(program.entry.body, at)
    less = Program((*program.units[:-1], replace(program.entry, body=body)))
    assert difficulty(less) <= difficulty(program)
    if body != program.entry.body:
        assert points(less) <= points(program)
    fewer = Program(program.units[1:])
    if fewer.units:
        assert points(fewer) < points(program)
