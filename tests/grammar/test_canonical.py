"""The canonical form and the hashes: what they ignore and what they see."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grammar.parse import parse_program
from grammar.passes.canonical import canonical, exact_hash, structure_hash
from grammar.program import Program, Region, Statement, Terminator, Value
from grammar.text import print_program
from grammar.verify import verify
from tests.grammar.examples import EXAMPLES

TEXT = """irgen 1
kernel @0 [16] (%0: i32, %1: f32[16], %2: f32[16]) {
  %3: f32 = load %1, %0
  %4: f32 = const 0.5
  %5: i32 = const 0
  %6: i32 = const 4
  %7: f32 = for %5, %6, %3 {1, 4} (%8: i32, %9: f32) {
    %10: f32 = sub %9, %4
    yield %10
  }
  store %2, %0, %7
  yield
}
"""


def _shifted(region: Region, by: int) -> Region:
    def move(values: tuple[Value, ...]) -> tuple[Value, ...]:
        return tuple(Value(7 * value.id + by, value.type) for value in values)

    def statement(s: Statement) -> Statement:
        regions = tuple(_shifted(inner, by) for inner in s.regions)
        return Statement(s.op, move(s.operands), move(s.results), s.attribute, regions)

    end = Terminator(region.end.kind, move(region.end.values))
    return Region(move(region.params), tuple(map(statement, region.body)), end)


@pytest.mark.parametrize("name", EXAMPLES)
def test_ids_do_not_matter(name: str) -> None:
    program = EXAMPLES[name]
    moved = Program(tuple(replace(u, body=_shifted(u.body, 3)) for u in program.units))
    assert moved != program
    assert canonical(moved) == canonical(program)
    assert canonical(canonical(program)) == canonical(program)
    assert exact_hash(moved) == exact_hash(program) == exact_hash(canonical(program))
    assert structure_hash(moved) == structure_hash(program)
    verify(canonical(program))


def test_ids_follow_the_text() -> None:
    program = parse_program(TEXT)
    assert print_program(canonical(program)) == TEXT


def test_examples_have_different_hashes() -> None:
    for hashed in (exact_hash, structure_hash):
        found = [hashed(program) for program in EXAMPLES.values()]
        assert len(set(found)) == len(found)
        assert all(len(digits) == 32 and int(digits, 16) >= 0 for digits in found)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("const 0.5", "const -0.5"),
        ("const 0.5", "const nan"),
        ("[16]", "[8]"),
        ("const 4", "const 3"),
        ("{1, 4}", "{1, 9}"),
    ],
)
def test_constants_matter_to_the_exact_hash_only(old: str, new: str) -> None:
    changed, program = parse_program(TEXT.replace(old, new)), parse_program(TEXT)
    assert exact_hash(changed) != exact_hash(program)
    assert structure_hash(changed) == structure_hash(program)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("f32", "f64"),
        ("sub %9, %4", "sub %4, %9"),
        ("sub %9, %4", "add %9, %4"),
        ("const 0.5\n", "const 0.5\n  %20: f32 = const 0.5\n"),
        ("store %2", "store %1"),
        ("%2: f32[16]", "%2: f32[4,4]"),
    ],
)
def test_structure_matters_to_both(old: str, new: str) -> None:
    changed, program = parse_program(TEXT.replace(old, new)), parse_program(TEXT)
    assert exact_hash(changed) != exact_hash(program)
    assert structure_hash(changed) != structure_hash(program)


def test_signed_zero_matters() -> None:
    zero, negative = (
        parse_program(TEXT.replace("const 0.5", word)) for word in ("const 0.0", "const -0.0")
    )
    assert exact_hash(zero) != exact_hash(negative)


def test_component_matters() -> None:
    text = print_program(EXAMPLES["vectors"])
    other = text.replace("{2}", "{1}")
    assert other != text
    assert structure_hash(parse_program(other)) != structure_hash(parse_program(text))
