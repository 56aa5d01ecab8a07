"""What is drawn: valid, within its grammar's bounds, and a function of the choices alone."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from backends.registry import BACKENDS
from backends.style import Style
from grammar.config import Grammar
from grammar.generate import draw_program, program_at
from grammar.ops import OPS
from grammar.parse import parse_program
from grammar.passes.canonical import canonical, exact_hash, structure_hash
from grammar.passes.dce import eliminate_dead_code
from grammar.passes.effects import constants
from grammar.presets import FUZZ_GRAMMARS, GRAMMARS, safe
from grammar.program import Program, Region, Statement, Unit, size, statements, walk
from grammar.source import INDEX_LIMIT, RandomSource, ReplaySource
from grammar.strategies import programs
from grammar.structural import ATOMICS
from grammar.text import print_program
from grammar.types import Array, scalar_of
from grammar.verify import verify
from irgen import vectors
from irgen.fuzz.case import case
from irgen.fuzz.defined import undefined
from tests.quality.golden import ADDRESSES, FOLDER, path_of

COUNT = 25
EACH_PRESET = pytest.mark.parametrize("grammar", list(GRAMMARS.values()), ids=list(GRAMMARS))


def drawn(grammar: Grammar, count: int = COUNT) -> list[Program]:
    return [program_at(grammar, 1, index) for index in range(count)]


@EACH_PRESET
def test_programs_are_valid_and_read_back(grammar: Grammar) -> None:
    for program in drawn(grammar):
        verify(program)
        assert parse_program(print_program(program)) == program


@EACH_PRESET
def test_programs_are_canonical_and_hold_nothing_dead(grammar: Grammar) -> None:
    for program in drawn(grammar):
        assert canonical(program) == program
        assert eliminate_dead_code(program) == program


@EACH_PRESET
def test_hashes_are_of_the_program_alone(grammar: Grammar) -> None:
    for program in drawn(grammar, 5):
        again = parse_program(print_program(program))
        assert exact_hash(again) == exact_hash(program)
        assert structure_hash(again) == structure_hash(program)


@EACH_PRESET
def test_choices_replay(grammar: Grammar) -> None:
    for index in range(5):
        source = RandomSource(3, index)
        program = draw_program(source, grammar)
        assert draw_program(ReplaySource(source.choices), grammar) == program


@EACH_PRESET
def test_any_choices_at_all_give_a_valid_program(grammar: Grammar) -> None:
    """No choices, and stored choices cut short or too large for where they are used."""
    source = RandomSource(4, 0)
    draw_program(source, grammar)
    choices = source.choices
    for stored in ([], choices[: len(choices) // 2], [choice + 5 for choice in choices]):
        verify(draw_program(ReplaySource(stored), grammar))


@EACH_PRESET
def test_zeros_are_a_small_program(grammar: Grammar) -> None:
    assert size(draw_program(ReplaySource([]), grammar)) <= 4


@EACH_PRESET
def test_nothing_but_the_source_decides(grammar: Grammar, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same program when the global generators and clocks fail, and whatever came before."""
    expected = program_at(grammar, 5, 1)

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a choice that is not the source's")

    for module, names in (
        ("random", ("random", "randrange", "randint", "choice", "shuffle", "getrandbits")),
        ("time", ("time", "monotonic", "perf_counter", "process_time")),
        ("os", ("urandom", "getpid")),
    ):
        for name in names:
            monkeypatch.setattr(f"{module}.{name}", refuse)
    program_at(grammar, 5, 0)
    assert program_at(grammar, 5, 1) == expected


def test_addresses_at_the_ends_of_their_range() -> None:
    grammar = GRAMMARS["compound"]
    texts = {
        print_program(program_at(grammar, seed, index))
        for seed in (0, INDEX_LIMIT - 1)
        for index in (0, INDEX_LIMIT - 1)
    }
    assert len(texts) == 4


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.generate],
)
@given(st.data())
def test_hypothesis_draws_valid_programs(data: st.DataObject) -> None:
    grammar = data.draw(st.sampled_from(list(GRAMMARS.values())))
    verify(data.draw(programs(grammar)))


