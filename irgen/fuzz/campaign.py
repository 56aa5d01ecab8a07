"""The campaign: programs drawn, examined, and what is wrong with them shrunk, sorted and written.

Everything goes in order of address, so what is found depends on the seed alone, however many
workers there are. A campaign is a folder: its findings, and a state from which it goes on.
"""

from __future__ import annotations

import functools
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from grammar.config import GRAMMAR_VERSION, Grammar
from irgen import pool
from irgen.fuzz import buckets, examine, finding
from irgen.fuzz.case import SYMPTOMS, Case, Examined, Symptom, case
from irgen.fuzz.coverage import Coverage, Pair, pairs
from irgen.fuzz.setup import ORACLES, Setup
from irgen.fuzz.shrink import shrink
from irgen.fuzz.state import Hits, State, load, save
from irgen.lane import Address
from irgen.pool import Lost
from irgen.service import addresses, draw, draw_batch

if TYPE_CHECKING:
    from irgen.fuzz.buckets import Bucket
    from irgen.fuzz.finding import Finding
    from irgen.service import Drawn

PATIENCE = 2
"""While a case shrinks, one that takes too long is tried again with so many times the limit."""

SAVE_EVERY = 64
"""Programs between two writes of the state. Findings are written at once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a campaign does.

    `grammars` take turns. `count` programs are examined in all, those of earlier runs included, or
    as many as fit in `seconds` of this run; with neither it goes on until it is stopped. A finding
    is shrunk for at most `patience` seconds.
    """

    setup: Setup
    grammars: tuple[Grammar, ...]
    seed: int
    out: Path
    workers: int = 1
    count: int | None = None
    seconds: float | None = None
    patience: float = 600.0


@dataclass(frozen=True, slots=True)
class Step:
    """What one more program brought: a finding and its folder, or a symptom that did not show
    again, or what is being done and takes a while."""

    state: State
    coverage: Coverage
    found: tuple[Finding, Path] | None = None
    unconfirmed: Symptom | None = None
    doing: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """What a worker says of one address."""

    examined: Examined
    pairs: frozenset[Pair]


def work(setup: Setup, seed: int, batch: Sequence[Address]) -> list[Tried]:
    """Examine the programs at several addresses; runs in a worker."""
    drawn = draw_batch(batch, seed)
    found = examine.examine(setup, [case(one.program, one.style) for one in drawn])
    return [Tried(each, pairs(one.program)) for one, each in zip(drawn, found, strict=True)]


def run(plan: Plan, clock: Callable[[], float] = time.monotonic) -> Iterator[Step]:
    """Run a campaign, or go on with it; one step per program, and more while one is shrunk.

    UserError where the folder holds a campaign with other settings.
    """
    state = load(plan.out, settings(plan))
    known = {one.bucket: one for one in finding.all_findings(plan.out)}
    course = _Course(plan, state, Coverage(), clock)
    course.coverage.add(frozenset(state.pairs))
    course.buckets.update({name: buckets.of_finding(one) for name, one in known.items()})
    try:
        yield from course.steps()
    finally:
        save(plan.out, course.saved())


def settings(plan: Plan) -> dict[str, str]:
    """What a campaign cannot change when it goes on: all that decides what it finds."""
    target = plan.setup.target
    return {
        "backend": plan.setup.backend,
        "target": target.name if target else "installed",
        "grammars": " ".join(grammar.name for grammar in plan.grammars),
        "grammar": " ".join(grammar.digest for grammar in plan.grammars),
        "grammar version": str(GRAMMAR_VERSION),
        "seed": str(plan.seed),
        "oracles": " ".join(plan.setup.oracles),
        "limitations": "on" if plan.setup.limitations else "off",
        **{f"version of {name}": text for name, text in examine.versions(plan.setup)},
    }


