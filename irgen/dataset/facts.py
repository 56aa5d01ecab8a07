"""What a row says of its program that follows from the program alone."""

from __future__ import annotations

from typing import Any

from grammar.ops import OPS
from grammar.ops.array import ARRAY_OPS
from grammar.program import Program, Region, Statement, statements
from grammar.structural import STRUCTURAL

CONTROL = frozenset(("if", "for", "while"))
"""The ops that nest control flow."""

_EVERYWHERE = frozenset(("const", "load", "store"))

NAMED_OPS: tuple[str, ...] = tuple(sorted({*OPS, *ARRAY_OPS, *STRUCTURAL} - _EVERYWHERE))
"""Every op that the column "ops" may name: rows of all tables, and the structural ops but for
constants, loads and stores, which nearly every program has."""


def ops_of(program: Program) -> frozenset[str]:
    """The names of the ops in a program, of those in `NAMED_OPS`."""
    return frozenset([statement.op for statement in statements(program)]) - _EVERYWHERE


def depth_of(program: Program) -> int:
    """How deep branches and loops nest in the deepest unit: 0 where there are none.

    A call does not count what its function nests.
    """
    return max(_depth(unit.body) for unit in program.units)


def _depth(region: Region) -> int:
    return max(map(_below, region.body), default=0)


def _below(statement: Statement) -> int:
    inner = max(map(_depth, statement.regions), default=0)
    return inner + (statement.op in CONTROL)


def facts(program: Program) -> dict[str, Any]:
    """The columns description, depth and ops of a program."""
    from irgen.dataset.english import describe

    return {
        "description": describe(program),
        "depth": depth_of(program),
        "ops": sorted(ops_of(program)),
    }
