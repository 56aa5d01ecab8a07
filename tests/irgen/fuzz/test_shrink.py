"""Shrinking with witnesses that compile nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from backends.registry import BACKENDS
from backends.style import Style
from grammar.parse import parse_program as parse
from grammar.presets import GRAMMARS
from grammar.program import Program, size, statements
from grammar.reference import reference
from grammar.types import BF16, F32, F64, Array, Vector
from grammar.verify import verify
from irgen.fuzz.case import Case, case
from irgen.fuzz.defined import undefined
from irgen.fuzz.following import fitted
from irgen.fuzz.lesser import case_cost, key
from irgen.fuzz.shrink import Shrunk, shrink
from irgen.fuzz.tame import wild
from irgen.service import draw
from tests.quality.shrinking import find
from tests.quality.witnesses import WITNESSES, has_op

STYLE = Style(salt=77, idiom=5, naming=3, inlining=2)

MINIMA = {
    "add": 2,
    "multiply_add": 2,
    "select": 2,
    "sqrt": 2,
    "pow": 2,
    "gelu": 3,
    "rem": 2,
    "logical_not": 3,
    "dot": 3,
    "matvec": 4,
    "trace": 3,
    "if": 2,
    "while": 2,
    "break": 3,
    "continue": 3,
    "return in a kernel": 2,
    "early return in a function": 3,
    "call": 2,
    "atomic_add": 1,
    "store in a branch": 2,
    "two-axis grid": 1,
    "gathered load": 3,
    "dynamic loop": 2,
    "nested loop": 3,
}
"""The statements of the least program that each witness has come down to."""


def start(name: str, preset: str = "compound") -> Case:
    return case(find(name, GRAMMARS[preset])[1], STYLE)


def asking(holds: Callable[[Program], bool]) -> Callable[[Sequence[Case]], list[bool]]:
    return lambda cases: [holds(one.program) for one in cases]


@pytest.mark.parametrize("name", MINIMA)
def test_witnesses_come_down_to_their_minimum(name: str) -> None:
    first = start(name)
    found = shrink(first, asking(WITNESSES[name]), seconds=600)
    assert found.finished
    assert WITNESSES[name](found.case.program)
    assert size(found.case.program) == MINIMA[name] < size(first.program)
    assert found.case.style == Style()
    assert not undefined(found.case)
    assert all(not array.any() for array in found.case.inputs)


def test_every_better_case_is_kept_and_less() -> None:
    kept: list[Case] = []
    first = start("pow")
    found = shrink(first, asking(WITNESSES["pow"]), keep=kept.append)
    costs = [case_cost(first), *map(case_cost, kept)]
    assert costs == sorted(set(costs), reverse=True)
    assert len(kept) > 3
    assert key(kept[-1]) == key(found.case)
    for one in kept:
        verify(one.program)
        assert WITNESSES["pow"](one.program)


def test_what_is_asked_about_is_defined_and_renders() -> None:
    asked: list[Case] = []
    first = start("continue")

    def witness(cases: Sequence[Case]) -> list[bool]:
        asked.extend(cases)
        return [WITNESSES["continue"](one.program) for one in cases]

    found = shrink(first, witness)
    assert found.tried == len(asked)
    for one in asked[::5]:
        assert not undefined(one)
        assert wild(one) <= wild(first)
        for backend in BACKENDS.values():
            assert backend.render(one.program, one.style).python


def test_shrinking_is_deterministic() -> None:
    first = start("clamp")
    one, other = (shrink(first, asking(WITNESSES["clamp"])) for _ in range(2))
    assert key(one.case) == key(other.case)
    assert (one.tried, one.batches) == (other.tried, other.batches)


class _Clock:
    """A clock that a batch moves on by a second."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def capped(seconds: float) -> tuple[Case, Shrunk]:
    clock = _Clock()
    first = start("log")

    def witness(cases: Sequence[Case]) -> list[bool]:
        clock.now += 1.0
        return [WITNESSES["log"](one.program) for one in cases]

    return first, shrink(first, witness, seconds=seconds, clock=clock)


def test_the_time_is_capped_and_the_best_kept() -> None:
    first, found = capped(5.0)
    assert not found.finished
    assert found.batches == found.seconds == 5
    assert WITNESSES["log"](found.case.program)
    assert size(found.case.program) < size(first.program)
    _, longer = capped(600.0)
    assert longer.finished
    assert size(longer.case.program) <= size(found.case.program)


