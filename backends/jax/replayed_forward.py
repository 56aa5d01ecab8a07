"""The backward of a function traced from its jaxpr instead of from its Python (private API).

Tracing the backward runs the function again, all of the Python behind each of its operations. What
that does is in the jaxpr of the forward already, and going through that takes half as long. The
backward is lowered to the same text, but for two cases, which are left to the Python:

- JAX moves a constant that a loop or branch closes over into its body where a jaxpr gives it, and
  passes it in where Python does;
- functions with derivative rules of their own, under `vmap`, become several functions in a module
  or one, by which of them are the same object.

The jaxpr of a backward traced so may differ in names and order, so texts of jaxprs need the Python.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
from collections.abc import Callable
from typing import Any

from backends.jax.names import missing
from backends.tricks import taken

NAME = "replayed_forward"

_CORE = "jax._src.core"

RELEASES = ("0.10.",)
"""How the versions begin where texts were found to be the same. From some later one on, JAX adds up
the parts of a cotangent in another order where it goes through a jaxpr."""

_CLOSING = frozenset({"scan", "while", "cond"})
_OWN_RULES = "custom_"


@functools.cache
def probe() -> str:
    """What the installed version lacks, "" where it is one of `RELEASES` and has all names."""
    version = importlib.metadata.version("jax")
    if not version.startswith(RELEASES):
        return f"a version known to give the same text, as {version} is not"
    return missing(
        (_CORE, "Literal"),
        (_CORE, "jaxpr_as_fun"),
        (_CORE, "jaxprs_in_params"),
    )


def replayed(traced: Any) -> Callable[..., Any] | None:
    """A function that does what the jaxpr of a traced one says, or None where its backward could
    get another text, or where this is left out."""
    if not taken(NAME) or probe() or not _is_safe(traced.jaxpr):
        return None
    core: Any = importlib.import_module(_CORE)
    tree: Any = importlib.import_module("jax").tree
    run = core.jaxpr_as_fun(traced.jaxpr)
    structure = tree.structure(traced.out_info)

    def function(*arguments: Any) -> Any:
        return tree.unflatten(structure, run(*arguments))

    return function


def _is_safe(closed: Any) -> bool:
    core: Any = importlib.import_module(_CORE)
    if closed.consts or closed.effects:
        return False
    for equation in closed.jaxpr.eqns:
        if equation.primitive.name in _CLOSING and any(
            isinstance(operand, core.Literal) and not operand.aval.weak_type
            for operand in equation.invars
        ):
            return False
    return not _has_own_rules(core, closed.jaxpr)


def _has_own_rules(core: Any, jaxpr: Any) -> bool:
    """Whether a jaxpr, or one inside it, calls a function with a derivative rule of its own."""
    return any(
        equation.primitive.name.startswith(_OWN_RULES)
        or any(_has_own_rules(core, inner) for inner in core.jaxprs_in_params(equation.params))
        for equation in jaxpr.eqns
    )
