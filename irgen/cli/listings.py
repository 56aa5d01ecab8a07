"""`irgen grammars` and `irgen ops`."""

from __future__ import annotations

from collections.abc import Sequence

from grammar.ops import OPS
from grammar.ops.base import Instance, Op
from grammar.presets import GRAMMARS
from grammar.types import BOOL, FLOATS, INTEGERS, SIGNED, UNSIGNED, Scalar, scalar_of
from irgen.catalog import BACKENDS
from irgen.cli.tables import print_table
from irgen.errors import UserError, nearest

_FAMILIES: tuple[tuple[str, tuple[Scalar, ...]], ...] = (
    ("float", FLOATS),
    ("integer", INTEGERS),
    ("signed", SIGNED),
    ("unsigned", UNSIGNED),
    ("bool", (BOOL,)),
)


def grammars() -> None:
    """Print one row per grammar: what it draws, and how many statements."""
    rows = [
        (grammar.name, grammar.shape, "{}-{}".format(*grammar.statements), grammar.doc)
        for grammar in GRAMMARS.values()
    ]
    print_table(("name", "shape", "statements", "about"), rows)


def ops(names: Sequence[str]) -> None:
    """Print one row per op, or only the named ones: typing, backends, derivative."""
    for name in names:
        if name not in OPS:
            raise UserError(f"unknown op {name!r}: {nearest(name, OPS)}")
    chosen = [OPS[name] for name in names] if names else list(OPS.values())
    rows = [
        (op.name, op.group, op.signature, _types(op), _backends(op), _derivative(op), op.doc)
        for op in chosen
    ]
    columns = ("name", "group", "signature", "types", "backends", "derivative", "about")
    print_table(columns, rows)


def _types(op: Op) -> str:
    """The scalar types in any typing of the op, by family where a family is complete."""
    left = {
        scalar_of(element)
        for instance in op.instances
        for element in (*instance.operands, instance.result)
    }
    words: list[str] = []
    for name, family in _FAMILIES:
        if left.issuperset(family):
            words.append(name)
            left.difference_update(family)
    return " ".join([*words, *sorted(scalar.name for scalar in left)])


def _backends(op: Op) -> str:
    """The backends that have the op; "part" where some typings are left out."""
    words: list[str] = []
    for backend in BACKENDS:
        supported = sum(_supports(op, backend, instance) for instance in op.instances)
        if supported:
            words.append(backend if supported == len(op.instances) else f"{backend} (part)")
    return ", ".join(words)


def _supports(op: Op, backend: str, instance: Instance) -> bool:
    refuses = op.unsupported.get(backend)
    return refuses is None or not refuses(instance)


def _derivative(op: Op) -> str:
    """The partials by operand in the op vocabulary; a dash where none is declared."""
    if op.partials is None:
        return "-"
    return (
        "; ".join(
            f"d{chr(ord('a') + i)} = {partial}" for i, partial in enumerate(op.partials) if partial
        )
        or "-"
    )
