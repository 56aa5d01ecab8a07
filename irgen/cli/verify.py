"""`irgen verify`: files of rows, each made again, compared, and run again."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

from irgen.cli.output import print_text
from irgen.cli.progress import awaited, watched
from irgen.errors import UserError, nearest

if TYPE_CHECKING:
    from irgen.recheck import Line, Problem, Problems

STANDARD_INPUT = "-"
_FORMATS = ("text", "jsonl")


def verify(files: Sequence[str], workers: int, format: str | None) -> bool:
    """Whether every row of the files is what it says; the others are told of, one line each.

    As text, problems go to stderr and the counts to stdout; as JSONL, both go to stdout.
    """
    if workers < 1:
        raise UserError(f"--workers {workers}: at least one is needed")
    if format is not None and format not in _FORMATS:
        raise UserError(f"unknown format {format!r}: {nearest(format, _FORMATS)}")
    rows = format == "jsonl"
    total: Counter[str] = Counter()
    with ExitStack() as stack:
        opened = [(name, _opened(name, stack)) for name in files]
        for name, file in opened:
            _verify_file(name, file, workers, rows, total)
    counts = {
        "rows": total["rows"],
        "ok": total["ok"],
        "altered": total["altered"],
        "unreadable": total["unreadable"],
        "other_outcome": total["outcome"],
        "not_all_compared": total["note"],
    }
    print_text(_json(counts) if rows else _in_words(counts))
    return counts["ok"] == counts["rows"]


def _opened(name: str, stack: ExitStack) -> BinaryIO:
    """A file to read; all are opened before any is read, so that a wrong name costs nothing."""
    if name == STANDARD_INPUT:
        return sys.stdin.buffer
    try:
        return stack.enter_context(open(name, "rb"))
    except OSError as error:
        raise UserError(f"cannot read {name}: {error.strerror}") from None


def _verify_file(name: str, file: BinaryIO, workers: int, rows: bool, total: Counter[str]) -> None:
    from irgen.recheck import FIRST_ONLY, verify

    lines = _lines(file)
    first = next(lines, None)
    if first is None:
        return
    told: set[str] = set()
    results = awaited(verify(chain([first], lines), workers), "starting workers")
    for found in watched(results, None, _fine, "ok"):
        total["rows"] += 1
        total[_kind(found)] += 1
        total["note"] += any(problem.kind == "note" for problem in found) and _fine(found)
        for problem in found:
            if problem.kind == "note" and problem.field in FIRST_ONLY:
                if problem.what in told:
                    continue
                told.add(problem.what)
            _tell(name, problem, rows)


def _lines(file: Iterable[bytes]) -> Iterator[Line]:
    from irgen.recheck import Line

    return (Line(number, text) for number, text in enumerate(file, 1) if text.strip())


def _fine(found: Problems) -> bool:
    return all(problem.kind == "note" for problem in found)


def _kind(found: Problems) -> str:
    """What a row counts as."""
    return next((problem.kind for problem in found if problem.kind != "note"), "ok")


def _tell(name: str, problem: Problem, rows: bool) -> None:
    if rows:
        print_text(
            _json(
                {
                    "file": name,
                    "line": problem.line,
                    "kind": problem.kind,
                    "field": problem.field,
                    "what": problem.what,
                }
            )
        )
    else:
        sys.stderr.write(f"{name}:{problem.line}: {problem}\n")
        sys.stderr.flush()


def _json(row: object) -> str:
    import msgspec

    return msgspec.json.encode(row).decode() + "\n"


def _in_words(counts: dict[str, int]) -> str:
    rows = counts["rows"]
    text = (
        f"{rows} {'row' if rows == 1 else 'rows'}: {counts['ok']} ok, {counts['altered']} altered, "
        f"{counts['unreadable']} unreadable, {counts['other_outcome']} with another outcome"
    )
    partly = counts["not_all_compared"]
    return f"{text}; {partly} ok in what could be compared\n" if partly else f"{text}\n"
