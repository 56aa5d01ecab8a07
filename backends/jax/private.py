"""The only file that touches private modules of JAX and jaxlib.

Each feature here has a public route that gives the same text, only slower. `probe` says which
features the installed version lacks; callers take the public route for those.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

CUSTOM_CALL = "stablehlo.custom_call"
SYMBOL_OR_CHANNEL = ("@", "channel_handle", CUSTOM_CALL)
MODULE_CONTEXT_PARAMETERS = ("context", "lowering_cache", "aval_to_ir_types_cache")


@dataclass(frozen=True, slots=True)
class Features:
    """Per feature the private name that is missing, or "" where the feature can be used.

    `shared_lowering`: one MLIR context and cache of primitive lowerings for many modules.
    `proto_text`: text of a serialized HLO module, so that a compile can stop before codegen.
    `computation_cost`: cost analysis of an HLO module that is already at hand.
    """

    shared_lowering: str
    proto_text: str
    computation_cost: str


@functools.cache
def probe() -> Features:
    """Look up every private name used here, once per process."""
    return Features(
        shared_lowering=_missing(
            ("jax._src.interpreters.mlir", "ModuleContext"),
            ("jax._src.interpreters.mlir", "LoweringCacheValue"),
            ("jax._src.interpreters.mlir", "make_ir_context"),
            ("jax._src.config", "trace_context"),
        )
        or _missing_parameter(),
        proto_text=_missing(
            ("jaxlib._hlo", "HloPrintOptions"),
            ("jaxlib._hlo", "HloModule.from_serialized_hlo_module_proto"),
        ),
        computation_cost=_missing(
            ("jaxlib._jax", "hlo_module_cost_analysis"),
            ("jax._src.xla_bridge", "get_backend"),
        ),
    )


def _missing(*names: tuple[str, str]) -> str:
    for module, path in names:
        try:
            functools.reduce(getattr, path.split("."), importlib.import_module(module))
        except (ImportError, AttributeError):
            return f"{module}.{path}"
    return ""


def _missing_parameter() -> str:
    mlir: Any = importlib.import_module("jax._src.interpreters.mlir")
    accepted = inspect.signature(mlir.ModuleContext.__init__).parameters
    fields = mlir.LoweringCacheValue.__annotations__
    for name in MODULE_CONTEXT_PARAMETERS:
        if name not in accepted:
            return f"jax._src.interpreters.mlir.ModuleContext({name}=)"
    for name in ("func", "const_args", "inline"):
        if name not in fields:
            return f"jax._src.interpreters.mlir.LoweringCacheValue.{name}"
    return ""


@dataclass(slots=True)
class _Shared:
    """What modules share: an MLIR context, and caches per trace configuration (x64 and others)."""

    context: Any = None
    lowerings: dict[Any, dict[Any, Any]] = field(default_factory=dict)
    types: dict[Any, dict[Any, Any]] = field(default_factory=dict)


_shared = _Shared()


class _LayeredCache(dict[Any, Any]):
    """One module's lowering cache, over the shared one.

    An entry may be shared when it is a function body to inline that names nothing in its module:
    no symbol, channel, callback or hoisted constant.
    """

    __slots__ = ("_common",)

    def __init__(self, common: dict[Any, Any]) -> None:
        super().__init__()
        self._common = common

    def get(self, key: Any, default: Any = None) -> Any:
        value = self._common.get(key)
        return value if value is not None else super().get(key, default)

    def __setitem__(self, key: Any, value: Any) -> None:
        if value.inline and not value.const_args and _is_closed(value.func.operation):
            self._common[key] = value
        else:
            super().__setitem__(key, value)


def _is_closed(function: Any) -> bool:
    """Whether a lowered function's body refers to nothing outside itself."""
    body = str(function).partition("{")[2]
    return not any(mark in body for mark in SYMBOL_OR_CHANNEL)


def reset_shared() -> None:
    """Drop the shared MLIR context and caches, so that memory does not grow without bound."""
    _shared.context = None
    _shared.lowerings.clear()
    _shared.types.clear()


@contextmanager
def shared_lowering() -> Iterator[None]:
    """While open, modules lowered by this thread share an MLIR context and primitive lowerings.

    Other threads, and everything after the block, lower as JAX does by itself. Does nothing where
    `probe` finds the feature missing.
    """
    if probe().shared_lowering:
        yield
        return
    mlir: Any = importlib.import_module("jax._src.interpreters.mlir")
    config: Any = importlib.import_module("jax._src.config")
    create = getattr(mlir, "_create_ir_context", mlir.make_ir_context)
    owner = threading.get_ident()
    original = mlir.ModuleContext.__init__

    def initialise(self: Any, **keywords: Any) -> None:
        if threading.get_ident() == owner and keywords.get("context") is None:
            if _shared.context is None:
                _shared.context = create()
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


def proto_text(proto: bytes) -> str:
    """Text of a serialized HloModuleProto, without metadata (names, files and lines of source)."""
    hlo: Any = importlib.import_module("jaxlib._hlo")
    options = hlo.HloPrintOptions()
    options.print_metadata = False
    return hlo.HloModule.from_serialized_hlo_module_proto(proto).to_string(options)


def computation_cost(computation: Any) -> dict[str, float]:
    """XLA's cost analysis of an XlaComputation, as `Lowered.cost_analysis` gives for CPU."""
    jaxlib: Any = importlib.import_module("jaxlib._jax")
    bridge: Any = importlib.import_module("jax._src.xla_bridge")
    return jaxlib.hlo_module_cost_analysis(bridge.get_backend("cpu"), computation.as_hlo_module())
