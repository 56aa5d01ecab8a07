"""Loading a source, and tracing its function and its backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from backends.base import Direction, Rendered
from backends.jax.attempts import Failure, attempt, load_jax
from backends.jax.replayed_forward import replayed


def load(source: Rendered) -> Callable[..., Any]:
    """Execute a rendered file in a fresh namespace and return its entry."""
    namespace: dict[str, Any] = {"__name__": source.entry}
    exec(compile(source.python, f"<{source.entry}>", "exec", dont_inherit=True), namespace)
    entry = namespace[source.entry]
    if not callable(entry):
        raise TypeError(f"{source.entry} is not callable")
    return entry


def shapes(source: Rendered) -> list[Any]:
    """Shapes and types of the arguments, which are all that tracing needs of them."""
    jax = load_jax()
    return [
        jax.ShapeDtypeStruct(argument.shape, jax.numpy.dtype(argument.dtype))
        for argument in source.arguments
    ]


def trace(source: Rendered, *, exact: bool = True) -> dict[Direction, Any]:
    """Per direction the traced function, or the `Failure` that stands for every level of it.

    Unless `exact`, the jaxpr of the backward may differ from what its Python gives; what it is
    lowered to does not.
    """
    jax = load_jax()
    function = attempt(lambda: load(source), "source_error")
    if isinstance(function, Failure):
        return {"forward": function, "backward": function}

    def forward() -> tuple[Any, list[Any]]:
        arguments = shapes(source)
        return jax.jit(function).trace(*arguments), arguments

    traced = attempt(forward, "compile_error")
    if isinstance(traced, Failure):
        return {"forward": traced, "backward": traced}
    stage, arguments = traced

    def backward(function: Callable[..., Any]) -> Any:
        pulled = pullback(function, arguments, stage.out_info, source.entry)
        if isinstance(pulled, Failure):
            return pulled
        return jax.jit(pulled.function).trace(arguments, pulled.cotangent)

    short = None if exact else replayed(stage)
    if short is not None:
        found = attempt(lambda: backward(short), "compile_error")
        if not isinstance(found, Failure):
            return {"forward": stage, "backward": found}
    return {"forward": stage, "backward": attempt(lambda: backward(function), "compile_error")}


@dataclass(frozen=True, slots=True)
class Pullback:
    """The backward of a function: called with (arguments, cotangent) it gives the gradients."""

    function: Callable[[Sequence[Any], Any], Any]
    cotangent: Any


def pullback(
    function: Callable[..., Any], arguments: Sequence[Any], result: Any, name: str
) -> Pullback | Failure:
    """`lambda args, ct: jax.vjp(f, *args)[1](ct)`, named `<name>_backward`.

    `arguments` are arrays or shapes; those of an integer or bool type are passed on and not
    differentiated. `result` is the shape of one array or a tuple or list of them; `cotangent` has
    the same structure, without the outputs that are not of an inexact type.
    """
    jax = load_jax()

    def is_inexact(array: Any) -> bool:
        return jax.numpy.issubdtype(array.dtype, jax.numpy.inexact)

    differentiated = [i for i, argument in enumerate(arguments) if is_inexact(argument)]
    if not differentiated:
        return Failure("missing", "no_float_inputs")
    single = not isinstance(result, (tuple, list))
    outputs = [result] if single else list(result)
    kept = [is_inexact(output) for output in outputs]
    if not any(kept):
        return Failure("missing", "no_float_outputs")

    def backward(args: Sequence[Any], ct: Any) -> Any:
        def differentiable(*values: Any) -> Any:
            changed = dict(zip(differentiated, values, strict=True))
            returned = function(*(changed.get(i, arg) for i, arg in enumerate(args)))
            if single:
                return returned
            return tuple(out for out, keep in zip(returned, kept, strict=True) if keep)

        return jax.vjp(differentiable, *(args[i] for i in differentiated))[1](ct)

    backward.__name__ = backward.__qualname__ = f"{name}_backward"
    cotangents = tuple(
        jax.ShapeDtypeStruct(output.shape, output.dtype)
        for output, keep in zip(outputs, kept, strict=True)
        if keep
    )
    return Pullback(backward, cotangents[0] if single else cotangents)
