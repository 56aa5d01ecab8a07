"""Running a loaded source as its users do: launches under a tape, then the tape backwards."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from math import prod
from typing import Any

import numpy as np

from backends.base import Job
from backends.warp.capture import one_line
from backends.warp.launch import Ran, differentiable
from backends.warp.private_run import Compiled, adding, bind
from backends.warp.values import AnyArray, address, shown, storage, stored
from grammar.passes.effects import written
from grammar.types import FLOATS, Array, Scalar, Type, element_shape, scalar_of


def on_cpu(job: Job, kernels: Mapping[str, Compiled], backward: bool) -> Ran:
    """Run the entry of a source on the CPU, its kernels being those compiled."""
    return taped(job, kernels, backward, "cpu")


def taped(job: Job, kernels: Mapping[str, Compiled], backward: bool, device: str) -> Ran:
    """Run a driver, or launch a kernel, on a device that the kernels were compiled for."""
    import warp as wp

    from backends.warp import private

    types = [value.type for value in job.program.entry.parameters]
    memory = [stored(v, scalar_of(t)) for v, t in zip(job.inputs, types, strict=True)]
    with ExitStack() as stack:
        stack.enter_context(private.session(private.PINNED))
        loaded = stack.enter_context(private.loaded(job.rendered.python))
        bind(loaded, kernels, device)
        stack.enter_context(wp.ScopedDevice(device))
        if device == "cpu":
            stack.enter_context(adding(_add))
        given = [_given(v, t, device) for v, t in zip(memory, types, strict=True)]
        tape = wp.Tape()
        with tape:
            results, kinds = _results(job, loaded.names[job.rendered.entry], given)
        outputs = tuple([_read(a, s) for a, s in zip(results, kinds, strict=True)])
        if not backward:
            return Ran(outputs, None)
        if job.program.entry.kind == "kernel" and not kernels[job.rendered.entry].backward:
            return Ran(outputs, None, "adjoint_disabled")
        try:
            for array, cotangent, scalar in zip(results, job.cotangents, kinds, strict=True):
                if cotangent is not None:
                    _seed(array.grad, stored(cotangent, scalar), scalar)
            tape.backward()
        # Warp raises what it likes of launches it cannot reverse; the values stand.
        except Exception as error:
            return Ran(outputs, None, "execution_error", one_line(error))
        return Ran(outputs, _gradients(job, given, types))


def _results(
    job: Job, entry: Callable[..., Any], given: list[Any]
) -> tuple[list[Any], list[Scalar]]:
    """The arrays that a driver returns or a kernel writes, and what they hold."""
    import warp as wp

    unit = job.program.entry
    if unit.kind == "kernel":
        wp.launch(entry, dim=unit.grid, inputs=given)
        places = sorted(written(unit))
        return [given[at] for at in places], [scalar_of(unit.parameters[at].type) for at in places]
    returned = entry(*given)
    results = list(returned) if isinstance(returned, tuple) else [returned]
    return results, [scalar_of(type_) for type_ in unit.results]


def _gradients(job: Job, given: list[Any], types: list[Type]) -> tuple[AnyArray | None, ...]:
    unit = job.program.entry
    effects = written(unit) if unit.kind == "kernel" else {}
    return tuple(
        [
            _read(value.grad, scalar_of(type_))
            if differentiable(type_) and effects.get(at) != "out"
            else None
            for at, (value, type_) in enumerate(zip(given, types, strict=True))
        ]
    )


def _given(memory: AnyArray, type_: Type, device: str) -> Any:
    """A parameter: a value, or an array; on the CPU it is over the memory given."""
    import warp as wp

    scalar = scalar_of(type_)
    dtype = getattr(wp, scalar.dtype)
    match element_shape(type_.element if isinstance(type_, Array) else type_):
        case ():
            pass
        case (size,):
            dtype = wp.types.vector(size, dtype)
        case shape:
            dtype = wp.types.matrix(shape, dtype)
    if isinstance(type_, Array):
        start = address(memory)
        array = wp.array(ptr=start, shape=type_.shape, dtype=dtype, device="cpu").to(device)
        array.requires_grad = scalar.kind == "float"
        return array
    value = shown(memory, scalar)
    return value.item() if isinstance(type_, Scalar) else dtype(*value.ravel().tolist())


def _view(array: Any, scalar: Scalar) -> AnyArray:
    """The memory of a dense Warp array on the CPU, vector and matrix axes trailing."""
    shape = (*array.shape, *getattr(array.dtype, "_shape_", ()))
    size = prod(shape) * storage(scalar).itemsize
    buffer: Any = (ctypes.c_char * size).from_address(array.ptr)
    return np.frombuffer(buffer, storage(scalar)).reshape(shape)


def _read(array: Any, scalar: Scalar) -> AnyArray:
    return shown(_view(array.to("cpu"), scalar), scalar)


def _seed(gradient: Any, cotangent: AnyArray, scalar: Scalar) -> None:
    """Add a cotangent: a driver may return the same array twice, or one that it was given."""
    host = gradient.to("cpu")
    _accumulate(_view(host, scalar), cotangent, scalar)
    if host is not gradient:
        gradient.assign(host)


def _accumulate(memory: AnyArray, more: AnyArray, scalar: Scalar) -> None:
    with np.errstate(all="ignore"):
        memory[...] = stored(shown(memory, scalar) + shown(more, scalar), scalar)


def _add(array: Any, more: Any) -> None:
    """Add a Warp array to another: the adjoint of a copy."""
    dtype = getattr(array.dtype, "_wp_scalar_type_", array.dtype)
    scalar = next(scalar for scalar in FLOATS if scalar.dtype == dtype.__name__)
    _accumulate(_view(array, scalar), _view(more, scalar), scalar)
