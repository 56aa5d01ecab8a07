"""The same programs in two data sets, made by different releases of Warp, JAX or irgen."""

from __future__ import annotations

import difflib
import heapq
import statistics
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from backends.registry import BACKENDS
from irgen.dataset.checking.lookup import lookup
from irgen.dataset.columns import Row, text_columns
from irgen.dataset.documents.normal import normalise
from irgen.dataset.reading import Dataset
from irgen.dataset.settings import Settings
from irgen.errors import UserError, nearest

_BIGGEST = 3
"""Texts of each level that are told of."""

_SHOWN = 8
"""Lines of a difference that are shown of each, and how much of a line."""

_WIDE = 160

_OUTCOMES = ("forward", "gradient")


class Change(msgspec.Struct, frozen=True):
    """A text that differs: of which program, in how many lines, and the first of these."""

    id: str
    grammar: str
    seed: int
    index: int
    lines: int
    first: str


class Compared(msgspec.Struct, frozen=True):
    """One column of texts over all rows that both data sets have.

    `alike` differ in names, numbers of values, comments or metadata only; `changed` in more.
    `lines` and `bytes` are the medians of second to first over both. `reasons` say why texts are
    missing in the one that lacks them.
    """

    column: str
    equal: int
    alike: int
    changed: int
    only_first: int
    only_second: int
    lines: float | None
    bytes: float | None
    reasons: dict[str, int]
    biggest: list[Change]


class Turned(msgspec.Struct, frozen=True):
    """Rows whose outcome of one execution and direction is another; `ids` are up to three."""

    backend: str
    execution: str
    direction: str
    first: str
    second: str
    rows: int
    ids: list[str]


class Difference(msgspec.Struct, frozen=True):
    """What differs between two data sets. `versions` are those that do."""

    both: int
    only_first: int
    only_second: int
    versions: dict[str, tuple[str | None, str | None]]
    texts: list[Compared]
    outcomes: list[Turned]

    @property
    def equal(self) -> bool:
        """Whether all rows are in both, with the same texts and outcomes."""
        alike = all(
            not (one.alike or one.changed or one.only_first or one.only_second)
            for one in self.texts
        )
        return alike and not (self.only_first or self.only_second or self.outcomes)


@dataclass(slots=True)
class _Column:
    """What is known so far of a column."""

    name: str
    syntax: str
    counts: Counter[str] = field(default_factory=Counter[str])
    reasons: Counter[str] = field(default_factory=Counter[str])
    lines: array[float] = field(default_factory=lambda: array("f"))
    bytes: array[float] = field(default_factory=lambda: array("f"))
    biggest: list[tuple[int, str, Change]] = field(default_factory=list[tuple[int, str, Change]])

    def add(self, first: Row, second: Row) -> None:
        """Compare the texts of one program."""
        a, b = first[self.name], second[self.name]
        if a is None or b is None:
            if a is not b:
                self.counts["only_second" if a is None else "only_first"] += 1
                self.reasons.update(self._reasons(first if a is None else second))
            return
        self.lines.append(_ratio(a.count("\n"), b.count("\n")))
        self.bytes.append(_ratio(len(a.encode()), len(b.encode())))
        if a == b:
            self.counts["equal"] += 1
            return
        mine, theirs = self._normal(a), self._normal(b)
        if mine == theirs:
            self.counts["alike"] += 1
            return
        self.counts["changed"] += 1
        self._keep(first, mine, theirs)

    def _reasons(self, row: Row) -> list[str]:
        backend = self.name.partition("_")[0]
        return [
            one["reason"]
            for one in row[f"{backend}_artifacts"]
            if f"{backend}_{one['level']}_{one['direction']}" == self.name and one["reason"]
        ]

    def _normal(self, text: str) -> str:
        return normalise(text, self.syntax) if self.syntax else text

    def _keep(self, row: Row, first: str, second: str) -> None:
        """Keep a change if it is among the biggest."""
        mine, theirs = Counter(first.splitlines()), Counter(second.splitlines())
        size = (mine - theirs).total() + (theirs - mine).total()
        if len(self.biggest) == _BIGGEST and size <= self.biggest[0][0]:
            return
        place = row["id"], row["grammar"], row["seed"], row["index"]
        item = size, row["id"], Change(*place, size, _first_lines(first, second))
        if len(self.biggest) < _BIGGEST:
            heapq.heappush(self.biggest, item)
        else:
            heapq.heapreplace(self.biggest, item)

    def result(self) -> Compared:
        biggest = sorted(self.biggest, key=lambda item: (-item[0], item[1]))
        counts = self.counts
        return Compared(
            column=self.name,
            equal=counts["equal"],
            alike=counts["alike"],
            changed=counts["changed"],
            only_first=counts["only_first"],
            only_second=counts["only_second"],
            lines=_median(self.lines),
            bytes=_median(self.bytes),
            reasons=dict(sorted(self.reasons.items())),
            biggest=[change for _, _, change in biggest],
        )


def _ratio(first: int, second: int) -> float:
    return second / max(first, 1)


def _median(found: array[float]) -> float | None:
    return round(statistics.median(found), 4) if found else None


