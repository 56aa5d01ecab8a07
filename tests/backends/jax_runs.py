"""Runs rendered JAX sources: makes inputs, loads the entry, calls it, lowers its backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from backends.base import Argument, Rendered
from grammar.passes.effects import written
from grammar.program import Program
from grammar.types import Array, Type, element_shape, scalar_of

FAST = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
"""Compiling takes longer than running; values are compared with tolerances."""


def load(source: Rendered) -> Callable[..., Any]:
    """The entry of a source."""
    names: dict[str, Any] = {"__name__": "loaded"}
    exec(compile(source.python, source.entry, "exec"), names)
    return names[source.entry]


def inputs(arguments: tuple[Argument, ...], seed: int = 0) -> list[Any]:
    """Floats between -1 and 1, integers 0 to 3, booleans."""
    random = np.random.default_rng(seed)
    made: list[Any] = []
    for argument in arguments:
        kind = jnp.dtype(argument.dtype)
        if jnp.issubdtype(kind, jnp.floating):
            value = random.uniform(-1, 1, argument.shape)
        else:
            value = random.integers(0, 2 if kind == jnp.bool_ else 4, argument.shape)
        made.append(np.asarray(value).astype(kind))
    return made


def run(source: Rendered, arguments: list[Any] | None = None) -> list[Any]:
    """What the entry returns under `jax.jit`, as a list of arrays."""
    with jax.enable_x64(source.wide):
        given = inputs(source.arguments) if arguments is None else arguments
        result = jax.jit(load(source), compiler_options=FAST)(*given)
        return list(result) if isinstance(result, tuple) else [result]


def shapes(source: Rendered) -> list[tuple[tuple[int, ...], str]]:
    """Shape and dtype of every result, by tracing only."""
    with jax.enable_x64(source.wide):
        found = jax.tree.leaves(jax.eval_shape(load(source), *inputs(source.arguments)))
        return [(one.shape, str(one.dtype)) for one in found]


def lower_backward(source: Rendered) -> bool:
    """Trace and lower the pullback over all float inputs; False where there is none."""
    with jax.enable_x64(source.wide):
        given = [jnp.asarray(value) for value in inputs(source.arguments)]
        function = load(source)
        floats = [at for at, value in enumerate(given) if jnp.issubdtype(value.dtype, jnp.floating)]

        def smooth(*values: Any) -> list[Any]:
            full = list(given)
            for at, value in zip(floats, values, strict=True):
                full[at] = value
            results = jax.tree.leaves(function(*full))
            return [value for value in results if jnp.issubdtype(value.dtype, jnp.floating)]

        point = [given[at] for at in floats]
        outputs = jax.eval_shape(smooth, *point)
        if not point or not outputs:
            return False
        cotangents = [jnp.ones(output.shape, output.dtype) for output in outputs]
        jax.jit(lambda given, *at: jax.vjp(smooth, *at)[1](given)).lower(cotangents, *point)
        return True


def results(program: Program) -> list[tuple[tuple[int, ...], str]]:
    """Shape and dtype of every result that the entry of a program has in JAX."""
    entry = program.entry
    types: list[Type] = list(entry.results)
    if entry.kind == "kernel":
        types = [entry.parameters[at].type for at in sorted(written(entry))]
    return [(_shape(type_), scalar_of(type_).dtype) for type_ in types]


def _shape(type_: Type) -> tuple[int, ...]:
    if isinstance(type_, Array):
        return (*type_.shape, *element_shape(type_.element))
    return element_shape(type_)


TOLERANCES = {2: 3e-2, 4: 1e-4, 8: 1e-8}


def agree(found: Any, wanted: Any) -> bool:
    """Equal integers and truth values, close floats; shapes and dtypes the same."""
    one, other = np.asarray(found), np.asarray(wanted)
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.kind in "iub":
        return bool((one == other).all())
    near = TOLERANCES[one.dtype.itemsize]
    one, other = one.astype(np.float64), other.astype(np.float64)
    return bool(np.allclose(one, other, rtol=near, atol=near, equal_nan=True))
