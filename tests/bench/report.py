"""Tables of figures: on a terminal, as Markdown, as JSON; and what they were measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

Cell = str | int | float | bool | None

PACKAGES = ("numpy", "libcst", "hypothesis", "msgspec", "warp-lang", "jax", "jaxlib", "ruff")
"""Packages whose versions decide figures."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns. `failures` say which target was missed, and by how much."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()


def show(cell: Cell) -> str:
    """A cell as a person reads it: floats to three digits, booleans as yes and no."""
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case float():
            return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.3g}"
        case int():
            return f"{cell:,}"
        case _:
            return cell


def plain(table: Table) -> str:
    """The table in aligned columns, its notes and failures below."""
    cells = [table.columns, *(tuple(show(cell) for cell in row) for row in table.rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(table.columns))]
    right = [_is_number(table.rows, k) for k in range(len(table.columns))]

    def line(row: Sequence[str]) -> str:
        parts = [
            cell.rjust(width) if aligned else cell.ljust(width)
            for cell, width, aligned in zip(row, widths, right, strict=True)
        ]
        return "  ".join(parts).rstrip()

    header, *body = cells
    rule = "  ".join("-" * width for width in widths)
    lines = [table.title, line(header), rule, *(line(row) for row in body), *table.notes]
    return "\n".join([*lines, *(f"MISSED: {failure}" for failure in table.failures)]) + "\n"


def markdown(table: Table) -> str:
    """The table as GitHub Markdown."""
    rule = ["--:" if _is_number(table.rows, k) else "---" for k in range(len(table.columns))]
    rows = [[_escape(show(cell)) for cell in row] for row in table.rows]
    lines = [f"| {' | '.join(row)} |" for row in ([*table.columns], rule, *rows)]
    remarks = [*table.notes, *(f"**Missed**: {failure}" for failure in table.failures)]
    below = ["", *(f"{remark}  " for remark in remarks)] if remarks else []
    return "\n".join([f"### {table.title}", "", *lines, *below]) + "\n"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _is_number(rows: Sequence[tuple[Cell, ...]], column: int) -> bool:
    cells = [row[column] for row in rows if row[column] is not None]
    return bool(cells) and all(
        isinstance(cell, (int, float)) and not isinstance(cell, bool) for cell in cells
    )


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine() -> str:
    """The processor, its cores and the system, in one line."""
    return f"{_processor()}, {cores()} cores, {platform.system()} {platform.machine()}"


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    for line in text.splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def versions() -> str:
    """Versions of Python and of the packages that decide figures, in one line."""
    found = [f"Python {platform.python_version()}"]
    installed = {name.metadata["Name"]: name.version for name in metadata.distributions()}
    found += [f"{name} {installed[name]}" for name in PACKAGES if name in installed]
    return ", ".join(found)
