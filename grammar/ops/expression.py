"""Expressions in the op vocabulary: partial derivatives and guards are written in them.

    mul(b, reciprocal(a))        -(y / b)        select(a < b, 1.0, 0.0)        basis[i](g)

A parsed expression is an operand letter, a number, or a tuple of an op's name and its arguments.
`+ - * /` and the minus sign stand for add, sub, mul, div, neg; `< > <= >=` for the comparisons. An
attribute stands in brackets behind the name, as an integer or as `i` or `j`, the indices of the
statement whose row the expression belongs to. A number takes the type that its place wants; where
that is a vector or matrix, it fills it. `join(...)` makes a vector of an expression for each of its
components, in which `i` stands for their number.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from grammar.ops import OPS
from grammar.types import Element, Scalar, Vector, scalar_of

Expression: TypeAlias = "str | int | float | tuple[str, *tuple[Expression, ...]]"

_INFIX: dict[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.Lt: "lt",
    ast.Gt: "gt",
    ast.LtE: "le",
    ast.GtE: "ge",
}


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """The tree of an expression; ValueError names what is not part of the language."""
    return _convert(ast.parse(text, mode="eval").body, text)


def _convert(node: ast.expr, text: str) -> Expression:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return ("neg", _convert(operand, text))
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _INFIX:
            return (_INFIX[type(sign)], _convert(left, text), _convert(right, text))
        case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in _INFIX:
            return (_INFIX[type(sign)], _convert(left, text), _convert(right, text))
        case ast.Call(func=ast.Name() | ast.Subscript() as func, args=arguments, keywords=[]):
            return (ast.unparse(func), *(_convert(argument, text) for argument in arguments))
        case _:
            raise ValueError(f"{ast.unparse(node)!r} in {text!r} is no expression of the language")


@dataclass(frozen=True, slots=True)
class Operand:
    """A letter of the expression."""

    name: str
    type: Element


@dataclass(frozen=True, slots=True)
class Literal:
    """A number of a scalar type; an int for integers, a float for floats."""

    value: int | float
    type: Scalar


@dataclass(frozen=True, slots=True)
class Apply:
    """An op applied at one typing."""

    op: str
    attribute: int | None
    arguments: tuple[Typed, ...]
    type: Element


Typed = Operand | Literal | Apply


def elaborate(
    tree: Expression,
    operands: Mapping[str, Element],
    expected: Element | None = None,
    indices: tuple[int, ...] = (),
) -> Typed:
    """The expression with a type at every node; `expected` is the type it shall have.

    `operands` types the letters and `indices` are the values of `i` and `j`. Of several typings
    the first wins. ValueError where there is none.
    """
    found = _typed(tree, operands, expected, indices)
    if found is None:
        known = ", ".join(f"{name}: {type_}" for name, type_ in operands.items())
        raise ValueError(f"{tree!r} has no typing as {expected} with {known}")
    return found


def type_of(tree: Expression, operands: Mapping[str, Element]) -> Element:
    """The type of an expression whose letters have these types; ValueError where there is none."""
    return elaborate(tree, operands).type


def _typed(
    tree: Expression,
    operands: Mapping[str, Element],
    expected: Element | None,
    indices: tuple[int, ...],
) -> Typed | None:
    if isinstance(tree, str):
        type_ = operands.get(tree)
        return Operand(tree, type_) if type_ is not None and expected in (None, type_) else None
    if isinstance(tree, (int, float)):
        return _number(tree, expected)
    if tree[0] == "join":
        return _joined(tree[1], operands, expected, indices)
    name, *arguments = tree
    op_name, _, bracket = name.partition("[")
    op = OPS.get(op_name)
    if op is None:
        raise ValueError(f"unknown op {op_name!r} in an expression")
    place = bracket.rstrip("]")
    attribute = None
    if place:
        attribute = indices["ij".index(place)] if place in ("i", "j") else int(place)
    for instance in op.instances:
        if expected not in (None, instance.result) or len(arguments) != len(instance.operands):
            continue
        made: list[Typed] = []
        for argument, type_ in zip(arguments, instance.operands, strict=True):
            typed = _typed(argument, operands, type_, indices)
            if typed is None:
                break
            made.append(typed)
        else:
            return Apply(op_name, attribute, tuple(made), instance.result)
    return None


def _joined(
    tree: Expression,
    operands: Mapping[str, Element],
    expected: Element | None,
    indices: tuple[int, ...],
) -> Typed | None:
    if not isinstance(expected, Vector):
        return None
    parts = [_numbered(tree, at) for at in range(expected.size)]
    return _typed((f"vec{expected.size}", *parts), operands, expected, indices)


def _numbered(tree: Expression, number: int) -> Expression:
    if isinstance(tree, tuple):
        return (tree[0], *[_numbered(argument, number) for argument in tree[1:]])
    return number if tree == "i" else tree


def _number(value: int | float, expected: Element | None) -> Typed | None:
    if expected is None:
        return None
    scalar = scalar_of(expected)
    if scalar.kind == "bool":
        return None
    literal = Literal(float(value) if scalar.kind == "float" else int(value), scalar)
    if scalar == expected:
        return literal
    return Apply("fill", None, (literal,), expected)
