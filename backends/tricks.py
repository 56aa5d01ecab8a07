"""Short cuts of the drivers, and how to go without them.

Each stands in one file and gives byte for byte what the plain way gives, only sooner. Those named
in the environment variable IRGEN_PLAIN, separated by commas, are left out; `all` leaves out every
one. It is read when a driver starts on a batch.
"""

from __future__ import annotations

import difflib
import functools
import os

from backends.base import BackendError

VARIABLE = "IRGEN_PLAIN"
ALL = "all"

TRICKS: dict[str, str] = {
    "shared_context": "JAX modules share an MLIR context and the lowerings of primitives",
    "replayed_forward": "JAX's backward is traced from the jaxpr of the function, where it may be",
    "stopped_compile": "XLA stops before it generates code, and leaves behind what it started from",
    "frozen_collector": "the garbage collector does not walk JAX itself",
    "overloads": "Warp resolves the overloads of a builtin once for each tuple of types",
    "one_build": "C++ and CUDA are written from one build of the adjoints",
    "young_collection": "after a batch only young garbage of Warp is collected",
    "kept_header": "Warp's precompiled header is kept in the user's cache folder",
}
"""What each short cut is, by name."""


def taken(name: str) -> bool:
    """Whether a short cut is taken; `BackendError` where IRGEN_PLAIN names an unknown one."""
    return name not in _left_out(os.environ.get(VARIABLE, ""))


@functools.cache
def _left_out(value: str) -> frozenset[str]:
    names = {name.strip() for name in value.split(",")} - {""}
    for name in sorted(names - {*TRICKS, ALL}):
        close = difflib.get_close_matches(name, [*TRICKS, ALL], n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        known = ", ".join([*TRICKS, ALL])
        raise BackendError(f"{VARIABLE}: unknown name {name!r}, {hint}choose from {known}")
    return frozenset(TRICKS) if ALL in names else frozenset(names)
