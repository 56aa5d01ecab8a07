"""A trial: a case on its way through the oracles, and all that was run of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from backends.base import Capture, Execution, Job, Limitation
from backends.registry import BACKENDS, Backend
from grammar.gradient import Gradient, gradient
from irgen import oracle
from irgen.fuzz.case import Case
from irgen.fuzz.setup import BASE, ORACLES, Setup
from irgen.targets import execute
from irgen.verdict import Verdict

if TYPE_CHECKING:
    from grammar.bounds.precision import Precision
    from irgen.targets.connection import Connection

DEFAULT = "default"
"""The way in which users run programs, in an interpreter of its own."""

DEATHS = frozenset(("crashed", "timed_out", "out_of_memory"))
"""The reasons that end a process, whatever else it did."""

_BESIDE: Mapping[str, tuple[str, ...]] = {"repeat": (DEFAULT,), "cost": (DEFAULT,)}
"""The ways that oracles compare theirs with, where the base is another."""


@dataclass(slots=True, eq=False)
class Trial:
    """A case, the job that it is, what came back by way, and what was measured by way.

    `base` is the way that every case is run in. `limitations` are those of the program, none where
    they do not count. Something is measured each time that it is run.
    """

    setup: Setup
    case: Case
    job: Job
    base: str
    back: Gradient | None
    limitations: tuple[Limitation, ...]
    runs: dict[str, Execution] = field(default_factory=dict[str, Execution])
    measured: dict[str, list[execute.Measured]] = field(
        default_factory=dict[str, list[execute.Measured]]
    )
    _expected: dict[int, oracle.Expected] = field(default_factory=dict[int, oracle.Expected])

    @property
    def backend(self) -> Backend:
        return BACKENDS[self.setup.backend]

    def expected(self, way: str) -> oracle.Expected:
        """What may come back of a way to run it."""
        precision = precision_of(self.setup.backend, way)
        key = id(precision)
        if key not in self._expected:
            case = self.case
            self._expected[key] = oracle.expect(
                case.program, self.back, case.inputs, case.cotangents, precision
            )
        return self._expected[key]

    def verdict(self, way: str) -> Verdict:
        """The verdict on a way that it was run in."""
        return oracle.judge(
            self.case.program,
            self.setup.backend,
            self.expected(way),
            self.runs[way],
            self.limitations,
        )

    @property
    def excuse(self) -> str:
        """The names of the limitations that may explain a gradient, "" for none."""
        return ", ".join([one.name for one in self.limitations])


def precision_of(backend: str, way: str) -> Precision:
    """How a way to run programs rounds: compiled code allows for all that others do."""
    compiled = BACKENDS[backend].precision(BASE[backend])
    return _forward_mode(compiled) if way == "forward_mode" else compiled


@cache
def _forward_mode(precision: Precision) -> Precision:
    """Tangents go the same paths as adjoints, the other way: the same products in another order,
    and a sum where an op has two operands, not where a value has two uses. So every path makes as
    many steps, of a product and a sum each, and one more at its end."""
    return replace(precision, gradient_units=2 * precision.gradient_units)


def ways_of(setup: Setup) -> tuple[str, ...]:
    """The ways besides the base that the oracles of a setup need, each once."""
    backend = setup.backend
    found = [way for name in setup.oracles for way in ORACLES[name].ways.get(backend, ())]
    if setup.target is None:
        found = [way for name in setup.oracles for way in _BESIDE.get(name, ())] + found
    return tuple(dict.fromkeys(found))


def base_of(setup: Setup) -> str:
    """The way in which every case is run."""
    return DEFAULT if setup.target else BASE[setup.backend]


def begin(setup: Setup, cases: Sequence[Case]) -> list[Trial]:
    """The trials of cases, run in the base way by the installed backend; nothing is run yet where
    the backend is that of a target."""
    backend = BACKENDS[setup.backend]
    base = base_of(setup)
    levels = frozenset[str]() if setup.target else backend.needs(base)
    rendered = [backend.render(case.program, case.style, avoided=setup.avoided) for case in cases]
    nothing = [Capture((), {})] * len(cases)
    captures = backend.capture(rendered, levels) if levels else nothing
    trials: list[Trial] = []
    for case, source, capture in zip(cases, rendered, captures, strict=True):
        program = case.program
        trials.append(
            Trial(
                setup=setup,
                case=case,
                job=Job(program, source, capture, case.inputs, case.cotangents),
                base=base,
                back=gradient(program) if oracle.differentiable(program) else None,
                limitations=backend.limitations(program) if setup.limitations else (),
            )
        )
    if trials and setup.target is None:
        found = backend.execute([trial.job for trial in trials], (base,))
        for trial, (execution,) in zip(trials, found, strict=True):
            trial.runs[base] = execution
    return trials


def run_apart(connected: Connection, trials: Sequence[Trial], ways: Sequence[str]) -> None:
    """Run trials in more ways by what a connection leads to, and measure what they cost.

    What ends the process in one way says nothing of the others, so these are run again one by one.
    """
    if not (trials and ways):
        return
    found = execute.run_on(connected, [trial.job for trial in trials], ways)
    for trial, row in zip(trials, found, strict=True):
        if len(ways) > 1 and all(one.execution.reason in DEATHS for one in row):
            row = [execute.run_on(connected, [trial.job], (way,))[0][0] for way in ways]
        for way, one in zip(ways, row, strict=True):
            trial.runs[way] = one.execution
            trial.measured.setdefault(way, []).append(one)
