"""`irgen.check`: one program, one execution, one verdict."""

from __future__ import annotations

import pytest

import irgen
from tests.irgen.rows import OUTSIDE, TIED

LOGISTIC = """irgen 1
function @0(%0: f32) -> f32 {
  %1: f32 = sigmoid %0
  return %1
}
"""


@pytest.mark.parametrize(
    ("backend", "execution", "name"),
    [("warp", None, "cpu"), ("jax", None, "interpreter"), ("jax", "compiled", "compiled")],
)
def test_a_function_is_checked_on_lanes(backend: str, execution: str | None, name: str) -> None:
    verdict = irgen.check(irgen.parse(LOGISTIC), backend, execution=execution)
    assert (verdict.backend, verdict.execution, verdict.verified) == (backend, name, True)
    assert [one.lanes for one in verdict.compared] == [16, 16]


def test_what_cannot_be_compared_says_why() -> None:
    verdict = irgen.check(irgen.parse(TIED))
    assert (verdict.forward, verdict.verified) == ("not_comparable", False)
    assert verdict.reasons["comparison"] > 0


def test_a_program_that_is_not_defined_is_not_run() -> None:
    with pytest.raises(irgen.UserError, match=r"not defined on its inputs: .*outside"):
        irgen.check(irgen.parse(OUTSIDE))


def test_an_unknown_execution_is_named() -> None:
    with pytest.raises(irgen.UserError, match="unknown execution 'gpu' of backend warp"):
        irgen.check(irgen.parse(LOGISTIC), execution="gpu")


def test_a_program_that_does_not_verify_is_refused() -> None:
    program = irgen.parse(TIED.replace("store %2, %0, %12", "store %2, %0, %10"))
    with pytest.raises(ValueError, match="store"):
        irgen.check(program)
