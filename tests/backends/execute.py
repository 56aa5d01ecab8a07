"""Runs rendered programs on both backends, on the same inputs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np

from backends.base import Rendered
from backends.registry import BACKENDS
from backends.style import Style
from grammar.guards import inputs as input_range
from grammar.passes.effects import written
from grammar.program import Program, Unit
from grammar.types import Array, Type, element_shape, scalar_of

Values = list[Any]


def dtype_of(type_: Type) -> np.dtype[Any]:
    import ml_dtypes

    name = scalar_of(type_).dtype
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


def make_inputs(unit: Unit, seed: int) -> Values:
    """One array or scalar per parameter, in the range the generator assumes of inputs."""
    random = np.random.default_rng(seed)
    return [_make(random, value.type) for value in unit.parameters]


def _make(random: np.random.Generator, type_: Type) -> Any:
    shape = (*type_.shape, *element_shape(type_.element)) if isinstance(type_, Array) else ()
    element = type_.element if isinstance(type_, Array) else type_
    low, high = input_range(element)[:2]
    kind = scalar_of(type_).kind
    if kind == "float":
        limit = 2.0**high
        made = np.clip(random.normal(size=shape) * 1.5, -limit, limit)
    else:
        made = random.integers(low, high + 1, size=shape)
    made = np.asarray(made).astype(dtype_of(type_))
    return made if isinstance(type_, Array) else made[()]


def run_jax(rendered: Rendered, unit: Unit, values: Values) -> Values:
    """The arrays a kernel or program writes or returns, by JAX, in order."""
    import jax

    namespace: dict[str, Any] = {"__name__": "rendered"}
    exec(compile(rendered.python, "<rendered>", "exec"), namespace)
    given = values
    if unit.kind == "kernel":
        effects = written(unit)
        given = [v for at, v in enumerate(values) if effects.get(at) != "out"]
    with jax.enable_x64(rendered.wide):
        out = jax.jit(namespace[rendered.entry])(*given)
        return [np.asarray(array) for array in (out if isinstance(out, tuple) else (out,))]


def run_warp(rendered: Rendered, unit: Unit, values: Values, folder: Path) -> Values:
    """The same by Warp on the CPU, compiled without optimization."""
    import warp as wp

    name = f"rendered_{folder.name}_{len(list(folder.iterdir()))}".replace("-", "_")
    path = folder / f"{name}.py"
    path.write_text(rendered.python)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    wp.set_module_options({"optimization_level": 0, "enable_backward": False}, module)
    entry = getattr(module, rendered.entry)
    with wp.ScopedDevice("cpu"):
        if unit.kind == "program":
            given = [_to_warp(v, p.type) for v, p in zip(values, unit.parameters, strict=True)]
            out = entry(*given)
            results = [array.numpy() for array in (out if isinstance(out, tuple) else (out,))]
        else:
            given = [_to_warp(v, p.type) for v, p in zip(values, unit.parameters, strict=True)]
            wp.launch(entry, dim=unit.grid, inputs=given)
            results = [given[at].numpy() for at in sorted(written(unit))]
    del sys.modules[name]
    return results


def _to_warp(value: Any, type_: Type) -> Any:
    import warp as wp

    if not isinstance(type_, Array):
        return value.item()
    scalar = getattr(wp, scalar_of(type_).dtype)
    trailing = element_shape(type_.element)
    match trailing:
        case ():
            dtype = scalar
        case (size,):
            dtype = wp.types.vector(size, scalar)
        case shape:
            dtype = wp.types.matrix(shape, scalar)
    return wp.array(value, dtype=dtype)


def both(program: Program, style: Style, seed: int, folder: Path) -> tuple[Values, Values]:
    """Outputs of Warp and of JAX on the same inputs."""
    values = make_inputs(program.entry, seed)
    warp = BACKENDS["warp"].render(program, style)
    jax = BACKENDS["jax"].render(program, style)
    return (
        run_warp(warp, program.entry, values, folder),
        run_jax(jax, program.entry, values),
    )
