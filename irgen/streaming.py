"""Records by the thousand, in order of address."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

from backends.base import Artifact, Capture
from backends.registry import BACKENDS, Backend
from grammar.config import Grammar
from grammar.presets import GRAMMARS, SAFE_GRAMMARS
from irgen import pool, vectors
from irgen.errors import UserError, nearest
from irgen.lane import Address, Plan, produce, work
from irgen.pool import Limits, Lost
from irgen.record import Record, with_verdicts
from irgen.service import Drawn, addresses, draw, installed_versions, make_record
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
    `balanced` the presets take turns instead of `grammar`, in their differentiable-safe forms if
    it is safe. What cannot be captured is a status on its record, never a missing record.

    With `verify` every program is executed and judged, in `workers` processes of their own, whose
    death is a status on the row that caused it. The first of the backend's executions runs every
    row, and so do those named in `execute`; the others run one row in `lane.SAMPLED`.

    UserError for an unknown execution or no worker, BackendError where the backend cannot be used.
    """
    language = BACKENDS[backend]
    if workers < 1:
        raise UserError(f"{workers} workers: at least one is needed")
    if execute and not verify:
        raise UserError(f"nothing is executed without verify, so {execute[0]!r} cannot be")
    named = [known_execution(language, name) for name in execute]
    wanted = frozenset(level.name for level in language.levels) if levels is None else levels
    presets = SAFE_GRAMMARS if grammar.differentiable else GRAMMARS
    grammars = tuple(presets.values()) if balanced else (grammar,)
    always = tuple(dict.fromkeys((*language.executions[:1], *named))) if verify else ()
    sampled = [name for name in language.executions if name not in always] if verify else []
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


def known_execution(backend: Backend, name: str) -> str:
    """The name of an execution that can be judged; UserError for any other."""
    known = tuple(dict.fromkeys((*backend.executions, *backend.judged)))
    if name not in known:
        hint = nearest(name, known)
        raise UserError(f"unknown execution {name!r} of backend {backend.name}: {hint}")
    return name


def limits(backend: Backend, batch: int = BATCH) -> Limits:
    """What a worker may use that runs programs of a backend."""
    return Limits(seconds=backend.seconds, batch=batch)


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
    kept: deque[Address] = deque()

    def noted() -> Iterator[Address]:
        for task in tasks:
            kept.append(task)
            yield task

    backend = BACKENDS[plan.backend]
    results = pool.run(
        functools.partial(work, plan),
        noted(),
        workers=workers,
        limits=limits(backend, batch),
        prepare=backend.prepare,
    )
    for found in results:
        grammar, index = kept.popleft()
        if isinstance(found, Lost):
            yield lost_record(plan, draw(grammar, plan.seed, index), found)
        else:
            yield found


def lost_record(plan: Plan, drawn: Drawn, why: Lost) -> Record:
    """The record of a row that ends the process which works on it: its text, where that can be
    had, and verdicts that say why there is nothing to judge."""
    backend = BACKENDS[plan.backend]
    text = functools.partial(produce, replace(plan, executions=(), sampled=()))
    (found,) = pool.run(text, [drawn], workers=1, limits=limits(backend), prepare=backend.prepare)
    if isinstance(found, Lost):
        source = backend.render(drawn.program, drawn.style)
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
