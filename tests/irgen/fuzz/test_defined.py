"""Cases that are not defined are told from those that are, and have no symptoms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grammar.build import Builder
from grammar.presets import GRAMMARS
from grammar.program import Program, Value
from grammar.types import I32
from irgen.fuzz import examine
from irgen.fuzz.case import case
from irgen.fuzz.defined import undefined
from irgen.service import draw
from tests.irgen.fuzz.stand_in import element, in_way, stand_in
from tests.irgen.fuzz.test_examine import LANES, PLAIN, kernel, setup


def dynamic(stop: int, bound: int) -> Program:
    """A loop to what a parameter says."""

    def body(b: Builder, lane: Value, given: Value, made: Value) -> None:
        last = b.load(given, lane)
        zero = b.const(I32, 0)
        total = b.for_(
            zero, last, [zero], lambda i, s: b.op("add", s, b.const(I32, 1)), bound=bound
        )
        b.store(made, lane, *total)

    return kernel(body, I32, I32)


def product(name: str) -> Program:
    def body(b: Builder, lane: Value, given: Value, made: Value) -> None:
        x = b.load(given, lane)
        b.store(made, lane, b.op(name, x, x))

    return kernel(body, I32, I32)


@pytest.mark.parametrize(
    ("program", "value", "why"),
    [
        (product("mul"), 1 << 15, ""),
        (product("mul"), 1 << 20, "may leave i32"),
        (product("div_trunc"), 0, "division by zero"),
        (product("shift_left"), 3, ""),
        (product("shift_left"), 40, "is not shift"),
        (dynamic(3, 4), 4, ""),
        (dynamic(5, 4), 5, "past its bound"),
    ],
)
def test_what_compiled_code_need_not_do_is_not_defined(
    program: Program, value: int, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = case(program, PLAIN)
    given = replace(made, inputs=(np.full(LANES, value, np.int32), made.inputs[1]))
    assert (undefined(given) == "") == (why == "")
    assert why in undefined(given)
    stand_in(monkeypatch, in_way("default", element("outputs", lambda value: value + 1)))
    (found,) = examine.examine(setup("values"), [given])
    assert bool(found.symptoms) == (why == "")


@pytest.mark.parametrize("name", GRAMMARS)
def test_drawn_cases_are_defined(name: str) -> None:
    drawn = [draw(GRAMMARS[name], 7, index) for index in range(6)]
    assert [undefined(case(one.program, one.style)) for one in drawn] == [""] * 6
