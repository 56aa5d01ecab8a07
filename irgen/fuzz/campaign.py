"""The campaign: programs drawn, examined, and what is wrong with them shrunk, sorted and written.

Everything goes in order of address, so what is found depends on the seed alone, however many
workers there are. A campaign is a folder: its findings, and a state from which it goes on.
"""

from __future__ import annotations

import functools
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from backends.registry import BACKENDS
from grammar.config import GRAMMAR_VERSION, Grammar
from irgen import pool
from irgen.fuzz import buckets, examine, finding
from irgen.fuzz.case import SYMPTOMS, WRONG, Case, Examined, Symptom, case
from irgen.fuzz.confirm import ABSENT
from irgen.fuzz.coverage import Coverage, Pair, pairs
from irgen.fuzz.known import explained
from irgen.fuzz.setup import ORACLES, Setup
from irgen.fuzz.shrink import shrink
from irgen.fuzz.state import Hits, State, held, load, save
from irgen.lane import Address
from irgen.pool import Lost
from irgen.service import addresses, draw, draw_batch

if TYPE_CHECKING:
    from backends.registry import Backend
    from grammar.program import Program
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
class Outcome:
    """What looking into a symptom brought; nothing where it was a bug that is known by now."""

    found: tuple[Finding, Path] | None = None
    unconfirmed: Symptom | None = None


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


def run(plan: Plan, clock: Callable[[], float] = time.monotonic) -> Generator[Step]:
    """Run a campaign, or go on with it; one step per program, and more while one is shrunk.

    What a step says of findings is on disk by then. UserError where the folder holds a campaign
    with other settings, where another process runs it, or where it cannot be written.
    """
    with held(plan.out):
        course = _Course(plan, load(plan.out, settings(plan)), clock)
        course.recall(finding.all_findings(plan.out))
        try:
            yield from course.steps()
        finally:
            course.save()


