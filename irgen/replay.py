"""Replay: any program that irgen wrote down, made again and examined, to say what shows now.

Nothing of a file is executed: a program comes from its choices, its address or its text, and its
source is printed anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from backends.style import Style, draw_style
from grammar.config import Grammar
from grammar.generate import draw_program
from grammar.parse import parse_program
from grammar.program import Program
from grammar.source import ReplaySource
from grammar.text import HEADER
from grammar.verify import verify
from irgen import claim
from irgen.errors import UserError
from irgen.fuzz import examine, finding
from irgen.fuzz.case import Case, Examined, Symptom, case
from irgen.fuzz.defined import undefined
from irgen.fuzz.finding import Finding
from irgen.fuzz.setup import REFERENCE, Setup
from irgen.pool import Limits, Lost, run

LIMITS = Limits(seconds=60.0, batch=1)
"""For what is done with a program before it is compiled."""

_MOST = 1 << 24
"""Bytes that a file of choices or of a program may have."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What is to be replayed: what it is called, the case, the backend that it names ("" where any
    will do), and the finding that it is of, if it is of one."""

    title: str
    case: Case
    backend: str = ""
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What shows now. `again` is the symptom of the finding, where it is among these."""

    replayed: Replayed
    examined: Examined
    again: Symptom | None


def understand(what: str, grammar: Grammar | None = None) -> Replayed:
    """What a user names: a folder of a finding or its `finding.json`, a row as FILE:LINE, a file of
    choices as JSON or such a list itself, which need a grammar, or a file with a program as text.

    UserError, in one line, for anything else, and for a program that is not defined on its inputs.
    """
    found = _understood(what, grammar)
    if grammar is not None and found.title != _chosen(grammar):
        raise UserError(f"--grammar is for choices: {what} has its own")
    (problem,) = run(_problems, [found.case], workers=1, limits=LIMITS)
    if isinstance(problem, Lost):
        problem = f"interpreting it ended with {problem.reason} ({problem.detail})"
    if problem:
        raise UserError(f"{what}: the program is not defined on its inputs: {problem}")
    return found


def _problems(cases: Sequence[Case]) -> list[str]:
    """Why each case is not defined, "" where it is; runs in a worker."""
    return [undefined(one) for one in cases]


def _understood(what: str, grammar: Grammar | None) -> Replayed:
    path = Path(what)
    if what.lstrip().startswith("["):
        return _of_choices(_json(what.encode(), what), grammar, what)
    if path.is_dir():
        return _of_finding(path)
    if path.is_file():
        return _of_file(path, grammar)
    name, _, number = what.rpartition(":")
    if name and number.isdecimal() and Path(name).is_file():
        return _of_row(name, int(number))
    raise UserError(
        f"{what!r} is nothing to replay: give a folder of a finding, FILE:LINE of a row, a list or"
        " file of choices with --grammar, or a file with the text of a program"
    )


def _of_finding(folder: Path) -> Replayed:
    found = finding.read(folder)
    return Replayed(found.bucket, finding.case_of(found), found.backend, found)


def _of_file(path: Path, grammar: Grammar | None) -> Replayed:
    data = _read(path)
    start = data.lstrip()[:1]
    if start == b"{":
        if path.name != finding.MAIN:
            raise UserError(f"{path} is no finding: its name is not {finding.MAIN}")
        return _of_finding(path)
    if start == b"[":
        return _of_choices(_json(data, str(path)), grammar, str(path))
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    if not text.startswith(HEADER):
        raise UserError(f"{path} holds no program: its first line is not {HEADER!r}")
    return Replayed(str(path), case(_parsed(text, str(path)), Style()))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST + 1)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > _MOST:
        raise UserError(f"{path} has more than {_MOST} bytes: it is no program and no choices")
    return data


def _json(data: bytes, where: str) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UserError(f"{where}: no JSON: {error}") from None


def _of_choices(choices: Any, grammar: Grammar | None, where: str) -> Replayed:
    if grammar is None:
        raise UserError(f"{where} holds choices: name their grammar with --grammar")
    try:
        numbers = msgspec.convert(choices, list[int])
    except msgspec.ValidationError as error:
        raise UserError(f"{where}: no list of choices: {error}") from None
    if any(number < 0 for number in numbers):
        raise UserError(f"{where}: choices are not below 0")
    source = ReplaySource(numbers)
    program = draw_program(source, grammar)
    return Replayed(_chosen(grammar), case(program, draw_style(source)))


def _chosen(grammar: Grammar) -> str:
    return f"choices of {grammar.name}"


def _of_row(name: str, number: int) -> Replayed:
    try:
        with Path(name).open("rb") as file:
            line = next(islice(file, number - 1, None), None) if number else None
    except OSError as error:
        raise UserError(f"cannot read {name}: {error.strerror}") from None
    if line is None:
        raise UserError(f"{name} has no line {number}: lines are counted from 1")
    found = claim.read(line)
    if isinstance(found, claim.Unreadable):
        what = f"{found.field}: {found.what}" if found.field else found.what
        raise UserError(f"{name}:{number}: {what}")
    drawn = found.drawn
    title = f"{drawn.grammar.name} seed {drawn.seed} index {drawn.index}"
    return Replayed(title, case(drawn.program, drawn.style), found.plan.backend)


def _parsed(text: str, where: str) -> Program:
    try:
        program = parse_program(text)
        verify(program)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: {' '.join(str(error).split())}") from None
    if program.entry.kind == "function":
        raise UserError(f"{where}: the entry is a function: let a kernel call it")
    return program


def replay(replayed: Replayed, setup: Setup) -> Outcome:
    """Examine a case in a process of its own. The oracle that found a finding is asked too."""
    found = replayed.finding
    if found is not None and found.symptom.oracle not in setup.oracles:
        setup = replace(setup, oracles=(*setup.oracles, found.symptom.oracle))
    if found is not None:
        setup = replace(setup, avoided=setup.avoided | frozenset(found.avoided))
    with examine.examiner(setup, 1) as examined:
        (one,) = examined([replayed.case])
    return Outcome(replayed, one, _again(found, one.symptoms))


def _again(found: Finding | None, symptoms: Sequence[Symptom]) -> Symptom | None:
    """The symptom of a finding among others. The way to run it has another name elsewhere."""
    if found is None:
        return None
    wanted = (found.symptom.kind, found.symptom.direction)
    return next((one for one in symptoms if (one.kind, one.direction) == wanted), None)


def setup_of(
    backend: str,
    target: str | None,
    oracles: tuple[str, ...] = (),
    tell: Callable[[str], None] | None = None,
) -> Setup:
    """How to examine on a backend, or at a target; UserError where that cannot be had. `tell` is
    told what takes long."""
    from irgen.catalog import find_backend
    from irgen.fuzz.setup import known_oracles

    language = find_backend(backend)
    chosen = known_oracles(oracles or REFERENCE, language.name)
    if target is None:
        language.installed()
        return Setup(language.name, None, chosen)
    from irgen.targets.environment import resolve
    from irgen.targets.probe import probe

    resolved = resolve(target, language.name)
    return Setup(language.name, resolved, chosen, avoided=frozenset(probe(resolved, tell).avoided))
