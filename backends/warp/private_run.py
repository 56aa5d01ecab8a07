"""The private API behind running recorded text: Clang and the linker that Warp bundles.

`backends.warp.private` loads and reads sources; this file compiles text, loads objects, finds
symbols, and lets kernels of a loaded source launch what was compiled from recorded text.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import warp
from warp._src import build, context

from backends.warp.private import Loaded, missing

SIGNATURES: dict[str, tuple[str, ...]] = {
    "build.build_cuda": ("cu_path", "arch", "output_path"),
    "context.KernelHooks": ("forward", "backward"),
    "context.Module.load": ("self", "device", "block_dim"),
    "context._build_launch_bounds_from_tuple": ("dim", "kernel_dim"),
    "context._launch_adj_copy_add": ("a", "b"),
}
"""Private callables used here, with the leading parameter names they must have."""

NATIVE = ("wp_compile_cpp", "wp_load_obj", "wp_lookup", "wp_unload_obj")
"""Functions of Warp's Clang library used here."""

COMPILE_ARGUMENTS = 14
"""Of `wp_compile_cpp`."""

OPTIMIZATION = 0
FLAGS = ("-w", "-discard-value-names", "-disable-llvm-verifier")
"""Clang: no warnings, no names and no self-checks in its own IR; none of it touches the code."""

CUDA_OPTIMIZATION = 3
"""Warp's default for CUDA."""

_INDEX_LIMIT = 2**31 - 1  # lanes along one axis that an index of a kernel can count
_SERIAL = count()
_FUSE = True  # Warp's default: what may be fused within one expression; x86-64 has nothing to fuse


def probe() -> tuple[str, ...]:
    """Name what the installed Warp lacks of what is used here; empty when fit. Starts Warp."""
    problems = list(missing(SIGNATURES))
    start()
    library = _runtime().llvm
    problems += [name for name in NATIVE if not hasattr(library, name)]
    if not problems and len(library.wp_compile_cpp.argtypes) != COMPILE_ARGUMENTS:
        problems.append("wp_compile_cpp")
    return tuple(problems)


def start() -> None:
    """Initialise Warp, if it is not yet, without its banner and its words about missing drivers."""
    if context.runtime is None:
        found = warp.config.log_level
        warp.config.log_level = warp.LOG_ERROR
        try:
            with _messages():
                warp.init()
        finally:
            warp.config.log_level = found


def _runtime() -> Any:
    return context.runtime


@contextmanager
def _messages() -> Iterator[Callable[[], str]]:
    """Keep what native code writes to stderr; yield a function that returns it so far."""
    with tempfile.TemporaryFile() as file:
        stderr = os.dup(2)
        os.dup2(file.fileno(), 2)

        def read() -> str:
            file.seek(0)
            return file.read().decode("utf-8", errors="replace")

        try:
            yield read
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _clang(source: str, target: Path, flags: Sequence[str], pch_folder: Path | None) -> str | None:
    """Compile to an object file; what Clang said if it failed, else None."""
    encoded = [flag.encode() for flag in flags]
    native = os.path.join(build.warp_home, "native")
    with _messages() as messages:
        failed = _runtime().llvm.wp_compile_cpp(
            source.encode(),
            b"recorded.cpp",
            native.encode(),
            str(target).encode(),
            False,  # debug
            False,  # verify_fp
            _FUSE,
            True,  # tiles in stack memory
            (ctypes.c_char_p * (len(encoded) + 1))(*encoded, None),
            OPTIMIZATION,
            False,  # verbose
            pch_folder is not None,
            None if pch_folder is None else str(pch_folder).encode(),
            1,  # block_dim
        )
        return messages() if failed else None


def precompile(folder: Path) -> Path:
    """Make the precompiled header of Warp's builtins in an empty folder; its path.

    Raises:
        OSError: the compiler left none; the message is the compiler's.
    """
    target = folder / "nothing.o"
    messages = _clang("", target, FLAGS, folder)
    target.unlink(missing_ok=True)
    for path in sorted(folder.glob("*.pch")):
        return path
    raise OSError(f"no precompiled header: {' '.join((messages or '').split())[:400]}")


def identity() -> tuple[str, ...]:
    """What a precompiled header depends on, besides Warp's version."""
    native = Path(build.warp_home) / "native" / "builtin.h"
    found = native.stat()
    return (str(native), f"{found.st_size} {found.st_mtime_ns}", str(OPTIMIZATION), *FLAGS)


def accepts(folder: Path, precompiled: Path) -> bool:
    """Whether Clang takes a precompiled header; `folder` is for what it writes."""
    target = folder / "nothing.o"
    messages = compile_object("", target, precompiled)
    target.unlink(missing_ok=True)
    return messages is None


