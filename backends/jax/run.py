"""Execution of recorded StableHLO: by the interpreter that comes with JAX, and compiled by XLA.

What runs is the recorded text, not the source: it is parsed anew, forward and backward apart. A
text that fails does not touch any other.
"""

from __future__ import annotations

import hashlib
import importlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backends.base import Artifact, Direction, Execution, Job
from backends.jax.capture import Failure, attempt, checked, load_jax
from backends.jax.interpretable import missing_operation
from grammar.passes.effects import written
from grammar.program import Unit
from grammar.types import scalar_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = list["NDArray[Any]"]
Route = Callable[[str, Arrays, Any], "Arrays | Failure"]

EXECUTIONS: tuple[str, ...] = ("interpreter", "compiled")
"""The interpreter evaluates operation by operation; compiled is XLA's CPU code as `jax.jit` makes
it, of the same text."""

LEVEL = "stablehlo"

_lock = threading.RLock()


def needs(execution: str) -> frozenset[str]:
    """The levels whose recorded text an execution runs; `ValueError` for an unknown execution."""
    _require((execution,))
    return frozenset({LEVEL})


def prepare() -> None:
    """Start JAX on the CPU; BackendError where it cannot be used."""
    checked()
    private: Any = importlib.import_module("backends.jax.private")
    private.require_execution()
    load_jax().devices("cpu")


def execute(jobs: Sequence[Job], executions: Sequence[str]) -> list[list[Execution]]:
    """Run each job, forward and backward, in each of the ways named; one list per job, in order.

    Raises `ValueError` for an unknown execution, `BackendError` where JAX cannot be used.
    """
    _require(executions)
    checked()
    private: Any = importlib.import_module("backends.jax.private")
    private.require_execution()
    jax = load_jax()
    with _lock, jax.default_device(jax.devices("cpu")[0]):
        return [[_execute_one(job, name) for name in executions] for job in jobs]


def _require(executions: Sequence[str]) -> None:
    for name in executions:
        if name not in EXECUTIONS:
            known = ", ".join(EXECUTIONS)
            raise ValueError(f"unknown JAX execution {name!r}, not one of {known}")


@dataclass(frozen=True, slots=True)
class _Ran:
    """One direction: its results and the text they come from, or the reason why there are none."""

    results: tuple[NDArray[Any], ...] | None
    text: str = ""
    reason: str = ""
    detail: str = ""


def _execute_one(job: Job, execution: str) -> Execution:
    entry = job.program.entry
    taken = taken_parameters(entry)
    arguments = [job.inputs[position] for position in taken]
    cotangents = [cotangent for cotangent in job.cotangents if cotangent is not None]
    floats = [at for at in taken if scalar_of(entry.parameters[at].type).kind == "float"]
    forward = _run(job, "forward", arguments, execution, len(job.cotangents))
    backward = _run(job, "backward", [*arguments, *cotangents], execution, len(floats))
    gradients = None
    if backward.results is not None:
        found = dict(zip(floats, backward.results, strict=True))
        gradients = tuple([found.get(position) for position in range(len(entry.parameters))])
    ran = [each.text for each in (forward, backward) if each.results is not None]
    return Execution(
        name=execution,
        outputs=forward.results,
        gradients=gradients,
        source_hash=_digest(ran),
        reason=forward.reason,
        detail=forward.detail,
        gradient_reason=backward.reason,
        gradient_detail=backward.detail,
    )


def taken_parameters(entry: Unit) -> tuple[int, ...]:
    """The positions of the parameters that the rendered entry takes: a kernel's function does not
    take the arrays that it overwrites without looking."""
    positions = range(len(entry.parameters))
    if entry.kind != "kernel":
        return tuple(positions)
    how = written(entry)
    return tuple([position for position in positions if how.get(position) != "out"])


def _digest(texts: Sequence[str]) -> str:
    """32 hexadecimal digits, "" where nothing ran."""
    if not texts:
        return ""
    return hashlib.blake2b("".join(texts).encode(), digest_size=16).hexdigest()


def _run(job: Job, direction: Direction, arguments: Arrays, execution: str, count: int) -> _Ran:
    """Run the recorded text of one direction, which gives `count` results, on those of its
    arguments that the text has."""
    artifact = _recorded(job, direction)
    kept = job.capture.kept.get(direction)
    if artifact is None:
        return _Ran(None, reason="not_captured")
    if artifact.text is None:
        return _Ran(None, reason=artifact.reason, detail=artifact.detail)
    if kept is None:
        detail = f"nothing tells which arguments the {direction} text takes"
        return _Ran(None, reason="not_captured", detail=detail)
    text = artifact.text

    def run() -> Arrays | Failure:
        given = [arguments[position] for position in kept]
        return _ROUTES[execution](text, given, job.rendered.wide)

    results = attempt(run, "execution_error")
    if isinstance(results, Failure):
        return _Ran(None, reason=results.reason, detail=results.detail)
    if len(results) != count:
        detail = f"the {direction} text gives {len(results)} results, not {count}"
        return _Ran(None, reason="execution_error", detail=detail)
    return _Ran(tuple(results), text)


def _recorded(job: Job, direction: Direction) -> Artifact | None:
    for artifact in job.capture.artifacts:
        if (artifact.level, artifact.direction) == (LEVEL, direction):
            return artifact
    return None


def _interpret(text: str, arguments: Arrays, wide: bool) -> Arrays | Failure:
    missing = missing_operation(text)
    if missing:
        return Failure("failed", "not_interpretable", missing)
    private: Any = importlib.import_module("backends.jax.private")
    return private.interpret(text, arguments)


def _compile(text: str, arguments: Arrays, wide: bool) -> Arrays | Failure:
    private: Any = importlib.import_module("backends.jax.private")
    compiled = attempt(lambda: private.compile_text(text, arguments), "compile_error")
    if isinstance(compiled, Failure):
        return compiled
    with load_jax().enable_x64(wide):
        return private.call(compiled)


_ROUTES: dict[str, Route] = {"interpreter": _interpret, "compiled": _compile}
