"""Execution of jobs by a target: what comes back is what an installed backend gives."""

from __future__ import annotations

import atexit
import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from numpy.typing import NDArray

from backends.base import Execution, Job
from backends.warp.loops import may_not_end
from grammar.passes.effects import written
from grammar.program import Unit
from grammar.types import Array, Type, element_shape, scalar_of
from irgen.oracle import carrying
from irgen.pool.limits import Lost
from irgen.targets.connection import Connection, Reply, Request
from irgen.targets.target import Target
from irgen.vectors import output_types


@dataclass(frozen=True, slots=True)
class Measured:
    """One way to run a job, and what compiling it cost: seconds of processor time, and bytes of
    code (C++ of Warp's, optimized HLO of XLA's). Both are None where nothing was compiled apart."""

    execution: Execution
    compile_seconds: float | None
    code_bytes: int | None


def execute(target: Target, jobs: Sequence[Job], ways: Sequence[str]) -> list[list[Execution]]:
    """Run each job, forward and backward, in each of the ways named; see `measured`."""
    return [[one.execution for one in found] for found in measured(target, jobs, ways)]


def measured(target: Target, jobs: Sequence[Job], ways: Sequence[str]) -> list[list[Measured]]:
    """Run each job in each of the ways named, by the public API of a target.

    What fails is a reason on its own job, also what kills the process that runs it.

    Raises:
        BackendError: the target cannot be used.
        ValueError: a job's entry is a function, which no Warp user can launch.
    """
    return run_on(connection(target), jobs, ways)


def run_on(connected: Connection, jobs: Sequence[Job], ways: Sequence[str]) -> list[list[Measured]]:
    """As `measured`, through a connection of the caller's."""
    backend = connected.target.backend
    replies = connected.run([request(backend, job, ways) for job in jobs])
    return [_measured(backend, job, ways, reply) for job, reply in zip(jobs, replies, strict=True)]


_CONNECTIONS: dict[tuple[int, Target], Connection] = {}


def connection(target: Target) -> Connection:
    """The connection of this process to a target; it ends with the process."""
    key = os.getpid(), target
    if key not in _CONNECTIONS:
        _CONNECTIONS[key] = Connection(target)
        atexit.register(_CONNECTIONS[key].close)
    return _CONNECTIONS[key]


def request(backend: str, job: Job, ways: Sequence[str]) -> Request:
    """What the worker is asked to run a job; ValueError for a function on Warp."""
    entry = job.program.entry
    if backend == "warp" and entry.kind == "function":
        raise ValueError("Warp launches kernels: make one of the function first (as_kernel)")
    effects = written(entry) if entry.kind == "kernel" else {}
    positions = range(len(entry.parameters))
    arrays: list[NDArray[Any]] = list(job.inputs)
    cotangents: list[int | None] = []
    for cotangent in job.cotangents:
        cotangents.append(None if cotangent is None else len(arrays))
        arrays += [] if cotangent is None else [cotangent]
    overwritten = {at for at in positions if effects.get(at) == "out"}
    header: dict[str, Any] = {
        "source": job.rendered.python,
        "entry": job.rendered.entry,
        "unit": entry.kind,
        "grid": list(entry.grid),
        "wide": job.rendered.wide,
        "parameters": [
            {
                **_described(value.type),
                "element": list(_element(value.type)),
                "array": isinstance(value.type, Array),
            }
            for value in entry.parameters
        ],
        "results": [_described(type_) for type_ in output_types(entry)],
        "takes": [at for at in positions if backend == "warp" or at not in overwritten],
        "writes": sorted(effects),
        "differentiates": _differentiated(backend, entry),
        "inputs": list(positions),
        "cotangents": cotangents,
        "backward": not _undifferentiable(backend, job),
        "ways": list(ways),
    }
    return Request(header, tuple(arrays))


def _described(type_: Type) -> dict[str, Any]:
    shape = type_.shape if isinstance(type_, Array) else ()
    return {"dtype": scalar_of(type_).dtype, "shape": [*shape, *_element(type_)]}


def _element(type_: Type) -> tuple[int, ...]:
    return element_shape(type_.element if isinstance(type_, Array) else type_)


def _differentiated(backend: str, entry: Unit) -> list[int]:
    """The parameters whose gradient comes back; Warp's only come through arrays."""
    places = carrying(entry)
    if backend == "warp":
        return [at for at in places if isinstance(entry.parameters[at].type, Array)]
    return list(places)


def _undifferentiable(backend: str, job: Job) -> str:
    """The reason why a job has no gradient to ask for, or ""."""
    entry = job.program.entry
    if not carrying(entry):
        return "no_float_inputs"
    if all(scalar_of(type_).kind != "float" for type_ in output_types(entry)):
        return "no_float_outputs"
    if backend == "warp" and may_not_end(job.program):
        return "unending_adjoint"
    return ""


def _measured(backend: str, job: Job, ways: Sequence[str], reply: Reply | Lost) -> list[Measured]:
    digest = blake2b(job.rendered.python.encode(), digest_size=16).hexdigest()
    if isinstance(reply, Lost):
        why = reply.reason, reply.detail
        return [
            Measured(Execution(way, None, None, digest, *why, *why), None, None) for way in ways
        ]
    reason = _undifferentiable(backend, job)
    done: list[Measured] = []
    for found in reply.header["ways"]:
        execution = Execution(
            name=found["way"],
            outputs=_arrays(reply, found["outputs"]),
            gradients=_arrays(reply, found["gradients"]),
            source_hash=digest,
            reason=found["reason"],
            detail=found["detail"],
            gradient_reason=found["gradient_reason"] or reason,
            gradient_detail=found["gradient_detail"],
        )
        done.append(Measured(execution, found["compile_seconds"], found["code_bytes"]))
    return done


def _arrays(reply: Reply, places: list[int | None] | None) -> Any:
    """The arrays at these places, None where there is none."""
    if places is None:
        return None
    return tuple([None if at is None else reply.arrays[at] for at in places])
