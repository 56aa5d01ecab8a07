"""Integer literals computed at run time, and computations over literals done beforehand."""

from __future__ import annotations

import numpy as np

from grammar.ops import OPS
from grammar.ops.base import Instance
from grammar.program import Program, Statement, walk
from grammar.rewrite.place import Place, bound, emitted, is_row
from grammar.source import Source
from grammar.types import Scalar, int_limits


def is_free_integer(place: Place) -> bool:
    """Whether an integer literal bounds no loop: those are better left as they are."""
    statement = place.statement
    if statement.op != "const" or type(statement.attribute) is not int:
        return False
    if place.unit.kind == "program":  # what it passes on is literal
        return False
    (result,) = statement.results
    return not any(
        result in inner.operands[:2] for inner in walk(place.unit.body) if inner.op == "for"
    )


def unfold(place: Place, source: Source) -> Program:
    """A literal as the sum or difference of two."""
    (result,) = place.statement.results
    number, scalar = place.statement.attribute, result.type
    assert isinstance(number, int)
    assert isinstance(scalar, Scalar)
    low, high = int_limits(scalar)
    part = 1 + source.below(3)
    op, other = ("add", number - part) if number - part >= low else ("sub", number + part)
    assert other <= high
    b = place.builder()
    made = emitted(b, lambda: b.op(op, b.const(scalar, other), b.const(scalar, part)))
    return place.instead([*made[:-1], bound(made[-1], (result,))])


def folded(place: Place) -> int | bool | None:
    """What an op over literals gives where that is an integer or a truth value."""
    statement = place.statement
    if not is_row(statement) or not statement.operands:
        return None
    (result,) = statement.results
    types = [value.type for value in statement.operands]
    if not isinstance(result.type, Scalar) or result.type.kind == "float":
        return None
    literals: list[np.generic] = []
    for value in statement.operands:
        if value.id not in place.known or not isinstance(value.type, Scalar):
            return None
        literals.append(np.dtype(value.type.dtype).type(place.known[value.id]))
    if statement.op in _DIVISIONS and literals[1] == 0:
        return None
    attribute = statement.attribute
    means = OPS[statement.op].means(
        Instance(tuple([t for t in types if isinstance(t, Scalar)]), result.type),
        attribute if isinstance(attribute, int) else 0,
    )
    with np.errstate(all="ignore"):
        found = means(*literals)
    return bool(found) if result.type.kind == "bool" else int(found)


_DIVISIONS = ("div_trunc", "div_floor", "rem", "modulo")


def folds(place: Place) -> bool:
    """Whether the statement computes an integer from literals."""
    return folded(place) is not None


def fold(place: Place, source: Source) -> Program:
    """The statement as a literal."""
    return place.instead([Statement("const", (), place.statement.results, folded(place))])
