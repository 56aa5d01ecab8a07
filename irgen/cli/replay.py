"""`irgen replay`: what shows now of a finding, a row, choices or a program."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from irgen.cli.output import print_text

if TYPE_CHECKING:
    from irgen.fuzz.case import Symptom
    from irgen.replay import Outcome

DEFAULT_BACKEND = "warp"


@dataclass(frozen=True, slots=True)
class Request:
    """The options of the command; None where one was not given."""

    what: str
    grammar: str | None
    backend: str | None
    target: str | None
    oracles: tuple[str, ...]


def replay(request: Request) -> bool:
    """Write what shows now; whether nothing does."""
    from irgen.catalog import find_grammar
    from irgen.replay import replay, setup_of, understand

    grammar = None if request.grammar is None else find_grammar(request.grammar)
    replayed = understand(request.what, grammar)
    backend = request.backend or replayed.backend or DEFAULT_BACKEND
    setup = setup_of(backend, request.target, request.oracles, _tell)
    outcome = replay(replayed, setup)
    where = setup.target.name if setup.target else f"{setup.backend} as installed"
    print_text("".join(f"{line}\n" for line in lines(outcome, setup.backend, where)))
    return not outcome.examined.symptoms


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def lines(outcome: Outcome, backend: str, where: str) -> Iterator[str]:
    """What shows, line by line."""
    from irgen.cli.verdicts import verdict_line

    symptoms = outcome.examined.symptoms
    yield f"{outcome.replayed.title}, {where}"
    if outcome.replayed.finding is not None and outcome.again is None:
        kind = outcome.replayed.finding.symptom.kind
        yield f"the bug of the finding, {kind}, does not show"
    for symptom in symptoms:
        still = "still " if symptom is outcome.again else ""
        yield from _symptom(symptom, backend, still)
    if not symptoms:
        yield "nothing shows"
    for verdict in outcome.examined.verdicts:
        yield verdict_line(verdict)


def _symptom(symptom: Symptom, backend: str, still: str) -> Iterator[str]:
    from irgen.fuzz import known
    from irgen.fuzz.case import SYMPTOMS

    yield f"{still}{symptom.kind}, {symptom.way}: {SYMPTOMS[symptom.kind]}"
    if symptom.detail:
        yield f"  {symptom.detail}"
    for name in filter(None, symptom.known.split(", ")):
        row = known.find(backend, name)
        yield f"  known: {name}" + (f", {row.reference.split(', ')[0]}" if row else "")
