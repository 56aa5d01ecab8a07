"""`irgen diff`: the same programs in two data sets."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from irgen.cli.output import print_text
from irgen.cli.progress import watched
from irgen.errors import UserError, nearest

if TYPE_CHECKING:
    from irgen.dataset.checking.diff import Difference

_FORMATS = ("text", "json")


def diff(
    first: Path,
    second: Path,
    show: tuple[str, str] | None,
    levels: Sequence[str],
    format: str | None,
) -> bool:
    """Whether two data sets have the same rows with the same texts and outcomes.

    With `show`, an id and a level, print how the texts of that row differ.
    """
    from irgen.dataset.extras import need

    if format is not None and format not in _FORMATS:
        raise UserError(f"unknown format {format!r}: {nearest(format, _FORMATS)}")
    need("pyarrow")
    from irgen.dataset.reading import open_dataset

    pair = open_dataset(first), open_dataset(second)
    if show is not None:
        from irgen.dataset.checking.diff import shown

        different = [texts for texts in shown(*pair, *show) if not _show(*texts)]
        return not different
    from irgen.dataset.checking.diff import compared

    *_, found = watched(compared(*pair, levels), pair[0].count)
    assert found is not None
    as_text = sys.stdout.isatty() if format is None else format == "text"
    if as_text:
        _tell(found)
    else:
        import msgspec

        print_text(msgspec.json.encode(found).decode() + "\n")
    return found.equal


def _show(column: str, first: str, second: str) -> bool:
    """Print how two texts differ."""
    lines = difflib.unified_diff(
        first.splitlines(), second.splitlines(), f"A {column}", f"B {column}", lineterm=""
    )
    text = "".join(f"{line}\n" for line in lines)
    if text and sys.stdout.isatty():
        from rich.console import Console
        from rich.syntax import Syntax

        from irgen.cli.theme import THEME

        Console().print(Syntax(text.rstrip(), "diff", theme=THEME, word_wrap=True))
    else:
        print_text(text)
    return not text


def _tell(found: Difference) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print(f"{found.both} rows in both, {found.only_first} only in A, ", end="")
    console.print(f"{found.only_second} only in B")
    for name, (before, after) in found.versions.items():
        console.print(f"{name}: {before or 'none'} in A, {after or 'none'} in B")
    if found.equal:
        console.print("all texts and outcomes are equal", style="green")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("text", "equal", "renamed", "changed", "only A", "only B", "lines", "bytes"):
        table.add_column(title, justify="left" if title == "text" else "right")
    for one in found.texts:
        counts = (one.equal, one.alike, one.changed, one.only_first, one.only_second)
        ratios = ("" if share is None else f"x{share:.3g}" for share in (one.lines, one.bytes))
        table.add_row(one.column, *map(str, counts), *ratios)
    console.print(table)
    for line in _outcomes(found):
        console.print(line)
    for one in found.texts:
        for change in one.biggest[:1]:
            where = f"{change.grammar} seed {change.seed} index {change.index}"
            head = f"\n{one.column} of {where}: {change.lines} lines, {change.id}"
            console.print(head, style="bold", soft_wrap=True)
            console.print(Text(change.first), soft_wrap=True)


def _outcomes(found: Difference) -> Iterator[str]:
    for one in found.outcomes:
        what = f"{one.backend} {one.execution} {one.direction}"
        yield f"{what}: {one.first} -> {one.second}: {one.rows} rows, {', '.join(one.ids)}"
