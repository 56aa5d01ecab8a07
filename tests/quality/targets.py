"""What releases take of the language, and how much of what is drawn for them runs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from backends.base import Capture, Execution, Job
from backends.registry import BACKENDS
from grammar.config import Grammar
from grammar.presets import GRAMMARS
from irgen.service import draw
from irgen.targets.environment import resolve
from irgen.targets.execute import execute
from irgen.targets.lacks import Lacks, restricted
from irgen.targets.probe import probe
from irgen.targets.target import Target
from irgen.vectors import make
from tests.bench.report import Table

RELEASES = (
    "warp-lang==1.4.2",
    "warp-lang==1.8.0",
    "warp-lang==1.12.1",
    "warp-lang==1.15.0",
    "jax==0.4.30",
    "jax==0.8.3",
)
EXCUSED = frozenset(("", "no_float_inputs", "no_float_outputs", "unending_adjoint"))
"""Reasons for which there is no gradient and nothing is wrong."""


def failures(target: Target, grammar: Grammar, lacks: Lacks, count: int) -> list[str]:
    """What is said of each program of a grammar that a target does not run."""
    found: list[str] = []
    for index in range(count):
        drawn = draw(grammar, 0, index)
        rendered = BACKENDS[target.backend].render(
            drawn.program, drawn.style, avoided=frozenset(lacks.avoided)
        )
        job = Job(drawn.program, rendered, Capture((), {}), *make(drawn.program))
        ((ran,),) = execute(target, [job], ("default",))
        why = _why(ran)
        if why:
            found.append(f"{target.name}, {grammar.name} {index}: {why}")
    return found


def _why(ran: Execution) -> str:
    if ran.reason:
        return f"{ran.reason}: {ran.detail}"
    if ran.gradient_reason not in EXCUSED:
        return f"gradient, {ran.gradient_reason}: {ran.gradient_detail}"
    return ""


def campaign(
    names: Sequence[str] | None, count: int, releases: Sequence[str] = RELEASES
) -> Iterator[Table]:
    """Probe each release, and run so many programs of each preset there, of "compound" alone
    without names."""
    rows: list[tuple[str | int | float, ...]] = []
    notes: list[str] = []
    failed: list[str] = []
    for spec in releases:
        started = time.monotonic()
        target = resolve(spec)
        made = time.monotonic()
        lacks = probe(target, fresh=True)
        probed = time.monotonic()
        notes += [f"{spec}: {line}" for line in lacks.lines()]
        wrong: list[str] = []
        for name in names or ("compound",):
            wrong += failures(target, restricted(GRAMMARS[name], lacks), lacks, count)
        failed += wrong
        tried = count * len(names or ("compound",))
        installed = " ".join(f"{name} {text}" for name, text in target.versions[1:])
        rows.append(
            (
                spec,
                installed,
                made - started,
                probed - made,
                len(lacks.missing),
                len(lacks.avoided),
                1 - len(wrong) / tried,
            )
        )
    yield Table(
        "Targets",
        (
            "release",
            "beside it",
            "seconds to make",
            "seconds to probe",
            "missing",
            "spelled otherwise",
            "share that runs",
        ),
        tuple(rows),
        tuple(notes),
        tuple(failed),
    )
