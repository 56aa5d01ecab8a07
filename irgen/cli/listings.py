"""`irgen grammars`, `irgen ops` and `irgen --version`."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Sequence
from statistics import median

from grammar.config import Grammar
from grammar.generate import program_at
from grammar.ops import OPS
from grammar.ops.array import ARRAY_OPS
from grammar.ops.base import Op
from grammar.presets import GRAMMARS
from grammar.program import size
from grammar.structural import STRUCTURAL
from grammar.types import BOOL, FLOATS, INTEGERS, SIGNED, UNSIGNED, Scalar, scalar_of
from irgen.catalog import BACKENDS
from irgen.cli.output import print_text
from irgen.cli.tables import print_table
from irgen.errors import UserError, nearest

_MEASURED = 25
"""So many programs of each grammar are drawn to say how large they are."""

_SIGNATURES = (
    "Signatures: F float, I integer, J signed integer, N numeric, A any scalar, B bool; E numeric "
    "scalar, vector or matrix; X the same without integers; Y the same with bool. Vn, Mn: vector "
    "of n and n by n matrix of F (V3, M4 fix n). A': A again, on its own. A bar joins alternatives."
)

_FAMILIES: tuple[tuple[str, tuple[Scalar, ...]], ...] = (
    ("float", FLOATS),
    ("integer", INTEGERS),
    ("signed", SIGNED),
    ("unsigned", UNSIGNED),
    ("bool", (BOOL,)),
)


def version() -> None:
    """Print the version of irgen that is installed."""
    try:
        print_text(f"irgen {importlib.metadata.version('irgen')}\n")
    except importlib.metadata.PackageNotFoundError:
        raise UserError("irgen is not installed: pip install it, or a checkout of it") from None


_SAFE = "Each has a differentiable-safe form: compound-safe draws nothing with a wrong gradient."


def grammars() -> None:
    """Print one row per grammar: what it draws, and how many statements a program has."""
    rows = [(g.name, g.shape, _typical_size(g), g.doc) for g in GRAMMARS.values()]
    print_table(("name", "shape", "median statements", "about"), rows, note=_SAFE)


def _typical_size(grammar: Grammar) -> str:
    return str(median(size(program_at(grammar, 0, index)) for index in range(_MEASURED)))


def ops(names: Sequence[str]) -> None:
    """Print one row per op, or only the named ones: typing, backends, derivative."""
    rows = {row[0]: row for row in _op_rows()}
    for name in names:
        if name not in rows:
            raise UserError(f"unknown op {name!r}: {nearest(name, rows)}")
    columns = ("name", "group", "signature", "types", "backends", "derivative", "about")
    print_table(columns, [rows[name] for name in names or rows], note=_SIGNATURES)


def _op_rows() -> Iterator[tuple[str, ...]]:
    """Every op of the language; array and structural ones declare no types and no derivative."""
    for op in OPS.values():
        yield op.name, op.group, op.signature, _types(op), _backends(op), _derivative(op), op.doc
    everywhere = ", ".join(BACKENDS)
    for op in ARRAY_OPS.values():
        attribute = [f"{{{op.attribute}}}"] if op.attribute else []
        form = " ".join([", ".join(["array"] * op.arity), *attribute, "-> array"])
        yield op.name, "array", form, "-", everywhere, "-", op.doc
    for op in STRUCTURAL.values():
        yield op.name, "structural", op.form, "-", everywhere, "-", op.doc


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
        supported = sum(op.supported(instance, backend) for instance in op.instances)
        if supported:
            words.append(backend if supported == len(op.instances) else f"{backend} (part)")
    return ", ".join(words)


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
