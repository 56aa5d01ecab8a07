"""From addresses to rows: what a worker process does for all backends of a data set at once."""

from __future__ import annotations

import errno
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from backends.registry import BACKENDS
from grammar.config import Grammar
from irgen import lane, pool, streaming
from irgen.dataset.building.counts import Counts
from irgen.dataset.building.journal import Part
from irgen.dataset.columns import Row, row_of
from irgen.dataset.settings import Settings, grammar_of
from irgen.dataset.writing import encode
from irgen.errors import UserError
from irgen.pool import Limits, Lost
from irgen.record import Record
from irgen.service import Drawn, draw, draw_batch

Task = tuple[int, int, int]
"""A row to make: the number of its shard, that of its grammar, and its index."""

BATCH = 32
"""Rows made together: a driver's fixed costs are shared."""


@dataclass(frozen=True, slots=True)
class Making:
    """What rows of a data set are made by: its settings, its grammars, the lane of each backend."""

    settings: Settings
    grammars: tuple[Grammar, ...]
    lanes: tuple[lane.Plan, ...]


def making(settings: Settings) -> Making:
    """What rows of a data set are made by."""
    grammars = tuple([grammar_of(one) for one in settings.grammars])
    return Making(settings, grammars, tuple([_lane(settings, b) for b in settings.backends]))


def _lane(settings: Settings, name: str) -> lane.Plan:
    backend = BACKENDS[name]
    always: tuple[str, ...] = ()
    sampled: tuple[str, ...] = ()
    if settings.verify:
        known = (*backend.executions, *backend.judged)
        named = [one for one in settings.execute if one in known]
        always = tuple(dict.fromkeys((*backend.executions[:1], *named)))
        sampled = tuple([one for one in backend.executions if one not in always])
    levels = frozenset(settings.levels[name])
    own = ("irgen", backend.distribution)
    versions = {one: settings.versions[one] for one in own if one in settings.versions}
    return lane.Plan(name, settings.seed, levels, always, sampled, versions)


def prepare(making: Making) -> None:
    """Do once in a worker what comes before its first row."""
    for one in making.lanes:
        if _compiles(one):
            BACKENDS[one.backend].prepare()


def _compiles(one: lane.Plan) -> bool:
    return bool(one.levels or one.executions)


def limits(making: Making) -> Limits:
    """What a worker may use that makes rows."""
    return Limits(seconds=sum(BACKENDS[one.backend].seconds for one in making.lanes), batch=BATCH)


def work(making: Making, tasks: Sequence[Task]) -> list[Part | None]:
    """The rows of several tasks. Those of one shard come as one part, with the first of them; None
    stands for the others."""
    addresses = [(making.grammars[grammar], index) for _, grammar, index in tasks]
    drawn = draw_batch(addresses, making.settings.seed)
    try:
        made = list(zip(*[lane.produce(one, drawn) for one in making.lanes], strict=True))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise UserError(f"a worker cannot write: {error.strerror}") from None
    found: list[Part | None] = []
    shards = [shard for shard, _, _ in tasks]
    for _, same in groupby(range(len(tasks)), lambda at: shards[at]):
        chosen = list(same)
        rows = [(drawn[at], made[at], "") for at in chosen]
        found += [_part(making, rows), *[None] * (len(chosen) - 1)]
    return found


def lost_row(making: Making, task: Task) -> Part:
    """The row of a task that ended the process which worked on it: each backend is tried again on
    its own, and one that ends its process once more says why."""
    _, grammar, index = task
    drawn = draw(making.grammars[grammar], making.settings.seed, index)
    records: list[Record] = []
    why = ""
    for one in making.lanes:
        found = _alone(one, drawn)
        if isinstance(found, Lost):
            why = why or found.reason
            found = streaming.lost_record(one, drawn, found)
        records.append(found)
    return _part(making, [(drawn, records, why)])


def _alone(one: lane.Plan, drawn: Drawn) -> Record | Lost:
    backend = BACKENDS[one.backend]
    work = functools.partial(lane.produce, one)
    prepare = backend.prepare if _compiles(one) else None
    (found,) = pool.run(work, [drawn], workers=1, limits=streaming.limits(backend), prepare=prepare)
    return found


def _part(making: Making, made: Sequence[tuple[Drawn, Sequence[Record], str]]) -> Part:
    from irgen.dataset.facts import facts

    rows: list[Row] = []
    counts = Counts()
    for drawn, records, why in made:
        rows.append(row_of(making.settings, records, facts(drawn.program)))
        counts.count(records, why)
    return Part(counts, encode(making.settings, rows))
