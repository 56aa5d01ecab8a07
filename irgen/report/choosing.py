"""Which rows of a data set a report shows: a few of every family and size, always the same."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from irgen.dataset.columns import Row
from irgen.dataset.manifest import File
from irgen.dataset.reading import Dataset

_SHARDS = 12
"""Shards that samples come from, evenly spread: a report of a large data set reads only these."""

_BATCHES = 4
"""Batches at the start of each of them."""

_LIGHT = ("id", "grammar", "statements")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A row of a report, and the split it is in."""

    split: str
    row: Row


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Where a row is: its shard, batch, place in that; with what decides whether it is taken."""

    file: int
    batch: int
    at: int
    family: str
    statements: int
    order: str


def choose(dataset: Dataset, count: int, columns: Sequence[str]) -> list[Chosen]:
    """At most `count` rows with the columns named, by family and then by size.

    Families take turns, and within one the sizes of its programs do. UserError where a shard
    cannot be read.
    """
    files = _spread(dataset.manifest.files)
    taken = _in_turns(list(_candidates(dataset, files)), count)
    by_batch: dict[tuple[int, int], list[_Candidate]] = defaultdict(list)
    for one in taken:
        by_batch[one.file, one.batch].append(one)
    rows: dict[_Candidate, Row] = {}
    for number, file in enumerate(files):
        for at, batch in enumerate(islice(dataset.batches(file, columns), _BATCHES)):
            for one in by_batch.get((number, at), ()):
                rows[one] = batch.slice(one.at, 1).to_pylist()[0]
    ordered = sorted(rows, key=lambda one: (one.family, one.statements, one.order))
    return [Chosen(files[one.file].split, rows[one]) for one in ordered]


def _spread(files: Sequence[File]) -> list[File]:
    """At most so many shards, from the first to the last."""
    step = max(1, -(-len(files) // _SHARDS))
    return list(files[::step])


def _candidates(dataset: Dataset, files: Sequence[File]) -> Iterator[_Candidate]:
    for number, file in enumerate(files):
        for at, batch in enumerate(islice(dataset.batches(file, _LIGHT), _BATCHES)):
            for place, row in enumerate(batch.to_pylist()):
                order = hashlib.blake2b(row["id"].encode(), digest_size=8).hexdigest()
                yield _Candidate(number, at, place, row["grammar"], row["statements"], order)


def _in_turns(candidates: Sequence[_Candidate], count: int) -> list[_Candidate]:
    """Families in turn; of each its sizes, by powers of two, in turn; of each the lowest hash."""
    piles: dict[str, dict[int, list[_Candidate]]] = defaultdict(lambda: defaultdict(list))
    for one in sorted(candidates, key=lambda one: one.order):
        piles[one.family][one.statements.bit_length()].append(one)
    queues = {family: list(_alternating(sizes)) for family, sizes in sorted(piles.items())}
    found: list[_Candidate] = []
    for turn in range(max(map(len, queues.values()), default=0)):
        found += [queue[turn] for queue in queues.values() if turn < len(queue)]
        if len(found) >= count:
            break
    return found[:count]


def _alternating(sizes: dict[int, list[_Candidate]]) -> Iterator[_Candidate]:
    # The middle size first: where a family has room for one sample, it is a typical one.
    middle = sorted(sizes)[len(sizes) // 2]
    order = sorted(sizes, key=lambda size: (abs(size - middle), size))
    for turn in range(max(map(len, sizes.values()))):
        for size in order:
            if turn < len(sizes[size]):
                yield sizes[size][turn]
