"""The table of array-level ops, which stand in programs, and how their statements are checked."""

from __future__ import annotations

from grammar.ops.array_base import ArrayOp, Cell, Stage
from grammar.ops.array_layout import LAYOUT
from grammar.ops.array_network import NETWORK
from grammar.ops.array_norm import NORM
from grammar.ops.array_reduce import REDUCE
from grammar.program import Attribute, Statement, UnitKind
from grammar.types import Array, Type

ARRAY_OPS: dict[str, ArrayOp] = {op.name: op for op in (*REDUCE, *LAYOUT, *NORM, *NETWORK)}

__all__ = ["ARRAY_OPS", "ArrayOp", "Cell", "Stage", "check", "result_type", "results"]


def result_type(name: str, operands: tuple[Type, ...], attribute: Attribute) -> Array:
    """The type of an array op's result; ValueError says why it has none."""
    op = ARRAY_OPS[name]
    arrays = [type_ for type_ in operands if isinstance(type_, Array)]
    if not len(operands) == len(arrays) == op.arity:
        raise ValueError(f"{name} takes {op.arity} arrays")
    return op.result(tuple(arrays), attribute)


def results(name: str, operands: tuple[Type, ...], attribute: Attribute) -> tuple[Type, ...]:
    """The one result type of an array op, or none where it is ill-typed."""
    try:
        return (result_type(name, operands, attribute),)
    except ValueError:
        return ()


def check(statement: Statement, kind: UnitKind) -> str:
    """Why a statement is ill-typed, or "" where it is well-typed."""
    if kind != "program":
        return f"{statement.op} does not stand in a {kind}"
    operands = tuple([value.type for value in statement.operands])
    try:
        wanted = result_type(statement.op, operands, statement.attribute)
    except ValueError as error:
        return f"{statement.op}: {error}"
    found = [value.type for value in statement.results]
    return "" if found == [wanted] else f"{statement.op} has one result of type {wanted}"