def compile_object(source: str, target: Path, precompiled: Path) -> str | None:
    """Compile C++ to an object file; what Clang said if it failed, else None."""
    # Handed to Clang itself: Warp's own route deletes the header when a source has an error.
    return _clang(source, target, (*FLAGS, "-include-pch", str(precompiled)), None)


@dataclass(frozen=True, slots=True)
class Library:
    """An object file that is loaded."""

    handle: bytes

    def find(self, symbols: Sequence[str]) -> list[int] | str:
        """The addresses of symbols, or what the linker said."""
        with _messages() as messages:
            found = [_runtime().llvm.wp_lookup(self.handle, name.encode()) for name in symbols]
            return found if all(found) else messages()

    def close(self) -> None:
        """Unload it; none of its functions may be called any more."""
        _runtime().llvm.wp_unload_obj(self.handle)


def load_object(path: Path) -> Library:
    """Load an object file; OSError if the linker refuses it."""
    handle = f"irgen_{os.getpid()}_{next(_SERIAL)}".encode()
    if _runtime().llvm.wp_load_obj(str(path).encode(), handle, False):
        raise OSError(f"{path.name} does not load")
    return Library(handle)


def cuda_device() -> Any | None:
    """The current CUDA device, or None where there is none."""
    return warp.get_cuda_device() if warp.is_cuda_available() else None


def compile_ptx(source: Path, target: Path, architecture: int) -> str | None:
    """Compile a CUDA file as Warp does by default; what NVRTC said if it failed, else None."""
    with _messages() as messages:
        try:
            build.build_cuda(
                str(source),
                architecture,
                str(target),
                pch_dir=None,
                use_precompiled_headers=False,
                optimization_level=CUDA_OPTIMIZATION,
            )
        except Exception as error:  # Warp raises nothing narrower
            return messages() or str(error)
    return None


@contextmanager
def cuda_module(path: Path, device: Any) -> Iterator[Callable[[str], int]]:
    """Load a PTX file on a device; yield what finds a kernel's handle, 0 if there is none.

    Raises:
        OSError: the driver refuses the file.
    """
    core = _runtime().core
    with device.context_guard:
        module = core.wp_cuda_load_module(device.context, str(path).encode())
    if not module:
        raise OSError(f"{path.name} does not load: {_runtime().get_error_string()}")
    try:
        yield lambda name: core.wp_cuda_get_kernel(device.context, module, name.encode()) or 0
    finally:
        with device.context_guard:
            core.wp_cuda_unload_module(device.context, module)


@dataclass(frozen=True, slots=True)
class Compiled:
    """The functions of one kernel: addresses, or handles of the CUDA driver, 0 for none; and the
    rank of its index space."""

    forward: int
    backward: int
    rank: int


class _Executable:
    """What a module gives to `wp.launch`: the functions of each kernel."""

    def __init__(self, kernels: Mapping[str, Compiled], device: str) -> None:
        wrap: Callable[[int], Any] = ctypes.CFUNCTYPE(None) if device == "cpu" else int
        self.hooks = {
            name: context.KernelHooks(
                wrap(kernel.forward), wrap(kernel.backward) if kernel.backward else None
            )
            for name, kernel in kernels.items()
        }

    def get_kernel_hooks(self, kernel: context.Kernel) -> context.KernelHooks:
        return self.hooks[kernel.key]


def bind(loaded: Loaded, kernels: Mapping[str, Compiled], device: str) -> None:
    """Let the kernels of a loaded source launch what was compiled for a device, instead of building
    theirs.

    Raises:
        KeyError: a kernel of the source is not among them.
    """
    executable = _Executable(kernels, device)
    module: Any = loaded.module
    module.load = lambda device, block_dim=None: executable
    for kernel in loaded.kernels:
        kernel.adj.kernel_dim = kernels[kernel.key].rank
        kernel.adj.tid_extent_limit_candidate = _INDEX_LIMIT


@contextmanager
def adding(add: Callable[[Any, Any], None]) -> Iterator[None]:
    """Let `add` add the second array to the first where a tape reverses a copy.

    Warp compiles a kernel for that, in the usual way, for each type it meets.
    """
    found = context._launch_adj_copy_add
    context._launch_adj_copy_add = add
    try:
        yield
    finally:
        context._launch_adj_copy_add = found


def launch_bounds(grid: tuple[int, ...], rank: int) -> Any:
    """The ctypes structure that a kernel takes as its index space."""
    return context._build_launch_bounds_from_tuple(grid, rank)
