"""Layouts of expressions that do not fit on a line, and the nodes built from what was chosen.

The layouts follow the usual formatters:
brackets explode one item per line with a trailing comma, operators lead their line, operands break
at the loosest operator first, parentheses are added around a value only where they are needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends import nodes as n
from backends import precedence as p
from backends import surface as s
from backends.breaking import Alternatives, Bracket, Break, Group, Indent, Only
from backends.draft import (
    Draft,
    afters_of,
    bracket,
    elements,
    optional_parens,
    sequence,
    whitespace,
    wrapped,
)
from backends.precedence import BARE, BINARY_LEVELS, DISJUNCTION, EXPRESSION, PRIMARY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import libcst as cst

    from backends.breaking import Layout
    from backends.draft import Context


def draft(expr: s.Expr, minimum: int, context: Context) -> Draft:
    """The layout of `expr` in a position that binds at level `minimum`."""
    if isinstance(expr, s.Tuple):
        return bare_tuple(expr) if minimum == BARE else _tuple(expr, context)
    if not p.enclosed(expr, minimum):
        return _RULES[type(expr)](expr, context)
    inner = _RULES[type(expr)](expr, "bracketed")
    opening, closing = Break(), Break()
    group = Group((1, Indent((opening, *inner.parts)), closing, 1))
    return Draft(
        (bracket(group, context),),
        lambda _: inner.build(n.parentheses(whitespace(opening), whitespace(closing))),
    )


def bare_tuple(expr: s.Tuple) -> Draft:
    """A tuple that gets parentheses only if it takes several lines."""
    if len(expr.items) < 2:
        return _tuple(expr, "bare")
    drafts = [draft(item, EXPRESSION, "bracketed") for item in expr.items]
    group = Group()
    parts, gaps = sequence(drafts, group)
    opening, closing = Break(), Break()
    group.parts = (
        Only((1,), group),
        Indent((opening, *parts)),
        closing,
        Only((1,), group),
    )

    def build(_: n.Parens) -> cst.BaseExpression:
        items = elements(drafts, afters_of(gaps, group))
        if not group.expanded:
            return n.tuple_(items, n.UNENCLOSED)
        return n.tuple_(items, n.parentheses(whitespace(opening), whitespace(closing)))

    return Draft((group,), build)


def _tuple(expr: s.Tuple, context: Context) -> Draft:
    if not expr.items:
        return Draft((2,), lambda _: n.tuple_((), n.ENCLOSED))
    drafts = [draft(item, EXPRESSION, "bracketed") for item in expr.items]
    opening, closing, group = Break(), Break(), Group()
    parts, gaps = sequence(drafts, group)
    if len(drafts) == 1:
        parts = (*drafts[0].parts, 1)
    group.parts = (1, Indent((opening, *parts)), closing, 1)

    def build(_: n.Parens) -> cst.BaseExpression:
        afters = afters_of(gaps, group) if len(drafts) > 1 else [n.NOTHING]
        parens = n.parentheses(whitespace(opening), whitespace(closing))
        return n.tuple_(elements(drafts, afters), parens)

    return Draft((bracket(group, context),), build)


def _list(expr: s.List, context: Context) -> Draft:
    if not expr.items:
        return Draft((2,), lambda parens: n.list_((), parens))
    drafts = [draft(item, EXPRESSION, "bracketed") for item in expr.items]
    opening, closing, group = Break(), Break(), Group()
    parts, gaps = sequence(drafts, group)
    group.parts = (1, Indent((opening, *parts)), closing, 1)

    def build(parens: n.Parens) -> cst.BaseExpression:
        items = elements(drafts, afters_of(gaps, group))
        return n.list_(items, parens, whitespace(opening), whitespace(closing))

    return Draft((bracket(group, context),), build)


def _name(expr: s.Name, _: Context) -> Draft:
    return Draft((len(expr.id),), lambda parens: n.enclosed_name(expr.id, parens))


def _literal(expr: s.Literal, _: Context) -> Draft:
    return Draft((len(expr.text),), lambda parens: n.enclosed_literal(expr.text, parens))


def fluent(expr: s.Expr) -> bool:
    """Whether a chain of attributes breaks before its dots: two of its values are computed."""
    computed = 0
    while True:
        match expr:
            case s.Attribute(value=value):
                if p.enclosed(value, p.value_level(value)):
                    return computed >= 1
                computed += isinstance(value, s.Call | s.Subscript)
                expr = value
            case s.Call(func=inner) | s.Subscript(value=inner):
                if p.enclosed(inner, PRIMARY):
                    return computed >= 2
                expr = inner
            case _:
                return computed >= 2


def _chained(expr: s.Expr, context: Context) -> Draft:
    if context != "bare" and fluent(expr):
        link = _link(expr, context, True)
        return Draft((Group(link.parts),), link.build)
    return _link(expr, context, False)


def _link(expr: s.Expr, context: Context, breaks: bool) -> Draft:
    """One link of a chain; `breaks` if the chain breaks before its dots."""
    match expr:
        case s.Attribute():
            return _attribute(expr, context, breaks)
        case s.Call():
            return _call(expr, context, breaks)
        case s.Subscript():
            return _subscript(expr, context, breaks)
        case _:
            return draft(expr, PRIMARY, context)


def _head(value: s.Expr, minimum: int, context: Context, breaks: bool) -> Draft:
    if p.enclosed(value, minimum):
        return draft(value, minimum, context)
    return _link(value, context, breaks)


def _attribute(expr: s.Attribute, context: Context, breaks: bool) -> Draft:
    minimum = p.value_level(expr.value)
    value = _head(expr.value, minimum, context, breaks)
    computed = p.enclosed(expr.value, minimum) or isinstance(expr.value, s.Call | s.Subscript)
    before = (Break(),) if breaks and computed else ()
    return Draft(
        (*value.parts, *before, 1 + len(expr.attr)),
        lambda parens: n.attribute(
            value.build(n.UNENCLOSED),
            expr.attr,
            parens,
            whitespace(before[0]) if before else n.NOTHING,
        ),
    )


def _call(expr: s.Call, context: Context, breaks: bool) -> Draft:
    func = _head(expr.func, PRIMARY, context, breaks)
    if not expr.args and not expr.keywords:
        return Draft((*func.parts, 2), lambda parens: n.call(func.build(n.UNENCLOSED), (), parens))
    pairs = [("", value) for value in expr.args] + list(expr.keywords)
    values = [draft(value, EXPRESSION, "bracketed") for _, value in pairs]
    drafts = [
        Draft((len(keyword) + 1, *value.parts), value.build) if keyword else value
        for (keyword, _), value in zip(pairs, values, strict=True)
    ]
    opening, closing, inner = Break(), Break(), Group()
    inner.parts, gaps = sequence(drafts, inner)
    group = Group((1, Indent((opening, inner)), closing, 1))

    def build(parens: n.Parens) -> cst.BaseExpression:
        afters = afters_of(gaps, inner)
        args = [
            n.argument(value.build(n.UNENCLOSED), keyword, after)
            for (keyword, _), value, after in zip(pairs, values, afters, strict=True)
        ]
        args[-1] = n.argument(args[-1].value, pairs[-1][0], afters[-1], whitespace(closing))
        return n.call(func.build(n.UNENCLOSED), args, parens, whitespace(opening))

    return Draft((*func.parts, bracket(group, context)), build)


def _subscript(expr: s.Subscript, context: Context, breaks: bool) -> Draft:
    value = _head(expr.value, PRIMARY, context, breaks)
    drafts = [_index(index) for index in expr.indices]
    opening, closing, inner = Break(), Break(), Group()
    inner.parts, gaps = sequence([item for item, _ in drafts], inner)
    if len(drafts) == 1:
        inner.parts = drafts[0][0].parts
    group = Group((1, Indent((opening, inner)), closing, 1))

    def build(parens: n.Parens) -> cst.BaseExpression:
        afters = afters_of(gaps, inner) if gaps else [None]
        indices = [n.index(make(), after) for (_, make), after in zip(drafts, afters, strict=True)]
        return n.subscript(
            value.build(n.UNENCLOSED), indices, parens, whitespace(opening), whitespace(closing)
        )

    return Draft((*value.parts, bracket(group, context)), build)


def _index(index: s.Expr | s.Slice) -> tuple[Draft, Callable[[], cst.BaseExpression | cst.Slice]]:
    if not isinstance(index, s.Slice):
        item = draft(index, EXPRESSION, "bracketed")
        return item, lambda: item.build(n.UNENCLOSED)
    bounds = [
        None if bound is None else draft(bound, EXPRESSION, "bracketed")
        for bound in (index.lower, index.upper, index.step)
    ]
    gap = p.spaced(index)
    lower, upper, step = bounds
    parts: list[Layout] = [*lower.parts, gap] if lower else []
    parts += [1, gap, *upper.parts] if upper else [1]
    if step:
        parts += [gap if upper else 0, 1, gap, *step.parts]

    def build() -> cst.Slice:
        first, second, third = (bound and bound.build(n.UNENCLOSED) for bound in bounds)
        return n.slice_(first, second, third, gap)

    return Draft(tuple(parts), lambda _: n.literal("...")), build


def _unary(expr: s.Unary, context: Context) -> Draft:
    minimum = p.unary_operand_level(expr.operand) or p.UNARY_LEVELS[expr.op]
    operand = draft(expr.operand, minimum, context)
    columns = len(expr.op) + (expr.op == "not")
    return Draft(
        (columns, *operand.parts),
        lambda parens: n.unary(expr.op, operand.build(n.UNENCLOSED), parens),
    )


@dataclass(frozen=True, slots=True)
class _Operator:
    level: int
    columns: int
    before: Break
    hugs: bool


def _breakable(parts: tuple[Layout, ...], context: Context) -> tuple[Layout, ...]:
    """A group if the parts stand in brackets, or once the optional parentheses are there."""
    if context == "bare":
        return parts
    return (Group(parts, when=context if isinstance(context, Group) else None),)


def _place(place: Break, context: Context) -> Layout:
    return place.columns if context == "bare" else place


def _binary(expr: s.Binary, context: Context) -> Draft:
    terms, build = _flatten(expr, context)
    return Draft(_slice_terms(terms, context), build)


def _flatten(
    expr: s.Binary, context: Context
) -> tuple[Sequence[Draft | _Operator], Callable[[n.Parens], cst.BaseExpression]]:
    """Operands and operators in reading order, parenthesised operands left whole."""
    level = BINARY_LEVELS[expr.op]
    sides: list[Sequence[Draft | _Operator]] = []
    builders: list[Callable[[n.Parens], cst.BaseExpression]] = []
    for side, minimum in zip((expr.left, expr.right), p.OPERAND_LEVELS[expr.op], strict=True):
        if isinstance(side, s.Binary) and not p.enclosed(side, minimum):
            terms, make = _flatten(side, context)
        else:
            operand = draft(side, minimum, context)
            terms, make = (operand,), operand.build
        sides.append(terms)
        builders.append(make)
    hugs = expr.op == "**" and p.hugs(expr)
    before = Break(0 if hugs else 1)
    operator = _Operator(max(level, DISJUNCTION + 1), len(expr.op), before, hugs)

    def build(parens: n.Parens) -> cst.BaseExpression:
        left, right = (side(n.UNENCLOSED) for side in builders)
        has_space = context.expanded if isinstance(context, Group) else before.indent >= 0
        after = n.SPACE if has_space or not hugs else n.NOTHING
        return n.binary(expr.op, left, right, parens, whitespace(before), after)

    return [*sides[0], operator, *sides[1]], build


def _slice_terms(terms: Sequence[Draft | _Operator], context: Context) -> tuple[Layout, ...]:
    """Breaks before the loosest operators; what stands between them breaks on its own."""
    if len(terms) == 1:
        only = terms[0]
        return only.parts if isinstance(only, Draft) else ()
    loosest = min(term.level for term in terms if isinstance(term, _Operator))
    group = Group(when=context if isinstance(context, Group) else None)
    parts: list[Layout] = []
    start = 0
    for position, term in enumerate(terms):
        if isinstance(term, _Operator) and term.level == loosest:
            parts += _slice_terms(terms[start:position], context)
            parts += [_place(term.before, context), term.columns]
            if not term.hugs:
                parts.append(1)
            elif context != "bare":
                parts.append(Only((1,), context if isinstance(context, Group) else group))
            start = position + 1
    parts += _slice_terms(terms[start:], context)
    group.parts = tuple(parts)
    return group.parts if context == "bare" else (group,)


def _conditional(expr: s.Conditional, context: Context) -> Draft:
    parts, build = _branches(expr, context)
    return Draft(_breakable(parts, context), build)


def _branches(
    expr: s.Conditional, context: Context
) -> tuple[tuple[Layout, ...], Callable[[n.Parens], cst.BaseExpression]]:
    """The branches of a conditional; those of a chain of conditionals break together."""
    body = draft(expr.body, DISJUNCTION, context)
    test = draft(expr.test, DISJUNCTION, context)
    if isinstance(expr.orelse, s.Conditional):
        rest, build_rest = _branches(expr.orelse, context)
    else:
        last = draft(expr.orelse, EXPRESSION, context)
        rest, build_rest = last.parts, last.build
    before_if, before_else = Break(1), Break(1)
    parts = (
        *body.parts,
        _place(before_if, context),
        len("if "),
        *test.parts,
        _place(before_else, context),
        len("else "),
        *rest,
    )
    return parts, lambda parens: n.conditional(
        body.build(n.UNENCLOSED),
        test.build(n.UNENCLOSED),
        build_rest(n.UNENCLOSED),
        parens,
        whitespace(before_if),
        whitespace(before_else),
    )


def _lambda(expr: s.Lambda, context: Context, body_first: bool = False) -> Draft:
    body = _lambda_body(expr.body, context)
    if body_first:
        body = Draft((Bracket(body.parts),), body.build)
    names = sum(map(len, expr.params)) + 2 * len(expr.params) - (1 if expr.params else 0)
    return Draft(
        (len("lambda: ") + names, *body.parts),
        lambda parens: n.lambda_(expr.params, body.build(n.UNENCLOSED), parens),
    )


def _has_brackets(expr: s.Expr) -> bool:
    return isinstance(expr, s.List | s.Tuple | s.Call | s.Subscript)


def _lambda_body(body: s.Expr, context: Context) -> Draft:
    """The body of a lambda: in parentheses if it takes several lines and has no own brackets."""
    if isinstance(body, s.Call | s.Subscript) and not fluent(body):
        inner = draft(body, EXPRESSION, context)
        opening, closing = Break(), Break()
        choice = Alternatives(
            (
                inner.parts,
                (Group(inner.parts, forced=True),),
                (1, Indent((opening, *inner.parts)), closing, 1),
            )
        )
        return Draft((choice,), optional_parens(inner, opening, closing, lambda: choice.taken == 2))
    if _has_brackets(body) and not fluent(body):
        return draft(body, EXPRESSION, context)
    return parenthesized_if_broken(body)


def lambda_value(expr: s.Lambda) -> Draft:
    """A lambda assigned or returned: its body gets parentheses before the lambda itself does."""
    group = Group()
    return wrapped(_lambda(expr, "bracketed", body_first=True), group)


def parenthesized_if_broken(expr: s.Expr) -> Draft:
    """An expression that stands in parentheses if it does not fit on the line."""
    return wrapped(draft(expr, EXPRESSION, "bracketed"), Group())


def optionally_parenthesized(expr: s.Expr, wraps: bool = False) -> Draft:
    """An expression in parentheses if it does not fit even after its own brackets broke.

    With `wraps`, only if it does fit in them.
    """
    group = Group(wraps=wraps)
    return wrapped(draft(expr, EXPRESSION, group), group)


_RULES: dict[type, Callable[..., Draft]] = {
    s.Name: _name,
    s.Literal: _literal,
    s.Attribute: _chained,
    s.Call: _chained,
    s.Subscript: _chained,
    s.Unary: _unary,
    s.Binary: _binary,
    s.Conditional: _conditional,
    s.List: _list,
    s.Lambda: _lambda,
}
