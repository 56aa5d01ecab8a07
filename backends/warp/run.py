"""Running programs: what runs is the C++ that was recorded, forward and adjoint.

The protocol is that of `wp.Tape`. A kernel is launched on copies of the inputs, and then its
adjoint on the same arrays as the kernel left them, the adjoints of the arrays it writes being the
cotangents and all others zero. The driver of a program runs under a tape, its kernels bound to what
was compiled from the recorded text. Warp returns gradients through arrays only, so those of scalar
parameters are not available, but for functions, whose adjoints return them.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b

from backends.base import Execution, Job
from backends.warp import cuda, launch, taped
from backends.warp.capture import one_line
from backends.warp.compiled import Text, compiled
from backends.warp.compiled import prepare as start_compiler
from backends.warp.loops import may_not_end
from grammar.passes.effects import written
from grammar.program import Unit
from grammar.types import scalar_of

EXECUTIONS: tuple[str, ...] = ("cpu",)
"""The ways to run a program everywhere, the one that every row gets first. "cuda" is another where
there is a device."""

_LEVELS = {"cpu": "cpp", "cuda": "cuda"}


def needs(execution: str) -> frozenset[str]:
    """The levels whose recorded text an execution runs; ValueError names the valid executions."""
    if execution not in _LEVELS:
        raise ValueError(f"unknown Warp execution {execution!r}: choose from {', '.join(_LEVELS)}")
    return frozenset((_LEVELS[execution],))


def prepare() -> None:
    """Start Warp's compiler; BackendError where it cannot be used."""
    start_compiler()


def source_hash(text: str) -> str:
    """The hash of a recorded text."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


def execute(jobs: Sequence[Job], executions: Sequence[str]) -> list[list[Execution]]:
    """Run each job in each of the ways named; what fails is a reason on its own job.

    Jobs are compiled together, so many at once are faster; the result of one does not depend on
    the others. Code that kills the process is not survived here.

    Raises:
        BackendError: Warp cannot be used here, or has no such device.
        ValueError: an execution is unknown.
    """
    for name in executions:
        needs(name)
    with _collecting():
        columns = [_RUN[name](jobs) for name in executions]
    return [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in jobs]


def _on_cpu(jobs: Sequence[Job]) -> list[Execution]:
    done: dict[int, Execution] = {}
    texts: dict[int, Text] = {}
    for number, job in enumerate(jobs):
        found = _recorded(job, "cpu")
        if isinstance(found, Execution):
            done[number] = found
        else:
            kind = job.program.entry.kind
            texts[number] = Text(found, job.rendered.entry if kind == "function" else "")
    with compiled(list(texts.values())) as batch:
        for place, (number, text) in enumerate(texts.items()):
            if place in batch.failures:
                done[number] = _failed(
                    "cpu", "compile_error", batch.failures[place], source_hash(text.code)
                )
            else:
                run = partial(
                    _RUNNERS[jobs[number].program.entry.kind], kernels=batch.kernels[place]
                )
                done[number] = _run("cpu", jobs[number], text.code, run)
    return [done[number] for number in range(len(jobs))]


def _on_cuda(jobs: Sequence[Job]) -> list[Execution]:
    on = cuda.device()
    done: list[Execution] = []
    for job in jobs:
        found = _recorded(job, "cuda")
        if isinstance(found, str):
            found = _run("cuda", job, found, partial(cuda.run, text=found, on=on))
        done.append(found)
    return done


_RUN = {"cpu": _on_cpu, "cuda": _on_cuda}
_RUNNERS = {"kernel": launch.kernel, "function": launch.function, "program": taped.on_cpu}


def _recorded(job: Job, name: str) -> str | Execution:
    """The recorded text that an execution runs, or why there is none."""
    for artifact in job.capture.artifacts:
        if artifact.level == _LEVELS[name] and artifact.direction == "module":
            if artifact.text is not None:
                return artifact.text
            return _failed(name, artifact.reason, artifact.detail)
    return _failed(name, "not_captured")


def _failed(name: str, reason: str, detail: str = "", digest: str = "") -> Execution:
    return Execution(name, None, None, digest, reason, detail, reason, detail)


def _run(name: str, job: Job, text: str, run: Callable[..., launch.Ran]) -> Execution:
    digest = source_hash(text)
    reason = _undifferentiable(job.program.entry)
    if not reason and may_not_end(job.program):
        reason = "unending_adjoint"
    try:
        ran = run(job, backward=not reason)
    except cuda.CompileError as error:
        return _failed(name, "compile_error", str(error), digest)
    # A driver is Python and may raise anything; so may Warp on what it hands over.
    except Exception as error:
        return _failed(name, "execution_error", one_line(error), digest)
    return Execution(
        name,
        ran.outputs,
        ran.gradients,
        digest,
        gradient_reason=reason or ran.reason,
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
