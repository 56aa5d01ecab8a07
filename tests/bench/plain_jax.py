"""The plain loop that JAX text capture is timed against: what one would write without irgen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from backends.base import Argument
from backends.jax import capture as driver


def plain_forward(source: str, entry: str, arguments: Sequence[Argument]) -> str:
    """StableHLO of a file's function, as one writes it by hand. x64 is the caller's."""
    jax = driver.load_jax()
    namespace: dict[str, Any] = {"__name__": entry}
    exec(source, namespace)
    args = [
        jax.ShapeDtypeStruct(argument.shape, jax.numpy.dtype(argument.dtype))
        for argument in arguments
    ]
    return jax.jit(namespace[entry]).lower(*args).as_text()


def plain_capture(source: str, entry: str, arguments: Sequence[Argument]) -> tuple[str, str | None]:
    """StableHLO of a file's function and of its backward, as one writes it by hand.

    All inexact arguments are differentiated, with cotangents for all inexact outputs; without
    either there is no backward. x64 is the caller's.
    """
    jax = driver.load_jax()
    namespace: dict[str, Any] = {"__name__": entry}
    exec(source, namespace)
    function = namespace[entry]

    def is_inexact(array: Any) -> bool:
        return jax.numpy.issubdtype(array.dtype, jax.numpy.inexact)

    args = [
        jax.ShapeDtypeStruct(argument.shape, jax.numpy.dtype(argument.dtype))
        for argument in arguments
    ]
    forward = jax.jit(function).lower(*args)
    inexact = [i for i, arg in enumerate(args) if is_inexact(arg)]
    outputs, structure = jax.tree.flatten(forward.out_info)
    kept = [i for i, output in enumerate(outputs) if is_inexact(output)]
    if not inexact or not kept:
        return forward.as_text(), None
    whole = len(kept) == len(outputs)
    ct = forward.out_info if whole else tuple(outputs[i] for i in kept)

    def backward(args: Sequence[Any], ct: Any) -> Any:
        def differentiable(*values: Any) -> Any:
            changed = dict(zip(inexact, values, strict=True))
            result = function(*(changed.get(i, arg) for i, arg in enumerate(args)))
            if whole:
                return result
            leaves = structure.flatten_up_to(result)
            return tuple(leaves[i] for i in kept)

        return jax.vjp(differentiable, *(args[i] for i in inexact))[1](ct)

    backward.__name__ = f"{entry}_backward"
    return forward.as_text(), jax.jit(backward).lower(args, ct).as_text()
