"""The text form: printing, parsing, and the messages for what cannot be read."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.build import ProgramBuilder
from grammar.parse import ProgramError, parse_program
from grammar.program import Program, Region, Statement, Terminator, Unit, Value
from grammar.structural import TABLES, op_names
from grammar.text import print_program, print_statement
from grammar.types import F32, F64, I32, Array
from tests.grammar.examples import EXAMPLES

HEAD = "irgen 1\n"


@pytest.mark.parametrize("name", EXAMPLES)
def test_parse_inverts_print(name: str) -> None:
    program = EXAMPLES[name]
    text = print_program(program)
    assert parse_program(text) == program
    assert print_program(parse_program(text)) == text


def test_text_of_a_kernel() -> None:
    p = ProgramBuilder()

    def body(b, i, a):
        x = b.load(a, i)
        (y,) = b.if_(b.op("gt", x, b.const(F32, 0.5)), lambda: x, lambda: b.op("neg", x))
        (z,) = b.for_(0, 4, (y,), lambda k, t: b.op("add", t, x), step=2)
        b.store(a, i, z)

    p.kernel((16,), (Array(F32, (16,)),), body)
    assert print_program(p.finish()) == (
        "irgen 1\n"
        "kernel @0 [16] (%0: i32, %1: f32[16]) {\n"
        "  %2: f32 = load %1, %0\n"
        "  %3: f32 = const 0.5\n"
        "  %4: bool = gt %2, %3\n"
        "  %6: f32 = if %4 {\n"
        "    yield %2\n"
        "  } else {\n"
        "    %5: f32 = neg %2\n"
        "    yield %5\n"
        "  }\n"
        "  %7: i32 = const 0\n"
        "  %8: i32 = const 4\n"
        "  %12: f32 = for %7, %8, %6 {2, 2} (%9: i32, %10: f32) {\n"
        "    %11: f32 = add %10, %2\n"
        "    yield %11\n"
        "  }\n"
        "  store %1, %0, %12\n"
        "  yield\n"
        "}\n"
    )


def _literal(type_, literal) -> Program:
    statement = Statement("const", (), (Value(0, type_),), literal)
    end = Terminator("return", (Value(0, type_),))
    return Program((Unit("function", Region((), (statement,), end), (type_,)),))


@given(st.floats())
def test_floats_are_exact(number: float) -> None:
    back = parse_program(print_program(_literal(F64, number))).entry.body.body[0].attribute
    assert isinstance(back, float)
    if math.isnan(number):
        assert math.isnan(back)
    else:
        assert (back, math.copysign(1, back)) == (number, math.copysign(1, number))


@given(st.integers(-(1 << 64), 1 << 64))
def test_integers_are_exact(number: int) -> None:
    assert parse_program(print_program(_literal(I32, number))) == _literal(I32, number)


@pytest.mark.parametrize("attribute", [None, 0, -3, True, 0.5, math.inf, (1,), (1, 0), (2, 3, 4)])
def test_attributes_are_kept(attribute) -> None:
    x = Value(0, F32)
    statement = Statement("neg", (x,), (Value(1, F32),), attribute)
    end = Terminator("return", (x,))
    program = Program((Unit("function", Region((x,), (statement,), end), (F32,)),))
    back = parse_program(print_program(program))
    assert back == program
    assert type(back.entry.body.body[0].attribute) is type(attribute)


def test_print_statement_is_one_line() -> None:
    loop = next(s for s in EXAMPLES["heat"].entry.body.body if s.op == "for")
    assert print_statement(loop).startswith("%")
    assert "\n" not in print_statement(loop)


def test_op_names_are_unique() -> None:
    names = [name for table in TABLES for name in table.rows]
    assert [name for name in op_names() if names.count(name) > 1] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1: a program starts with the line 'irgen 1'"),
        ("irgen 2\n", "line 1, column 7: a program starts with the line 'irgen 1'"),
        (HEAD + "kernal @0", "line 2, column 1: unknown unit 'kernal'; the nearest is 'kernel'"),
        (HEAD + "function @3", "line 2, column 10: this unit has number @0, not @3"),
        (
            HEAD + "function @0(%0: f32) -> f32 {\n  %1: f32 = multiply %0, %0\n  return %1\n}",
            "line 3, column 13: unknown op 'multiply'; the nearest is 'multiply_add'",
        ),
        (
            HEAD + "function @0(%0: f32) -> f32 {\n  %1: f32 = neg %7\n  return %1\n}",
            "line 3, column 17: %7 is not defined before its use",
        ),
        (
            HEAD + "function @0(%0: f33) -> f32 {",
            "line 2, column 17: unknown type 'f33'",
        ),
        (
            HEAD + "function @0(%0: f32) -> f32 {\n  %1: f32 = const x\n",
            "line 3, column 19: expected a literal, found x",
        ),
        (
            HEAD + "function @0(%0: f32) -> f32 {\n  return %0\n",
            "line 4, column 1: expected '}', found the end of the text",
        ),
        (HEAD + "function @0(%0 f32)", "line 2, column 16: expected ':', found f32"),
        (HEAD + "function @0(?)", "line 2, column 13: unexpected character '?'"),
        (
            HEAD + "kernel @0 [4] (%0: f32) {",
            "line 2, column 8: a kernel over 1 axes starts with as many i32 parameters",
        ),
        (
            HEAD + "function @0(%0: f32) -> f32 {\n  %1: f32 = neg %0 {1, 0.5}\n",
            "line 3, column 27: an attribute of several numbers holds integers only",
        ),
    ],
)
def test_messages(text: str, message: str) -> None:
    with pytest.raises(ProgramError) as caught:
        parse_program(text)
    assert str(caught.value) == message
    assert message.endswith(caught.value.message)


@given(st.data())
def test_damaged_text_never_crashes(data: st.DataObject) -> None:
    text = print_program(EXAMPLES[data.draw(st.sampled_from(sorted(EXAMPLES)))])
    words = text.split(" ")
    at = data.draw(st.integers(0, len(words) - 1))
    damage = ("", "%99", "{", "}", "f32", "if", "-", "1", "yield", "nan")
    words[at] = data.draw(st.sampled_from(damage))
    error = None
    try:
        parse_program(" ".join(words))
    except ProgramError as caught:
        error = caught
    if error is not None:
        assert 1 <= error.line <= text.count("\n") + 1
        assert error.column >= 1
