"""`irgen stats`: what is in a data set, as tables on a terminal and as JSON in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from irgen.cli.output import print_text, writing
from irgen.dataset.documents.stats import Stats, measure, read_stats
from irgen.dataset.documents.words import numbers_of, share, size
from irgen.errors import UserError, nearest

if TYPE_CHECKING:
    from irgen.dataset.reading import Dataset

_FORMATS = ("text", "json")
_SHOWN_OPS = 20
_SHOWN_PAIRS = 10

Table = tuple[str, Sequence[str], list[Sequence[object]]]
"""A title, the names of the columns, and the rows."""


def stats(folder: Path, tokenizer: str | None, format: str | None) -> None:
    """Print the numbers of the data set in a folder; UserError where there is none."""
    if format not in (None, *_FORMATS):
        raise UserError(f"unknown format {format!r}: {nearest(format, _FORMATS)}")
    found = _found(folder, tokenizer)
    if format == "json" or (format is None and not sys.stdout.isatty()):
        text = msgspec.json.format(msgspec.json.encode(found), indent=1).decode()
        print_text(f"{text}\n")
    else:
        _show(found)


def _found(folder: Path, tokenizer: str | None) -> Stats:
    from irgen.dataset.extras import need
    from irgen.dataset.reading import open_dataset

    if folder.is_file():
        raise UserError(f"{folder} is a file: irgen stats reads a folder that irgen build has made")
    need("pyarrow")
    dataset = open_dataset(folder)
    known = read_stats(dataset)
    if known is not None and tokenizer in (None, known.tokenizer):
        return known
    return _measured(dataset, tokenizer)


def _measured(dataset: Dataset, tokenizer: str | None) -> Stats:
    if not sys.stderr.isatty():
        return measure(dataset, tokenizer)
    from rich.console import Console

    done = 0
    with Console(stderr=True).status("") as status:

        def progress(rows: int) -> None:
            nonlocal done
            done += rows
            status.update(f"{done:,} of {dataset.count:,} rows")

        progress(0)
        return measure(dataset, tokenizer, progress)


def _show(found: Stats) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    with writing():
        console = Console()
        console.print(Text(_headline(found)))
        for title, names, rows in _tables(found):
            table = RichTable(
                title=title, title_justify="left", title_style="bold", box=None,
                header_style="dim", pad_edge=False, padding=(0, 2, 0, 0),
            )  # fmt: skip
            for at, name in enumerate(names):
                words = any(_is_word(row[at]) for row in rows)
                table.add_column(name, justify="left" if words else "right", no_wrap=not at)
            for row in rows:
                table.add_row(*[Text(_cell(value)) for value in row])
            console.print()
            console.print(table)


def _is_word(value: object) -> bool:
    return isinstance(value, str) and value[:1].isalpha()


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _headline(found: Stats) -> str:
    drawing = found.drawing
    return (
        f"{found.rows:,} rows, {size(found.bytes)}; {share(found.structures, found.rows)} of them "
        f"differ in structure; {share(found.verified_all, found.rows)} verified on every backend.\n"
        f"{drawing.drawn:,} programs drawn, {share(drawing.duplicates, drawing.drawn)} duplicates."
    )


def _tables(found: Stats) -> Iterator[Table]:
    yield "Splits", ("split", "rows", "share"), [
        (name, rows, share(rows, found.rows)) for name, rows in found.splits.items()
    ]  # fmt: skip
    backends = list(found.verified)
    yield "Families", ("family", "rows", "median statements", *backends), [
        (
            family.name,
            family.rows,
            family.statements.p50,
            *[share(family.verified[name].both, family.verified[name].judged) for name in backends],
        )
        for family in found.families
    ]  # fmt: skip
    yield "Verified", ("backend", "run", "values", "gradients", "both"), [
        (name, one.judged, *numbers_of(one)) for name, one in found.verified.items()
    ]  # fmt: skip
    yield "Verdicts", ("backend", "execution", "of", "outcome", "rows"), [
        (name, execution, way, outcome, rows)
        for name, executed in found.executed.items()
        for execution, ways in executed.outcomes.items()
        for way, outcomes in ways.items()
        for outcome, rows in outcomes.items()
    ]  # fmt: skip
    missing: list[Sequence[object]] = [
        (column, reason, texts)
        for column, reasons in found.missing.items()
        for reason, texts in reasons.items()
    ]
    if missing:
        yield "Missing", ("text", "because", "texts"), missing
    names = ("text", "rows", "bytes", "median", "99%", "tokens")
    yield f"Texts (tokens: {found.tokenizer})", names, [
        (
            text.column,
            text.bytes.count,
            size(text.bytes.sum),
            size(text.bytes.p50),
            size(text.bytes.p99),
            text.all_tokens,
        )
        for text in found.texts
    ]  # fmt: skip
    yield "Ops", ("op", "rows", "share"), [
        (name, rows, share(rows, found.rows)) for name, rows in list(found.ops.items())[:_SHOWN_OPS]
    ]  # fmt: skip
    pairs = [
        (rows, first, second)
        for first, others in found.pairs.items()
        for second, rows in others.items()
    ]
    yield "Pairs of ops", ("pair", "rows", "share"), [
        (f"{first}, {second}", rows, share(rows, found.rows))
        for rows, first, second in sorted(pairs, key=lambda one: (-one[0], one))[:_SHOWN_PAIRS]
    ]  # fmt: skip
    if found.near is not None:
        near = (("program", found.near.program), ("IR", found.near.ir))
        title = f"Near-duplicates (similarity {found.near.threshold})"
        yield title, ("by", "rows", "share", "clusters", "largest"), [
            (name, one.rows, share(one.rows, one.compared), one.clusters, one.largest)
            for name, one in near
        ]  # fmt: skip
