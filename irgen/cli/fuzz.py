"""`irgen fuzz`: the options of a campaign, and its outcome."""

from __future__ import annotations

import re
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from grammar.source import INDEX_LIMIT
from irgen.errors import UserError

if TYPE_CHECKING:
    from irgen.cli.campaign_view import Lines, Live
    from irgen.fuzz.campaign import Plan
    from irgen.fuzz.finding import Finding
    from irgen.fuzz.setup import Setup
    from irgen.targets.lacks import Lacks
    from irgen.targets.target import Target

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Request:
    """The options of the command. `against` is the second target of a comparison."""

    backend: str
    grammars: tuple[str, ...]
    seed: int
    count: int | None
    time: str | None
    workers: int
    target: str | None
    against: str | None
    oracles: tuple[str, ...]
    limitations: bool
    out: Path
    baseline: Path | None
    patience: str


def fuzz(request: Request) -> bool:
    """Run a campaign; whether it has found nothing that the baseline does not name."""
    from irgen.cli.campaign_view import Lines, Live
    from irgen.fuzz import baseline, campaign

    known = baseline.read(request.baseline) if request.baseline else frozenset[str]()
    plan = _plan(request)
    view = Live(plan, known) if sys.stderr.isatty() else Lines(known)
    steps = campaign.run(plan)
    try:
        with closing(steps), view:
            for step in steps:
                view.show(step)
    except KeyboardInterrupt:
        _told(view, plan, known)
        raise
    return not _told(view, plan, known)


def _told(view: Lines | Live, plan: Plan, known: frozenset[str]) -> list[Finding]:
    """Tell how a campaign ended; the findings that the baseline does not name."""
    from irgen.fuzz import finding

    found = finding.all_findings(plan.out)
    new = [one for one in found if one.bucket not in known]
    view.end(plan, found, new)
    return new


def seconds(option: str, text: str) -> float:
    """A span of time such as 90s, 10m or 1.5h, in seconds; UserError for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None or not float(match[1]):
        raise UserError(f"{option} {text!r}: write a number and a unit, such as 90s, 10m or 1.5h")
    return float(match[1]) * _UNITS[match[2] or "s"]


def _plan(request: Request) -> Plan:
    from irgen.catalog import find_grammar
    from irgen.fuzz.campaign import Plan
    from irgen.targets.lacks import restricted

    if request.workers < 1:
        raise UserError(f"--workers {request.workers}: at least one is needed")
    if request.count is not None and request.count < 1:
        raise UserError(f"--count {request.count}: at least one program is needed")
    if not 0 <= request.seed < INDEX_LIMIT:
        raise UserError(f"--seed {request.seed}: seeds lie in 0 to 2**63 - 1")
    span = None if request.time is None else seconds("--time", request.time)
    patience = seconds("--shrink-time", request.patience)
    grammars = tuple([find_grammar(name) for name in dict.fromkeys(request.grammars)])
    setup = _setup(request)
    for target in filter(None, (setup.target, setup.against)):
        found = _lacks(target)
        grammars = tuple([restricted(grammar, found) for grammar in grammars])
        setup = replace(setup, avoided=setup.avoided | set(found.avoided))
    return Plan(
        setup=setup,
        grammars=grammars,
        seed=request.seed,
        out=request.out,
        workers=request.workers,
        count=request.count,
        seconds=span,
        patience=patience,
    )


def _setup(request: Request) -> Setup:
    from irgen.catalog import find_backend
    from irgen.fuzz.setup import REFERENCE, Setup, known_oracles
    from irgen.targets.environment import resolve

    backend = find_backend(request.backend)
    oracles = known_oracles(request.oracles or REFERENCE, backend.name)
    if request.target is None:
        backend.installed()
        return Setup(backend.name, None, oracles, request.limitations)
    target = resolve(request.target, backend.name)
    against = None if request.against is None else resolve(request.against, backend.name)
    return Setup(backend.name, target, oracles, request.limitations, against)


def _lacks(target: Target) -> Lacks:
    """What a target lacks, told on stderr: the grammar goes without."""
    from irgen.targets.probe import probe

    found = probe(target, _tell)
    for line in found.lines():
        _tell(f"{target.name} lacks {line}")
    return found


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
