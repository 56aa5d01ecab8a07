"""Templates: the spelling of an operation as a short string with holes, such as `wp.max(a, b)`.

In the text of a template a single letter `a` to `h` stands for an operand, in order, and a
name of one capital letter, digits after it allowed, such as `T` or `R`, for a type. A type called
on a number, `T(1)` or `T(-0.5)`, is a literal of that type; its spelling is left to the backend.
All other names stand for themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import libcst as cst

from backends import surface as s
from backends.parse import surface_expr

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OPERANDS = "abcdefgh"
"""The names of the operand holes, in operand order."""

_TYPE_HOLE = re.compile(r"[A-Z][0-9_]*")

Operands: TypeAlias = "tuple[s.Expr, ...]"
Types: TypeAlias = "Mapping[str, s.Expr]"
Spell: TypeAlias = "Callable[[str, str], s.Expr]"
_Fill: TypeAlias = "Callable[[Operands, Types, Spell], s.Expr]"


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A parsed template. `expr` is its text with the holes as plain names.

    `uses[i]` counts how often operand `i` stands in it, `types` names its type holes in order.
    """

    text: str
    expr: s.Expr
    uses: tuple[int, ...]
    types: tuple[str, ...]
    _fill: _Fill

    def fill(
        self, operands: tuple[s.Expr, ...], type_names: Mapping[str, s.Expr], literal: Spell
    ) -> s.Expr:
        """The expression with its holes filled.

        Args:
            operands: one expression per operand hole.
            type_names: the expression each type hole stands for.
            literal: called with the name of a type hole and the text of a number, as in `T(1)`.

        Raises:
            ValueError: the template has another number of operands, or a type is missing.
        """
        if len(operands) != len(self.uses):
            raise ValueError(
                f"template {self.text!r} takes {len(self.uses)} operands, got {len(operands)}"
            )
        try:
            return self._fill(operands, type_names, literal)
        except KeyError as missing:
            raise ValueError(f"template {self.text!r} needs type {missing}") from None


def operands_used(template: Template) -> tuple[int, ...]:
    """How often each operand is used; an operand used twice has to be a name."""
    return template.uses


@lru_cache(maxsize=4096)
def parse_template(text: str) -> Template:
    """Parses the text of a template once.

    Raises:
        ValueError: the text is no expression, uses Python that Surface has not, or skips an
            operand.
    """
    try:
        tree = cst.parse_expression(text)
    except cst.ParserSyntaxError as error:
        column = error.raw_column + 1
        raise ValueError(f"template {text!r} is no expression, at column {column}") from error
    try:
        expr = surface_expr(tree)
    except ValueError as error:
        raise ValueError(f"template {text!r}: {error}") from error
    names = tuple(_names(expr))
    used = [names.count(hole) for hole in OPERANDS]
    count = max((i + 1 for i, uses in enumerate(used) if uses), default=0)
    if 0 in used[:count]:
        skipped = OPERANDS[used.index(0)]
        raise ValueError(f"template {text!r} uses {OPERANDS[count - 1]!r} but not {skipped!r}")
    types = tuple(dict.fromkeys(name for name in names if _TYPE_HOLE.fullmatch(name)))
    return Template(text, expr, tuple(used[:count]), types, _compile(expr))


def respelled(template: Template, change: Callable[[s.Expr], s.Expr]) -> Template:
    """The template with every expression in it changed, innermost first. A change keeps the
    operands and types that stand in it."""
    expr = _changed(template.expr, change)
    return replace(template, expr=expr, _fill=_compile(expr))


def _changed(part: Any, change: Callable[[s.Expr], s.Expr]) -> Any:
    if isinstance(part, tuple):
        return tuple([_changed(item, change) for item in part])  # pyright: ignore[reportUnknownVariableType]
    if not is_dataclass(part) or isinstance(part, type):
        return part
    parts = {field.name: _changed(getattr(part, field.name), change) for field in fields(part)}
    return change(replace(part, **parts))  # pyright: ignore[reportArgumentType]


def _names(expr: s.Expr | s.Slice | None) -> list[str]:
    """The names in an expression in reading order, parameters of lambdas aside."""
    match expr:
        case s.Name(id=text):
            return [text]
        case s.Lambda(params=params, body=body):
            return [text for text in _names(body) if text not in params]
        case None | s.Literal():
            return []
        case _:
            return [text for part in _children(expr) for text in _names(part)]


