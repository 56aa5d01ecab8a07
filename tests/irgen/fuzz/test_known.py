"""The table of what is known explains what it says, and nothing else."""

from __future__ import annotations

import msgspec
import pytest

from backends.jax import limit_examples as jax_examples
from backends.jax.limits import LIMITATIONS as JAX_LIMITATIONS
from backends.warp.limit_examples import RIGHT, WRONG
from backends.warp.limits import LIMITATIONS
from grammar.parse import parse_program
from irgen.fuzz.case import SYMPTOMS, Case, Symptom
from irgen.fuzz.known import KNOWN, Known, explained, find, release_of, table
from tests.irgen.fuzz.cases import GRADIENT, PLAIN, VALUE

LEFT = """irgen 1
kernel @0 [4] (%0: i32, %1: f32[4], %2: f32[4]) {
  %3: f32 = load %1, %0
  while {3} (%4: i32) {
    %5: bool = const true
    yield %5
  } do (%6: i32) {
    %7: bool = const true
    if %7 {
      break
    } else {
      yield
    }
    yield
  }
  store %2, %0, %3
  yield
}
"""

GREATEST = """irgen 1
kernel @0 [4] (%0: i32, %1: f32[4], %2: f32[4]) {
  %3: f32 = load %1, %0
  %4: f32 = square %3
  %5: f32 = max %3, %4
  store %2, %0, %5
  yield
}
"""

TIMED_OUT = Symptom("timed_out", "failures", "", "cpu")


def of(text: str) -> Case:
    return Case(parse_program(text), PLAIN, (), ())


def test_every_limitation_is_in_the_table_once() -> None:
    assert [row.name for row in table("warp")] == [
        *LIMITATIONS,
        *[row.name for row in KNOWN if row.backend == "warp"],
    ]
    assert [row.name for row in table("jax")][: len(JAX_LIMITATIONS)] == list(JAX_LIMITATIONS)
    for backend in ("warp", "jax"):
        rows = table(backend)
        assert len({row.name for row in rows}) == len(rows)
        for row in rows:
            assert find(backend, row.name) is row
            assert row.doc
            assert row.reference
            assert row.kinds
            assert row.kinds <= set(SYMPTOMS)
            assert not any(mark in row.name for mark in ":, ")


@pytest.mark.parametrize("name", WRONG)
def test_limitations_explain_gradients_of_their_programs(name: str) -> None:
    assert explained("warp", of(WRONG[name]), GRADIENT, {}) == name
    assert explained("warp", of(RIGHT[name]), GRADIENT, {}) == ""
    assert explained("jax", of(WRONG[name]), GRADIENT, {}) == ""


@pytest.mark.parametrize("kind", sorted(set(SYMPTOMS) - {"wrong_gradient"}))
def test_limitations_explain_nothing_else(kind: str) -> None:
    for name, text in WRONG.items():
        symptom = Symptom(kind, "values", "forward", "cpu")
        assert explained("warp", of(text), symptom, ()) == "", name


def test_jax_has_its_own() -> None:
    name = "norm_at_zero"
    assert explained("jax", of(jax_examples.WRONG[name]), GRADIENT, {}) == name
    assert explained("jax", of(jax_examples.RIGHT[name]), GRADIENT, {}) == ""
    assert explained("warp", of(jax_examples.WRONG[name]), GRADIENT, {}) == ""


def test_the_gradient_of_a_maximum_in_jax_is_not_explained_away() -> None:
    assert explained("jax", of(GREATEST), GRADIENT, {"jax": "0.10.2"}) == ""


def test_an_adjoint_that_may_not_end_is_known() -> None:
    assert explained("warp", of(LEFT), TIMED_OUT) == "unending_adjoint"
    assert explained("warp", of(WRONG["while_loop"]), TIMED_OUT) == ""
    forward = msgspec.structs.replace(TIMED_OUT, direction="forward")
    assert explained("warp", of(LEFT), forward) == ""
    assert explained("jax", of(LEFT), TIMED_OUT) == ""


def test_releases_are_ranges() -> None:
    row = Known(
        name="row",
        backend="warp",
        doc="",
        reference="",
        kinds=frozenset(SYMPTOMS),
        directions=frozenset(("forward",)),
        rule=lambda case, symptom: symptom == VALUE,
        first="1.5",
        fixed="1.12.1",
    )
    inside = ("1.5", "1.5.0", "1.9.3", "1.12.0", "1.12.0.dev1", "", "unknown")
    assert all(row.affects(version) for version in inside)
    assert not any(row.affects(version) for version in ("1.4.2", "1.12.1", "1.12.1.dev2", "2.0"))
    assert release_of("0.4.30") == (0, 4, 30)


def test_versions_may_be_pairs() -> None:
    pairs = (("warp-lang", "1.19.0"), ("python", "3.11"))
    assert explained("warp", of(WRONG["loop_value"]), GRADIENT, pairs) == "loop_value"
