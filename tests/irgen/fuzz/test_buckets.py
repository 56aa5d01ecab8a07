"""Buckets: one per root cause, and laws that hold for every program."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.warp.limit_examples import RIGHT, WRONG
from grammar.parse import parse_program
from grammar.presets import GRAMMARS
from grammar.program import Program
from irgen.fuzz.buckets import (
    Bucket,
    alike,
    bucket,
    constructs,
    covers,
    merged,
    same,
)
from irgen.fuzz.case import SYMPTOMS, Case, Symptom
from irgen.fuzz.finding import folder_name
from irgen.service import draw
from tests.irgen.fuzz.cases import GRADIENT, PLAIN, VALUE

CRASH = Symptom("crashed", "failures", "", "cpu", "SIGSEGV")


def of(text: str, symptom: Symptom = GRADIENT) -> Bucket:
    return bucket(Case(parse_program(text), PLAIN, (), ()), symptom)


@st.composite
def programs(draw_choice: st.DrawFn) -> Program:
    grammar = GRAMMARS[draw_choice(st.sampled_from(sorted(GRAMMARS)))]
    return draw(grammar, 11, draw_choice(st.integers(0, 5000))).program


symptoms = st.builds(
    Symptom,
    st.sampled_from(sorted(SYMPTOMS)),
    st.just("values"),
    st.sampled_from(["forward", "gradient", ""]),
    st.just("cpu"),
    st.sampled_from(["", "SIGSEGV", "TypeError: no"]),
)


@given(programs(), symptoms)
def test_a_bucket_is_made_of_its_program_and_is_the_same_as_itself(
    program: Program, symptom: Symptom
) -> None:
    found = bucket(Case(program, PLAIN, (), ()), symptom)
    assert set(found.constructs) <= constructs(program)
    assert found.constructs
    assert same(found, found)
    assert alike(found, symptom)
    assert folder_name(found.name) == found.name
    assert len(found.name) < 80


@given(programs(), programs(), symptoms)
def test_what_is_the_same_is_covered(first: Program, second: Program, symptom: Symptom) -> None:
    a, b = (bucket(Case(one, PLAIN, (), ()), symptom) for one in (first, second))
    if same(a, b) and a != b:
        assert covers(a, second)
        assert not same(b, a)


@given(st.lists(programs(), min_size=1, max_size=6), symptoms)
def test_merging_leaves_the_fewest(some: list[Program], symptom: Symptom) -> None:
    found = [bucket(Case(one, PLAIN, (), ()), symptom) for one in some]
    least = merged(found)
    assert set(least) == set(found)
    for one, other in least.items():
        assert same(other, one)
        assert least[other] == other
    kept = set(least.values())
    assert not [(a, b) for a in kept for b in kept if a != b and same(a, b)]


def test_limitations_are_buckets_of_their_own() -> None:
    found = {name: of(text) for name, text in WRONG.items()}
    assert len(set(merged(found.values()).values())) == len(WRONG)


@pytest.mark.parametrize("op", ["mul %8, %5", "div %5, %8", "pow %5, %8", "hypot %8, %5"])
def test_the_op_in_a_loop_does_not_matter(op: str) -> None:
    assert of(WRONG["loop_value"].replace("mul %8, %5", op)) == of(WRONG["loop_value"])


def test_whether_its_slope_depends_on_values_does() -> None:
    linear = WRONG["loop_value"].replace("mul %8, %5", "add %8, %5")
    assert not same(of(WRONG["loop_value"]), of(linear))
    halved = RIGHT["overwritten_cell"]
    assert of(halved).constructs == ("overwrite",)
    assert of(WRONG["overwritten_cell"]).constructs == ("nonlinear", "overwrite")


def test_in_straight_code_the_op_is_the_bug() -> None:
    assert of(WRONG["fmod_operand"]).constructs == ("fmod",)
    assert of(WRONG["fmod_operand"].replace("fmod %5, %4", "pow %5, %4")).constructs == ("pow",)


def test_mirrored_ops_are_one() -> None:
    text = WRONG["atomic_extreme"]
    assert of(text) == of(text.replace("atomic_max", "atomic_min"))


def test_more_constructs_are_the_same_bug() -> None:
    text = WRONG["fmod_operand"]
    more = text.replace("store", "%7: f64 = sin %6\nstore", 1).replace("%3, %0, %6", "%3, %0, %7")
    assert more != text
    assert same(of(text), of(more))
    assert not same(of(more), of(text))
    assert merged([of(more), of(text)]) == {of(text): of(text), of(more): of(text)}


def test_a_bucket_of_what_is_everywhere_hides_nothing() -> None:
    plain = of(RIGHT["overwritten_cell"].replace("store %1", "store %1"), VALUE)
    added = Bucket("wrong_value", "forward", ("add",))
    other = Bucket("wrong_value", "forward", ("add", "sin"))
    assert not same(added, other)
    assert not covers(added, parse_program(WRONG["loop_result"]))
    assert same(added, added)
    assert plain.direction == "forward"


def test_symptom_direction_and_cause_tell_buckets_apart() -> None:
    text = WRONG["fmod_operand"]
    found = {
        of(text, symptom).name
        for symptom in (
            GRADIENT,
            VALUE,
            CRASH,
            msgspec.structs.replace(CRASH, detail="SIGFPE"),
            Symptom("compile_error", "failures", "", "cpu", "TypeError: of x at 3"),
            Symptom("compile_error", "failures", "", "cpu", "TypeError: of y at 4"),
        )
    }
    assert len(found) == 5
    assert not alike(of(text, CRASH), msgspec.structs.replace(CRASH, detail="SIGFPE"))


def test_what_is_known_names_the_bucket() -> None:
    known = msgspec.structs.replace(GRADIENT, known="loop_value")
    found, other = of(WRONG["loop_value"], known), of(WRONG["fmod_operand"], known)
    assert found.name == other.name == "known:loop_value"
    assert same(found, other)
    assert not same(found, of(WRONG["loop_value"]))
    assert not covers(found, parse_program(WRONG["loop_value"]))
