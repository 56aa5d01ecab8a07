"""Array programs rendered, loaded and run: on Warp's CPU device, in kernels, and by JAX."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from backends.jax.lower import render as render_jax
from backends.style import Style
from backends.warp.lower import render as render_warp
from grammar.passes.kernels import to_kernels
from grammar.program import Program
from grammar.types import Array, scalar_of


def load(text: str, name: str, folder: Path) -> ModuleType:
    """The module of a source text, from a file that stays as long as the folder."""
    path = folder / f"{name}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def arguments(program: Program, seed: int) -> list[np.ndarray]:
    """Inputs in the ranges that programs assume; scalars are arrays without axes."""
    rng = np.random.default_rng(seed)
    found: list[np.ndarray] = []
    for value in program.entry.parameters:
        scalar = scalar_of(value.type)
        shape = value.type.shape if isinstance(value.type, Array) else ()
        if scalar.kind == "float":
            drawn = rng.uniform(-4, 4, shape)
        else:
            low, high = {"int": (-8, 8), "uint": (0, 15), "bool": (0, 1)}[scalar.kind]
            drawn = rng.integers(low, high + 1, shape)
        found.append(np.asarray(drawn, scalar.dtype))
    return found


def _results(found: Any) -> list[Any]:
    return list(found) if isinstance(found, tuple) else [found]


def run_warp(
    program: Program, given: list[np.ndarray], folder: Path, name: str, style: Style
) -> list[np.ndarray]:
    """What Warp computes on the CPU, array ops turned into kernels."""
    import warp as wp

    before, wp.config.kernel_cache_dir = wp.config.kernel_cache_dir, str(folder)
    try:
        return _run_warp(program, given, folder, name, style)
    finally:
        wp.config.kernel_cache_dir = before


def _run_warp(
    program: Program, given: list[np.ndarray], folder: Path, name: str, style: Style
) -> list[np.ndarray]:
    import warp as wp

    rendered = render_warp(to_kernels(program), style)
    module = load(rendered.python, name, folder)
    wp.set_module_options({"enable_backward": False, "optimization_level": 0}, module=module)
    with wp.ScopedDevice("cpu"):
        passed = [
            wp.array(a, dtype=wp.dtype_from_numpy(a.dtype)) if a.shape else a.item() for a in given
        ]
        return [array.numpy() for array in _results(getattr(module, rendered.entry)(*passed))]


def run_jax(
    program: Program, given: list[np.ndarray], folder: Path, name: str, style: Style
) -> list[np.ndarray]:
    """What JAX computes, array ops as they are."""
    import jax
    import jax.numpy as jnp

    rendered = render_jax(program, style)
    module = load(rendered.python, name, folder)
    with jax.enable_x64(rendered.wide):
        run = jax.jit(getattr(module, rendered.entry))
        return [np.asarray(array) for array in _results(run(*map(jnp.asarray, given)))]
