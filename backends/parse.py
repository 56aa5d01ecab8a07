"""libcst expressions as Surface expressions: the inverse of the printer, layout set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from backends import surface as s

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BINARY: dict[type[cst.CSTNode], str] = {
    cst.Add: "+",
    cst.Subtract: "-",
    cst.Multiply: "*",
    cst.Divide: "/",
    cst.FloorDivide: "//",
    cst.Modulo: "%",
    cst.MatrixMultiply: "@",
    cst.Power: "**",
    cst.LeftShift: "<<",
    cst.RightShift: ">>",
    cst.BitAnd: "&",
    cst.BitOr: "|",
    cst.BitXor: "^",
    cst.And: "and",
    cst.Or: "or",
    cst.LessThan: "<",
    cst.LessThanEqual: "<=",
    cst.GreaterThan: ">",
    cst.GreaterThanEqual: ">=",
    cst.Equal: "==",
    cst.NotEqual: "!=",
    cst.In: "in",
    cst.NotIn: "not in",
    cst.Is: "is",
    cst.IsNot: "is not",
}
_UNARY: dict[type[cst.CSTNode], str] = {
    cst.Minus: "-",
    cst.Plus: "+",
    cst.BitInvert: "~",
    cst.Not: "not",
}
_CONSTANTS = ("True", "False", "None")


def surface_expr(node: cst.BaseExpression) -> s.Expr:
    """The Surface expression a libcst expression spells.

    Raises:
        ValueError: the expression uses Python that Surface has not.
    """
    reader = _READERS.get(type(node))
    if reader is None:
        raise ValueError(f"Surface has no {type(node).__name__}")
    return reader(node)


def _name(node: cst.Name) -> s.Expr:
    return s.Literal(node.value) if node.value in _CONSTANTS else s.Name(node.value)


def _call(node: cst.Call) -> s.Expr:
    args: list[s.Expr] = []
    keywords: list[tuple[str, s.Expr]] = []
    for arg in node.args:
        if arg.star:
            raise ValueError(f"Surface has no {arg.star!r} arguments")
        if arg.keyword is None:
            args.append(surface_expr(arg.value))
        else:
            keywords.append((arg.keyword.value, surface_expr(arg.value)))
    return s.Call(surface_expr(node.func), tuple(args), tuple(keywords))


def _comparison(node: cst.Comparison) -> s.Expr:
    if len(node.comparisons) > 1:
        raise ValueError("Surface has no chained comparison")
    (target,) = node.comparisons
    return s.Binary(
        _BINARY[type(target.operator)], surface_expr(node.left), surface_expr(target.comparator)
    )


def _binary(node: cst.BinaryOperation | cst.BooleanOperation) -> s.Expr:
    return s.Binary(_BINARY[type(node.operator)], surface_expr(node.left), surface_expr(node.right))


def _subscript(node: cst.Subscript) -> s.Expr:
    if len(node.slice) == 1 and isinstance(node.slice[0].comma, cst.Comma):
        item = _index(node.slice[0].slice)
        if isinstance(item, s.Slice):
            raise ValueError("Surface has no one-tuple of a slice")
        return s.Subscript(surface_expr(node.value), (s.Tuple((item,)),))
    return s.Subscript(surface_expr(node.value), tuple(_index(part.slice) for part in node.slice))


def _index(node: cst.BaseSlice) -> s.Expr | s.Slice:
    match node:
        case cst.Slice(lower=lower, upper=upper, step=step):
            ends = [None if end is None else surface_expr(end) for end in (lower, upper, step)]
            return s.Slice(*ends)
        case cst.Index(value=value, star=None):
            return surface_expr(value)
        case _:
            raise ValueError("Surface has no starred index")


def _items(elements: Sequence[cst.BaseElement]) -> tuple[s.Expr, ...]:
    if any(isinstance(element, cst.StarredElement) for element in elements):
        raise ValueError("Surface has no starred item")
    return tuple(surface_expr(element.value) for element in elements)


def _lambda(node: cst.Lambda) -> s.Expr:
    params = node.params
    has_more = params.kwonly_params or params.posonly_params or params.star_kwarg
    if has_more or isinstance(params.star_arg, cst.Param | cst.ParamStar):
        raise ValueError("Surface has only plain parameters of a lambda")
    if any(param.default is not None for param in params.params):
        raise ValueError("Surface has no default of a lambda parameter")
    return s.Lambda(tuple(param.name.value for param in params.params), surface_expr(node.body))


_READERS: dict[type, Callable[..., s.Expr]] = {
    cst.Name: _name,
    cst.Integer: lambda node: s.Literal(node.value),
    cst.Float: lambda node: s.Literal(node.value),
    cst.Imaginary: lambda node: s.Literal(node.value),
    cst.SimpleString: lambda node: s.Literal(node.value),
    cst.Ellipsis: lambda node: s.Literal("..."),
    cst.Attribute: lambda node: s.Attribute(surface_expr(node.value), node.attr.value),
    cst.Call: _call,
    cst.UnaryOperation: lambda node: s.Unary(
        _UNARY[type(node.operator)], surface_expr(node.expression)
    ),
    cst.BinaryOperation: _binary,
    cst.BooleanOperation: _binary,
    cst.Comparison: _comparison,
    cst.IfExp: lambda node: s.Conditional(
        surface_expr(node.test), surface_expr(node.body), surface_expr(node.orelse)
    ),
    cst.Subscript: _subscript,
    cst.Tuple: lambda node: s.Tuple(_items(node.elements)),
    cst.List: lambda node: s.List(_items(node.elements)),
    cst.Lambda: _lambda,
}
