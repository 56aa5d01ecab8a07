"""Descriptions: every program has one, in words, of bounded length, from its meaning alone."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given, settings

from grammar.generate import program_at
from grammar.ops import OPS
from grammar.ops.array import ARRAY_OPS
from grammar.parse import parse_program
from grammar.presets import ALL_GRAMMARS, GRAMMARS
from grammar.program import Program
from grammar.strategies import programs
from grammar.structural import op_names
from irgen.dataset.english import WORDS, describe
from irgen.dataset.english.phrases import phrase

LONGEST = WORDS + 25
"""Bodies that are cut, and the words around them, may take a few more."""

KERNEL = """
irgen 1
kernel @0 [16] (%0: i32, %1: f32[16], %2: f32[16], %3: f32) {
  %4: f32 = load %1, %0
  %5: bool = gt %4, %3
  if %5 {
    %6: f32 = tanh %4
    store %2, %0, %6
    yield
  } else {
    yield
  }
  %7: i32 = const 0
  %8: i32 = const 8
  %9: f32 = for %7, %8, %4 {1, 8} (%10: i32, %11: f32) {
    %12: f32 = const 0.5
    %13: f32 = mul %11, %12
    yield %13
  }
  atomic_add %2, %7, %9
  yield
}
"""

CONTROL = """
irgen 1
kernel @0 [8] (%0: i32, %1: f32[8], %2: i32, %3: f32[8]) {
  %4: f32 = load %1, %0
  %5: i32 = const 1
  %6: f32, %7: f32 = for %5, %2, %4, %4 {2, 4} (%8: i32, %9: f32, %10: f32) {
    %11: bool = lt %9, %10
    if %11 {
      break %10, %9
    } else {
      yield
    }
    %12: f32 = cast %8
    yield %12, %9
  }
  %13: f32 = while %6 {3} (%14: i32, %15: f32) {
    %16: f32 = const 2.5
    %17: bool = gt %15, %16
    yield %17
  } do (%18: i32, %19: f32) {
    %20: f32 = cast %18
    %21: f32 = sub %19, %20
    yield %21
  }
  %22: bool = is_nan %7
  %23: f32 = if %22 {
    yield %13
  } else {
    %24: f32 = load %3, %0
    yield %24
  }
  store %3, %0, %23
  yield
}
"""

PROGRAM = """
irgen 1
function @0(%0: f32) -> f32 {
  %1: f32 = cos %0
  return %1
}
kernel @1 [4,2] (%0: i32, %1: i32, %2: f32[4,2], %3: f32[4,2]) {
  %4: i32 = const 1
  %5: i32 = sub %4, %1
  %6: f32 = load %2, %0, %5
  %7: f32 = call %6 {0}
  store %3, %0, %1, %7
  yield
}
program @2(%0: f32[4,2]) -> f32[4] {
  %1: f32[4,2] = zeros
  launch %0, %1 {1}
  %2: f32[4] = reduce_sum %1 {1}
  return %2
}
"""


def test_a_kernel_in_words() -> None:
    assert describe(parse_program(KERNEL.lstrip())) == (
        "A kernel over 16 lanes takes float32 arrays a and b of length 16 and float32 c and "
        "writes b. For each i: if a[i] is greater than c: store the hyperbolic tangent of a[i] "
        "in b[i]. Repeat 8 times, starting with x = a[i]: set x to x times 0.5. "
        "Atomically add x to b[0]."
    )


def test_control_flow_in_words() -> None:
    assert describe(parse_program(CONTROL.lstrip())) == (
        "A kernel over 8 lanes takes float32 arrays a and c of length 8 and int32 b and writes c. "
        "For each i: for m from 1 to below b in steps of 2 (at most 4 times), starting with "
        "x = a[i] and y = a[i]: (if x is less than y: leave the loop with y and x); set x to m as "
        "float32 and y to x. Repeat at most 3 times, starting with z = x, counting n from 0; "
        "while z is greater than 2.5: set z to z minus (n as float32). If y is NaN: set v to z; "
        "otherwise: let u be c[i]; set v to u. Store v in c[i]."
    )


def test_a_program_in_words() -> None:
    assert describe(parse_program(PROGRAM.lstrip())) == (
        "A program with 1 function and 1 kernel takes float32 array a of shape 4 by 2. "
        "Function f1(a): return the cosine of a. "
        "Kernel 1 over a 4 by 2 grid takes a and b and writes b: store f1(a[i, 1 - j]) in b[i, j]. "
        "Let x be a float32 array of zeros of shape 4 by 2. Launch kernel 1 on a and x. "
        "Let y be the sum of x over axis 1. Return y."
    )


@pytest.mark.parametrize("name", op_names())
def test_every_op_has_words(name: str) -> None:
    known = phrase(name)
    assert known.noun
    assert "_" not in known.noun + known.text
    row = OPS.get(name) or ARRAY_OPS.get(name)
    if row is not None:
        places = {field for _, field, _, _ in string.Formatter().parse(known.text) if field}
        assert {str(place) for place in range(row.arity)} <= places
        assert places <= {str(place) for place in range(row.arity)} | {"i", "t"}


@pytest.mark.parametrize("name", OPS)
def test_an_attribute_is_told(name: str) -> None:
    row = OPS[name]
    attributes = any(row.attributes(instance) for instance in row.instances)
    assert attributes == ("{i}" in phrase(name).text)


def _check(program: Program) -> None:
    text = describe(program)
    assert text == describe(parse_program(str(program)))
    assert len(text.split()) <= LONGEST, text
    assert text.endswith(".")
    assert text[0] == "A"
    assert "_" not in text
    assert "\n" not in text
    assert "  " not in text
    assert not re.search(r"[{}%]|\(\)|: \.|\bNone\b", text), text
    assert text.count("(") == text.count(")")


@pytest.mark.parametrize("name", ALL_GRAMMARS)
def test_every_preset(name: str) -> None:
    for index in range(20):
        _check(program_at(ALL_GRAMMARS[name], 7, index))


@given(program=programs(*GRAMMARS.values(), ALL_GRAMMARS["fuzz"], ALL_GRAMMARS["fuzz-program"]))
@settings(max_examples=60)
def test_every_program(program: Program) -> None:
    _check(program)


def test_different_programs_are_told_apart() -> None:
    found = {describe(program_at(GRAMMARS["compound"], 0, index)) for index in range(200)}
    assert len(found) >= 195


def test_what_is_read_before_a_write_is_named() -> None:
    text = (
        "irgen 1\nkernel @0 [4] (%0: i32, %1: f32[4], %2: f32[4]) {\n"
        "  %3: f32 = load %1, %0\n  %4: f32 = const 2.0\n  store %1, %0, %4\n"
        "  store %2, %0, %3\n  yield\n}\n"
    )
    assert describe(parse_program(text)).endswith(
        "let x be a[i]. Store 2.0 in a[i]. Store x in b[i]."
    )
