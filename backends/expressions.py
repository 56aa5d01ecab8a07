"""Surface expressions as libcst nodes on one line: the common case, built for speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends import nodes as n
from backends import surface as s
from backends.precedence import (
    BARE,
    DISJUNCTION,
    EXPRESSION,
    OPERAND_LEVELS,
    PRIMARY,
    UNARY_LEVELS,
    enclosed,
    hugs,
    spaced,
    unary_operand_level,
    value_level,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import libcst as cst


def flat(expr: s.Expr, minimum: int = BARE) -> cst.BaseExpression:
    """The node of `expr` in a position that binds at level `minimum`.

    Raises:
        ValueError: an operator or literal is not one of Python's.
    """
    kind = type(expr)
    if kind is s.Name:
        return n.name(expr.id)  # pyright: ignore[reportAttributeAccessIssue]
    parens = n.ENCLOSED if enclosed(expr, minimum) else n.UNENCLOSED
    return _BUILDERS[kind](expr, parens)


def _literal(expr: s.Literal, parens: n.Parens) -> cst.BaseExpression:
    return n.literal(expr.text) if parens is n.UNENCLOSED else n.enclosed_literal(expr.text, parens)


def _attribute(expr: s.Attribute, parens: n.Parens) -> cst.BaseExpression:
    value = expr.value
    if type(value) is s.Name:
        return n.dotted(value.id, expr.attr)
    return n.attribute(flat(value, value_level(value)), expr.attr, parens)


def _call(expr: s.Call, parens: n.Parens) -> cst.BaseExpression:
    args = [
        n.name_argument(value.id) if type(value) is s.Name else n.argument(flat(value, EXPRESSION))
        for value in expr.args
    ]
    for keyword, value in expr.keywords:
        args.append(n.argument(flat(value, EXPRESSION), keyword))
    return n.call(flat(expr.func, PRIMARY), args, parens)


def _unary(expr: s.Unary, parens: n.Parens) -> cst.BaseExpression:
    minimum = unary_operand_level(expr.operand) or UNARY_LEVELS[expr.op]
    return n.unary(expr.op, flat(expr.operand, minimum), parens)


def _binary(expr: s.Binary, parens: n.Parens) -> cst.BaseExpression:
    op = expr.op
    left, right = OPERAND_LEVELS[op]
    space = n.NOTHING if op == "**" and hugs(expr) else n.SPACE
    return n.binary(op, flat(expr.left, left), flat(expr.right, right), parens, space, space)


def _conditional(expr: s.Conditional, parens: n.Parens) -> cst.BaseExpression:
    body, test = flat(expr.body, DISJUNCTION), flat(expr.test, DISJUNCTION)
    return n.conditional(body, test, flat(expr.orelse, EXPRESSION), parens)


def _subscript(expr: s.Subscript, parens: n.Parens) -> cst.BaseExpression:
    if not expr.indices:
        raise ValueError("a subscript needs at least one index")
    indices = [
        n.name_index(index.id)  # pyright: ignore[reportAttributeAccessIssue]
        if type(index) is s.Name
        else n.index(_slice(index) if isinstance(index, s.Slice) else flat(index, EXPRESSION))
        for index in expr.indices
    ]
    return n.subscript(flat(expr.value, PRIMARY), indices, parens)


def _slice(part: s.Slice) -> cst.Slice:
    lower, upper, step = (
        None if bound is None else flat(bound, EXPRESSION)
        for bound in (part.lower, part.upper, part.step)
    )
    return n.slice_(lower, upper, step, spaced(part))


def _elements(items: tuple[s.Expr, ...]) -> list[cst.Element]:
    return [n.element(flat(item, EXPRESSION)) for item in items]


def _tuple(expr: s.Tuple, parens: n.Parens) -> cst.BaseExpression:
    if len(expr.items) == 1:
        return n.tuple_([n.element(flat(expr.items[0], EXPRESSION), n.NOTHING)], n.ENCLOSED)
    return n.tuple_(_elements(expr.items), parens if expr.items else n.ENCLOSED)


def _list(expr: s.List, parens: n.Parens) -> cst.BaseExpression:
    return n.list_(_elements(expr.items), parens)


def _lambda(expr: s.Lambda, parens: n.Parens) -> cst.BaseExpression:
    return n.lambda_(expr.params, flat(expr.body, EXPRESSION), parens)


_BUILDERS: dict[type, Callable[..., cst.BaseExpression]] = {
    s.Literal: _literal,
    s.Attribute: _attribute,
    s.Call: _call,
    s.Unary: _unary,
    s.Binary: _binary,
    s.Conditional: _conditional,
    s.Subscript: _subscript,
    s.Tuple: _tuple,
    s.List: _list,
    s.Lambda: _lambda,
}
