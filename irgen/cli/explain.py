"""`irgen explain`: in words, why a row is judged as it is."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from grammar.source import INDEX_LIMIT
from irgen.cli.output import print_text, writing
from irgen.errors import UserError

if TYPE_CHECKING:
    from irgen.explaining import ArraySeen, Explained, Explanation, LaneSeen, Question
    from irgen.pool import Lost
    from irgen.verdict import Outcome
    from irgen.watching import Ending

DEFAULT_GRAMMAR, DEFAULT_BACKEND, DEFAULT_SEED = "compound", "warp", 0

_ROLES = {"output": "values", "gradient": "gradients"}


@dataclass(frozen=True, slots=True)
class Request:
    """The options of the command; None where one was not given."""

    row: str
    grammar: str | None
    backend: str | None
    seed: int | None
    execute: tuple[str, ...]


def explain(request: Request) -> None:
    """Write the explanation of one row."""
    question = _question(request)

    from irgen.cli.progress import awaited

    def found() -> Iterator[Explanation | Lost]:
        from irgen.explaining import explain

        yield explain(question)

    try:
        explanation = next(awaited(found(), "starting a worker"))
    except UserError as error:
        raise UserError(f"{request.row}: {error}") from None
    _write(list(lines(explanation, request.row)))


def _question(request: Request) -> Question:
    from irgen.catalog import find_backend, find_grammar
    from irgen.explaining import Question
    from irgen.streaming import known_execution

    if not request.row.isdecimal():
        given = {"--grammar": request.grammar, "--backend": request.backend, "--seed": request.seed}
        for option, value in given.items():
            if value is not None:
                raise UserError(f"{option} is for an index: {request.row} has its own")
        line = _line(request.row)
        return Question(line, None, DEFAULT_BACKEND, DEFAULT_SEED, request.execute)
    index, seed = int(request.row), DEFAULT_SEED if request.seed is None else request.seed
    for name, value in (("index", index), ("--seed", seed)):
        if not 0 <= value < INDEX_LIMIT:
            raise UserError(f"{name} {value} is out of range: give 0 to {INDEX_LIMIT - 1}")
    grammar = find_grammar(request.grammar or DEFAULT_GRAMMAR)
    backend = find_backend(request.backend or DEFAULT_BACKEND)
    executions = tuple([known_execution(backend, name) for name in request.execute])
    return Question(None, (grammar, index), backend.name, seed, executions)


def _line(row: str) -> bytes:
    """The line of a file that FILE:LINE names."""
    name, _, number = row.rpartition(":")
    if not name or not number.isdecimal() or not int(number):
        raise UserError(f"{row!r} is no row: give FILE:LINE, lines counted from 1, or an index")
    try:
        with Path(name).open("rb") as file:
            line = next(islice(file, int(number) - 1, None), None)
    except OSError as error:
        raise UserError(f"cannot read {name}: {error.strerror}") from None
    if line is None:
        raise UserError(f"{name} has fewer than {number} lines")
    return line


def lines(found: Explanation | Lost, row: str) -> Iterator[tuple[str, Outcome | None]]:
    """The explanation, line by line, each with the outcome whose colour it has."""
    from backends.base import REASONS
    from irgen.explaining import Explanation

    if not isinstance(found, Explanation):
        yield f"{row}: {REASONS[found.reason]} ({found.detail})", "failed"
        return
    yield f"{found.title}, {found.backend}", None
    for problem in found.problems:
        yield f"the row is not what it should be: {problem}", "mismatch"
    for explained in found.explained:
        yield "", None
        yield from _explained(explained, found)


def _explained(explained: Explained, found: Explanation) -> Iterator[tuple[str, Outcome | None]]:
    from irgen.cli.verdicts import verdict_line, worst_outcome

    verdict = explained.verdict
    recorded = "the numbers in the row, " if explained.recorded else ""
    yield recorded + verdict_line(verdict), worst_outcome(verdict)
    for array in explained.arrays:
        yield from _array(array)
    vague = {_ROLES[one.compared.role] for one in explained.arrays if one.compared.not_comparable}
    endings = [ending for ending in explained.endings if ending.direction in vague]
    if endings:
        yield "  where certainty ends:", None
    for ending in endings:
        yield from _ending(ending)
    if verdict.gradient in ("known_wrong", "mismatch") and found.limitations:
        yield f"  what {found.backend} is known to get wrong in such a program:", None
        for limitation in found.limitations:
            yield f"    {limitation.name}: {limitation.doc}", None
            for reference in limitation.reference.split(", "):
                yield f"      {reference}", None


def _array(array: ArraySeen) -> Iterator[tuple[str, Outcome | None]]:
    from irgen.cli.verdicts import is_compared

    one = array.compared
    parts = [
        f"{count} {word}"
        for count, word in (
            (one.exact, "exact"),
            (one.within, "within their bounds"),
            (one.close, "close, without a bound that says more"),
            (one.mismatched, "different"),
            (one.not_comparable, "not comparable"),
        )
        if count
    ]
    lanes = "1 lane" if one.lanes == 1 else f"{one.lanes} lanes"
    colour: Outcome | None = (
        "mismatch" if one.mismatched else None if is_compared(one) else "not_comparable"
    )
    yield f"  {one.role} {one.position} ({array.name}), {lanes}: {', '.join(parts)}", colour
    if one.exact != one.lanes:
        for lane in array.worst:
            yield f"    {_lane(lane)}", None


def _lane(lane: LaneSeen) -> str:
    index = ", ".join(map(str, lane.index))
    start = f"[{index}] got {_number(lane.got)}"
    if math.isinf(lane.allowed):
        return f"{start}; nothing is known of it"
    if not isinstance(lane.wanted, float):
        return f"{start}, wanted {_number(lane.wanted)}"
    off = f"{lane.ulps:.3g} ulp off" if lane.ulps else "the same"
    return f"{start}, wanted {_number(lane.wanted)} +- {lane.allowed:.2g}: {off}"


def _number(value: float | int | bool) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _ending(ending: Ending) -> Iterator[tuple[str, Outcome | None]]:
    from irgen.watching import ENDINGS

    where = f"{ending.unit}{' of the gradient' if ending.direction == 'gradients' else ''}"
    lanes = f"lane {ending.lane}"
    if ending.lanes > 1:
        lanes += f" and {ending.lanes - 1} more"
    yield f"    {where}, {lanes}: {ending.statement}", None
    operands = ", ".join(ending.operands)
    yield f"      of {operands}: {ending.reason}, {ENDINGS[ending.reason]}", None


def _write(found: list[tuple[str, Outcome | None]]) -> None:
    if not sys.stdout.isatty():
        print_text("".join(f"{line}\n" for line, _ in found))
        return
    from rich.console import Console
    from rich.text import Text

    from irgen.cli.theme import OUTCOMES

    console = Console()
    with writing():
        for line, outcome in found:
            console.print(Text(line, style=OUTCOMES[outcome] if outcome else ""))
