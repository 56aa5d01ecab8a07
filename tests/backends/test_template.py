"""Templates: holes, uses, literals and errors."""

from __future__ import annotations

import ast
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import surface as s
from backends.cst import print_expr
from backends.template import operands_used, parse_template

X, Y, Z = s.Name("x"), s.Name("y"), s.Name("z")
SUM = s.Binary("+", X, Y)
TYPES = {
    "T": s.Attribute(s.Name("wp"), "float32"),
    "R": s.Attribute(s.Name("wp"), "int64"),
}


def spell(kind: str, number: str) -> s.Expr:
    return s.Call(TYPES[kind], (s.Literal(number.removeprefix("-")),))


def filled(text: str, *operands: s.Expr) -> str:
    return print_expr(parse_template(text).fill(operands, TYPES, spell))


@pytest.mark.parametrize(
    ("text", "operands", "result"),
    [
        ("wp.sin(a)", (SUM,), "wp.sin(x + y)"),
        ("a + b", (X, Y), "x + y"),
        ("a * b", (SUM, Z), "(x + y) * z"),
        ("a - b", (X, s.Binary("-", Y, Z)), "x - (y - z)"),
        ("-a", (s.Binary("**", X, Y),), "-(x**y)"),
        ("T(1) / wp.sqrt(a)", (X,), "wp.float32(1) / wp.sqrt(x)"),
        ("T(0.5) * a", (X,), "wp.float32(0.5) * x"),
        ("T(a)", (X,), "wp.float32(x)"),
        ("jnp.asarray(a, T)", (X,), "jnp.asarray(x, wp.float32)"),
        ("jnp.asarray(a, dtype=R)", (X,), "jnp.asarray(x, dtype=wp.int64)"),
        ("jnp.where(a, b, c)", (X, Y, Z), "jnp.where(x, y, z)"),
        ("lax.div(a, b)", (X, Y), "lax.div(x, y)"),
        ("b if a else c", (X, Y, Z), "y if x else z"),
        ("a.T", (SUM,), "(x + y).T"),
        ("a[:, b]", (X, Y), "x[:, y]"),
        ("a[b:]", (X, SUM), "x[x + y :]"),
        ("[a, (b, 1)]", (X, Y), "[x, (y, 1)]"),
        ("run(lambda b: a + b, a, b)", (X, Y), "run(lambda b: x + b, x, y)"),
        ("wp.tid()", (), "wp.tid()"),
        ("not a", (s.Binary("and", X, Y),), "not (x and y)"),
        ("wp.e * a", (X,), "wp.e * x"),
        ("Thing(a)", (X,), "Thing(x)"),
    ],
)
def test_fill(text: str, operands: tuple[s.Expr, ...], result: str) -> None:
    assert filled(text, *operands) == result


def test_a_literal_is_given_its_type_and_text() -> None:
    seen: list[tuple[str, str]] = []

    def note(kind: str, number: str) -> s.Expr:
        seen.append((kind, number))
        return s.Literal("0")

    template = parse_template("wp.clamp(a, T(-1), R(2.5)) + T(True)")
    template.fill((X,), TYPES, note)
    assert seen == [("T", "-1"), ("R", "2.5"), ("T", "True")]


def test_uses_and_types() -> None:
    template = parse_template("T(a) * a + R(1) * b")
    assert operands_used(template) == (2, 1)
    assert template.types == ("T", "R")
    assert operands_used(parse_template("wp.tid()")) == ()


def test_parsed_once() -> None:
    assert parse_template("a * b") is parse_template("a * b")


HOLES = ["a + b", "a * b - a", "wp.max(a, b)", "a if a < b else b", "a[b, a:]", "(a, [b])", "-a**b"]
OPERANDS = [X, SUM, s.Literal("1"), s.Conditional(X, Y, Z), s.Tuple((X, Y)), s.Unary("-", X)]


@given(st.sampled_from(HOLES), st.sampled_from(OPERANDS), st.sampled_from(OPERANDS))
def test_filling_is_substitution_in_parentheses(text: str, first: s.Expr, second: s.Expr) -> None:
    enclosed = {"a": f"({print_expr(first)})", "b": f"({print_expr(second)})"}
    expected = re.sub(r"\b[ab]\b", lambda hole: enclosed[hole[0]], text)
    assert tree(filled(text, first, second)) == tree(expected)


def tree(text: str) -> str:
    return ast.dump(ast.parse(text, mode="eval"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wp.sin(a", r"template 'wp.sin\(a' is no expression, at column"),
        ("a +", "template 'a \\+' is no expression, at column"),
        ("a < b < c", "Surface has no chained comparison"),
        ("f(*a)", r"Surface has no '\*' arguments"),
        ("{a: b}", "Surface has no Dict"),
        ("a + c", "uses 'c' but not 'b'"),
        ("", "is no expression"),
    ],
)
def test_bad_templates(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_template(text)


def test_wrong_fills() -> None:
    with pytest.raises(ValueError, match="takes 2 operands, got 1"):
        filled("a + b", X)
    with pytest.raises(ValueError, match="needs type 'S'"):
        filled("S(a)", X)
