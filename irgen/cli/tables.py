"""Tables: aligned columns on a terminal, tab-separated lines with a header elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from irgen.cli.output import print_text, writing


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> None:
    """Print rows of as many cells as there are columns; below them a note, on a terminal only."""
    if not sys.stdout.isatty():
        lines = ["\t".join(_one_line(cell) for cell in row) for row in (columns, *rows)]
        print_text("\n".join(lines) + "\n")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    with writing():
        console = Console()
        console.print(table)
        if note:
            console.print(Text(f"\n{note}", style="dim"))


def _one_line(cell: str) -> str:
    return " ".join(cell.split())
