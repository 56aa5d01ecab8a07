"""Edits that make statements simpler: other ops, operands, literals, fewer rounds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

from grammar.ops import OPS
from grammar.program import Attribute, Program, Statement
from grammar.shrinking.actions import Action, Mode, Operand, Set, Swap
from grammar.shrinking.edits import Edit
from grammar.shrinking.order import literal_cost, op_rank
from grammar.shrinking.sites import Site, sites
from grammar.structural import ATOMICS, op_table
from grammar.types import Type

_OPERAND_MODES: tuple[Mode, ...] = ("early", "zero", "one")

_TARGETS = (
    *("add", "mul", "sub", "neg", "square", "cast", "abs", "exp", "lt", "logical_not"),
    *("sum_components", "component", "element", "row"),
)
"""What other ops are replaced by, where the types allow it."""


_NUMBERED = ("component", "element", "row")
"""Those of them that have an attribute."""


def simpler(program: Program) -> Iterator[Edit]:
    """Every single simplification, those of the last statement first."""
    for site in reversed(sites(program)):
        for name, action in _simplifications(site):
            yield Edit(name, {site.place: action})


def _simplifications(site: Site) -> Iterator[tuple[str, Action]]:
    statement = site.statement
    op = statement.op
    if op == "const":
        for literal in simpler_literals(statement.attribute):
            yield f"const {literal}", Set(literal)
        return
    if op in OPS:
        for swap in _swaps(statement):
            yield f"{op} to {swap.op}", swap
    elif op == "load":
        yield from ((f"{op} to cast", swap) for swap in _swaps(statement))
    elif op in ATOMICS and op != "atomic_add":
        every = tuple(range(len(statement.operands)))
        yield f"{op} to atomic_add", Swap("atomic_add", every)
    for attribute in _attributes(statement):
        yield f"{op} {{{attribute}}}", Set(attribute)
    for position in range(len(statement.operands)):
        modes = _OPERAND_MODES
        if op == "for" and position == 1:
            modes = (*modes, "param")
        for mode in modes:
            yield f"operand {position} of {op}: {mode}", Operand(position, mode)
        if op == "cast":
            yield "cast of a cast", Operand(position, "through")


def simpler_literals(literal: Attribute) -> tuple[bool | int | float, ...]:
    """Simpler literals of the same kind, the simplest first."""
    if isinstance(literal, bool):
        return (False,) if literal else ()
    if isinstance(literal, int):
        found: list[bool | int | float] = [0, 1, 2, 3, literal // 2, abs(literal), literal - 1]
    elif isinstance(literal, float):
        found = [0.0, 1.0, 2.0, 3.0, 0.5, -1.0]
        if math.isfinite(literal):
            found += [abs(literal), float(round(literal)), float(f"{literal:.1g}")]
    else:
        return ()
    cost = literal_cost(literal)
    kept = [one for one in dict.fromkeys(found) if literal_cost(one) < cost]
    return tuple(sorted(kept, key=literal_cost))


def _swaps(statement: Statement) -> Iterator[Swap]:
    """Simpler ops over some of the operands, with the same result."""
    types = tuple([value.type for value in statement.operands])
    result = statement.results[0].type
    rank = op_rank(statement.op)
    for name in _TARGETS:
        if op_rank(name) < rank:
            for chosen in _choices(name, len(types)):
                if _fits(name, tuple([types[at] for at in chosen]), result):
                    yield Swap(name, chosen, 0 if name in _NUMBERED else None)


def _choices(name: str, count: int) -> Iterator[tuple[int, ...]]:
    arity = OPS[name].arity
    yield from combinations(range(count), arity)
    if arity == 2:
        yield from ((at, at) for at in range(count))


def _fits(name: str, types: tuple[Type, ...], result: Type) -> bool:
    table = op_table(name)
    return table is not None and result in table.results(name, types, None)


def _attributes(statement: Statement) -> Iterator[Attribute]:
    old = statement.attribute
    if statement.op == "for":
        assert isinstance(old, tuple)
        step, bound = old
        for fewer in _fewer(bound):
            yield step, fewer
        if step > 1:
            yield 1, bound
    elif statement.op == "while":
        assert isinstance(old, int)
        yield from _fewer(old)
    elif type(old) is int and old > 0 and statement.op not in ("call", "launch"):
        yield 0


def _fewer(bound: int) -> list[int]:
    return sorted({fewer for fewer in (1, 2, 3, bound // 2, bound - 1) if 0 < fewer < bound})
