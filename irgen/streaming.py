"""Records by the thousand, in order of address."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

from backends.base import Artifact, Capture
from backends.registry import BACKENDS
from grammar.config import Grammar
from grammar.presets import GRAMMARS
from irgen import pool, vectors
from irgen.lane import Address, Plan, work
from irgen.pool import Lost
from irgen.record import Record, with_verdicts
from irgen.service import addresses, draw, installed_versions, make_record
from irgen.verdict import lost

BATCH = 32
"""Records made together: a driver's fixed costs are shared, and a reader waits little."""


def stream(
    grammar: Grammar,
    backend: str,
    *,
    seed: int = 0,
    start: int = 0,
    count: int | None = None,
    levels: frozenset[str] | None = None,
    balanced: bool = False,
    verify: bool = False,
    execute: tuple[str, ...] = (),
    workers: int = 1,
    batch: int = BATCH,
) -> Iterator[Record]:
    """Records in order of address, without end when `count` is None.

    `levels` are names of the backend's levels; None means all, none at all renders only. With
    `balanced` the presets take turns instead of `grammar`. What cannot be captured is a status on
    its record, never a missing record.

    With `verify` every program is executed and judged, in `workers` processes of their own, whose
    death is a status on the row that caused it. The first of the backend's executions runs every
    row, and so do those named in `execute`; the others run one row in `lane.SAMPLED`.
    BackendError where the backend cannot be used.
    """
    language = BACKENDS[backend]
    wanted = frozenset(level.name for level in language.levels) if levels is None else levels
    grammars = tuple(GRAMMARS.values()) if balanced else (grammar,)
    always = language.executions[:1] if verify else ()
    always += tuple([name for name in execute if name not in always]) if verify else ()
    sampled = [name for name in language.executions if name not in always] if verify else ()
    plan = Plan(
        backend,
        seed,
        wanted,
        always,
        tuple(sampled),
        installed_versions(language, bool(wanted or always), here=not verify),
    )
    tasks = addresses(grammars, start, count)
    return survivors(plan, tasks, workers, batch) if verify else _here(plan, tasks, batch)


def _here(plan: Plan, remaining: Iterator[Address], batch: int) -> Iterator[Record]:
    """Records made in this process, in batches that grow: the first one comes soon."""
    size = 1
    while found := list(islice(remaining, size)):
        yield from work(plan, found)
        size = min(batch, 2 * size)


def survivors(
    plan: Plan, tasks: Iterable[Address], workers: int, batch: int = BATCH
) -> Iterator[Record]:
    """Records made in worker processes; a row that kills its worker says so."""
    kept: list[Address] = []

    def noted() -> Iterator[Address]:
        for task in tasks:
            kept.append(task)
            yield task

    job = functools.partial(work, plan)
    for found in pool.run(job, noted(), workers=workers, limits=pool.Limits()):
        task = kept.pop(0)
        yield lost_record(plan, task, found) if isinstance(found, Lost) else found


def lost_record(plan: Plan, task: Address, why: Lost) -> Record:
    """The record of a row that ends the process which works on it: its text, where that can be
    had, and verdicts that say why there is nothing to judge."""
    text = replace(plan, executions=(), sampled=())
    grammar, index = task
    drawn = draw(grammar, plan.seed, index)
    (found,) = pool.run(functools.partial(work, text), [task], workers=1, limits=pool.Limits())
    if isinstance(found, Lost):
        source = BACKENDS[plan.backend].render(drawn.program, drawn.style)
        found = make_record(drawn, source, Capture(_lost_text(plan, found), {}), plan.versions)
    verdicts = [lost(plan.backend, name, why.reason, why.detail) for name in plan.executions]
    fed = vectors.fed(drawn.program, *vectors.make(drawn.program)) if verdicts else None
    return with_verdicts(found, fed, verdicts)


def _lost_text(plan: Plan, why: Lost) -> tuple[Artifact, ...]:
    """Every artifact asked for, none of which could be had."""
    return tuple(
        [
            Artifact(plan.backend, "", level.name, way, None, "failed", why.reason, why.detail)
            for level in BACKENDS[plan.backend].levels
            if level.name in plan.levels
            for way in level.directions
        ]
    )
