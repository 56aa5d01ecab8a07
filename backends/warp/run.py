"""Running programs: what runs is the C++ that was recorded, forward and adjoint.

The protocol is that of `wp.Tape`. A kernel is launched on copies of the inputs, and then its
adjoint on the same arrays as the kernel left them, the adjoints of the arrays it writes being the
cotangents and all others zero. The driver of a program runs under a tape, its kernels bound to what
was compiled from the recorded text. Warp returns gradients through arrays only, so those of scalar
parameters are not available, but for functions, whose adjoints return them.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b

from backends.base import Artifact, Execution, Job
from backends.warp import launch
from backends.warp.capture import one_line
from backends.warp.compiled import Text, compiled
from backends.warp.private_run import Compiled
from grammar.passes.effects import written
from grammar.program import Unit
from grammar.types import scalar_of

EXECUTIONS: tuple[str, ...] = ("cpu",)
"""The ways to run a program here, the one that every row gets first."""

_LEVELS = {"cpu": "cpp"}


def needs(execution: str) -> frozenset[str]:
    """The levels whose recorded text an execution runs; ValueError names the valid executions."""
    if execution not in _LEVELS:
        raise ValueError(f"unknown Warp execution {execution!r}: choose from {', '.join(_LEVELS)}")
    return frozenset((_LEVELS[execution],))


def source_hash(text: str) -> str:
    """The hash of a recorded text."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


def execute(jobs: Sequence[Job], executions: Sequence[str]) -> list[list[Execution]]:
    """Run each job in each of the ways named; what fails is a reason on its own job.

    Jobs are compiled together, so many at once are faster; the result of one does not depend on
    the others. Code that kills the process is not survived here.

    Raises:
        BackendError: Warp cannot be used here.
        ValueError: an execution is unknown.
    """
    for name in executions:
        needs(name)
    columns = [_cpu(jobs) for _ in executions]
    return [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in jobs]


def _cpu(jobs: Sequence[Job]) -> list[Execution]:
    done: dict[int, Execution] = {}
    texts: dict[int, Text] = {}
    for number, job in enumerate(jobs):
        found = _recorded(job, "cpp")
        if found is None:
            done[number] = _failed("not_captured")
        elif found.text is None:
            done[number] = _failed(found.reason, found.detail)
        else:
            kind = job.program.entry.kind
            texts[number] = Text(found.text, job.rendered.entry if kind == "function" else "")
    with _collecting(), compiled(list(texts.values())) as batch:
        for place, (number, text) in enumerate(texts.items()):
            digest = source_hash(text.code)
            if place in batch.failures:
                detail = batch.failures[place]
                done[number] = _failed("compile_error", detail, digest)
            else:
                done[number] = _run(jobs[number], batch.kernels[place], digest)
    return [done[number] for number in range(len(jobs))]


def _recorded(job: Job, level: str) -> Artifact | None:
    for artifact in job.capture.artifacts:
        if artifact.level == level and artifact.direction == "module" and not artifact.unit:
            return artifact
    return None


def _failed(reason: str, detail: str = "", digest: str = "") -> Execution:
    return Execution("cpu", None, None, digest, reason, detail, reason, detail)


_RUNNERS: dict[str, Callable[[Job, Mapping[str, Compiled], bool], launch.Ran]] = {
    "kernel": launch.kernel,
    "function": launch.function,
    "program": launch.driver,
}


def _run(job: Job, kernels: Mapping[str, Compiled], digest: str) -> Execution:
    reason = _undifferentiable(job.program.entry)
    try:
        ran = _RUNNERS[job.program.entry.kind](job, kernels, not reason)
    # A driver is Python and may raise anything; so may Warp on what it hands over.
    except Exception as error:
        return _failed("execution_error", one_line(error), digest)
    return Execution(
        "cpu",
        ran.outputs,
        ran.gradients,
        digest,
        gradient_reason=reason or ("execution_error" if ran.detail else ""),
        gradient_detail=ran.detail,
    )


def _undifferentiable(unit: Unit) -> str:
    """The reason why a unit has no gradient, or ""."""
    effects = written(unit) if unit.kind == "kernel" else {}
    given = [v.type for at, v in enumerate(unit.parameters) if effects.get(at) != "out"]
    made = [unit.parameters[at].type for at in effects] or list(unit.results)
    if all(scalar_of(type_).kind != "float" for type_ in given):
        return "no_float_inputs"
    if all(scalar_of(type_).kind != "float" for type_ in made):
        return "no_float_outputs"
    return ""


@contextmanager
def _collecting() -> Iterator[None]:
    """Leave garbage to the end: sources that were loaded are in cycles, and all of it is young."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.collect(0)
        if enabled:
            gc.enable()
