"""Rows checked against what they should be: made again and compared, and only then run again.

Nothing of a row is executed but what irgen prints itself, from the row's address or from the text
of its program.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import msgspec
import numpy as np

from backends.registry import BACKENDS
from irgen import pool, vectors
from irgen.checking import require_defined
from irgen.claim import Claim, Unreadable, is_text, read
from irgen.errors import UserError
from irgen.lane import produce
from irgen.pool import Limits, Lost
from irgen.record import Record, with_verdicts
from irgen.streaming import BATCH
from irgen.vectors import Vector
from irgen.views import VIEWS

Kind = Literal["altered", "unreadable", "outcome", "note"]

KINDS: dict[Kind, str] = {
    "altered": "it says something else than its choices or its program give",
    "unreadable": "no row, or one that cannot be made again",
    "outcome": "running it again gave something else",
    "note": "what could not be compared, and why",
}
"""What a problem may be; a note is none."""

FIRST_ONLY = ("versions", "grammar")
"""Notes on these fields come once for many rows."""

LIMITS = Limits(seconds=2 * max(backend.seconds for backend in BACKENDS.values()), batch=BATCH)
"""Rows of any backend may come, and each is made twice."""

_MADE_BY_RUNNING = ("outputs", "gradients")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file, counted from 1."""

    number: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a line, or worth knowing of it: the field, if it is one, and in words."""

    line: int
    kind: Kind
    field: str
    what: str

    def __str__(self) -> str:
        return f"{self.field}: {self.what}" if self.field else self.what


Problems = tuple[Problem, ...]


def verify(lines: Iterable[Line], workers: int) -> Iterator[Problems]:
    """What is wrong with each line, in order; nothing but notes where it is what it says.

    Lines are read, made again and run in `workers` processes; one that ends its process does not
    touch the others. BackendError where the backend of a row cannot be used here.
    """
    kept: deque[Line] = deque()

    def noted() -> Iterator[Line]:
        for line in lines:
            kept.append(line)
            yield line

    for found in pool.run(inspect, noted(), workers=workers, limits=LIMITS):
        line = kept.popleft()
        yield _without_running(line, found) if isinstance(found, Lost) else found


def inspect(lines: Sequence[Line]) -> list[Problems]:
    """What is wrong with each line; those that were altered are not run. Runs in a worker."""
    return _inspect(lines, running=True)


def inspect_text(lines: Sequence[Line]) -> list[Problems]:
    """The same without running any."""
    return _inspect(lines, running=False)


def _inspect(lines: Sequence[Line], *, running: bool) -> list[Problems]:
    found: dict[int, list[Problem]] = {line.number: [] for line in lines}
    claims: list[tuple[int, Claim]] = []
    for line in lines:
        claim = read(line.text)
        if isinstance(claim, Unreadable):
            problem = Problem(line.number, "unreadable", claim.field, claim.what)
            found[line.number].append(problem)
        else:
            claims.append((line.number, claim))
    for number, claim, again in _made(claims, running=False):
        found[number] += [*_notes(number, claim), *differences(number, claim, again)]
    if running:
        to_run = [
            (number, claim)
            for number, claim in claims
            if claim.verdicts and _fine(found[number]) and _defined(number, claim, found[number])
        ]
        for number, claim, again in _made(to_run, running=True):
            found[number] += surprises(number, claim, again)
    return [tuple(found[line.number]) for line in lines]


def _fine(problems: Sequence[Problem]) -> bool:
    return all(problem.kind == "note" for problem in problems)


def _defined(number: int, claim: Claim, found: list[Problem]) -> bool:
    """Whether a program may be run: one that is not drawn may reach beyond its arrays."""
    if not claim.addressed:
        try:
            require_defined(claim.drawn.program)
        except UserError as error:
            found.append(Problem(number, "unreadable", "program", str(error)))
            return False
    return True


def _made(
    claims: Sequence[tuple[int, Claim]], *, running: bool
) -> Iterator[tuple[int, Claim, Record]]:
    """Each claim with its record made again; those of one plan are made together."""
    groups: dict[tuple[object, ...], list[tuple[int, Claim]]] = {}
    for number, claim in claims:
        plan = claim.plan
        key = (plan.backend, plan.seed, plan.levels, plan.executions, len(plan.versions))
        groups.setdefault(key, []).append((number, claim))
    for group in groups.values():
        plan = group[0][1].plan
        made = produce(
            plan if running else replace(plan, executions=()), [claim.drawn for _, claim in group]
        )
        for (number, claim), again in zip(group, made, strict=True):
            yield number, claim, again


def _without_running(line: Line, why: Lost) -> Problems:
    """What is wrong with a line that ends the process which runs it, unless it says so itself."""
    (found,) = pool.run(inspect_text, [line], workers=1, limits=LIMITS)
    if isinstance(found, Lost):
        why, found = found, ()
    claim = read(line.text)
    if isinstance(claim, Unreadable) or not _fine(found):
        return found
    if claim.verdicts and all(verdict.reason == why.reason for verdict in claim.verdicts):
        return found
    what = f"{why.reason} ({why.detail}) this time"
    return (*found, _outcome(line.number, "verdicts", what))


def _outcome(number: int, field: str, what: str) -> Problem:
    return Problem(number, "outcome", field, what)


def _notes(number: int, claim: Claim) -> Iterator[Problem]:
    """What of a row is not compared."""
    differing = _other_versions(claim)
    if differing:
        said = claim.row["versions"]
        words = [
            f"made with {name} {said.get(name, 'none')}, here is {claim.plan.versions.get(name)}"
            for name in differing
        ]
        yield Problem(
            number, "note", "versions", f"{'; '.join(words)}: what they make is not compared"
        )
    if not claim.addressed:
        what = f"{claim.drawn.grammar.name!r} is no preset of this version: checked by its program"
        yield Problem(number, "note", "grammar", what)


def _other_versions(claim: Claim) -> tuple[str, ...]:
    """The names of what made the row in another version than is here."""
    said, here = claim.row["versions"], claim.plan.versions
    return tuple(
        [name for name in dict.fromkeys((*here, *said)) if said.get(name) != here.get(name)]
    )


def differences(number: int, claim: Claim, again: Record) -> list[Problem]:
    """Where a row differs from the record that was made again without running it."""
    claimed = with_verdicts(again, claim.vectors, claim.verdicts)
    expected = msgspec.json.decode(msgspec.json.encode(VIEWS[claim.view](claimed)))
    fields = dict.fromkeys((*expected, *claim.row))
    differing = _other_versions(claim)
    skipped = {"versions", "vectors", "verdicts"}
    if not claim.addressed:
        skipped |= {"id", "grammar_version"}
    if differing:
        made = {field for field in fields if is_text(field)}
        skipped |= {"artifacts", "missing", "content_hash", *made}
        if "irgen" in differing:
            skipped |= {"python", "kernel_name"}
        if claim.view == "record":
            skipped |= {"sources"}
    found = [
        Problem(number, "altered", field, _how(expected.get(field), claim.row.get(field)))
        for field in fields
        if field not in skipped and expected.get(field) != claim.row.get(field)
    ]
    fed = _differing_inputs(number, claim)
    if found and (fed or len(found) > 1):
        found = [problem for problem in found if problem.field != "content_hash"] or found
    return [*found, *fed]


def _how(expected: object, got: object) -> str:
    """Two values that differ, in a few words."""
    if got is None:
        return "is missing"
    if expected is None:
        return "should not be there"
    if isinstance(expected, str) and isinstance(got, str):
        if "\n" not in expected:
            return f"is {_short(got)}, not {_short(expected)}"
        mine, theirs = expected.splitlines(), got.splitlines()
        for number in range(max(len(mine), len(theirs))):
            a = mine[number] if number < len(mine) else "nothing"
            b = theirs[number] if number < len(theirs) else "nothing"
            if a != b:
                return f"line {number + 1} is {_short(b)}, not {_short(a)}"
    if isinstance(expected, bool | int) and isinstance(got, bool | int):
        return f"is {got}, not {expected}"
    if isinstance(expected, list) and isinstance(got, list):
        return _how_lists(cast("list[Any]", expected), cast("list[Any]", got))
    return "is not what the program gives"


def _how_lists(expected: Sequence[Any], got: Sequence[Any]) -> str:
    if len(expected) != len(got):
        return f"has {len(got)} entries, not {len(expected)}"
    at = next(at for at, pair in enumerate(zip(expected, got, strict=True)) if pair[0] != pair[1])
    if isinstance(expected[at], dict) and isinstance(got[at], dict):
        mine, theirs = cast("dict[str, Any]", expected[at]), cast("dict[str, Any]", got[at])
        field = next(key for key in (*mine, *theirs) if mine.get(key) != theirs.get(key))
        return f"entry {at}, {field}: {_how(mine.get(field), theirs.get(field))}"
    return f"entry {at} is {_brief(got[at])}, not {_brief(expected[at])}"


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _short(text: str) -> str:
    return repr(_brief(text))


def _differing_inputs(number: int, claim: Claim) -> list[Problem]:
    """Inputs and cotangents follow from the program."""
    if claim.vectors is None:
        return []
    made = vectors.fed(claim.drawn.program, *vectors.make(claim.drawn.program))
    return [
        Problem(number, "altered", f"vectors.{name}", "differ from those the program gives")
        for name in ("inputs", "cotangents")
        if getattr(made, name) != getattr(claim.vectors, name)
    ]


def surprises(number: int, claim: Claim, again: Record) -> list[Problem]:
    """Where running a row again gave something else than it says."""
    found: list[Problem] = []
    same = not _other_versions(claim)
    if same and claim.vectors is not None and again.vectors is not None:
        for name in _MADE_BY_RUNNING:
            said, now = getattr(claim.vectors, name), getattr(again.vectors, name)
            if said != now:
                found.append(_outcome(number, f"vectors.{name}", _how_arrays(said, now)))
    for said, now in zip(claim.verdicts, again.verdicts, strict=True):
        fields = said.__struct_fields__ if same else ("forward", "gradient")
        for field in fields:
            before, after = getattr(said, field), getattr(now, field)
            if before != after:
                name = f"verdicts.{said.execution}.{field}"
                what = f"was {_brief(before)}, is {_brief(after)} this time"
                found.append(_outcome(number, name, what))
                break
    return found


def _how_arrays(said: Sequence[Vector | None], now: Sequence[Vector | None]) -> str:
    """The first arrays that differ, and in how many elements."""
    if len(said) != len(now):
        return f"were {len(said)} arrays, are {len(now)} this time"
    at = next(at for at, pair in enumerate(zip(said, now, strict=True)) if pair[0] != pair[1])
    a, b = said[at], now[at]
    if a is None or b is None or (a.dtype, a.shape) != (b.dtype, b.shape):
        return f"array {at} has another type or shape this time"
    try:
        before, after = vectors.decode(a), vectors.decode(b)
    except ValueError as error:
        return f"array {at} cannot be read: {error}"
    # Bit by bit: zeros have signs, and what is no number is still the same.
    elements = (before.size, before.itemsize)
    pair = [np.frombuffer(array.tobytes(), np.uint8).reshape(elements) for array in (before, after)]
    differing = (pair[0] != pair[1]).any(axis=1)
    first = int(np.argmax(differing))
    return (
        f"array {at} differs in {int(differing.sum())} of {differing.size} elements this time: "
        f"element {first} was {before.flat[first]!s}, is {after.flat[first]!s}"
    )
