"""Witnesses: what a program may contain, as predicates to find and to shrink."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from grammar.program import Program, Region, Statement, Terminator, Unit, walk

Witness = Callable[[Program], bool]

OPS = (
    "add",
    "div",
    "multiply_add",
    "min",
    "select",
    "clamp",
    "floor",
    "sqrt",
    "pow",
    "exp",
    "log",
    "tanh",
    "sin",
    "atan2",
    "gelu",
    "sigmoid",
    "rem",
    "bit_xor",
    "shift_left",
    "logical_not",
    "cast",
    "dot",
    "scale",
    "component",
    "sum_components",
    "matvec",
    "matmat",
    "trace",
)
"""Ops of every group."""


def has_op(name: str) -> Witness:
    """Whether a statement applies the op."""
    return lambda program: any(
        statement.op == name for unit in program.units for statement in walk(unit.body)
    )


def _regions(region: Region) -> Iterator[Region]:
    """A region and all within it."""
    yield region
    for statement in walk(region):
        yield from statement.regions


def _ends(unit: Unit) -> Iterator[Terminator]:
    """Terminators within a unit, its own not counted."""
    return (region.end for region in _regions(unit.body) if region is not unit.body)


def has_end(unit_kind: str, end: str) -> Witness:
    """Whether a nested region of such a unit ends in such a terminator."""
    return lambda program: any(
        found.kind == end
        for unit in program.units
        if unit.kind == unit_kind
        for found in _ends(unit)
    )


def stores_in_branch(program: Program) -> bool:
    return any(
        inner.op == "store"
        for unit in program.units
        for statement in walk(unit.body)
        if statement.op == "if"
        for region in statement.regions
        for inner in region.body
    )


def has_plane(program: Program) -> bool:
    """A grid of two axes."""
    return any(len(unit.grid) == 2 for unit in program.units)


def _makers(unit: Unit) -> dict[int, Statement]:
    return {value.id: found for found in walk(unit.body) for value in found.results}


def gathers(program: Program) -> bool:
    """A load at an index that was loaded, perhaps clamped since."""
    for unit in program.units:
        loaded: set[int] = set()
        for statement in walk(unit.body):
            derived = any(operand.id in loaded for operand in statement.operands[1:])
            if statement.op == "load" and derived:
                return True
            kept = statement.op in ("clamp", "bit_and", "rem", "min", "max", "cast", "abs")
            if statement.op == "load" or (kept and statement.operands[0].id in loaded):
                loaded.update(value.id for value in statement.results)
    return False


def updates_in_place(program: Program) -> bool:
    """An array that is both loaded and stored."""
    for unit in program.units:
        arrays = {"load": set[int](), "store": set[int]()}
        for statement in walk(unit.body):
            if statement.op in arrays:
                arrays[statement.op].add(statement.operands[0].id)
        if arrays["load"] & arrays["store"]:
            return True
    return False


def has_dynamic_loop(program: Program) -> bool:
    """A `for` whose end is not a constant."""
    for unit in program.units:
        makers = _makers(unit)
        for statement in walk(unit.body):
            if statement.op == "for":
                stop = makers.get(statement.operands[1].id)
                if stop is None or stop.op != "const":
                    return True
    return False


def has_nested_loop(program: Program) -> bool:
    return any(
        inner.op in ("for", "while")
        for unit in program.units
        for statement in walk(unit.body)
        if statement.op in ("for", "while")
        for region in statement.regions
        for inner in walk(region)
    )


CONSTRUCTS: dict[str, Witness] = {
    "if": has_op("if"),
    "for": has_op("for"),
    "while": has_op("while"),
    "break": has_end("kernel", "break"),
    "continue": has_end("kernel", "continue"),
    "return in a kernel": has_end("kernel", "return"),
    "early return in a function": has_end("function", "return"),
    "call": has_op("call"),
    "atomic_add": has_op("atomic_add"),
    "store in a branch": stores_in_branch,
    "two-axis grid": has_plane,
    "gathered load": gathers,
    "in-place update": updates_in_place,
    "dynamic loop": has_dynamic_loop,
    "nested loop": has_nested_loop,
}

WITNESSES: dict[str, Witness] = {**{name: has_op(name) for name in OPS}, **CONSTRUCTS}
"""All witnesses by name, ops first."""
