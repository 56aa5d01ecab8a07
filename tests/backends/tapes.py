"""Gradients by `wp.Tape` and `jax.vjp`, and by central differences, of programs in float64."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from backends.registry import BACKENDS
from backends.style import Style
from grammar.passes.effects import written
from grammar.program import Program, Unit
from grammar.types import Array

Values = list[Any]
Gradients = dict[int, Any]

_STEP = 1e-6


def gradients_agree(found: Gradients, wanted: Gradients) -> bool:
    """Whether all gradients are equal but for the error of differences."""
    return all(np.allclose(found[at], wanted[at], rtol=1e-5, atol=1e-5) for at in wanted)


@contextmanager
def warp_entry(program: Program, style: Style, folder: Path) -> Iterator[Callable[..., Values]]:
    """The entry of a program, which takes arrays and numbers and returns what it wrote."""
    import warp as wp

    rendered = BACKENDS["warp"].render(program, style)
    name = f"taped_{folder.name}_{len(list(folder.iterdir()))}".replace("-", "_")
    path = folder / f"{name}.py"
    path.write_text(rendered.python)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    wp.set_module_options({"optimization_level": 0}, module)
    entry, unit = getattr(module, rendered.entry), program.entry

    def call(*given: Any) -> Values:
        if unit.kind == "program":
            out = entry(*given)
            return list(out) if isinstance(out, tuple) else [out]
        wp.launch(entry, dim=unit.grid, inputs=list(given))
        return [given[at] for at in sorted(written(unit))]

    with wp.ScopedDevice("cpu"):
        yield call
    del sys.modules[name]


def warp_gradients(
    program: Program, values: Values, style: Style, folder: Path
) -> tuple[Gradients, Gradients]:
    """Gradients of the sum of all outputs: by the tape, and by central differences."""
    import warp as wp

    with warp_entry(program, style, folder) as entry:

        def arrays(given: Values) -> Values:
            return [wp.array(v, requires_grad=True) if _is_array(v) else v for v in given]

        def total(given: Values) -> float:
            return float(sum(out.numpy().sum() for out in entry(*arrays(given))))

        taken = arrays(values)
        tape = wp.Tape()
        with tape:
            outputs = entry(*taken)
        tape.backward(grads={out: wp.ones_like(out) for out in outputs})
        wanted = {at: _difference(total, values, at) for at in _differentiated(program.entry)}
        return {at: taken[at].grad.numpy() for at in wanted}, wanted


def jax_gradients(program: Program, values: Values, style: Style) -> Gradients:
    """Gradients of the sum of all outputs by `jax.vjp`."""
    import jax
    import jax.numpy as jnp

    rendered = BACKENDS["jax"].render(program, style)
    namespace: dict[str, Any] = {"__name__": "taped"}
    exec(compile(rendered.python, "<taped>", "exec"), namespace)
    unit, wanted = program.entry, _differentiated(program.entry)
    left_out = {at for at, how in _written(unit).items() if how == "out"}

    def total(*given: Any) -> Any:
        all_values = list(values)
        for at, value in zip(wanted, given, strict=True):
            all_values[at] = value
        out = namespace[rendered.entry](
            *[value for at, value in enumerate(all_values) if at not in left_out]
        )
        return sum(jnp.sum(part) for part in (out if isinstance(out, tuple) else (out,)))

    with jax.enable_x64(True):
        found = jax.grad(total, argnums=tuple(range(len(wanted))))(*[values[at] for at in wanted])
        return {at: np.asarray(one) for at, one in zip(wanted, found, strict=True)}


def _written(unit: Unit) -> dict[int, str]:
    return dict(written(unit)) if unit.kind == "kernel" else {}


def _differentiated(unit: Unit) -> list[int]:
    """The positions of the arrays whose gradient is compared."""
    arrays = [k for k, value in enumerate(unit.parameters) if isinstance(value.type, Array)]
    return [at for at in arrays if _written(unit).get(at) != "out"]


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def _difference(total: Callable[[Values], float], values: Values, at: int) -> Any:
    out = np.zeros_like(values[at])
    for place in np.ndindex(*out.shape):
        sides: list[float] = []
        for step in (_STEP, -_STEP):
            moved = values[at].copy()
            moved[place] += step
            sides.append(total([*values[:at], moved, *values[at + 1 :]]))
        out[place] = (sides[0] - sides[1]) / (2 * _STEP)
    return out
