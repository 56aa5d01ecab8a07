"""Optimized HLO, and the cost before optimization, from one compile that generates no code.

A hook ends the compile once the module is scheduled. XLA is asked to leave the module that it
starts from in a folder, for its cost. The public ways are a compile in full and a conversion of its
own. Printing a serialized module, and its cost, are private API.
"""

from __future__ import annotations

import functools
import importlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.jax.names import missing
from backends.tricks import taken

NAME = "stopped_compile"

_HOOK = "irgen_keep_optimized_hlo"
_BEFORE = "*.before_optimizations.hlo.pb"
_MODULE_TAG = 0x0A
"""The first byte of an HloProto: field 1, the HloModuleProto, with its length."""


@functools.cache
def probe() -> str:
    """The private name that is missing, "" where the installed version has all."""
    return missing(
        ("jaxlib._hlo", "HloPrintOptions"),
        ("jaxlib._hlo", "HloModule.from_serialized_hlo_module_proto"),
        ("jaxlib._jax", "hlo_module_cost_analysis"),
        ("jax._src.xla_bridge", "get_backend"),
    )


class CompileStoppedError(Exception):
    """Raised in the compiler's hook to end a compile once the optimized module is known."""


@dataclass(slots=True)
class Interception:
    """What the hook keeps: it acts on the module named `armed` and on no other. XLA writes the
    modules that it starts from into `folder`, unless that is ""."""

    armed: str = ""
    proto: bytes = b""
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Modules:
    """Serialized HloModuleProtos, b"" for what is not known."""

    before: bytes
    optimized: bytes


@contextmanager
def intercepting(*, dumping: bool) -> Iterator[Interception]:
    """Hold the hook in the compiler of the CPU, and with `dumping` a folder; both are gone
    afterwards."""
    xla: Any = importlib.import_module("jax.extend.xla")
    interception = Interception()

    def keep(proto: bytes) -> None:
        # Compiles by the user, in this or another thread, pass through.
        if interception.armed and _names(proto, interception.armed):
            interception.proto = proto
            raise CompileStoppedError

    stage = xla.PipelineStage.POST_SCHEDULER
    xla.register_hlo_module_transformation(keep, name=_HOOK, stage=stage, platforms="cpu")
    folder: tempfile.TemporaryDirectory[str] | None = None
    if dumping:
        with suppress(OSError):  # without a place to write, the module is converted apart
            folder = tempfile.TemporaryDirectory(prefix="irgen-hlo-", ignore_cleanup_errors=True)
            interception.folder = folder.name
    try:
        yield interception
    finally:
        xla.clear_hlo_module_transformation(_HOOK, stage=stage, platforms="cpu")
        if folder is not None:
            folder.cleanup()


def _names(proto: bytes, module: str) -> bool:
    """Whether a serialized HloModuleProto is of that name, which is its first field."""
    name = module.encode()
    return name in proto[: len(name) + 8]


def stopped(lowered: Any, name: str, interception: Interception, *, before: bool) -> Modules | None:
    """The modules of a compile that was stopped; None where it ran to its end, because the hook was
    not called (the executable came from JAX's persistent cache, or another platform compiled it).

    `before` asks for the module before optimization too. Raises what XLA raises for a module that
    it rejects.
    """
    errors: Any = importlib.import_module("jax").errors
    folder = interception.folder if before else ""
    options = {"xla_dump_to": folder, "xla_dump_hlo_as_proto": True} if folder else None
    interception.proto = b""
    interception.armed = name
    try:
        lowered.compile(compiler_options=options)
    except errors.JaxRuntimeError:
        if not interception.proto:
            raise
        return Modules(_started_from(folder), interception.proto)
    finally:
        interception.armed = ""
        _empty(folder)
    return None


def _started_from(folder: str) -> bytes:
    """The module that XLA wrote into a folder, b"" where it did not write one."""
    if not folder:
        return b""
    for path in Path(folder).glob(_BEFORE):
        return _module_of(path.read_bytes())
    return b""


def _module_of(proto: bytes) -> bytes:
    """The HloModuleProto in an HloProto, b"" where it does not begin with one."""
    if not proto or proto[0] != _MODULE_TAG:
        return b""
    length = shift = 0
    for at, byte in enumerate(proto[1:11], start=2):
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return proto[at : at + length] if at + length <= len(proto) else b""
    return b""


def _empty(folder: str) -> None:
    if folder:
        for path in Path(folder).iterdir():
            path.unlink(missing_ok=True)


def is_taken() -> bool:
    """Whether compiles are stopped here: not left out, and nothing missing."""
    return taken(NAME) and not probe()


def optimized_text(proto: bytes) -> str:
    """Text of a serialized HloModuleProto, without metadata (names, files and lines of source)."""
    hlo: Any = importlib.import_module("jaxlib._hlo")
    options = hlo.HloPrintOptions()
    options.print_metadata = False
    return hlo.HloModule.from_serialized_hlo_module_proto(proto).to_string(options)


def cost_of(proto: bytes) -> dict[str, float]:
    """XLA's cost analysis of a serialized HloModuleProto, as `Lowered.cost_analysis` for CPU."""
    hlo: Any = importlib.import_module("jaxlib._hlo")
    jaxlib: Any = importlib.import_module("jaxlib._jax")
    bridge: Any = importlib.import_module("jax._src.xla_bridge")
    module = hlo.HloModule.from_serialized_hlo_module_proto(proto)
    return jaxlib.hlo_module_cost_analysis(bridge.get_backend("cpu"), module)
