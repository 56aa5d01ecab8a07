"""Shrinking: from a case to the least that shows the same.

Edits of the program come first, from whole chunks of statements to single operands, then the style
and what the program is fed. Each candidate is less than the case it comes from, verifies, and is
defined on its inputs; only then is the witness asked, about many at a time, since it compiles. Of
those that are witnesses the least is taken, and those that go together are tried together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from grammar.passes.canonical import canonical
from grammar.program import Program
from grammar.shrinking import Cost, Edit
from grammar.shrinking.actions import Place
from grammar.shrinking.drivers import driven
from grammar.shrinking.edits import joined
from grammar.shrinking.extents import smaller
from grammar.shrinking.launches import launched
from grammar.shrinking.outputs import bypassed
from grammar.shrinking.removal import dropped, dropped_chunks, dropped_pairs, widths
from grammar.shrinking.retyping import retyped
from grammar.shrinking.simplifying import simpler
from grammar.shrinking.whole import fewer_results, tidied
from irgen.fuzz.case import Case
from irgen.fuzz.defined import undefined
from irgen.fuzz.following import follow
from irgen.fuzz.lesser import body_lines, case_cost, key, plainer, simpler_values
from irgen.fuzz.tame import gentler, wild
from irgen.vectors import output_types

BATCH = 24
"""Candidates that the witness is asked about at a time."""

PAIRS = 240
"""Most pairs of removals that are tried in a round."""

Witness = Callable[[Sequence[Case]], Sequence[bool]]


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The least case found; how many candidates the witness was asked about, in how many batches;
    the seconds it took; whether there was nothing left to try."""

    case: Case
    tried: int
    batches: int
    seconds: float
    finished: bool


def _ignore(case: Case) -> None:
    """Keep nothing."""


def _any(case: Case) -> bool:
    """Admit every case."""
    return True


class _TimeOut(Exception):
    """The time is up."""


