"""Which of the programs that come along have a place left in a data set.

Rows are counted in groups with rules of their own: one per family where each family has rows of its
own, or a single one. In a group, a program is let in where

- its family and every size it falls under have a place left, and
- either enough places stay for the ops that must still come, or it has such an op itself.

The group goes on by a thousand rows at a time, and quotas hold at the end of each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from irgen.dataset.planning.apportion import tilted
from irgen.dataset.planning.quotas import Rules, Size
from irgen.errors import UserError

STRETCH = 1_000
"""Rows of a group after which its quotas hold again."""

PATIENCE = 20_000
"""So many programs in a row may be drawn of which a group can use none."""

_PER_FAMILY = 256
_HITS = 32


@dataclass(frozen=True, slots=True)
class Candidate:
    """What quotas see of a program: its family and number of statements, and a bit per op."""

    family: int
    size: int
    ops: int


@dataclass(slots=True)
class _Group:
    """Some `rows` to fill, of which `most[i]` may be of size i and `needs[j]` must have op j.

    `refused` says why programs were drawn in vain since the last one that was let in.
    """

    name: str
    rows: int
    most: tuple[int, ...]
    needs: tuple[int, ...]
    filled: int = 0
    end: int = 0
    sized: list[int] = field(default_factory=list[int])
    having: list[int] = field(default_factory=list[int])
    places: list[int] = field(default_factory=list[int])
    missing: list[int] = field(default_factory=list[int])
    refused: Counter[str] = field(default_factory=Counter[str])
    vain: int = 0

    def __post_init__(self) -> None:
        self.sized = [0] * len(self.most)
        self.having = [0] * len(self.needs)
        self.stretch()

    def stretch(self) -> None:
        """Go on to the next thousand rows."""
        self.end = min(self.rows, self.end + STRETCH)
        self.places = [
            _share(most, self.end, self.rows) - have
            for most, have in zip(self.most, self.sized, strict=True)
        ]
        self.missing = [
            max(0, _share(need, self.end, self.rows) - have)
            for need, have in zip(self.needs, self.having, strict=True)
        ]

    def refusal(self, candidate: Candidate, sizes: Sequence[Size], names: Sequence[str]) -> str:
        """The quota that leaves a program no place, "" where none does."""
        for size, places in zip(sizes, self.places, strict=True):
            if not places and size.holds(candidate.size):
                return size.text
        left = self.end - self.filled
        useful = 0
        lacking = ""
        for bit, missing in enumerate(self.missing):
            if missing and candidate.ops >> bit & 1:
                useful += 1
            elif missing:
                lacking = lacking or names[bit]
                if missing == left:
                    return names[bit]
        if useful < 2 and left - sum(self.missing) + useful < 1:
            return lacking
        return ""

    def take(self, candidate: Candidate, sizes: Sequence[Size]) -> None:
        """Count a program as let in."""
        self.filled += 1
        for at, size in enumerate(sizes):
            if size.holds(candidate.size):
                self.sized[at] += 1
                self.places[at] -= 1
        for bit in range(len(self.needs)):
            if candidate.ops >> bit & 1:
                self.having[bit] += 1
                self.missing[bit] = max(0, self.missing[bit] - 1)
        self.refused.clear()
        self.vain = 0
        if self.filled == self.end:
            self.stretch()


class Admission:
    """Lets programs in, in the order in which they come, until there are enough.

    `sample` are the first candidates there are. They say what each family draws where quotas are
    spread over families, and may be none otherwise.
    """

    def __init__(self, rules: Rules, sample: Sequence[Candidate] = ()) -> None:
        self.rules = rules
        self.rows = 0
        self.by_family = [0] * len(rules.families)
        self._names = [f"op:{name}" for name in rules.ops]
        if rules.exact:
            most, needs = _spread(rules, sample) if rules.spread else _alone(rules)
            self._groups = [
                _Group(name, rows, most[at], needs[at])
                for at, (name, rows) in enumerate(zip(rules.families, rules.most, strict=True))
            ]
        else:
            most, needs = _alone(rules)
            self._groups = [_Group("", rules.count, most[0], needs[0])]

    @property
    def done(self) -> bool:
        """Whether there are enough rows."""
        return self.rows == self.rules.count

    def full(self, family: int) -> bool:
        """Whether a family has no place left, so that its programs need not be drawn."""
        return self.by_family[family] >= self.rules.most[family]

    def open(self) -> tuple[int, ...]:
        """The families that are not full."""
        return tuple([at for at in range(len(self.by_family)) if not self.full(at)])

    def admit(self, candidate: Candidate) -> bool:
        """Whether a program of a family that is not full has a place, which it then takes."""
        group = self._group(candidate.family)
        refusal = group.refusal(candidate, self.rules.sizes, self._names)
        if refusal:
            self.vain(candidate.family, refusal)
            return False
        group.take(candidate, self.rules.sizes)
        self.by_family[candidate.family] += 1
        self.rows += 1
        return True

    def vain(self, family: int, why: str) -> None:
        """Note that a program of a family was drawn in vain; UserError once they are too many."""
        group = self._group(family)
        group.refused[why] += 1
        group.vain += 1
        if group.vain >= PATIENCE:
            raise UserError(self._starved(group))

    def _group(self, family: int) -> _Group:
        return self._groups[family if self.rules.exact else 0]

    def _starved(self, group: _Group) -> str:
        why, times = max(group.refused.items(), key=lambda item: (item[1], item[0]))
        of = f" of {group.name}" if group.name else ""
        where = f"{group.filled:,} of {group.rows:,} rows{of} in"
        if why.startswith(("op:", "size:")):
            return (
                f"{why} starves: with {where}, none of the next {group.vain:,} programs drawn has "
                f"a place ({times:,} by that quota): lower it, or ask for fewer rows"
            )
        return (
            f"{group.name or 'the grammar'} starves: with {where}, none of the next "
            f"{group.vain:,} programs drawn is new ({times:,} {why}): ask for fewer rows, or for a "
            "wider grammar"
        )


def enough(rules: Rules, sample: Sequence[Candidate]) -> bool:
    """Whether a sample tells enough of what each family draws.

    UserError where it is long, and no program in it has an op that must be.
    """
    if not rules.spread:
        return True
    if len(sample) < _PER_FAMILY * len(rules.families):
        return False
    hits = [sum(one.ops >> bit & 1 for one in sample) for bit in range(len(rules.ops))]
    if min(hits, default=_HITS) >= _HITS:
        return True
    if len(sample) < PATIENCE:
        return False
    for name, found in zip(rules.ops, hits, strict=True):
        if not found:
            raise UserError(
                f"op:{name} starves: none of the first {len(sample):,} programs drawn has that op"
            )
    return True


def _alone(rules: Rules) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """The same for a single family, or where there is nothing to spread."""
    most = tuple([_up_to(rules, size) for size in rules.sizes])
    return [most] * len(rules.families), [rules.needs] * len(rules.families)


def _up_to(rules: Rules, size: Size) -> int:
    return _share(rules.count, size.share.numerator, size.share.denominator)


def _spread(
    rules: Rules, sample: Sequence[Candidate]
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Per family, the most rows of each size, and the rows that must have each op."""
    drawn = Counter(one.family for one in sample)

    def found(hits: Counter[int]) -> list[Fraction]:
        return [Fraction(hits[at], max(1, drawn[at])) for at in range(len(rules.families))]

    most: list[tuple[int, ...]] = []
    for size in rules.sizes:
        shares = found(Counter(one.family for one in sample if size.holds(one.size)))
        only = [at for at, share in enumerate(shares) if share == 1]
        total = _up_to(rules, size)
        if sum(rules.most[at] for at in only) > total:
            raise UserError(f"{size.text} starves: {rules.families[only[0]]} draws no other size")
        most.append(tilted(total, rules.most, shares) or rules.most)
    needs: list[tuple[int, ...]] = []
    for bit, (name, need) in enumerate(zip(rules.ops, rules.needs, strict=True)):
        shares = found(Counter(one.family for one in sample if one.ops >> bit & 1))
        part = tilted(need, rules.most, shares)
        if part is None:
            having = [rules.families[at] for at, share in enumerate(shares) if share]
            raise UserError(
                f"op:{name} starves: {need:,} rows must have it, and of those families that fill "
                f"them only {', '.join(having)} draw it"
            )
        needs.append(part)
    each = range(len(rules.families))
    return [tuple([m[at] for m in most]) for at in each], [
        tuple([n[at] for n in needs]) for at in each
    ]


def _share(part: int, of: int, whole: int) -> int:
    """`part` / `whole` of a number, rounded up; 0 of nothing."""
    return -(-part * of // whole) if whole else 0