def _children(expr: s.Expr | s.Slice) -> list[s.Expr | s.Slice | None]:
    match expr:
        case s.Attribute(value=value):
            return [value]
        case s.Call(func=func, args=args, keywords=keywords):
            return [func, *args, *(value for _, value in keywords)]
        case s.Unary(operand=operand):
            return [operand]
        case s.Binary(left=left, right=right):
            return [left, right]
        case s.Conditional(test=test, body=body, orelse=orelse):
            return [body, test, orelse]
        case s.Slice(lower=lower, upper=upper, step=step):
            return [lower, upper, step]
        case s.Subscript(value=value, indices=indices):
            return [value, *indices]
        case s.Tuple(items=items) | s.List(items=items):
            return list(items)
        case s.Lambda(body=body):
            return [body]
        case s.Name() | s.Literal():
            return []


def _is_hole(text: str) -> bool:
    return text in OPERANDS or _TYPE_HOLE.fullmatch(text) is not None


def _compile(expr: s.Expr | s.Slice, bound: tuple[str, ...] = ()) -> _Fill:
    """A function that fills the holes of `expr`; `bound` are names that are no holes."""
    if not any(_is_hole(text) and text not in bound for text in _names(expr)):
        return lambda operands, types, spell: expr  # pyright: ignore[reportReturnType]
    match expr:
        case s.Name(id=text) if text in OPERANDS:
            return _operand(OPERANDS.index(text))
        case s.Name(id=text):
            return lambda operands, types, spell: types[text]
        case s.Call(func=s.Name(id=kind), args=(argument,), keywords=()) if (
            _TYPE_HOLE.fullmatch(kind) and _number(argument) is not None
        ):
            number = _number(argument) or ""
            return lambda operands, types, spell: spell(kind, number)
        case s.Lambda(params=params):
            return _assemble(expr, (*bound, *params))
        case _:
            return _assemble(expr, bound)


def _number(expr: s.Expr) -> str | None:
    """The text of a number, a negative one included, or of a truth value."""
    match expr:
        case s.Literal(text=text) if text[0] in "0123456789." or text in ("True", "False"):
            return text
        case s.Unary(op="-", operand=s.Literal(text=text)) if text[0] in "0123456789.":
            return f"-{text}"
        case _:
            return None


def _operand(position: int) -> _Fill:
    return lambda operands, types, spell: operands[position]


def _optional(expr: s.Expr | None, bound: tuple[str, ...]) -> Callable[..., s.Expr | None]:
    return (lambda operands, types, spell: None) if expr is None else _compile(expr, bound)


def _assemble(expr: s.Expr | s.Slice, bound: tuple[str, ...]) -> Callable[..., s.Expr]:
    """A function that puts a node together again from its filled children."""
    match expr:
        case s.Attribute(value=value, attr=attr):
            one = _compile(value, bound)
            return lambda o, t, k: s.Attribute(one(o, t, k), attr)
        case s.Unary(op=op, operand=operand):
            one = _compile(operand, bound)
            return lambda o, t, k: s.Unary(op, one(o, t, k))
        case s.Binary(op=op, left=left, right=right):
            one, two = _compile(left, bound), _compile(right, bound)
            return lambda o, t, k: s.Binary(op, one(o, t, k), two(o, t, k))
        case s.Lambda(params=params, body=body):
            one = _compile(body, bound)
            return lambda o, t, k: s.Lambda(params, one(o, t, k))
        case s.Conditional(test=test, body=body, orelse=orelse):
            parts = [_compile(part, bound) for part in (test, body, orelse)]
            return lambda o, t, k: s.Conditional(*[part(o, t, k) for part in parts])
        case s.Tuple(items=items) | s.List(items=items):
            kind, parts = type(expr), [_compile(item, bound) for item in items]
            return lambda o, t, k: kind(tuple([part(o, t, k) for part in parts]))
        case s.Subscript(value=value, indices=indices):
            one, parts = _compile(value, bound), [_compile(index, bound) for index in indices]
            return lambda o, t, k: s.Subscript(
                one(o, t, k), tuple([part(o, t, k) for part in parts])
            )
        case s.Slice(lower=lower, upper=upper, step=step):
            bounds = [_optional(end, bound) for end in (lower, upper, step)]
            return lambda o, t, k: s.Slice(*[end(o, t, k) for end in bounds])  # pyright: ignore[reportReturnType]
        case s.Call():
            return _assemble_call(expr, bound)
        case s.Name() | s.Literal():
            return lambda o, t, k: expr


def _assemble_call(expr: s.Call, bound: tuple[str, ...]) -> Callable[..., s.Expr]:
    func = _compile(expr.func, bound)
    parts = [_compile(arg, bound) for arg in expr.args]
    named = [(keyword, _compile(value, bound)) for keyword, value in expr.keywords]
    if named:
        return lambda o, t, k: s.Call(
            func(o, t, k),
            tuple([part(o, t, k) for part in parts]),
            tuple([(keyword, part(o, t, k)) for keyword, part in named]),
        )
    return lambda o, t, k: s.Call(func(o, t, k), tuple([part(o, t, k) for part in parts]))
