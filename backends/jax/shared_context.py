"""Modules that share an MLIR context, and how primitives are lowered into it (private API).

JAX makes a context for each module, and lowers each primitive anew in it. A lowering is a function
of primitive, parameters, types and configuration, so it can serve other modules as well, unless it
names something in its own.
"""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from backends.jax.names import missing, missing_parameter
from backends.tricks import taken

NAME = "shared_context"

_MLIR = "jax._src.interpreters.mlir"
_MODULE_CONTEXT_PARAMETERS = ("context", "lowering_cache", "aval_to_ir_types_cache")
_ENTRY_FIELDS = ("func", "const_args", "inline")

_NAMING = ("@", "channel_handle", "stablehlo.custom_call")
"""What stands in the text of a function that refers to something outside itself."""

_BODIES = frozenset({"jaxpr", "body_jaxpr", "cond_jaxpr", "call_jaxpr", "branches"})
"""Parameters that hold code of one program: no other has the same, and they are kept alive."""


@functools.cache
def probe() -> str:
    """The private name that is missing, "" where the installed version has all."""
    return (
        missing(
            (_MLIR, "ModuleContext"),
            (_MLIR, "LoweringCacheValue"),
            (_MLIR, "LoweringCacheKey"),
            (_MLIR, "make_ir_context"),
            ("jax._src.config", "trace_context"),
        )
        or missing_parameter(_MLIR, "ModuleContext.__init__", _MODULE_CONTEXT_PARAMETERS)
        or _missing_field()
    )


def _missing_field() -> str:
    mlir: Any = importlib.import_module(_MLIR)
    for owner, names in (("LoweringCacheValue", _ENTRY_FIELDS), ("LoweringCacheKey", ("params",))):
        fields = getattr(mlir, owner).__annotations__
        for name in names:
            if name not in fields:
                return f"{_MLIR}.{owner}.{name}"
    return ""


def new_context() -> Any:
    """An MLIR context that no other module uses, with the dialects of JAX."""
    mlir: Any = importlib.import_module(_MLIR)
    return getattr(mlir, "_create_ir_context", mlir.make_ir_context)()


@dataclass(slots=True)
class _Shared:
    """What modules share: an MLIR context, and caches per trace configuration (x64 and others)."""

    context: Any = None
    lowerings: dict[Any, dict[Any, Any]] = field(default_factory=dict[Any, dict[Any, Any]])
    types: dict[Any, dict[Any, Any]] = field(default_factory=dict[Any, dict[Any, Any]])


_shared = _Shared()


class _LayeredCache(dict[Any, Any]):
    """One module's lowering cache, over the shared one."""

    __slots__ = ("_common",)

    def __init__(self, common: dict[Any, Any]) -> None:
        super().__init__()
        self._common = common

    def get(self, key: Any, default: Any = None) -> Any:
        value = self._common.get(key)
        return value if value is not None else super().get(key, default)

    def __setitem__(self, key: Any, value: Any) -> None:
        if (
            value.inline
            and not value.const_args
            and _BODIES.isdisjoint(name for name, _ in key.params)
            and _is_closed(value.func.operation)
        ):
            self._common[key] = value
        else:
            super().__setitem__(key, value)


def _is_closed(function: Any) -> bool:
    """Whether a lowered function's body refers to nothing outside itself: no symbol, channel,
    callback or hoisted constant."""
    text = function.get_asm(assume_verified=True, use_local_scope=True)
    body = text.partition("{")[2]
    return not any(mark in body for mark in _NAMING)


def reset() -> None:
    """Drop the shared context and caches, so that memory does not grow without bound."""
    _shared.context = None
    _shared.lowerings.clear()
    _shared.types.clear()


@contextmanager
def shared_context() -> Iterator[None]:
    """While open, modules lowered by this thread share an MLIR context and primitive lowerings.

    Other threads, and everything after the block, lower as JAX does by itself. Does nothing where
    it is left out or `probe` finds something missing.
    """
    if not taken(NAME) or probe():
        yield
        return
    mlir: Any = importlib.import_module(_MLIR)
    config: Any = importlib.import_module("jax._src.config")
    owner = threading.get_ident()
    original = mlir.ModuleContext.__init__

    def initialise(self: Any, **keywords: Any) -> None:
        if threading.get_ident() == owner and keywords.get("context") is None:
            if _shared.context is None:
                _shared.context = new_context()
            key = config.trace_context()
            keywords["context"] = _shared.context
            if keywords.get("lowering_cache") is None:
                keywords["lowering_cache"] = _LayeredCache(_shared.lowerings.setdefault(key, {}))
            if keywords.get("aval_to_ir_types_cache") is None:
                keywords["aval_to_ir_types_cache"] = _shared.types.setdefault(key, {})
        original(self, **keywords)

    mlir.ModuleContext.__init__ = initialise
    try:
        yield
    finally:
        mlir.ModuleContext.__init__ = original