def _first_lines(first: str, second: str) -> str:
    """The first lines in which two texts differ, those of each marked as by diff."""
    a, b = first.splitlines(), second.splitlines()
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    near = slice(max(start - 1, 0), start + 3 * _SHOWN)
    found = list(difflib.unified_diff(a[near], b[near], n=1, lineterm=""))[3:]
    end = next((at for at, line in enumerate(found) if line.startswith("@@")), len(found))
    kept: list[str] = []
    for mark in " -+":
        kept += [line[:_WIDE] for line in found[:end] if line.startswith(mark)][: _SHOWN // 2]
        if mark == " ":
            kept = kept[:1]
    return "\n".join(kept)


def compared(
    first: Dataset, second: Dataset, levels: Sequence[str] = ()
) -> Iterator[Difference | None]:
    """What differs between two data sets: None for each row on the way, and then the answer.

    `levels` are names of levels, and "python" for the sources; all by default. Rows are joined by
    id, in whatever order they are.

    Raises:
        UserError: a level is unknown, no row is in both, or a shard cannot be read.
    """
    names = columns_of(first, second, levels)
    backends = _shared(first, second)
    outcomes: dict[tuple[str, str, str, str, str], list[str]] = {}
    counts: Counter[tuple[str, str, str, str, str]] = Counter()
    found = [_Column(name, _syntax(name)) for name in names]
    extra = [f"{name}_{what}" for name in backends for what in ("artifacts", "verdicts")]
    wanted = ["id", "grammar", "seed", "index", *names, *extra]
    both = only_first = 0
    with lookup(second, wanted) as (other, left):
        for row in first.rows(wanted):
            pair = other(row["id"])
            if pair is None:
                only_first += 1
            else:
                both += 1
                left.discard(bytes.fromhex(row["id"]))
                for column in found:
                    column.add(row, pair)
                for key in _turned(backends, row, pair):
                    counts[key] += 1
                    ids = outcomes.setdefault(key, [])
                    if len(ids) < _BIGGEST:
                        ids.append(row["id"])
            yield None
        only_second = len(left)
    if not both:
        raise UserError(f"{first.folder} and {second.folder} have no row in common")
    yield Difference(
        both,
        only_first,
        only_second,
        _versions(first.manifest.settings, second.manifest.settings),
        [column.result() for column in found],
        [Turned(*key, counts[key], ids) for key, ids in sorted(outcomes.items())],
    )


def columns_of(first: Dataset, second: Dataset, levels: Sequence[str] = ()) -> list[str]:
    """The columns with text that both data sets have, of all levels or those named.

    A name may be that of a level, of a column, or "python". UserError for any other.
    """
    found = [name for name in _columns(first) if name in _columns(second)]
    if not found:
        raise UserError(f"{first.folder} and {second.folder} have no texts of one level in common")
    known = list(dict.fromkeys([*map(_level, found), *found]))
    for name in levels:
        if name not in known:
            raise UserError(f"unknown level {name!r}: {nearest(name, known)}")
    return [name for name in found if not levels or name in levels or _level(name) in levels]


def _columns(dataset: Dataset) -> list[str]:
    settings = dataset.manifest.settings
    return [
        column
        for name in settings.backends
        for column in (f"{name}_python", *text_columns(name, settings.levels[name]))
    ]


def _shared(first: Dataset, second: Dataset) -> list[str]:
    there = second.manifest.settings.backends
    return [name for name in first.manifest.settings.backends if name in there]


def _level(column: str) -> str:
    """The level of a column of texts: "warp_cpp_module" is of "cpp"."""
    name = column.partition("_")[2]
    return name if name == "python" else name.rpartition("_")[0]


def _syntax(column: str) -> str:
    """The syntax of a column of texts, "" for sources: there every letter counts."""
    backend, level = column.partition("_")[0], _level(column)
    return next((one.syntax for one in BACKENDS[backend].levels if one.name == level), "")


def _turned(
    backends: Sequence[str], first: Row, second: Row
) -> Iterator[tuple[str, str, str, str, str]]:
    """Backend, execution, direction and both outcomes, where these differ."""
    for backend in backends:
        before, after = (_outcomes(row[f"{backend}_verdicts"]) for row in (first, second))
        for execution, direction in before:
            outcome, now = before[execution, direction], after.get((execution, direction))
            if now is not None and now != outcome:
                yield backend, execution, direction, outcome, now


def _outcomes(verdicts: Sequence[dict[str, Any]]) -> dict[tuple[str, str], str]:
    return {(one["execution"], way): one[way] for one in verdicts for way in _OUTCOMES}


def _versions(first: Settings, second: Settings) -> dict[str, tuple[str | None, str | None]]:
    names = dict.fromkeys((*first.versions, *second.versions))
    pairs = {name: (first.versions.get(name), second.versions.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def shown(first: Dataset, second: Dataset, id: str, level: str) -> list[tuple[str, str, str]]:
    """The texts of one row at a level, or in one column: column, first, second; "" where there is
    none.

    UserError where either lacks the row, or the level is unknown.
    """
    names = columns_of(first, second, [level])
    rows: list[Row] = []
    for dataset in (first, second):
        with lookup(dataset, ["id", *names]) as (found, _):
            row = found(id) if len(id) == 32 and set(id) <= set("0123456789abcdef") else None
            if row is None:
                raise UserError(f"{dataset.folder} has no row {id}")
            rows.append(row)
    return [(name, rows[0][name] or "", rows[1][name] or "") for name in names]
