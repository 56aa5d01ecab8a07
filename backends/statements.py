"""Statements that do not fit on a line: where their values get parentheses, what breaks first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from backends import nodes as n
from backends import precedence as p
from backends import surface as s
from backends.breaking import Alternatives, Break, Group, Indent, choose
from backends.draft import Draft, optional_parens, sequence, whitespace
from backends.layout import (
    bare_tuple,
    draft,
    fluent,
    lambda_value,
    optionally_parenthesized,
    parenthesized_if_broken,
)
from backends.precedence import BARE, BINARY_LEVELS, DISJUNCTION, EXPRESSION, PRIMARY

if TYPE_CHECKING:
    from collections.abc import Sequence

    import libcst as cst

Need: TypeAlias = Literal["never", "fit", "broken"]


def broken_value(
    value: s.Expr, before: int, after: int, indent: int, minimum: int = EXPRESSION
) -> cst.BaseExpression:
    """The value of a statement with `before` columns to its left and `after` to its right."""
    layout = _returned(value) if minimum == BARE else _value(value)
    choose((before, *layout.parts, after), indent)
    return layout.build(n.UNENCLOSED)


def broken_statement(value: s.Expr, indent: int) -> cst.BaseExpression:
    """An expression statement; parentheses appear around operators only."""
    is_binary = isinstance(value, s.Binary)
    layout = _value(value) if is_binary else draft(value, EXPRESSION, "bare")
    choose(layout.parts, indent)
    return layout.build(n.UNENCLOSED)


def broken_assignment(
    target: s.Expr, operator: int, value: s.Expr, indent: int
) -> tuple[cst.BaseExpression, cst.BaseExpression]:
    """Target and value of an assignment whose operator takes `operator` columns with spaces.

    A target with brackets of its own breaks only if the value in parentheses does not fit.
    """
    left = draft(target, BARE, "bare")
    if not isinstance(target, s.Tuple | s.List | s.Subscript) or not _fits_best(value):
        right = _returned(value)
        choose((*left.parts, operator, *right.parts), indent)
    else:
        inner = draft(value, EXPRESSION, "bare")
        opening, closing = Break(), Break()
        head = (Group(left.parts, firm=True), operator)
        flat = (*head, *inner.parts)
        wrapped = (*head, 1, Indent((opening, *inner.parts)), closing, 1)
        layouts = [flat, wrapped, flat]
        if isinstance(value, s.Call | s.Subscript | s.Attribute):
            layouts.insert(1, (*head, Group(inner.parts, forced=True)))
        choice = Alternatives(tuple(layouts))
        choose((choice,), indent)
        right = Draft(
            (),
            optional_parens(
                inner, opening, closing, lambda: choice.layouts[choice.taken] is wrapped
            ),
        )
    return left.build(n.UNENCLOSED), right.build(n.UNENCLOSED)


def broken_loop(
    target: s.Expr, iterable: s.Expr, indent: int
) -> tuple[cst.BaseExpression, cst.BaseExpression]:
    """Target and iterable of a for loop."""
    left = bare_tuple(target) if isinstance(target, s.Tuple) else _value(target)
    right = _value(iterable)
    choose((len("for "), *left.parts, len(" in "), *right.parts, 1), indent)
    return left.build(n.UNENCLOSED), right.build(n.UNENCLOSED)


def broken_params(
    params: Sequence[s.Param], before: int, after: int, indent: int
) -> tuple[list[cst.Param], n.Space]:
    """The parameters of a function and the whitespace before the first of them."""
    annotations = [
        None if param.annotation is None else draft(param.annotation, EXPRESSION, "bracketed")
        for param in params
    ]
    drafts = [
        Draft((len(param.name),), lambda _: n.literal("..."))
        if annotation is None
        else Draft((len(param.name) + 2, *annotation.parts), annotation.build)
        for param, annotation in zip(params, annotations, strict=True)
    ]
    opening, closing, inner = Break(), Break(), Group()
    inner.parts, gaps = sequence(drafts, inner)
    if len(params) == 1:
        inner.parts = (Indent((opening, *inner.parts)), closing)
        group = inner
    else:
        group = Group((Indent((opening, inner)), closing))
    choose((before, 1, group, 1, after), indent)
    afters = [*map(whitespace, gaps), n.NOTHING if inner.expanded else None]
    nodes = [
        n.parameter(param.name, annotation and annotation.build(n.UNENCLOSED), after)
        for param, annotation, after in zip(params, annotations, afters, strict=True)
    ]
    nodes[-1] = nodes[-1].with_changes(whitespace_after_param=whitespace(closing))
    return nodes, whitespace(opening)


def _returned(value: s.Expr) -> Draft:
    """A value that may be a bare tuple: assigned or returned."""
    if isinstance(value, s.Tuple):
        return bare_tuple(value)
    if isinstance(value, s.Lambda):
        return lambda_value(value)
    return _value(value)


def _value(value: s.Expr) -> Draft:
    match _need(value):
        case "never":
            return draft(value, EXPRESSION, "bare")
        case "fit":
            return optionally_parenthesized(value, wraps=True)
        case "broken" if _omits(value):
            return optionally_parenthesized(value)
        case "broken":
            return parenthesized_if_broken(value)


def _fits_best(value: s.Expr) -> bool:
    splits = isinstance(value, s.Name | s.Literal | s.Call | s.Subscript | s.Attribute)
    return splits and _need(value) == "fit"


def _need(value: s.Expr) -> Need:
    """Whether a value gets parentheses: never, if it then fits, or whenever it breaks."""
    match value:
        case s.Name() | s.Literal():
            return "fit"
        case s.Attribute() | s.Call() | s.Subscript():
            return _chain_need(value)
        case s.Unary(op=op, operand=operand):
            minimum = p.unary_operand_level(operand) or p.UNARY_LEVELS[op]
            return "never" if p.enclosed(operand, minimum) else _need(operand)
        case s.Tuple() | s.List():
            return "never"
        case _:
            return "broken"


def _chain_need(value: s.Attribute | s.Call | s.Subscript) -> Need:
    if fluent(value):
        return "broken"
    match value:
        case s.Attribute(value=inner):
            return "never" if p.enclosed(inner, p.value_level(inner)) else _need(inner)
        case s.Call(func=inner) | s.Subscript(value=inner):
            return "never" if p.enclosed(inner, PRIMARY) else _need(inner)


class _Omission:
    """What decides whether brackets inside a value break instead of parentheses around it."""

    def __init__(self) -> None:
        self.loosest = 100
        self.count = 0
        self.brackets = False
        self.first: tuple[s.Expr, bool] | None = None
        self.starts_with_token = False
        self.last: tuple[s.Expr, bool] | None = None

    def operator(self, level: int, count: int) -> None:
        if level < self.loosest:
            self.loosest, self.count = level, count
        elif level == self.loosest:
            self.count += count

    def visit(self, expr: s.Expr, minimum: int) -> None:
        self.last = (expr, is_enclosed := p.enclosed(expr, minimum))
        if is_enclosed:
            self.brackets = True
        else:
            self.inside(expr)
        if self.first is None and not self.starts_with_token:
            self.first = (expr, is_enclosed)

    def inside(self, expr: s.Expr) -> None:
        match expr:
            case s.List() | s.Tuple():
                self.brackets = True
            case s.Binary(op=op, left=left, right=right):
                self.operator(max(BINARY_LEVELS[op], DISJUNCTION + 1), 1)
                levels = p.OPERAND_LEVELS[op]
                self.visit(left, levels[0])
                self.visit(right, levels[1])
            case s.Conditional(body=body, test=test, orelse=orelse):
                self.operator(0, 2)
                self.visit(body, DISJUNCTION)
                self.visit(test, DISJUNCTION)
                self.visit(orelse, EXPRESSION)
            case s.Call(func=inner) | s.Subscript(value=inner):
                self.brackets = True
                self.visit(inner, PRIMARY)
                self.last = (expr, False)
            case s.Attribute(value=inner):
                self.visit(inner, p.value_level(inner))
                if self.last is not None and (self.last[1] or _own_brackets(inner) is not None):
                    self.operator(99, 1)
                self.last = (expr, False)
            case s.Unary(op=op, operand=operand):
                if op == "~":
                    self.operator(13, 1)
                if self.first is None:
                    self.starts_with_token = True
                self.visit(operand, p.unary_operand_level(operand) or p.UNARY_LEVELS[op])
            case s.Lambda(body=body):
                if self.first is None:
                    self.starts_with_token = True
                self.visit(body, EXPRESSION)
            case _:
                pass


def _own_brackets(expr: s.Expr) -> bool | None:
    """Whether an expression's own brackets hold anything; None if it has none."""
    match expr:
        case s.Subscript():
            return True
        case s.List(items=items) | s.Tuple(items=items):
            return bool(items)
        case s.Call(args=args, keywords=keywords):
            return bool(args or keywords)
        case _:
            return None


def _omits(value: s.Expr) -> bool:
    """Whether the brackets inside `value` may break without parentheses around it."""
    found = _Omission()
    found.inside(value)
    if not found.brackets or found.count > 1:
        return False
    if found.loosest >= 99:
        return True
    return any(
        edge is not None
        and not isinstance(edge[0], s.Subscript)
        and (edge[1] or _own_brackets(edge[0]) is True)
        for edge in (found.last, found.first)
    )
