"""Candidates sifted: one after another, by number, until a data set has its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain, takewhile

import msgspec
import numpy as np
from numpy.typing import NDArray

from irgen.dataset import layout
from irgen.dataset.manifest import Drawing
from irgen.dataset.planning.admission import Admission, Candidate, enough
from irgen.dataset.planning.drawing import (
    BLOCK,
    Candidates,
    Recipe,
    blocks,
    draw_blocks,
    sensible_workers,
)
from irgen.dataset.planning.drawn import Drawn
from irgen.dataset.planning.quotas import Rules
from irgen.dataset.planning.seen import Seen, keys_of

Told = Callable[[int], None]
"""Hears how many programs were drawn by now."""

Fates = NDArray[np.uint8]
"""Per candidate kept: 0 where it is out, otherwise 1 + the position of its split in
`layout.SPLITS`."""


class Point(msgspec.Struct, frozen=True):
    """After so many `rows`: programs `drawn`, and different `structures` among the rows."""

    rows: int
    drawn: int
    structures: int


@dataclass(slots=True)
class Sifted:
    """What became of the candidates. `passed` were not drawn, as their families were full."""

    drawn: int = 0
    duplicates: int = 0
    over_quota: int = 0
    contaminated: int = 0
    passed: int = 0
    rows: int = 0
    by_family: list[int] = field(default_factory=list[int])
    fates: list[Fates] = field(default_factory=list[Fates])
    structures: int = 0
    points: list[Point] = field(default_factory=list[Point])

    @property
    def drawing(self) -> Drawing:
        """The counts that a manifest keeps."""
        return Drawing(self.drawn, self.duplicates, self.over_quota, self.contaminated)

    def by_split(self) -> dict[str, int]:
        """Rows of each split that has any, in order."""
        counts = np.zeros(1 + len(layout.SPLITS), np.int64)
        for fates in self.fates:
            counts += np.bincount(fates, minlength=len(counts))
        found = zip(layout.SPLITS, counts[1:].tolist(), strict=True)
        return {split: count for split, count in found if count}


def sift(recipe: Recipe, rules: Rules, kept: Drawn, workers: int, told: Told) -> Sifted:
    """Take candidates until there are enough rows, and keep them in `kept`, which may have the
    first of them already. UserError where a quota, or the grammar itself, starves."""
    sifter = _Sifter(recipe, rules)
    next_number = 0
    for candidates in kept:
        sifter.take(candidates)
        next_number = int(candidates["number"][-1]) + 1
        told(sifter.sifted.drawn)
    if not sifter.done:
        size = min(BLOCK, max(16, rules.count // (4 * max(1, workers))))
        asked = blocks(recipe, next_number, sifter.open, size)
        processes = sensible_workers(workers, rules.count)
        with closing(draw_blocks(recipe, asked, processes)) as drawn:
            for candidates in drawn:
                kept.add(candidates)
                sifter.take(candidates)
                told(sifter.sifted.drawn)
                if sifter.done:
                    break
    return sifter.finished()


class _Sifter:
    """Decides on candidates in order. Until there are enough to know what families draw, where
    that matters, they wait."""

    def __init__(self, recipe: Recipe, rules: Rules) -> None:
        self.sifted = Sifted()
        self._recipe = recipe
        self._rules = rules
        self._admission = None if rules.spread else Admission(rules)
        self._waiting: list[Candidates] = []
        self._sample: list[Candidate] = []
        self._seen = Seen()
        self._structures = Seen()
        self._points = _points(rules.count)
        self._next_point = next(self._points)
        self._last = -1

    @property
    def done(self) -> bool:
        return self._admission is not None and self._admission.done

    def open(self) -> tuple[int, ...]:
        """The families that may have places left."""
        if self._admission is None:
            return tuple(range(len(self._rules.families)))
        return self._admission.open()

    def finished(self) -> Sifted:
        assert self._admission is not None
        self.sifted.by_family = self._admission.by_family
        self.sifted.passed = self._last + 1 - self.sifted.drawn
        self.sifted.structures = self._structures.count
        return self.sifted

    def take(self, candidates: Candidates) -> None:
        """Decide on the next candidates, or let them wait."""
        if self._admission is not None:
            self._decide(self._admission, candidates)
            return
        self._waiting.append(candidates)
        self._sample += [
            Candidate(self._recipe.family(number), size, ops)
            for number, size, ops in zip(
                candidates["number"].tolist(),
                candidates["size"].tolist(),
                candidates["ops"].tolist(),
                strict=True,
            )
        ]
        if enough(self._rules, self._sample):
            self._admission = Admission(self._rules, self._sample)
            self._sample = []
            for waiting in self._waiting:
                self._decide(self._admission, waiting)
            self._waiting = []

    def _decide(self, admission: Admission, candidates: Candidates) -> None:
        sifted, family_of = self.sifted, self._recipe.family
        keys = keys_of(candidates["exact"])
        fates = np.zeros(len(candidates), np.uint8)
        looked_at: set[int] = set()
        let_in: list[int] = []
        drawn_by: list[int] = []
        columns = [candidates[name].tolist() for name in ("number", "size", "ops", "foreign")]
        found = zip(*columns, keys.tolist(), self._seen.known(keys).tolist(), strict=True)
        for at, (number, size, ops, foreign, key, known) in enumerate(found):
            if admission.done:
                break
            family = family_of(number)
            self._last = number
            if admission.full(family):
                continue
            sifted.drawn += 1
            if known or key in looked_at:
                sifted.duplicates += 1
                admission.vain(family, "duplicates")
                continue
            looked_at.add(key)
            if foreign:
                sifted.contaminated += 1
                admission.vain(family, "like the files to keep out")
            elif admission.admit(Candidate(family, size, ops)):
                let_in.append(at)
                drawn_by.append(sifted.drawn)
            else:
                sifted.over_quota += 1
        self._seen.add(np.array(list(looked_at), np.uint64))
        fates[let_in] = candidates["split"][let_in] + 1
        sifted.fates.append(fates)
        self._count(keys_of(candidates["structure"][let_in]), drawn_by)

    def _count(self, structures: NDArray[np.uint64], drawn_by: list[int]) -> None:
        """Count the structures of rows that were let in."""
        fresh = np.zeros(len(structures), np.bool_)
        fresh[np.unique(structures, return_index=True)[1]] = True
        fresh &= ~self._structures.known(structures)
        counts = self._structures.count + np.cumsum(fresh)
        before, after = self.sifted.rows, self.sifted.rows + len(structures)
        while before < self._next_point <= after:
            at = self._next_point - before - 1
            self.sifted.points.append(Point(self._next_point, drawn_by[at], int(counts[at])))
            self._next_point = next(self._points)
        self._structures.add(structures[fresh])
        self.sifted.rows = after


def _points(count: int) -> Iterator[int]:
    """1, 2, 5, 10, 20, ... below a count, and the count."""
    steps = (step * 10**power for power in range(20) for step in (1, 2, 5))
    return chain(takewhile(lambda step: step < count, steps), (count, count + 1))
