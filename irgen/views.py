"""Views: a record flattened into the row a reader wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from irgen.record import Record
from irgen.verdict import forward_verified, gradient_verified

Row = dict[str, Any]

_JOIN = "\n"


def _text(record: Record, backend: str, level: str, direction: str) -> str | None:
    """The text at a level and direction, all units in source order; None where there is none."""
    found = [
        artifact.text
        for artifact in record.artifacts
        if (artifact.backend, artifact.level, artifact.direction) == (backend, level, direction)
        and artifact.text is not None
    ]
    return _JOIN.join(found) if found else None


def _reasons(record: Record) -> dict[str, str]:
    """Why text is missing: `level_direction` (and unit, where several) -> reason."""
    return {
        f"{artifact.level}_{artifact.direction}": artifact.reason
        for artifact in record.artifacts
        if artifact.status != "ok" and artifact.reason != "not_a_device_unit"
    }


def full(record: Record) -> Row:
    """The record itself."""
    return msgspec.to_builtins(record)


def wide(record: Record) -> Row:
    """One backend, one column per level and direction; several units are joined."""
    source = record.sources[0]
    row: Row = {
        "id": record.id,
        "grammar": record.grammar,
        "seed": record.seed,
        "index": record.index,
        "backend": source.backend,
        "kernel_name": source.kernel_name,
        "python": source.python,
    }
    for artifact in record.artifacts:
        if artifact.backend == source.backend:
            row.setdefault(
                f"{artifact.level}_{artifact.direction}",
                _text(record, source.backend, artifact.level, artifact.direction),
            )
    row["missing"] = _reasons(record)
    if record.verdicts:
        row["forward_verified"] = forward_verified(record.verdicts)
        row["gradient_verified"] = gradient_verified(record.verdicts)
    for direction, cost in source.cost.items():
        for quantity, value in cost.items():
            row[f"{quantity}_{direction}"] = value
    row["program"] = record.program
    row["statements"] = record.statements
    row["exact_hash"] = record.exact_hash
    row["structure_hash"] = record.structure_hash
    row["content_hash"] = record.content_hash
    row["choices"] = record.choices
    row["style"] = msgspec.to_builtins(source.style)
    row["vectors"] = msgspec.to_builtins(record.vectors)
    row["verdicts"] = msgspec.to_builtins(record.verdicts)
    row["versions"] = record.versions
    row["grammar_version"] = record.grammar_version
    row["schema_version"] = record.schema_version
    return row


_SEED_COLUMNS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "warp": (("cpp", "cpp", "module"), ("cuda", "cuda", "module")),
    "jax": (
        ("hlo_forward", "hlo", "forward"),
        ("hlo_backward", "hlo", "backward"),
        ("hlo_optimized", "hlo_optimized", "forward"),
    ),
}


def seed(record: Record) -> Row:
    """The narrow row: id, name, source, the texts below it, and the kind of program."""
    source = record.sources[0]
    row: Row = {"id": record.id, "kernel_name": source.kernel_name, "python": source.python}
    for column, level, direction in _SEED_COLUMNS[source.backend]:
        row[column] = _text(record, source.backend, level, direction)
    row["type"] = record.grammar
    return row


VIEWS: dict[str, Callable[[Record], Row]] = {"record": full, "wide": wide, "seed": seed}
"""Views by name."""