# Bounds.


def regions_deep(region: Region) -> int:
    """How deep control flow nests below a region."""
    inner = [1 + regions_deep(nested) for statement in region.body for nested in statement.regions]
    return max(inner, default=0)


KERNELS = [grammar for grammar in GRAMMARS.values() if grammar.shape == "kernel"]


@pytest.mark.parametrize("grammar", KERNELS, ids=[grammar.name for grammar in KERNELS])
def test_kernels_keep_to_their_grammar(grammar: Grammar) -> None:
    for program in drawn(grammar):
        *functions, kernel = program.units
        assert kernel.kind == "kernel"
        assert len(functions) <= grammar.functions[1]
        assert all(unit.kind == "function" for unit in functions)
        assert grammar.ranks[str(len(kernel.grid))] > 0
        assert max(kernel.grid) <= max(grammar.extents)
        assert all(regions_deep(unit.body) <= grammar.depth for unit in program.units)
        used = {statement.op for statement in statements(program)}
        for kind in ("if", "for", "while", "call"):
            assert kind not in used or grammar.control.get(kind, 0) > 0
        if not grammar.control.get("atomic", 0):
            assert not any(op.startswith("atomic") for op in used)
        arrays = [value for value in kernel.parameters if isinstance(value.type, Array)]
        assert arrays


def test_types_are_those_of_the_grammar() -> None:
    for program in drawn(Grammar(name="own", groups={"arithmetic": 1}, types={"f64": 1})):
        types = {
            scalar_of(value.type.element if isinstance(value.type, Array) else value.type).name
            for statement in statements(program)
            for value in (*statement.operands, *statement.results)
        }
        assert types <= {"f64", "i32", "bool"}
        assert "f64" in types


def test_ops_are_those_of_the_groups_and_what_guards_them() -> None:
    own = Grammar(name="own", groups={"trigonometric": 1}, statements=(6, 12))
    used = {
        OPS[statement.op].group
        for program in drawn(own)
        for statement in statements(program)
        if statement.op in OPS
    }
    assert "trigonometric" in used
    assert not used & {"activation", "power", "vector", "matrix", "bitwise"}


def test_an_op_can_be_switched_off_or_favoured() -> None:
    weights = {"sin": 50, "tan": 0}
    own = Grammar(name="own", groups={"trigonometric": 1}, statements=(6, 12), ops=weights)
    used = Counter(statement.op for program in drawn(own) for statement in statements(program))
    assert used["tan"] == 0
    assert used["sin"] > used["cos"]


def test_statement_kinds_are_those_of_the_grammar() -> None:
    own = Grammar(name="own", groups={"arithmetic": 1}, control={"op": 1, "for": 3}, depth=2)
    used = {statement.op for program in drawn(own) for statement in statements(program)}
    assert "for" in used
    assert not used & {"if", "while", "call"}
    assert not any(op.startswith("atomic") for op in used)


STRIDED = Grammar(
    name="strided",
    groups={"arithmetic": 1},
    control={"op": 2, "load": 1, "strided": 2},
    depth=2,
    dynamic=0,
)


def test_strided_loops_start_elsewhere_and_may_be_empty() -> None:
    """The grammar has no other dynamic loops. The inputs decide how many rounds there are."""
    forms: set[tuple[int, bool]] = set()
    rounds: set[int] = set()
    for program in drawn(STRIDED, 60):
        kernel = program.entry
        known = constants(kernel)
        given = vectors.make(program)[0]
        for loop in [s for s in statements(program) if s.op == "for"]:
            start, stop = loop.operands[:2]
            if stop.id in known:
                continue
            assert isinstance(loop.attribute, tuple)
            step = loop.attribute[0]
            forms.add((step, start.id in known))
            if start.id in known and stop in kernel.parameters:
                first, last = known[start.id], int(given[kernel.parameters.index(stop)])
                assert isinstance(first, int)
                assert first > 0
                rounds.add(len(range(first, last, step)))
    assert forms == {(2, False), (2, True), (3, False), (3, True)}
    assert {0, 1, 2} <= rounds


