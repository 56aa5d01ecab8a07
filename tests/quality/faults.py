"""Faults put into what is run, and which of the oracles of fuzzing see them.

Faults of sources and adjoints are compiled for real. Those of single ways to run a program change
what comes back of a stand-in, which else gives what programs mean.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from backends.base import Capture, Rendered
from backends.registry import BACKENDS
from grammar.presets import GRAMMARS
from grammar.program import statements
from irgen.fuzz import examine
from irgen.fuzz.case import Case, Examined, case
from irgen.fuzz.setup import REFERENCE, Setup, known_oracles
from irgen.service import draw
from tests.bench.report import Table
from tests.irgen.fuzz import stand_in
from tests.quality.mutants import emitters
from tests.quality.mutants.cases import SEED, favouring

BATCH = 8
"""Programs that a fault is shown at a time."""

TRIES = 8
"""Programs drawn per one whose source a fault changes."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of compiled programs: within the context that `put` gives, cases that `fits` accepts
    may be wrong. `oracle` is the one that should see it."""

    name: str
    kind: str
    backend: str
    oracle: str
    presets: tuple[str, ...]
    op: str
    put: Callable[[], AbstractContextManager[None]]


ADJOINTS: tuple[tuple[str, str, str], ...] = (
    ("mul", r"wp::adj_mul\(", "wp::adj_add("),
    ("sub", r"wp::adj_sub\(", "wp::adj_add("),
    ("sin", r"wp::adj_sin\(", "wp::adj_cos("),
    ("div", r"\n\s*wp::adj_div\([^;]*;", ""),
    ("tanh", r"\n\s*wp::adj_tanh\([^;]*;", ""),
    ("exp", r"\n\s*wp::adj_exp\([^;]*;", ""),
)
"""Faults of Warp's C++: op, pattern, replacement."""


@contextmanager
def adjoint(pattern: str, by: str) -> Iterator[None]:
    """Warp's C++ with another adjoint."""
    from backends.warp import capture

    right = capture.capture

    def wrong(sources: Sequence[Rendered], levels: frozenset[str]) -> list[Capture]:
        return [
            replace(
                found,
                artifacts=tuple(
                    [
                        replace(one, text=one.text and re.sub(pattern, by, one.text))
                        for one in found.artifacts
                    ]
                ),
            )
            for found in right(sources, levels)
        ]

    capture.capture = wrong
    try:
        yield
    finally:
        capture.capture = right


def faults(backend: str) -> list[Fault]:
    """The faults of one backend."""
    made = [
        Fault(
            emitters.name(backend, one),
            "source",
            backend,
            "values",
            one.presets,
            one.op,
            functools.partial(emitters.broken, backend, one),
        )
        for one in emitters.faults(backend)
    ]
    if backend == "warp":
        made += [
            Fault(
                f"warp {op}: {pattern} is {by or 'lost'}",
                "adjoint",
                backend,
                "gradients",
                ("compound", "multi_statement"),
                op,
                functools.partial(adjoint, pattern, by),
            )
            for op, pattern, by in ADJOINTS
        ]
    return made


@dataclass(slots=True)
class Shown:
    """What came of a fault: the number of the case at which it was found, or 0, of so many shown;
    the oracles that saw it; and the cases that had symptoms without it."""

    found: int = 0
    shown: int = 0
    oracles: Counter[str] = field(default_factory=Counter[str])
    alarms: int = 0


def show(fault: Fault, count: int, oracles: tuple[str, ...] = REFERENCE) -> Shown:
    """Examine cases with a fault, and without it, until it is found."""
    setup = Setup(fault.backend, oracles=oracles)
    out = Shown()
    for cases in _batches(fault, count):
        with fault.put():
            wrong = examine.examine(setup, cases)
        right = examine.examine(setup, cases)
        for with_it, without in zip(wrong, right, strict=True):
            out.shown += 1
            out.alarms += bool(without.unexplained)
            if with_it.symptoms and not _same(with_it, without):
                out.oracles.update({one.oracle for one in with_it.symptoms})
                out.found = out.shown
                return out
    return out


def _same(a: Examined, b: Examined) -> bool:
    return [one.signature for one in a.symptoms] == [one.signature for one in b.symptoms]


