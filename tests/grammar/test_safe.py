"""Differentiable-safe grammars: what they leave out, what they keep, and that the rest stays."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from backends.registry import BACKENDS
from backends.warp.loops import is_dynamic
from grammar.config import Grammar
from grammar.drawing.tables import KINDS
from grammar.generate import draw_program, program_at
from grammar.ops import OPS
from grammar.parse import parse_program
from grammar.passes.canonical import canonical, structure_hash
from grammar.passes.dce import eliminate_dead_code
from grammar.presets import GRAMMARS, SAFE_GRAMMARS, safe
from grammar.program import Program, Region, size, statements
from grammar.source import RandomSource, ReplaySource
from grammar.text import print_program
from grammar.types import scalar_of
from grammar.verify import verify

EACH = pytest.mark.parametrize("grammar", list(SAFE_GRAMMARS.values()), ids=list(SAFE_GRAMMARS))

EVERYTHING = Grammar(
    name="everything",
    statements=(4, 10),
    groups=dict.fromkeys((op.group for op in OPS.values()), 1),
    types={"f32": 4, "f64": 1, "f16": 1, "i32": 2, "i64": 1, "u8": 1},
    forms={"scalar": 3, "vector": 1, "matrix": 1},
    control=dict.fromkeys(KINDS, 1),
    exits=40,
    depth=3,
    trips=20,
    dynamic=70,
    outputs=(0, 3),
    functions=(0, 3),
    accesses=dict.fromkeys(("own", "shifted", "reversed", "gathered", "free"), 1),
    differentiable=True,
)
"""An own grammar that weighs all there is."""


def named(program: Program) -> list[str]:
    """The limitations of a program on any backend."""
    return [row.name for backend in BACKENDS.values() for row in backend.limitations(program)]


@EACH
def test_programs_have_no_limitation(grammar: Grammar) -> None:
    for index in range(200):
        program = program_at(grammar, 1, index)
        assert named(program) == [], f"{index}\n{program}"


@pytest.mark.parametrize("shape", ["kernel", "program"])
def test_an_own_grammar_with_everything_has_none(shape: str) -> None:
    grammar = replace(EVERYTHING, shape=shape, kernels=(1, 3))
    for index in range(300):
        program = program_at(grammar, 1, index)
        verify(program)
        assert named(program) == [], f"{index}\n{program}"


def test_the_full_presets_have_some() -> None:
    found = Counter(
        name
        for grammar in GRAMMARS.values()
        for index in range(60)
        for name in named(program_at(grammar, 1, index))
    )
    assert {"loop_value", "loop_result", "overwritten_cell", "fmod_operand"} <= set(found)


@EACH
def test_programs_are_valid_and_read_back(grammar: Grammar) -> None:
    for index in range(15):
        program = program_at(grammar, 1, index)
        verify(program)
        assert parse_program(print_program(program)) == program
        assert canonical(program) == program
        assert eliminate_dead_code(program) == program


@EACH
def test_any_choices_at_all_give_a_valid_program(grammar: Grammar) -> None:
    source = RandomSource(4, 0)
    draw_program(source, grammar)
    choices = source.choices
    assert draw_program(ReplaySource(choices), grammar) == program_at(grammar, 4, 0)
    for stored in ([], choices[: len(choices) // 2], [choice + 5 for choice in choices]):
        program = draw_program(ReplaySource(stored), grammar)
        verify(program)
        assert named(program) == []


@EACH
def test_zeros_are_a_small_program(grammar: Grammar) -> None:
    assert size(draw_program(ReplaySource([]), grammar)) <= 4


def test_nothing_jumps() -> None:
    """Floats are not rounded, made whole numbers, nor tested for equality."""
    for program in (program_at(SAFE_GRAMMARS["compound-safe"], 2, i) for i in range(100)):
        for statement in statements(program):
            op = OPS.get(statement.op)
            if op is None or not statement.operands:
                continue
            given = scalar_of(statement.operands[-1].type).kind
            made = scalar_of(statement.results[0].type).kind
            if given == "float":
                assert made in ("float", "bool")
                assert made == "bool" or op.smoothness != "step"
                assert op.name not in ("eq", "ne", "frac")


def test_no_loop_is_left_early() -> None:
    assert all(
        statement.op != "while" and "break" not in ends(statement.regions)
        for index in range(100)
        for statement in statements(program_at(replace(EVERYTHING, depth=2), 3, index))
    )


def ends(regions: tuple[Region, ...]) -> set[str]:
    """How the regions and those inside end."""
    found = {region.end.kind for region in regions}
    for region in regions:
        found |= {kind for inner in region.body for kind in ends(inner.regions)}
    return found


def test_there_are_still_loops_exits_and_atomics() -> None:
    found = Counter[str]()
    for name in ("loop", "reduction", "compound", "nested_branch", "composite", "program"):
        for index in range(60):
            program = program_at(SAFE_GRAMMARS[f"{name}-safe"], 1, index)
            known = {s.results[0].id: s.attribute for s in statements(program) if s.op == "const"}
            for statement in statements(program):
                found[statement.op] += 1
                found.update(ends(statement.regions))
                if statement.op == "for" and program.entry.kind == "kernel":
                    found["dynamic"] += len(program.units) == 1 and is_dynamic(statement, known)
    for what in ("for", "dynamic", "if", "call", "launch", "atomic_add", "atomic_sub", "return"):
        assert found[what] >= 5, what


def test_variety_stays() -> None:
    grammar = SAFE_GRAMMARS["compound-safe"]
    hashes = {structure_hash(program_at(grammar, 0, index)) for index in range(500)}
    assert len(hashes) >= 495


# Names and digests.


@pytest.mark.parametrize("name", GRAMMARS)
def test_the_full_forms_are_what_they_were(name: str) -> None:
    full, form = GRAMMARS[name], SAFE_GRAMMARS[f"{name}-safe"]
    assert "differentiable" not in full.canonical
    assert form == safe(full) == safe(form)
    assert form.digest != full.digest
    assert replace(form, name=name, doc=full.doc, differentiable=False) == full


def test_names_do_not_clash() -> None:
    assert not set(GRAMMARS) & set(SAFE_GRAMMARS)
    assert [form.name for form in SAFE_GRAMMARS.values()] == list(SAFE_GRAMMARS)
