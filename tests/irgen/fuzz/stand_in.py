"""A stand-in for targets: what comes back is what programs mean, but for what a test changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backends.base import Execution, Job
from grammar.gradient import gradient
from grammar.interpret import run
from grammar.plain import Plain
from grammar.reference import reference
from irgen import oracle
from irgen.fuzz import examine, trial
from irgen.targets.execute import Measured
from irgen.targets.target import Target

TARGET = Target("stand-in", "warp", "python", (("warp-lang", "1.19.0"),))

Alter = Callable[[Job, str, Measured], Measured]


def right(job: Job, way: str) -> Measured:
    """What a job gives in working precision, compiled at once to nothing."""
    program = job.program
    outputs = tuple(reference(program, job.inputs))
    if not oracle.differentiable(program):
        found = Execution(way, outputs, None, gradient_reason="no_float_inputs")
        return Measured(found, 0.0, 0)
    back = gradient(program)
    given = [*job.inputs, *[one for one in job.cotangents if one is not None]]
    pulled = run(back.program, given, Plain(), back.replayed)
    gradients: list[Any] = [None] * len(program.entry.parameters)
    for at, value in zip(oracle.carrying(program.entry), pulled, strict=True):
        gradients[at] = np.asarray(value)
    return Measured(Execution(way, outputs, tuple(gradients)), 0.0, 0)


def stand_in(monkeypatch: pytest.MonkeyPatch, alter: Alter = lambda job, way, made: made) -> None:
    """Let every interpreter of its own be a stand-in, whose results a test may change."""

    def run_on(connected: object, jobs: Sequence[Job], ways: Sequence[str]) -> list[list[Measured]]:
        return [[alter(job, way, right(job, way)) for way in ways] for job in jobs]

    monkeypatch.setattr(trial.execute, "run_on", run_on)
    monkeypatch.setattr(examine, "connection", lambda target, patience: None)
    monkeypatch.setattr(examine, "installed", lambda backend: replace(TARGET, backend=backend))


def element(role: str, change: Callable[[Any], Any], at: int = 0) -> Callable[[Measured], Measured]:
    """One element of the first array of a role changed."""

    def altered(made: Measured) -> Measured:
        arrays = list(getattr(made.execution, role))
        place = next(k for k, array in enumerate(arrays) if array is not None)
        array = np.array(arrays[place])
        array.flat[at] = change(array.flat[at])
        arrays[place] = array
        return replace(made, execution=replace(made.execution, **{role: tuple(arrays)}))

    return altered


def in_way(way: str, altered: Callable[[Measured], Measured]) -> Alter:
    """Results changed in one way to run programs."""
    return lambda job, name, made: altered(made) if name == way else made


def failing(reason: str, detail: str = "") -> Callable[[Measured], Measured]:
    """Nothing comes back, for a reason."""

    def altered(made: Measured) -> Measured:
        why = reason, detail
        return Measured(Execution(made.execution.name, None, None, "", *why, *why), None, None)

    return altered