def shrink(
    case: Case,
    witness: Witness,
    *,
    seconds: float = 600.0,
    clock: Callable[[], float] = time.monotonic,
    keep: Callable[[Case], None] | None = None,
    admits: Callable[[Case], bool] | None = None,
) -> Shrunk:
    """The least case found for which `witness` holds, from one for which it does.

    The witness is asked about several cases at a time. After so many seconds by the clock no more
    are asked about. `keep` is called with every better case, each less than the one before. What
    `admits` refuses, which is asked before the witness and about one at a time, is out of the
    question. But for the time, the result depends on the case and these two alone.
    """
    start = clock()
    search = _Search(case, witness, clock, start + seconds, keep or _ignore, admits or _any)
    try:
        search.run()
        finished = True
    except _TimeOut:
        finished = False
    least = replace(search.case, program=canonical(search.case.program))
    return Shrunk(least, search.tried, search.batches, clock() - start, finished)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A case to ask about, its cost, and the edit that made it, None where the program is old."""

    case: Case
    cost: Cost
    edit: Edit | None = None


@dataclass(slots=True)
class _Search:
    case: Case
    witness: Witness
    clock: Callable[[], float]
    end: float
    keep: Callable[[Case], None]
    admits: Callable[[Case], bool]
    tried: int = 0
    batches: int = 0
    clean: bool = True
    cost: Cost = ()
    wild: frozenset[str] = frozenset()
    seen: set[str] = field(default_factory=set[str])

    def run(self) -> None:
        self.cost = case_cost(self.case)
        self.wild = wild(self.case)
        self.seen.add(key(self.case))
        self.plain()
        self.clean = self.sweep(lambda program: [tidied()]) or not self.is_dirty()
        while True:
            before = self.cost
            self.programs()
            self.plain()
            self.values()
            if self.cost == before:
                return

    def is_dirty(self) -> bool:
        """Whether tidying would change the program: it did, and the witness did not hold."""
        found = tidied().apply(self.case.program)
        return found is not None and found.program != self.case.program

    def programs(self) -> None:
        """Make the program less until no edit does."""
        while True:
            before = self.cost
            self.removals()
            self.sweep(retyped)
            self.sweep(simpler)
            self.sweep(smaller)
            if self.cost == before:
                self.sweep(_some_pairs)
            if self.cost == before:
                return

    def removals(self) -> None:
        """Take away what can be, the largest parts first."""
        while True:
            before = self.cost
            self.sweep(lambda program: [*launched(program, self.case.inputs)])
            self.sweep(fewer_results)
            self.sweep(bypassed)
            self.sweep(driven)
            for width in widths(self.case.program):
                self.sweep(lambda program, width=width: dropped_chunks(program, width))
            self.sweep(dropped)
            if self.cost == before or body_lines(self.case.program) == before[0]:
                return

    def sweep(self, edits: Callable[[Program], Iterable[Edit]]) -> bool:
        """Try edits of a kind, from the last statement to the first, going on from where one was
        taken. Whether any was."""
        taken = False
        bound: Place | None = None
        while True:
            advanced = False
            for batch in self.batched(self.edited(edits(self.case.program), bound)):
                if self.improve(batch):
                    places = [one.edit.place for one in batch if one.edit and one.edit.place]
                    bound = min(places, default=None)
                    advanced = taken = True
                    break
            if not advanced:
                return taken

    def edited(self, edits: Iterable[Edit], bound: Place | None) -> Iterator[_Candidate]:
        """The candidates that edits make: less than now, not seen, and defined."""
        for edit in edits:
            place = edit.place
            if bound is None or place is None or place <= bound:
                candidate = self.candidate(edit)
                if candidate is not None:
                    yield candidate

    def candidate(self, edit: Edit) -> _Candidate | None:
        """The candidate that an edit makes, fed tamer values where it needs them."""
        found = edit.apply(self.case.program, clean=self.clean)
        if found is None or found.program == self.case.program:
            return None
        if not output_types(found.program.entry):
            return None
        follower = follow(self.case, found)
        if case_cost(follower)[:-1] >= self.cost[:-1]:
            return None
        tamer = (self.lesser(case, edit) for case in gentler(follower))
        return next((one for one in tamer if one is not None), None)

    def lesser(self, case: Case, edit: Edit | None) -> _Candidate | None:
        """The candidate that a case is: less than now, not seen, and on defined and tame ground."""
        cost = case_cost(case)
        if cost >= self.cost:
            return None
        name = key(case)
        if name in self.seen:
            return None
        self.in_time()
        self.seen.add(name)
        if undefined(case) or not wild(case) <= self.wild or not self.admits(case):
            return None
        return _Candidate(case, cost, edit)

    def batched(self, candidates: Iterator[_Candidate]) -> Iterator[list[_Candidate]]:
        batch: list[_Candidate] = []
        for candidate in candidates:
            batch.append(candidate)
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def improve(self, batch: list[_Candidate]) -> bool:
        """Take the least of a batch that is a witness, or less: several of its edits at once."""
        found = self.asked(batch)
        if not found:
            return False
        edits = [one.edit for one in found if one.edit]
        together: list[_Candidate] = []
        count = len(edits)
        while count > 1:
            both = joined(edits[:count])
            candidate = self.candidate(both) if both else None
            if candidate is not None and candidate.cost < found[0].cost:
                together.append(candidate)
            count = (count + 1) // 2 if count > 2 else 1
        found = self.asked(together) or found
        self.take(found[0])
        return True

    def asked(self, batch: list[_Candidate]) -> list[_Candidate]:
        """The witnesses of a batch, the least first."""
        if not batch:
            return []
        self.in_time()
        self.tried += len(batch)
        self.batches += 1
        answers = self.witness([one.case for one in batch])
        held = [one for one, answer in zip(batch, answers, strict=True) if answer]
        return sorted(held, key=lambda one: one.cost)

    def in_time(self) -> None:
        if self.clock() >= self.end:
            raise _TimeOut

    def take(self, candidate: _Candidate) -> None:
        self.case, self.cost = candidate.case, candidate.cost
        self.keep(replace(self.case, program=canonical(self.case.program)))

    def plain(self) -> None:
        self.cases(plainer)

    def values(self) -> None:
        self.cases(simpler_values)

    def cases(self, make: Callable[[Case], Iterator[Case]]) -> None:
        """Take lesser cases of the same program until there is none."""
        advanced = True
        while advanced:
            advanced = False
            found = (self.lesser(case, None) for case in make(self.case))
            for batch in self.batched(one for one in found if one is not None):
                if self.improve(batch):
                    advanced = True
                    break


def _some_pairs(program: Program) -> Iterator[Edit]:
    for number, edit in enumerate(dropped_pairs(program)):
        if number == PAIRS:
            return
        yield edit