def test_no_time_leaves_the_case_as_it_is() -> None:
    first, found = capped(0.0)
    assert found.batches == 0
    assert found.case.program == first.program
    assert not found.finished


def test_dead_code_stays_where_it_is_what_counts() -> None:
    """A statement that nothing uses is dropped by tidying, which the witness then refuses."""
    program = parse("""irgen 1
kernel @0 [4] (%0: i32, %1: f32[4], %2: f32[4]) {
  %3: f32 = load %1, %0
  %4: f32 = exp %3
  %5: f32 = sin %3
  %6: f32 = add %3, %3
  store %2, %0, %6
  yield
}
""")

    def holds(found: Program) -> bool:
        used = {value.id for one in statements(found) for value in one.operands}
        return any(one.op == "exp" and one.results[0].id not in used for one in statements(found))

    found = shrink(case(program, STYLE), asking(holds))
    assert holds(found.case.program)
    assert size(found.case.program) == 2


def test_values_shrink_to_what_still_shows_it() -> None:
    """Only lane 9 shows it, and only where it is above two."""
    program = parse("""irgen 1
kernel @0 [12] (%0: i32, %1: f64[12], %2: f64[12]) {
  %3: f64 = load %1, %0
  store %2, %0, %3
  yield
}
""")
    first = case(program, STYLE)
    fed = np.linspace(-1, 1, 12)
    fed[9] = 3.71875
    first = Case(program, STYLE, (fed, *first.inputs[1:]), first.cotangents)

    def witness(cases: Sequence[Case]) -> list[bool]:
        return [
            has_op("load")(one.program)
            and any(array.dtype.kind == "f" and (array > 2).any() for array in one.inputs)
            and bool((reference(one.program, one.inputs)[0] > 2).any())
            for one in cases
        ]

    found = shrink(first, witness)
    assert found.finished
    entry = found.case.program.entry
    assert entry.grid == (1,)
    assert reference(found.case.program, found.case.inputs)[0].tolist() == [3.0]


def test_a_driver_gives_way_to_the_kernel_that_shows_it() -> None:
    drawn = draw(GRAMMARS["program"], 0, 0)
    first = case(drawn.program, drawn.style)
    op = next(one.op for one in statements(drawn.program) if one.op in ("store", "atomic_add"))
    found = shrink(first, asking(lambda program: any(s.op == op for s in statements(program))))
    assert found.case.program.entry.kind == "kernel"
    assert size(found.case.program) == 1


def test_what_is_not_admitted_is_not_asked_about() -> None:
    first = start("add")
    refused = shrink(first, asking(WITNESSES["add"]), admits=lambda one: size(one.program) > 5)
    assert size(refused.case.program) == 6


def test_a_pole_is_not_walked_into() -> None:
    """A quotient by zero is no number, which would be a wrong value of its own."""
    program = parse("""irgen 1
kernel @0 [4] (%0: i32, %1: f32[4], %2: f32[4]) {
  %3: f32 = load %1, %0
  %4: f32 = abs %3
  %5: f32 = const 1.0
  %6: f32 = add %4, %5
  %7: f32 = div %5, %6
  store %2, %0, %7
  yield
}
""")
    first = case(program, STYLE)
    assert not wild(first)
    found = shrink(first, asking(WITNESSES["div"]))
    assert not wild(found.case)
    assert np.isfinite(reference(found.case.program, found.case.inputs)[0]).all()


def test_inputs_follow_their_parameters() -> None:
    array = np.arange(24, dtype=np.float64).reshape(4, 2, 3)
    old = Array(Vector(F64, 3), (4, 2))
    assert fitted(array, old, Array(F32, (4, 2))).tolist() == array[..., 0].tolist()
    assert fitted(array, old, Array(Vector(F32, 3), (2,))).dtype == np.float32
    assert fitted(array, old, Array(Vector(F64, 3), (4,))).tolist() == array[:, 0].tolist()
    assert fitted(array, old, Array(F64, (1, 1)), 2).tolist() == [[array[2, 1, 0]]]


def test_what_becomes_bfloat16_is_rounded_to_it() -> None:
    array = np.array([1.4693, 1 + 2**-9], np.float32)
    assert fitted(array, Array(F32, (2,)), Array(BF16, (2,))).tolist() == [1.46875, 1.0]
