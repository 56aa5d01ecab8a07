"""Drawn array programs and drawn programs of several kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from grammar.config import Grammar
from grammar.drawing.layers import LAYERS, draw_layers
from grammar.drawing.schedule import draw_schedule
from grammar.drawing.tables import Tables, tables
from grammar.ops.array import ARRAY_OPS
from grammar.parse import parse_program
from grammar.passes.kernels import to_kernels
from grammar.presets import GRAMMARS
from grammar.program import Program, statements, walk
from grammar.source import RandomSource, ReplaySource, Source
from grammar.structural import op_kind
from grammar.text import print_program
from grammar.types import Array, Type, scalar_of
from grammar.verify import verify
from tests.grammar.array_examples import run
from tests.grammar.scalar_ops import FLOAT_OPS, drawn_ranges, scalar_ops  # noqa: F401 (fixtures)

COUNT = 300
DRAW: dict[str, Callable[[Source, Tables], Program]] = {
    "ml": draw_layers,
    "program": draw_schedule,
}


@pytest.fixture(scope="module", params=sorted(DRAW))
def drawn(request: pytest.FixtureRequest) -> tuple[str, list[Program]]:
    name = request.param
    found = tables(GRAMMARS[name])
    return name, [DRAW[name](RandomSource(3, k), found) for k in range(COUNT)]


def test_drawn_programs_verify_and_read_back(drawn: tuple[str, list[Program]]) -> None:
    for program in drawn[1]:
        verify(program)
        text = print_program(program)
        assert parse_program(text) == program


def test_drawn_programs_are_distinct(drawn: tuple[str, list[Program]]) -> None:
    assert len({print_program(program) for program in drawn[1]}) >= 0.99 * COUNT


def test_the_same_choices_give_the_same_program(drawn: tuple[str, list[Program]]) -> None:
    name, programs = drawn
    for k in range(20):
        source = RandomSource(3, k)
        assert DRAW[name](source, tables(GRAMMARS[name])) == programs[k]
        replayed = DRAW[name](ReplaySource(source.choices), tables(GRAMMARS[name]))
        assert replayed == programs[k]


def test_no_choices_give_a_small_program(drawn: tuple[str, list[Program]]) -> None:
    name = drawn[0]
    program = DRAW[name](ReplaySource([]), tables(GRAMMARS[name]))
    verify(program)
    assert len(list(statements(program))) <= 8


def test_results_are_arrays_the_program_made(drawn: tuple[str, list[Program]]) -> None:
    for program in drawn[1]:
        entry = program.entry
        assert 1 <= len(entry.results) <= 3
        assert not set(entry.body.end.values) & set(entry.parameters)


def test_array_programs_use_every_array_op() -> None:
    found = tables(GRAMMARS["ml"])
    used = {s.op for k in range(1500) for s in statements(draw_layers(RandomSource(5, k), found))}
    assert set(ARRAY_OPS) <= used


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_each_layer_can_be_drawn_alone(name: str) -> None:
    grammar = replace(GRAMMARS["ml"], name="one", layers={name: 1}, statements=(8, 14))
    before: set[str] = set()
    for k in range(25):
        program = draw_layers(RandomSource(9, k), tables(grammar))
        verify(program)
        verify(to_kernels(program))
        before.add(print_program(program))
    assert len(before) > 5


def test_layers_keep_their_cost() -> None:
    """A layer adds at most the statements it is said to, but for guards."""
    for name, layer in LAYERS.items():
        grammar = replace(
            GRAMMARS["ml"], name="one", layers={name: 1}, statements=(layer.cost, layer.cost)
        )
        least = min(
            sum(op_kind(s.op) != "structural" for s in statements(program))
            for program in (draw_layers(RandomSource(1, k), tables(grammar)) for k in range(40))
        )
        assert least <= layer.cost + 1, name


def test_programs_of_kernels_have_what_the_grammar_asks_for() -> None:
    grammar = GRAMMARS["program"]
    looped = launched = 0
    for k in range(COUNT):
        program = draw_schedule(RandomSource(11, k), tables(grammar))
        kinds = [unit.kind for unit in program.units]
        assert 1 <= kinds.count("kernel") <= grammar.kernels[1] + 1
        assert kinds.count("function") <= grammar.functions[1]
        inside = [s.op for s in walk(program.entry.body)]
        looped += "for" in inside
        launched += inside.count("launch")
    assert looped > 0.3 * COUNT
    assert launched > 1.8 * COUNT


def arguments(program: Program, seed: int) -> list[Any]:
    """Inputs at and near the ends of their ranges, where overflow would show."""
    rng = np.random.default_rng(seed)

    def one(type_: Type) -> Any:
        shape = type_.shape if isinstance(type_, Array) else ()
        scalar = scalar_of(type_)
        if scalar.kind == "float":
            found = rng.choice([-4.0, 4.0, 3.9, -0.001, 0.0, 1.0], shape)
        else:
            low, high = {"int": (-8, 8), "uint": (0, 15), "bool": (0, 1)}[scalar.kind]
            found = rng.choice([low, high, high - 1, 0], shape)
        return found if shape else found.item()

    return [one(value.type) for value in program.entry.parameters]


SMALL = Grammar(
    name="small",
    groups={},
    ops={**FLOAT_OPS, "lt": 1, "gt": 1, "cast": 1},
    extents=(2, 4, 3),
    ranks={"1": 2, "2": 2},
    types={"f32": 4, "i32": 1},
)


@pytest.mark.usefixtures("scalar_ops")
def test_nothing_overflows_in_array_programs() -> None:
    grammar = replace(SMALL, shape="arrays", statements=(4, 14))
    for k in range(60):
        program = draw_layers(RandomSource(13, k), tables(grammar))
        for result in run(to_kernels(program), arguments(program, k)):
            assert np.isfinite(result).all()


@pytest.mark.usefixtures("drawn_ranges")
def test_nothing_overflows_in_programs_of_kernels_whatever_they_repeat() -> None:
    grammar = replace(
        SMALL,
        shape="program",
        statements=(3, 8),
        control={"op": 8, "if": 2, "for": 1, "load": 3, "store": 2, "atomic": 1, "call": 1},
        depth=2,
        exits=15,
        trips=4,
        arrays=(1, 3),
        scalars=(0, 2),
        outputs=(1, 2),
        functions=(0, 2),
        kernels=(2, 4),
        accesses={"own": 4, "shifted": 2, "reversed": 1, "gathered": 1, "free": 2},
    )
    looped = 0
    for k in range(150):
        program = draw_schedule(RandomSource(17, k), tables(grammar))
        verify(program)
        looped += any(s.op == "for" for s in program.entry.body.body)
        for result in run(program, arguments(program, k)):
            assert np.isfinite(result).all()
    assert looped > 40
