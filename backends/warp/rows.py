"""Spelling the ops of the table: their templates, with the integers of a statement filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from backends import surface as s
from backends.spelling import kept, spelled
from backends.template import Template, parse_template, respelled
from backends.warp.spell import WHERE, Spelling, wp
from grammar.ops import OPS, Instance
from grammar.program import Attribute, Statement
from grammar.types import Element, scalar_of


@dataclass(frozen=True, slots=True)
class Row:
    """One spelling of an op for given types and attribute.

    `repeated` are the operands that stand in it more than once, `tests` those that a conditional
    expression in it branches on, and `width` the columns it adds to those of its operands.
    """

    template: Template
    repeated: tuple[int, ...]
    tests: tuple[int, ...]
    width: int


def spellings(statement: Statement, avoided: frozenset[str] = frozenset()) -> tuple[Row, ...]:
    """The spellings of a statement's op, simplest first, without those to avoid."""
    operands = tuple([value.type for value in statement.operands])
    return _spellings(
        statement.op,
        operands,  # pyright: ignore[reportArgumentType]
        statement.results[0].type,  # pyright: ignore[reportArgumentType]
        statement.attribute,
        avoided,
    )


@lru_cache(maxsize=1 << 14)
def _spellings(
    op: str,
    operands: tuple[Element, ...],
    result: Element,
    attribute: Attribute,
    avoided: frozenset[str],
) -> tuple[Row, ...]:
    instance = Instance(operands, result)
    texts = spelled(op, instance, attribute, "warp")
    found = kept(op, OPS[op].spellings(instance, "warp"), avoided)
    return tuple([_row(texts[at], WHERE in avoided) for at in found])


def _row(text: str, selects: bool) -> Row:
    template = parse_template(text)
    if selects and WHERE in text:
        template = respelled(template, _select)
    repeated = tuple([number for number, uses in enumerate(template.uses) if uses > 1])
    tests = tuple(sorted({ord(name) - ord("a") for name in _tests(template.expr)}))
    return Row(template, repeated, tests, len(text) - sum(template.uses))


def _select(expr: s.Expr) -> s.Expr:
    """`wp.select(c, y, x)` for `wp.where(c, x, y)`."""
    match expr:
        case s.Call(func=s.Attribute(attr="where"), args=(test, left, right)):
            return s.Call(wp("select"), (test, right, left))
        case _:
            return expr


def _tests(expr: object) -> set[str]:
    """The operands that conditional expressions branch on as they are."""
    match expr:
        case s.Conditional(test=test, body=body, orelse=orelse):
            own = {test.id} if isinstance(test, s.Name) else _tests(test)
            return own | _tests(body) | _tests(orelse)
        case s.Call(args=args):
            return set[str]().union(*map(_tests, args))
        case s.Unary(operand=operand):
            return _tests(operand)
        case s.Binary(left=left, right=right):
            return _tests(left) | _tests(right)
        case _:
            return set()


def fill(row: Row, statement: Statement, operands: Sequence[s.Expr], spelling: Spelling) -> s.Expr:
    """The row's expression over those of its operands."""
    result = statement.results[0].type
    first = statement.operands[0].type if statement.operands else result
    holes = {"T": scalar_of(first), "S": scalar_of(result), "R": result}
    names = {hole: spelling.type(holes[hole]) for hole in row.template.types}

    def literal(hole: str, text: str) -> s.Expr:
        type_ = scalar_of(holes[hole])
        return spelling.literal(type_, float(text) if type_.kind == "float" else int(text))

    return row.template.fill(tuple(operands), names, literal)