def settings(plan: Plan) -> dict[str, str]:
    """What a campaign cannot change when it goes on: all that decides what it finds."""
    target, against = plan.setup.target, plan.setup.against
    return {
        "backend": plan.setup.backend,
        "target": target.name if target else "installed",
        "compared with": against.name if against else "nothing",
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
    """How far a campaign is. `state` changes once a program, when all about it is known: whatever
    ends the process, a program counts wholly or not at all.

    `pending` are findings that were written when the state did not count their program yet, by
    the position of that.
    """

    plan: Plan
    state: State
    clock: Callable[[], float]
    coverage: Coverage = field(default_factory=Coverage)
    buckets: dict[str, Bucket] = field(default_factory=dict[str, "Bucket"])
    pending: dict[int, Finding] = field(default_factory=dict[int, "Finding"])
    started: float = 0.0

    def recall(self, found: Sequence[Finding]) -> None:
        """Take up what earlier runs have found."""
        self.coverage.add(frozenset(self.state.pairs))
        for one in found:
            position = self.position(one)
            if position < self.state.next:
                self.buckets[one.bucket] = buckets.of_finding(one)
            else:
                self.pending[position] = one

    def position(self, found: Finding) -> int:
        """Where a campaign meets a finding, -1 where that is not of this campaign."""
        address, grammars = found.address, self.plan.grammars
        digests = [grammar.digest for grammar in grammars]
        if address is None or address.seed != self.plan.seed or address.digest not in digests:
            return -1
        return address.index * len(grammars) + digests.index(address.digest)

    def steps(self) -> Iterator[Step]:
        plan = self.plan
        self.started = self.clock() - self.state.seconds
        end = None if plan.seconds is None else self.clock() + plan.seconds
        left = None if plan.count is None else max(0, plan.count - self.state.next)
        kept: deque[Address] = deque()

        def noted() -> Iterator[Address]:
            for address in addresses(plan.grammars, self.state.next, left):
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
            yield from self.judged(kept.popleft(), found)
            if end is not None and self.clock() >= end:
                return

    def judged(self, address: Address, found: Tried | Lost) -> Iterator[Step]:
        """Count what the oracles say of a program, and look into what nothing explains."""
        drawn = None
        if isinstance(found, Lost):
            drawn = draw(address[0], self.plan.seed, address[1])
            found = Tried(_ended(self.plan.setup, drawn, found), pairs(drawn.program))
        state = self.state.copied()
        state.count(found.examined)
        outcome, dear = Outcome(), False
        symptom = leading(found.examined.unexplained)
        if symptom is not None:
            drawn = drawn or draw(address[0], self.plan.seed, address[1])
            if self.worth(state, drawn, symptom):
                doing = f"shrinking {symptom.kind} at {address[0].name} {address[1]}"
                yield Step(self.state, self.coverage, doing=doing)
                outcome, dear = self.shrunk(state, drawn, symptom), True
        left = self.pending.pop(state.next, None)
        if left is not None:
            self.buckets[left.bucket] = buckets.of_finding(left)
        state.next += 1
        state.seconds = self.clock() - self.started
        self.coverage.add(found.pairs)
        self.state = state
        if dear or state.next % SAVE_EVERY == 0:
            self.save()
        yield Step(state, self.coverage, outcome.found, outcome.unconfirmed)

    def save(self) -> None:
        """Write the state."""
        self.state.pairs = sorted(self.coverage.pairs)
        save(self.plan.out, self.state)

    def worth(self, state: State, drawn: Drawn, symptom: Symptom) -> bool:
        """Whether a case is worth shrinking: what may be a bug that is known by now is so ever more
        rarely, at its first, second, fourth, eighth, ... hit."""
        names = [
            name
            for name, bucket in sorted(self.buckets.items())
            if buckets.alike(bucket, symptom) and buckets.covers(bucket, drawn.program)
        ]
        if not names:
            return True
        hits = state.hits("may be " + " or ".join(names))
        hits.count += 1
        return hits.count & (hits.count - 1) == 0

    def shrunk(self, state: State, drawn: Drawn, symptom: Symptom) -> Outcome:
        """The finding that a case shrinks to, or a hit of one there is."""
        plan = self.plan
        made = self.pending.pop(state.next, None)
        if made is not None:
            return self.written(state, made, buckets.of_finding(made), symptom)
        first = case(drawn.program, drawn.style)
        with examine.examiner(plan.setup, plan.workers, PATIENCE) as examiner:
            first, symptom = examine.settled(plan.setup, first, symptom)
            witness = examine.witness(examiner, symptom)
            if not witness([first])[0]:
                state.unconfirmed += 1
                return Outcome(unconfirmed=symptom)
            shrunk = shrink(
                first,
                witness,
                seconds=plan.patience,
                clock=self.clock,
                admits=_within(BACKENDS[plan.setup.backend], first.program),
            )
            (examined,) = examiner([shrunk.case])
        same = [one for one in examined.unexplained if one.signature == symptom.signature]
        if not same:
            state.unconfirmed += 1
            return Outcome(unconfirmed=symptom)
        bucket = buckets.bucket(shrunk.case, same[0])
        for name, other in sorted(self.buckets.items()):
            if buckets.same(other, bucket):
                state.hits(name).add(drawn.index)
                return Outcome()
        made = finding.make(plan.setup, drawn, first, shrunk, bucket, same[0], examined.verdicts)
        # Written at once, and again with what its repro shows: that takes a while.
        finding.write(made, plan.out)
        return self.written(state, made, bucket, same[0])

    def written(self, state: State, made: Finding, bucket: Bucket, symptom: Symptom) -> Outcome:
        """Put down a finding with what its repro shows, unless that is there already. Results that
        are wrong here and right in a repro are none: their cause may lie in how they were run."""
        folder = self.plan.out / finding.folder_name(made.bucket)
        if made.exit_code is None:
            target = self.plan.setup.target
            made = finding.confirmed(made, target.python if target else sys.executable)
            if made.exit_code == ABSENT and symptom.kind in WRONG:
                shutil.rmtree(folder)
                state.unconfirmed += 1
                return Outcome(unconfirmed=symptom)
            folder = finding.write(made, self.plan.out)
        self.buckets[made.bucket] = bucket
        assert made.address is not None
        state.hits(made.bucket).add(made.address.index)
        return Outcome((made, folder))


def _ended(setup: Setup, drawn: Drawn, found: Lost) -> Examined:
    """What is said of a program that ended its process, with what explains it."""
    examined = examine.lost(setup, found)
    if not setup.limitations:
        return examined
    one, versions = case(drawn.program, drawn.style), examine.versions(setup)
    return replace(
        examined,
        symptoms=tuple(
            [
                msgspec.structs.replace(
                    symptom, known=explained(setup.backend, one, symptom, versions)
                )
                for symptom in examined.symptoms
            ]
        ),
    )


def _within(backend: Backend, program: Program) -> Callable[[Case], bool]:
    """Whether a case runs into no limitation that a program does not: it would show another bug."""
    first = set(backend.limitations(program))
    return lambda one: first.issuperset(backend.limitations(one.program))


def leading(symptoms: Sequence[Symptom]) -> Symptom | None:
    """The symptom that tells most: the others may follow from it."""
    kinds, oracles = tuple(SYMPTOMS), tuple(ORACLES)
    return min(
        symptoms,
        key=lambda one: (kinds.index(one.kind), oracles.index(one.oracle), one.way),
        default=None,
    )


__all__ = ["Case", "Hits", "Plan", "Step", "leading", "run", "settings", "work"]