def test_strided_loops_need_an_integer_to_stop_at() -> None:
    """A function has no count of its own; without an integer its loops run between constants."""
    own = replace(STRIDED, control={"op": 1, "strided": 1, "call": 3}, functions=(1, 3))
    found = [unit for program in drawn(own) for unit in program.units if unit.kind == "function"]
    loops = [s for unit in found for s in walk(unit.body) if s.op == "for"]
    assert loops
    dynamic = [s for unit in found for s in walk(unit.body) if _is_strided(unit, s)]
    assert len(dynamic) < len(loops)


def _is_strided(unit: Unit, statement: Statement) -> bool:
    known = constants(unit)
    return statement.op == "for" and not all(v.id in known for v in statement.operands[:2])


WIDE = Grammar(
    name="wide",
    groups={"arithmetic": 1, "cast": 1},
    types={"f32": 1, "i64": 1, "u64": 1, "u32": 1},
    control={"op": 1, "wide_atomic": 1},
)


def test_wide_atomics_are_on_the_integers_of_the_grammar() -> None:
    found = {
        (statement.op, str(statement.operands[-1].type))
        for program in drawn(WIDE, 80)
        for statement in statements(program)
        if statement.op in ATOMICS
    }
    assert found == {(op, name) for op in ATOMICS for name in ("i64", "u64", "u32")}
    narrow = replace(WIDE, types={"f32": 1, "i32": 1})
    used = {statement.op for program in drawn(narrow) for statement in statements(program)}
    assert not used & set(ATOMICS)


@pytest.mark.parametrize("grammar", [STRIDED, safe(STRIDED), WIDE], ids=lambda g: g.name)
def test_what_only_campaigns_draw_is_defined(grammar: Grammar) -> None:
    for program in drawn(grammar, 40):
        verify(program)
        assert parse_program(print_program(program)) == program
        assert undefined(case(program, Style())) == ""
        for backend in BACKENDS.values():
            compile(backend.render(program, Style()).python, backend.name, "exec")


def test_kinds_that_only_campaigns_draw() -> None:
    rare = {"strided", "wide_atomic"}
    assert not any(rare & set(grammar.control) for grammar in GRAMMARS.values())
    kernels = [grammar for grammar in FUZZ_GRAMMARS.values() if grammar.shape != "arrays"]
    assert all(rare <= set(grammar.control) for grammar in kernels)


def test_the_fewest_statements_are_kept() -> None:
    """The bound counts statements drawn; guards and stores add to them, elimination takes away."""
    short = Grammar(name="own", groups={"arithmetic": 1}, statements=(1, 2))
    long = Grammar(name="own", groups={"arithmetic": 1}, statements=(20, 30))
    assert max(size(program) for program in drawn(short)) < 20
    assert statistics.median(size(program) for program in drawn(long)) > 15


# Drawing itself is pinned: a change of a program at an address is a change of version.


@pytest.mark.parametrize("address", ADDRESSES, ids=["-".join(map(str, a)) for a in ADDRESSES])
def test_programs_at_an_address_stay(address: tuple[str, int, int]) -> None:
    preset, seed, index = address
    expected = path_of(preset, seed, index).read_text(encoding="utf-8")
    assert print_program(program_at(GRAMMARS[preset], seed, index)) == expected


def test_no_kept_program_is_left_over() -> None:
    assert sorted(FOLDER.glob("*.txt")) == sorted(path_of(*address) for address in ADDRESSES)
