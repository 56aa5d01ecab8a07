"""IR of a user's own callables: any function JAX can trace, with any pytrees as arguments.

The user's functions are lowered by stock JAX under the user's own settings (x64 included), and
what they raise comes through.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from backends.base import Artifact, Capture, Direction
from backends.jax.capture import (
    Failure,
    artifacts_of,
    check,
    load_jax,
    pullback,
    require_levels,
    session,
    texts_of,
)

DIRECTIONS: tuple[Direction, ...] = ("forward", "backward")


def extract(
    fn: Callable[..., Any],
    args: Sequence[Any],
    levels: frozenset[str],
    directions: Sequence[Direction] = DIRECTIONS,
) -> Capture:
    """Capture `fn(*args)` at `levels`; cost comes with any level other than the jaxpr.

    `args` are arrays, scalars, `ShapeDtypeStruct`s or pytrees of them; values do not matter. The
    backward is the pullback over all inexact leaves of `args`. If the result is one inexact
    scalar the cotangent is the constant 1, so that the backward is the gradient and takes `args`
    alone; otherwise the cotangent comes after them. Without an inexact input or output
    the backward's artifacts have the status "missing". Of a function that is jitted already,
    leaves that are no arrays and not inexact (they may be static) are constants of the backward.
    Raises `ValueError` for an unknown level or direction, `BackendError` where JAX cannot be
    used, and whatever `fn` raises.
    """
    require_levels(levels)
    for direction in directions:
        if direction not in DIRECTIONS:
            raise ValueError(f"unknown direction {direction!r}, not one of {', '.join(DIRECTIONS)}")
    check()
    name = name_of(fn)
    artifacts: list[Artifact] = []
    costs: dict[str, dict[str, float]] = {}
    with session(shared=False) as interception:
        forward = _jitted(fn).trace(*args)
        for direction in directions:
            stage = forward if direction == "forward" else _backward(fn, args, forward, name)
            texts = texts_of(stage, levels, interception, _unguarded, cost=True)
            if isinstance(measured := texts.pop("cost", None), dict):
                costs[direction] = measured
            artifacts += artifacts_of(name, direction, texts)
    return Capture(tuple(artifacts), costs)


def _unguarded(step: Callable[[], Any], reason: str) -> Any:
    return step()


def name_of(fn: Callable[..., Any]) -> str:
    """The function's own name; of a partial or a callable object, that of what it calls."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return getattr(fn, "__name__", type(fn).__name__)


def _is_jitted(fn: Callable[..., Any]) -> bool:
    return callable(getattr(fn, "trace", None)) and callable(getattr(fn, "lower", None))


def _jitted(fn: Callable[..., Any]) -> Any:
    if _is_jitted(fn):
        return fn
    if not hasattr(fn, "__name__"):
        fn = _named(fn, name_of(fn))
    return load_jax().jit(fn)


def _named(fn: Callable[..., Any], name: str) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        return fn(*args)

    call.__name__ = call.__qualname__ = name
    return call


def _backward(fn: Callable[..., Any], args: Sequence[Any], forward: Any, name: str) -> Any:
    """The traced backward, or the `Failure` that says why there is none."""
    jax = load_jax()
    leaves, structure = jax.tree.flatten(tuple(args))
    fixed = _is_jitted(fn)
    traced = [i for i, leaf in enumerate(leaves) if not fixed or _is_numeric(leaf)]
    shapes = [_shape(leaves[i]) for i in traced]
    results = jax.tree.leaves(forward.out_info)

    def flat(*values: Any) -> Any:
        filled = list(leaves)
        for i, value in zip(traced, values, strict=True):
            filled[i] = value
        returned = jax.tree.leaves(fn(*jax.tree.unflatten(structure, filled)))
        return returned[0] if len(results) == 1 else returned

    result = results[0] if len(results) == 1 else results
    pulled = pullback(flat, shapes, result, name)
    if isinstance(pulled, Failure):
        return pulled
    if len(results) > 1 or results[0].shape:
        return jax.jit(pulled.function).trace(shapes, pulled.cotangent)

    def gradient(args: Sequence[Any]) -> Any:
        return pulled.function(args, jax.numpy.ones((), results[0].dtype))

    gradient.__name__ = gradient.__qualname__ = f"{name}_backward"
    return jax.jit(gradient).trace(shapes)


def _is_numeric(leaf: Any) -> bool:
    """Whether a leaf of a jitted function's arguments cannot be a static argument."""
    return hasattr(leaf, "dtype") or isinstance(leaf, (float, complex))


def _shape(leaf: Any) -> Any:
    """Shape and dtype of a leaf as JAX takes it under the present x64 setting."""
    return load_jax().eval_shape(lambda value: value, leaf)


def python_source(fn: Callable[..., Any]) -> str:
    """Source text of a callable, dedented and with its decorators; "" if there is none to be had.

    Wrappers (`jax.jit`, `functools.wraps`, partials) are looked through. Of a lambda only the
    lambda itself is given, and "" if its line holds several. Builtins, callable objects and
    functions made by `exec` give "".
    """
    while isinstance(fn, functools.partial):
        fn = fn.func
    try:
        found = textwrap.dedent(inspect.getsource(inspect.unwrap(fn)))
    except (OSError, TypeError):
        return ""
    return _lambda_source(found) if name_of(fn) == "<lambda>" else found


def _lambda_source(found: str) -> str:
    try:
        tree = ast.parse(found)
    except SyntaxError:  # the lines of a lambda can be a piece of a longer statement
        return ""
    lambdas = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
    return (ast.get_source_segment(found, lambdas[0]) or "") if len(lambdas) == 1 else ""
