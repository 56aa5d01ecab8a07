"""The campaign: every mutant against programs until one of them kills it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from backends.registry import BACKENDS
from tests.bench.report import Table
from tests.quality.mutants import adjoints, constructs, emitters, results, values
from tests.quality.mutants.argued import ARGUED
from tests.quality.mutants.cases import Group, cases, differs, judged, may_show, same, shown
from tests.quality.pool import over

PROGRAMS = 500
"""A mutant is shown so many programs that hold what it breaks."""

TRIES = 6
"""Programs looked at per one to be shown; some hold the op but not the fault."""

TARGET = 0.98

SOURCES: tuple[Callable[[], Iterator[Group]], ...] = (
    values.groups,
    adjoints.groups,
    constructs.groups,
    results.groups,
)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a mutant: the number of the program that killed it, 0 where none did, how many
    it was `shown`, and in how many of these its results were `other` than the right ones."""

    name: str
    kind: str
    killed: int
    shown: int
    other: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The fates of a group. `control` counts the programs run without a fault, `alarms` names those
    on which the oracle found one."""

    fates: tuple[Fate, ...]
    control: int
    alarms: tuple[str, ...]


@functools.cache
def groups() -> tuple[Group, ...]:
    """All mutants, in a fixed order."""
    return tuple(chain.from_iterable(source() for source in SOURCES))


def outcome(group: Group, count: int) -> Outcome:
    """Show the mutants of a group programs until each is killed or has seen `count`."""
    tried = [0] * len(group.mutants)
    other = [0] * len(group.mutants)
    killed = [0] * len(group.mutants)
    alarms: list[str] = []
    control = 0
    for number, case in enumerate(cases(group)):
        alive = [at for at in range(len(tried)) if not killed[at] and tried[at] < count]
        if not alive or number == count * TRIES:
            break
        control += 1
        if differs(judged(case, case.right)):
            alarms.append(case.address)
            continue
        for at in alive:
            mutant = group.mutants[at]
            found = shown(mutant, case) if may_show(mutant, case.program) else None
            if found is None:
                continue
            tried[at] += 1
            if not same(found, case.right):
                other[at] += 1
                if differs(judged(case, found)):
                    killed[at] = tried[at]
    fates = [
        Fate(mutant.name, mutant.kind, killed[at], tried[at], other[at])
        for at, mutant in enumerate(group.mutants)
    ]
    return Outcome(tuple(fates), control, tuple(alarms))


def emitted(backend: str, fault: emitters.Fault, count: int) -> Outcome:
    """Show a fault of a renderer programs, fewer than others see: these are compiled and run."""
    found = emitters.show(backend, fault, min(count, emitters.PROGRAMS))
    fate = Fate(
        emitters.name(backend, fault),
        emitters.kind(backend, fault),
        found.killed,
        found.shown,
        found.other,
    )
    return Outcome((fate,), found.control, tuple(found.alarms))


Job = tuple[str, int, int]
"""A backend, or "" for plain arrays; the number of a fault or group; how many programs."""


def work(job: Job) -> Outcome:
    """The outcome of a job."""
    backend, number, count = job
    if backend:
        return emitted(backend, emitters.faults(backend)[number], count)
    return outcome(groups()[number], count)


def jobs(count: int) -> list[Job]:
    """All jobs, in a fixed order."""
    made = [("", number, count) for number in range(len(groups()))]
    return made + [
        (backend, number, count)
        for backend in BACKENDS
        for number in range(len(emitters.faults(backend)))
    ]


def campaign(count: int, workers: int) -> Iterator[Table]:
    """Every mutant against up to `count` programs."""
    found = list(over(work, jobs(count), workers))
    fates = [fate for one in found for fate in one.fates]
    yield by_kind(
        fates, sum(one.control for one in found), [a for one in found for a in one.alarms]
    )
    yield survivors(fates)


def by_kind(fates: Sequence[Fate], control: int, alarms: Sequence[str]) -> Table:
    """Mutants and killed ones by kind of fault."""
    kinds: dict[str, list[Fate]] = {}
    for fate in fates:
        kinds.setdefault(fate.kind, []).append(fate)
    rows = tuple(
        (kind, len(some), sum(fate.killed > 0 for fate in some), _median(some), _last(some))
        for kind, some in kinds.items()
    )
    dead = sum(fate.killed > 0 for fate in fates)
    share = dead / len(fates)
    failures = [] if share >= TARGET else [f"{share:.1%} of mutants killed, target {TARGET:.0%}"]
    failures += [f"{address}: a difference without a fault" for address in alarms]
    return Table(
        f"Mutants: {dead} of {len(fates)} killed ({share:.1%})",
        ("fault", "mutants", "killed", "median program that kills", "last program that kills"),
        rows,
        notes=(f"{control} programs run without a fault, {len(alarms)} found to differ",),
        failures=tuple(failures),
    )


def survivors(fates: Sequence[Fate]) -> Table:
    """Mutants that no program killed, and why."""
    return Table(
        "Survivors",
        ("mutant", "programs shown", "of these with other results", "why"),
        tuple(
            (
                fate.name,
                fate.shown,
                fate.other,
                "" if fate.other else ARGUED.get(fate.name, ""),
            )
            for fate in fates
            if not fate.killed
        ),
    )


def _median(fates: Sequence[Fate]) -> int | None:
    at = sorted(fate.killed for fate in fates if fate.killed)
    return at[len(at) // 2] if at else None


def _last(fates: Sequence[Fate]) -> int | None:
    return max((fate.killed for fate in fates), default=0) or None
