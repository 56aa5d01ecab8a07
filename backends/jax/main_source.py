"""The part of a source that runs it: small deterministic inputs, one call under `jax.jit`."""

from __future__ import annotations

import math
from collections.abc import Iterable

from backends import surface as s
from backends.base import Argument
from backends.jax.spell import I32_TYPE, integer, jnp

_CALLED = s.Attribute(s.Name("jax"), "jit")


def run_itself(entry: str, arguments: Iterable[Argument], wide: bool) -> s.If:
    """`if __name__ == "__main__":` with a call of the entry. Inputs take the arguments' names."""
    body: list[s.Stmt] = []
    if wide:
        update = s.Attribute(s.Attribute(s.Name("jax"), "config"), "update")
        body.append(s.Do(s.Call(update, (s.Literal('"jax_enable_x64"'), s.Literal("True")))))
    given: list[s.Expr] = []
    for number, argument in enumerate(arguments):
        body.append(s.Assign(s.Name(argument.name), _input(argument, number)))
        given.append(s.Name(argument.name))
    function = s.Call(_CALLED, (s.Name(entry),))
    body.append(s.Do(s.Call(s.Name("print"), (s.Call(function, tuple(given)),))))
    return s.If(s.Binary("==", s.Name("__name__"), s.Literal('"__main__"')), tuple(body))


def _input(argument: Argument, number: int) -> s.Expr:
    """An input: floats spread over an interval, integers 0 to 3, booleans in turn."""
    kind = argument.dtype
    exact = not kind.startswith(("float", "bfloat"))
    if not argument.shape:
        if kind == "bool":
            return s.Call(jnp("bool_"), (s.Literal("True"),))
        literal = (
            s.Literal(str(1 + number % 3)) if exact else s.Literal(str(0.5 + 0.25 * (number % 4)))
        )
        return s.Call(jnp(kind), (literal,))
    count = math.prod(argument.shape)
    if exact:
        line: s.Expr = s.Call(jnp("arange"), (integer(count),), (("dtype", I32_TYPE),))
        line = s.Binary("%", line, integer(2 if kind == "bool" else 4))
        if kind == "bool":
            line = s.Binary("==", line, integer(0))
        elif kind != "int32":
            line = s.Call(s.Attribute(line, "astype"), (jnp(kind),))
    else:
        low = s.Unary("-", s.Literal("1.0")) if number % 2 == 0 else s.Literal("0.5")
        bounds = (low, s.Literal(("1.0", "2.0")[number % 2]), integer(count))
        line = s.Call(jnp("linspace"), bounds, (("dtype", jnp(kind)),))
    if len(argument.shape) == 1:
        return line
    return s.Call(s.Attribute(line, "reshape"), tuple(map(integer, argument.shape)))