@dataclass(slots=True)
class _Course:
    """How far a campaign is."""

    plan: Plan
    state: State
    coverage: Coverage
    clock: Callable[[], float]
    buckets: dict[str, Bucket] = field(default_factory=dict[str, "Bucket"])
    started: float = 0.0

    def steps(self) -> Iterator[Step]:
        plan, state = self.plan, self.state
        self.started = self.clock() - state.seconds
        end = None if plan.seconds is None else self.clock() + plan.seconds
        left = None if plan.count is None else max(0, plan.count - state.next)
        kept: deque[Address] = deque()

        def noted() -> Iterator[Address]:
            for address in addresses(plan.grammars, state.next, left):
                kept.append(address)
                yield address

        results = pool.run(
            functools.partial(work, plan.setup, plan.seed),
            noted(),
            workers=plan.workers,
            limits=examine.limits(plan.setup),
            prepare=functools.partial(examine.prepare, plan.setup),
        )
        for found in results:
            address = kept.popleft()
            if isinstance(found, Lost):
                program = draw(address[0], plan.seed, address[1]).program
                found = Tried(examine.lost(plan.setup, found), pairs(program))
            self.coverage.add(found.pairs)
            yield from self._judged(address, found.examined)
            state.next += 1
            state.seconds = self.clock() - self.started
            if state.next % SAVE_EVERY == 0:
                save(plan.out, self.saved())
            yield Step(state, self.coverage)
            if end is not None and self.clock() >= end:
                return

    def saved(self) -> State:
        self.state.pairs = sorted(self.coverage.pairs)
        return self.state

    def _judged(self, address: Address, examined: Examined) -> Iterator[Step]:
        """Count what the oracles say of a program, and look into what nothing explains."""
        state = self.state
        state.count(examined)
        symptom = leading(examined.unexplained)
        if symptom is None:
            return
        grammar, index = address
        drawn = draw(grammar, self.plan.seed, index)
        if self._worth(drawn, symptom):
            doing = f"shrinking {symptom.kind} at {grammar.name} {index}"
            yield Step(state, self.coverage, doing=doing)
            yield self._shrunk(drawn, symptom)

    def _worth(self, drawn: Drawn, symptom: Symptom) -> bool:
        """Whether a case is worth shrinking: what may be a bug that is known by now is so ever more
        rarely, at its first, second, fourth, eighth, ... hit."""
        names = [
            name
            for name, bucket in sorted(self.buckets.items())
            if buckets.alike(bucket, symptom) and buckets.covers(bucket, drawn.program)
        ]
        if not names:
            return True
        hits = self.state.hits("may be " + " or ".join(names))
        hits.count += 1
        return hits.count & (hits.count - 1) == 0

    def _shrunk(self, drawn: Drawn, symptom: Symptom) -> Step:
        """The finding that a case shrinks to, or a hit of one there is."""
        plan, state = self.plan, self.state
        first = case(drawn.program, drawn.style)
        with examine.examiner(plan.setup, plan.workers, PATIENCE) as examiner:
            first, symptom = examine.settled(plan.setup, first, symptom)
            witness = examine.witness(examiner, symptom)
            if not witness([first])[0]:
                state.unconfirmed += 1
                return Step(state, self.coverage, unconfirmed=symptom)
            shrunk = shrink(first, witness, seconds=plan.patience, clock=self.clock)
            (examined,) = examiner([shrunk.case])
        least = next((one for one in examined.symptoms if one.signature == symptom.signature), None)
        if least is None:
            state.unconfirmed += 1
            return Step(state, self.coverage, unconfirmed=symptom)
        bucket = buckets.bucket(shrunk.case, least)
        for name, other in sorted(self.buckets.items()):
            if buckets.same(other, bucket):
                state.hits(name).add(drawn.index)
                return Step(state, self.coverage)
        made = finding.make(plan.setup, drawn, first, shrunk, bucket, least, examined.verdicts)
        # Written at once, and again with what its repro shows: that takes a while.
        finding.write(made, plan.out)
        target = plan.setup.target
        made = finding.confirmed(made, target.python if target else sys.executable)
        folder = finding.write(made, plan.out)
        self.buckets[made.bucket] = bucket
        state.hits(made.bucket).add(drawn.index)
        save(plan.out, self.saved())
        return Step(state, self.coverage, found=(made, folder))


def leading(symptoms: Sequence[Symptom]) -> Symptom | None:
    """The symptom that tells most: the others may follow from it."""
    kinds, oracles = tuple(SYMPTOMS), tuple(ORACLES)
    return min(
        symptoms,
        key=lambda one: (kinds.index(one.kind), oracles.index(one.oracle), one.way),
        default=None,
    )


__all__ = ["Case", "Hits", "Plan", "Step", "leading", "run", "settings", "work"]
