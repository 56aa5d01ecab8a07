"""Reduction: from the choices behind a program to the least program that is still a witness.

Every list of choices replays to some valid program, so any edit of the list is worth a try. A round
descends greedily through systematic edits, then wanders: random edits that make nothing larger lead
out of places where no single edit helps. Rounds start afresh with the edits in another order. All
of it is a function of the choices alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

from grammar.config import Grammar
from grammar.generate import draw_program
from grammar.program import Program, statements
from grammar.source import Source

P = ParamSpec("P")
T = TypeVar("T")

Choices = tuple[int, ...]
Witness = Callable[[Program], bool]

ROUNDS = 8
"""Most rounds."""

AGREED = 3
"""Rounds that end at the same least size before it is taken for the least there is."""

PATIENCE = 4000
"""Random edits in a row that may lead nowhere."""

SLACK = 12
"""Choices that a random edit may add."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A program, and the choices, their bounds and spans from which it was drawn.

    `cost` orders programs: statements, then constants and units, then choices, fewest and smallest.
    """

    program: Program
    choices: Choices
    bounds: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    size: int
    cost: tuple[int, int, int, Choices]


class _Tracing:
    """Replays choices, zero beyond their end, and keeps those used, their bounds and spans."""

    def __init__(self, stored: Sequence[int]) -> None:
        self._stored = stored
        self.choices: list[int] = []
        self.bounds: list[int] = []
        self.spans: list[tuple[int, int]] = []

    def below(self, n: int, /) -> int:
        position = len(self.choices)
        found = min(self._stored[position], n - 1) if position < len(self._stored) else 0
        self.choices.append(found)
        self.bounds.append(n)
        return found

    def span(
        self,
        construct: Callable[Concatenate[Source, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        start = len(self.choices)
        result = construct(self, *args, **kwargs)
        if len(self.choices) > start:
            self.spans.append((start, len(self.choices)))
        return result


def trace(grammar: Grammar, stored: Sequence[int]) -> Trace:
    """The program that choices replay to, and what was used of them."""
    source = _Tracing(stored)
    program = draw_program(source, grammar)
    every = [statement.op != "const" for statement in statements(program)]
    choices = tuple(source.choices)
    used = len(choices)
    while used and choices[used - 1] == 0:
        used -= 1
    return Trace(
        program=program,
        choices=choices,
        bounds=tuple(source.bounds),
        spans=tuple(source.spans),
        size=sum(every),
        cost=(sum(every), len(every) + len(program.units), used, choices[:used]),
    )


Edits = Callable[[Trace, int], Iterator[tuple[int, Choices]]]
"""Candidates from a trace with the place of each, beginning at a place."""


def _replaced_spans(now: Trace, place: int) -> Iterator[tuple[int, Choices]]:
    """Spans, the longest first, deleted, ended by a zero, or replaced by one within them."""
    spans = sorted(set(now.spans), key=lambda span: (span[0] - span[1], span[0]))
    old = now.choices
    for k in range(place, len(spans)):
        start, end = spans[k]
        yield k, old[:start] + old[end:]
        yield k, (*old[:start], 0, *old[end:])
        for first, last in spans[k + 1 :]:
            if start <= first and last <= end:
                yield k, old[:start] + old[first:last] + old[end:]


def _without(width: int) -> Edits:
    """Some choices in a row deleted."""

    def edits(now: Trace, place: int) -> Iterator[tuple[int, Choices]]:
        old = now.choices
        for k in range(place, len(old) - width + 1):
            yield k, old[:k] + old[k + width :]

    return edits


def _lowered(now: Trace, place: int) -> Iterator[tuple[int, Choices]]:
    """A choice made zero, or brought towards it."""
    old = now.choices
    for k in range(place, len(old)):
        lower = 0
        while lower < old[k]:
            yield k, (*old[:k], lower, *old[k + 1 :])
            lower += max(1, (old[k] - lower) // 2)


def _varied(now: Trace, place: int) -> Iterator[tuple[int, Choices]]:
    """A choice made another, with zeros put in after it, or choices after it taken out."""
    old = now.choices
    for k in range(place, len(old)):
        n = now.bounds[k]
        for value in range(n) if n <= 16 else (0, 1, n // 2, n - 1):
            if value != old[k]:
                head, tail = (*old[:k], value), old[k + 1 :]
                yield k, head + tail
                for gap in (1, 2):
                    yield k, head + (0,) * gap + tail
                    yield k, head + tail[gap:]


EDITS: tuple[Edits, ...] = (
    _replaced_spans,
    *[_without(width) for width in (8, 4, 3, 2, 1)],
    _lowered,
    _varied,
)


@dataclass(slots=True)
class _Search:
    grammar: Grammar
    witness: Witness
    left: int
    random: Callable[[], float]

    def descend(self, now: Trace, order: Sequence[Edits]) -> Trace:
        """Take every edit that makes the program less, until none does."""
        seen = {now.choices}
        before = None
        while before is not now:
            before = now
            for edits in order:
                now = self._pass(now, edits, seen)
        return now

    def _pass(self, now: Trace, edits: Edits, seen: set[Choices]) -> Trace:
        place, moved = 0, True
        while moved:
            moved = False
            for there, candidate in edits(now, place):
                found = self._less(candidate, now, seen)
                if found is not None:
                    now, place, moved = found, there, True
                    break
        return now

    def _less(self, candidate: Choices, now: Trace, seen: set[Choices]) -> Trace | None:
        if self.left <= 0 or candidate in seen:
            return None
        self.left -= 1
        seen.add(candidate)
        found = trace(self.grammar, candidate)
        if found.choices != candidate and found.choices in seen:
            return None
        seen.add(found.choices)
        return found if found.cost < now.cost and self.witness(found.program) else None

    def wander(self, start: Trace) -> Trace:
        """Random edits that make no program larger, until one makes it smaller."""
        now = best = start
        for _ in range(min(PATIENCE, self.left)):
            self.left -= 1
            found = trace(self.grammar, self._edited(now))
            if (
                found.choices != now.choices
                and found.size <= now.size
                and len(found.choices) <= len(now.choices) + SLACK
                and self.witness(found.program)
            ):
                now = found
                best = min(best, now, key=lambda one: one.cost)
                if best.size < start.size:
                    break
        return best

    def _edited(self, now: Trace) -> list[int]:
        """The choices after one to three edits at random."""
        choices = list(now.choices)
        for _ in range(1 + self._below(3)):
            place = self._below(len(choices))
            start, end = now.spans[self._below(len(now.spans))] if now.spans else (0, 0)
            match self._below(5):
                case 0:
                    del choices[place : place + 1 + self._below(6)]
                case 1:
                    del choices[start:end]
                case 2:
                    choices[place:place] = [0] * (1 + self._below(2))
                case 3 if now.spans:
                    first, last = now.spans[self._below(len(now.spans))]
                    choices[start:end] = now.choices[first:last]
                case _ if place < min(len(choices), len(now.bounds)):
                    choices[place] = self._below(now.bounds[place])
                case _:
                    pass
        return choices

    def _below(self, n: int) -> int:
        return int(self.random() * n)

    def round(self, start: Trace, order: Sequence[Edits]) -> Trace:
        """Descend, and go on as long as wandering finds a way down."""
        now = self.descend(start, order)
        while (found := self.wander(now)).cost < now.cost:
            now = self.descend(found, order)
        return now

    def shuffled(self) -> list[Edits]:
        keyed = sorted([(self.random(), k) for k in range(len(EDITS))])
        return [EDITS[k] for _, k in keyed]


def reduce(
    grammar: Grammar, choices: Sequence[int], witness: Witness, *, steps: int = 60_000
) -> Trace:
    """The least program found for which `witness` holds, from the choices of one for which it does.

    `steps` bounds how many programs are tried. ValueError when the choices are no witness.
    """
    start = trace(grammar, choices)
    if not witness(start.program):
        raise ValueError("the choices do not replay to a witness")
    search = _Search(grammar, witness, steps, random.Random("irgen/reduce").random)
    found: list[Trace] = []
    for number in range(ROUNDS):
        found.append(search.round(start, search.shuffled() if number else EDITS))
        least = min(one.size for one in found)
        if search.left <= 0 or sum(one.size == least for one in found) == AGREED:
            break
    return min(found, key=lambda one: one.cost)