def _batches(fault: Fault, count: int) -> Iterator[list[Case]]:
    """Batches of cases that have the op of a fault, `count` in all where so many are found."""
    grammars = [favouring(preset, fault.op, "") for preset in fault.presets]
    batch: list[Case] = []
    made = 0
    for index in range(count * TRIES):
        drawn = draw(grammars[index % len(grammars)], SEED, index // len(grammars))
        if made < count and any(one.op == fault.op for one in statements(drawn.program)):
            batch.append(case(drawn.program, drawn.style))
            made += 1
        if len(batch) == BATCH or (batch and made == count):
            yield batch
            batch = []
        if made == count:
            return
    if batch:
        yield batch


# Faults of one way to run programs

CHANGES: dict[str, Callable[[Any], Any]] = {
    "doubled, plus one": lambda value: value * 2 + 1,
    "of the other sign, minus one": lambda value: -value - 1,
    "no number": lambda value: value * np.nan,
}
"""What becomes of one element of a float array."""

_ALONE = {"levels": ("O0", "eager"), "modes": ("forward_mode",), "repeat": ("again",)}


def ways() -> Iterator[tuple[str, str, str, stand_in.Alter]]:
    """Faults of one way to run programs: name, backend, the oracle that should see it, itself."""
    for backend in ("warp", "jax"):
        for oracle in known_oracles(("all",), backend):
            known = Setup(backend, oracles=(oracle,))
            for way in _ALONE.get(oracle, ()):
                if way not in examine.ways_of(known):
                    continue
                for what, change in CHANGES.items():
                    for role in ("outputs", "gradients"):
                        altered = functools.partial(_altered, role, change)
                        alter = stand_in.in_way(way, altered)
                        yield f"{way}, {role} {what}", backend, oracle, alter


def _altered(role: str, change: Callable[[Any], Any], made: Any) -> Any:
    """One element of the first float array changed; as it is where there is none."""
    arrays = getattr(made.execution, role) or ()
    floats = [at for at, one in enumerate(arrays) if one is not None and one.dtype.kind == "f"]
    if not floats:
        return made
    array = np.array(arrays[floats[0]])
    array.flat[array.size // 2] = change(array.flat[array.size // 2])
    arrays = (*arrays[: floats[0]], array, *arrays[floats[0] + 1 :])
    return replace(made, execution=replace(made.execution, **{role: arrays}))


def seen(backend: str, oracles: tuple[str, ...], alter: stand_in.Alter, count: int) -> int:
    """Of so many cases, those in which oracles see a fault of a stand-in."""
    target = replace(stand_in.TARGET, backend=backend)
    names = list(GRAMMARS)
    drawn = [draw(GRAMMARS[names[at % len(names)]], SEED, at // len(names)) for at in range(count)]
    with pytest.MonkeyPatch.context() as patch:
        stand_in.stand_in(patch, alter)
        cases = [case(one.program, one.style) for one in drawn]
        found = examine.examine(Setup(backend, target, oracles), cases)
    return sum(bool(one.symptoms) for one in found)


# Tables


def campaign(count: int) -> Iterator[Table]:
    """Each fault of sources and adjoints is shown at most `count` cases, and each fault of a way
    four times as many."""
    for backend in BACKENDS:
        yield of_programs(backend, count)
    yield of_ways(4 * count)


def of_programs(backend: str, count: int) -> Table:
    """The faults of sources and adjoints of a backend, by kind."""
    examine.prepare(Setup(backend))
    by_kind: dict[str, list[Shown]] = {}
    lost: list[str] = []
    for fault in faults(backend):
        found = show(fault, count)
        by_kind.setdefault(fault.kind, []).append(found)
        lost += [] if found.found else [f"not found in {found.shown} cases: {fault.name}"]
    rows: list[tuple[str, int, int, int, str, int]] = []
    for kind, shown in by_kind.items():
        oracles = sum([one.oracles for one in shown], Counter[str]())
        told = ", ".join([f"{name} {times}" for name, times in sorted(oracles.items())])
        hits = sum(bool(one.found) for one in shown)
        cases, alarms = (sum(getattr(one, what) for one in shown) for what in ("shown", "alarms"))
        rows.append((kind, len(shown), hits, cases, told, alarms))
    columns = ("fault of", "faults", "found", "cases shown", "found by", "false alarms")
    failures = [f"{row[0]}: {row[5]} false alarms" for row in rows if row[5]]
    share = 1 - len(lost) / sum(row[1] for row in rows)
    if share < _FOUND:
        failures.append(f"{share:.0%} of the faults found, target {_FOUND:.0%}")
    title = f"faults of what is compiled, {backend}"
    return Table(title, columns, tuple(rows), tuple(lost), tuple(failures))


_FOUND = 0.9


def of_ways(count: int) -> Table:
    rows: list[tuple[str, str, str, int, int, int]] = []
    for name, backend, oracle, alter in ways():
        on = seen(backend, (oracle,), alter, count)
        off = seen(backend, REFERENCE, alter, count)
        rows.append((backend, oracle, name, count, on, off))
    columns = ("backend", "oracle", "fault", "cases", "seen", "seen with the oracle off")
    failures = [f"{row[0]} {row[2]}: never seen" for row in rows if not row[4]]
    failures += [f"{row[0]} {row[2]}: seen by others" for row in rows if row[5]]
    return Table("faults of one way to run programs", columns, tuple(rows), (), tuple(failures))
