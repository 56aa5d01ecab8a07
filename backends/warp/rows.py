"""Spelling the ops of the table: their templates, with the integers of a statement filled in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from backends import surface as s
from backends.template import Template, parse_template
from backends.warp.spell import Spelling
from grammar.ops import OPS, Instance
from grammar.program import Attribute, Statement
from grammar.types import Element, Matrix, Scalar, Vector, scalar_of

_INTEGERS = re.compile(r"\b[ijn]\b")


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


def spellings(statement: Statement) -> tuple[Row, ...]:
    """The spellings of a statement's op, simplest first."""
    operands = tuple([value.type for value in statement.operands])
    return _spellings(statement.op, operands, statement.results[0].type, statement.attribute)  # pyright: ignore[reportArgumentType]


@lru_cache(maxsize=1 << 14)
def _spellings(
    op: str, operands: tuple[Element, ...], result: Element, attribute: Attribute
) -> tuple[Row, ...]:
    integers: dict[str, str] = {}
    sized = [type_ for type_ in (*operands, result) if not isinstance(type_, Scalar)]
    if sized:
        first = sized[0]
        columns = first.size if isinstance(first, Vector) else first.columns
        integers["n"] = str(columns)
        if isinstance(attribute, int):
            pair = isinstance(first, Matrix) and op == "element"
            row, column = divmod(attribute, columns) if pair else (attribute, 0)
            integers |= {"i": str(row), "j": str(column)}
    texts = OPS[op].spellings(Instance(operands, result), "warp")
    return tuple([_row(_INTEGERS.sub(lambda m: integers[m[0]], text)) for text in texts])


def _row(text: str) -> Row:
    template = parse_template(text)
    repeated = tuple([number for number, uses in enumerate(template.uses) if uses > 1])
    tests = tuple(sorted({ord(name) - ord("a") for name in _tests(template.expr)}))
    return Row(template, repeated, tests, len(text) - sum(template.uses))


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
    holes = {"T": scalar_of(statement.operands[0].type), "S": scalar_of(result), "R": result}
    names = {hole: spelling.type(holes[hole]) for hole in row.template.types}

    def literal(hole: str, text: str) -> s.Expr:
        type_ = scalar_of(holes[hole])
        return spelling.literal(type_, float(text) if type_.kind == "float" else int(text))

    return row.template.fill(tuple(operands), names, literal)
