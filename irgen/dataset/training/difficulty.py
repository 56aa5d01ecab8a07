"""How hard a program is to follow: a number from 0 to 1, from the program alone."""

from __future__ import annotations

from collections.abc import Mapping

from grammar.ops.array import ARRAY_OPS
from grammar.program import Program, Region, Statement
from grammar.structural import ATOMICS

HALF = 60
"""The points that make a difficulty of one half."""

DIGITS = 4
"""Digits of a difficulty after the point."""

STATEMENT = 1
DISTINCT_OP = 2
NESTING = 6
CARRIED = 3
EXIT = 4
UNIT = 4
POINTS: Mapping[str, int] = {
    "if": 3,
    "for": 4,
    "while": 6,
    "call": 3,
    "launch": 3,
    **dict.fromkeys(ATOMICS, 3),
    **dict.fromkeys(ARRAY_OPS, 2),
}
"""Points beyond that of any statement, by op."""


def difficulty(program: Program) -> float:
    """How hard a program is: p / (p + 60), where p are its points, to four digits.

    A statement has a point (constants have none), an array op 2 more, a branch, an atomic, a call
    or a launch 3, a `for` 4, a `while` 6, each value that a loop carries 3, and each break,
    continue or early return 4. Each op that the program has not had yet adds 2, each level of
    nesting 6, each unit beside the entry 4. Nothing takes points away: a program with a statement
    more is as hard or harder.
    """
    found = points(program)
    return round(found / (found + HALF), DIGITS)


def points(program: Program) -> int:
    """The points of a program; see `difficulty`."""
    ops: set[str] = set()
    total = UNIT * (len(program.units) - 1)
    deepest = 0
    for unit in program.units:
        own, depth = _region(unit.body, ops)
        total += own
        deepest = max(deepest, depth)
    return total + NESTING * deepest + DISTINCT_OP * len(ops)


def _region(region: Region, ops: set[str]) -> tuple[int, int]:
    """The points of a region, and how deep it nests; adds the ops in it to `ops`."""
    total = deepest = 0
    for statement in region.body:
        op = statement.op
        if op == "const":
            continue
        ops.add(op)
        total += STATEMENT + POINTS.get(op, 0)
        if statement.regions:
            inner, depth = _nested(statement, ops)
            total += inner
            deepest = max(deepest, depth + 1)
    return total, deepest


def _nested(statement: Statement, ops: set[str]) -> tuple[int, int]:
    total = deepest = 0
    if statement.op != "if":
        total += CARRIED * len(statement.results)
    for region in statement.regions:
        own, depth = _region(region, ops)
        total += own + (EXIT if region.end.kind != "yield" else 0)
        deepest = max(deepest, depth)
    return total, deepest
