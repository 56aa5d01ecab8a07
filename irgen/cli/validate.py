"""`irgen validate`: a data set, or a file of rows, checked without trusting any of it."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from irgen.cli.output import print_text
from irgen.cli.progress import awaited, watched
from irgen.errors import UserError, nearest

if TYPE_CHECKING:
    from irgen.dataset.checking.problems import Problem
    from irgen.dataset.checking.validate import Checked, Depth

_FORMATS = ("text", "jsonl")
_SHOWN = 20
"""Problems of one kind that a terminal shows; JSON Lines have all of them."""


def validate(
    path: Path, execute: str | None, thorough: bool, workers: int, format: str | None
) -> bool:
    """Whether a data set, or every row of a file, is what it says.

    `execute` is a number of rows to run, or a share; `thorough` has every text compiled. On a
    terminal, problems and then a summary; in a pipe, a JSON line per problem and one with the
    counts.
    """
    from irgen.dataset.extras import need

    if workers < 1:
        raise UserError(f"--workers {workers}: at least one is needed")
    if format is not None and format not in _FORMATS:
        raise UserError(f"unknown format {format!r}: {nearest(format, _FORMATS)}")
    need("pyarrow")
    if path.is_dir():
        count, found = _of_folder(path, execute, thorough, workers)
    else:
        from irgen.dataset.checking.loose import validate_file

        count, found = None, validate_file(path, _depth(execute, thorough, None), workers)
    as_text = sys.stdout.isatty() if format is None else format == "text"
    return _told(found, count, as_text)


def _of_folder(
    folder: Path, execute: str | None, thorough: bool, workers: int
) -> tuple[int, Iterator[Checked]]:
    from irgen.dataset.checking.validate import validate
    from irgen.dataset.reading import open_dataset

    count = open_dataset(folder).count
    return count, validate(folder, _depth(execute, thorough, count), workers)


def _depth(execute: str | None, thorough: bool, count: int | None) -> Depth:
    """How closely to look at a number of rows, or None where nobody knows how many there are."""
    from irgen.dataset.checking.validate import EXECUTED, Depth

    whole = Depth(compiled=1.0, closely=1.0) if thorough else Depth()
    return replace(whole, running=_running(f"{EXECUTED}" if execute is None else execute, count))


def _running(words: str, count: int | None) -> float:
    """The share of the rows to run, for a number of them or a share in percent."""
    matched = re.fullmatch(r"(\d+(?:\.\d+)?)%|(\d+)", words.strip())
    if matched is None or (matched[1] is not None and float(matched[1]) > 100):
        raise UserError(f"--execute {words}: give a number of rows, or a share such as 1%")
    if matched[1] is not None:
        return float(matched[1]) / 100
    wanted = int(matched[2])
    if count is None:
        return 1.0 if wanted else 0.0
    return min(1.0, wanted / max(count, 1))


@dataclass(slots=True)
class _Sum:
    """What was found so far."""

    rows: int = 0
    fine: int = 0
    ran: int = 0
    kinds: Counter[str] = field(default_factory=Counter[str])
    levels: Counter[str] = field(default_factory=Counter[str])

    def add(self, checked: Checked, as_text: bool) -> None:
        """Count what came of a row, or of what is no row, and tell of its problems."""
        self.rows += checked.rows
        self.fine += checked.rows and _fine(checked)
        self.ran += checked.ran
        self.levels.update(checked.parsed)
        for problem in checked.problems:
            self.kinds[problem.kind] += 1
            _tell(problem, self.kinds[problem.kind], as_text)


def _told(found: Iterator[Checked], count: int | None, as_text: bool) -> bool:
    total = _Sum()

    def rows() -> Iterator[Checked]:
        for checked in found:
            total.add(checked, as_text)
            if checked.rows:
                yield checked

    for _ in watched(awaited(rows(), "reading"), count, _fine, "fine"):
        pass
    problems = {kind: number for kind, number in total.kinds.items() if kind != "note"}
    if as_text:
        _summary(total)
    else:
        counts = {
            "rows": total.rows,
            "fine": total.fine,
            "executed": total.ran,
            "parsed": dict(total.levels),
            "problems": problems,
        }
        print_text(_json(counts))
    return not problems


def _fine(checked: Checked) -> bool:
    return all(problem.kind == "note" for problem in checked.problems)


def _tell(problem: Problem, number: int, as_text: bool) -> None:
    if not as_text:
        print_text(_json(problem))
    elif number <= _SHOWN:
        word = "" if problem.kind == "note" else f"{problem.kind}: "
        sys.stderr.write(f"{word}{problem}\n")
        sys.stderr.flush()
    elif number == _SHOWN + 1:
        sys.stderr.write(f"more of {problem.kind}: --format jsonl has all\n")


def _json(row: object) -> str:
    import msgspec

    return msgspec.json.encode(row).decode() + "\n"


def _summary(total: _Sum) -> None:
    from rich.console import Console
    from rich.table import Table

    from irgen.dataset.checking.problems import KINDS

    console = Console(highlight=False)
    levels = total.levels
    console.print(f"{total.rows} rows made again and compared: {total.fine} fine")
    if levels:
        parsed = ", ".join(f"{number} {level}" for level, number in levels.items())
        console.print(f"texts parsed: {parsed}")
    if 0 < levels["cpp"] < total.rows:
        words = (
            "C++ and CUDA of the other rows were compared with each other: --thorough compiles all"
        )
        console.print(words, style="dim")
    console.print(f"captured and run again: {total.ran} {'row' if total.ran == 1 else 'rows'}")
    found = Table("", "", "", box=None, pad_edge=False, show_header=False)
    for kind, words in KINDS.items():
        if total.kinds[kind] and kind != "note":
            found.add_row(str(total.kinds[kind]), kind, words)
    if found.row_count:
        console.print(found)
    else:
        console.print("no problems", style="green")
