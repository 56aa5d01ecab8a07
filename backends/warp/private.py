"""Reading sources by Warp's private API (`warp._src`).

It loads kernels from text into a module that Warp's registry never keeps, builds their adjoints
once, and reads C++ and CUDA text per kernel and function. `probe` says whether the installed Warp
has what is used here; `backends.warp.capture.check` calls it before anything else.

Nothing here initialises a device. Everything that is patched while a `session` is open is put back
when it closes.
"""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import warp
from warp._src import build, codegen, context
from warp._src import types as warp_types

from backends.tricks import taken
from backends.warp.overloads import NAME, memoised
from backends.warp.swapping import swapped

SOURCE_NAME = "<irgen>"
"""The file name that generated code carries; Warp prints it above each function."""

MODULE_NAME = "irgen_source"
"""`__name__` of a source while it loads; it stands in no generated text."""

BLOCK_DIM = {"cpu": 1, "cuda": 256}
"""Threads per block, as `wp.launch` compiles for each target when none is given."""

PINNED: dict[str, Any] = {
    "compile_time_trace": False,
    "default_grid_stride": True,
    "deterministic": warp.config.DeterministicMode.NOT_GUARANTEED,
    "deterministic_debug": False,
    "deterministic_max_records": 0,
    "enable_backward": True,
    "enable_cpu_blocks": False,
    "enable_mathdx_fft": True,
    "enable_mathdx_gemm": True,
    "enable_mathdx_solver": True,
    "enable_tiles_in_stack_memory": True,
    "enable_vector_component_overwrites": False,
    "legacy_scalar_return_types": False,
    "line_directives": True,
    "lineinfo": False,
    "llvm_cuda": False,
    "log_level": warp.LOG_ERROR,
    "max_unroll": 16,
    "mode": "release",
    "optimization_level": None,
    "verify_autograd_array_access": False,
    "verify_fp": False,
}
"""`wp.config` while generated sources are captured: Warp's own defaults, but for the silence."""

QUIET: dict[str, Any] = {"log_level": warp.LOG_ERROR}
"""`wp.config` while a user's own kernel is read: theirs, silenced."""

SIGNATURES: dict[str, tuple[str, ...]] = {
    "codegen.Adjoint": ("func", "overload_annotations"),
    "codegen.Adjoint.resolve_func": ("adj", "func", "arg_types", "kwarg_types", "min_outputs"),
    "codegen.Var.type_to_ctype": ("t", "value_type"),
    "codegen.codegen_kernel": ("kernel", "device", "options"),
    "codegen.get_arg_type": ("arg",),
    "codegen.strip_reference": ("arg",),
    "context.Function.is_builtin": ("self",),
    "context.Kernel": ("func", "key", "module", "options"),
    "context.Module": ("name", "loader"),
    "context.Module._detach_references": ("self",),
    "context.Module.resolve_options": ("self", "config"),
    "context.ModuleBuilder": ("module", "options", "hasher", "target"),
    "context.ModuleBuilder._codegen_functions": (
        *("self", "functions", "device", "forward_only", "reverse_only"),
    ),
    "context.ModuleBuilder.build_function": ("self", "func"),
    "context.ModuleBuilder.codegen": ("self", "device"),
    "context.ModuleHasher": ("kernels", "options"),
    "types._ArrayAnnotation": ("dtype", "ndim"),
    "types.is_warp_function_annotation": (),
}
"""Private callables used here, with the leading parameter names they must have."""

VALUES: dict[str, type] = {
    "types.Reference": type,
    "types.array": type,
    "codegen.options": dict,
    "context.builtin_functions": dict,
    "context.function_key_counts": dict,
    "context.user_modules": dict,
}
"""Private variables used here and their types."""

_FILES = {"build": build, "codegen": codegen, "context": context, "types": warp_types}


def probe() -> tuple[str, ...]:
    """Name what the installed Warp lacks of `SIGNATURES`, `VALUES` and `PINNED`; empty when fit."""
    problems = list(missing(SIGNATURES))
    for path, kind in VALUES.items():
        if not isinstance(_resolve(path), kind):
            problems.append(f"warp._src.{path}")
    if not hasattr(codegen, "_codegen_lock"):
        problems.append("warp._src.codegen._codegen_lock")
    problems += [f"warp.config.{name}" for name in PINNED if not hasattr(warp.config, name)]
    return tuple(problems)


def missing(signatures: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Name the private callables that are not there, or have other leading parameters."""
    for path, wanted in signatures.items():
        found = _resolve(path)
        if not callable(found):
            yield f"warp._src.{path}"
        elif tuple(inspect.signature(found).parameters)[: len(wanted)] != wanted:
            yield f"warp._src.{path}({', '.join(wanted)})"


def _resolve(path: str) -> object:
    first, *rest = path.split(".")
    found: object = _FILES[first]
    for name in rest:
        found = getattr(found, name, None)
    return found


@contextmanager
def session(config: Mapping[str, Any], *, memo: bool = True) -> Iterator[None]:
    """Hold Warp's code generation lock, set `config`, and speed up overload resolution.

    On leaving, `wp.config`, the patched functions and the options of the last build are those
    that were found. `memo` false leaves Warp's own functions in place.
    """
    with (
        codegen._codegen_lock,
        swapped(warp.config, config),
        swapped(codegen, {"options": codegen.options}),
        memoised() if memo and taken(NAME) else nullcontext(),
    ):
        yield


@dataclass(frozen=True, slots=True)
class Loaded:
    """The kernels and functions of one source or kernel, and the Warp module they are built in.

    `functions` are those to build even if no kernel calls them, types being concrete; `names` are
    all that the source defines.
    """

    module: context.Module
    kernels: tuple[context.Kernel, ...]
    functions: tuple[context.Function, ...]
    names: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def loaded(python: str) -> Iterator[Loaded]:
    """Run the text of a Python file and yield what it declares; afterwards nothing of it is left.

    Function symbols are numbered per source, so that text never depends on what was loaded before.
    Whatever the source raises is raised from here.
    """
    module = context.Module(MODULE_NAME, None)
    registered = dict(context.user_modules)
    context.user_modules[MODULE_NAME] = module  # where the decorators look for `__name__`
    lines = python.splitlines(keepends=True)
    linecache.cache[SOURCE_NAME] = (len(python), None, lines, SOURCE_NAME)
    namespace: dict[str, Any] = {"__name__": MODULE_NAME}
    try:
        with swapped(context, {"function_key_counts": {}}):
            exec(compile(python, SOURCE_NAME, "exec", dont_inherit=True), namespace)
            kernels: list[context.Kernel] = []
            functions: list[context.Function] = []
            for value in namespace.values():
                if getattr(value, "__module__", None) != MODULE_NAME:
                    continue
                if isinstance(value, context.Kernel):
                    value.module = module  # also those declared with module="unique"
                    kernels.append(value)
                elif isinstance(value, context.Function):
                    functions.append(value)
            yield Loaded(module, tuple(kernels), tuple(functions), namespace)
    finally:
        module._detach_references()
        linecache.cache.pop(SOURCE_NAME, None)
        context.user_modules.clear()
        context.user_modules.update(registered)


@contextmanager
def copied(kernel: context.Kernel) -> Iterator[Loaded]:
    """Yield a copy of a user's kernel in a module of its own; theirs stays as it was found.

    Functions are shared with the user's module, so the state of their adjoints is put back.
    """
    own = copy(kernel)
    module = context.Module(kernel.module.name, None)
    module.options |= kernel.module.options
    own.adj = codegen.Adjoint(
        kernel.func,
        dict(kernel.adj.arg_types),
        transformers=kernel.adj.transformers,
        source=kernel.adj.source,
    )
    own.adj.fun_lineno = kernel.adj.fun_lineno
    own.module = module
    own.hash = None
    states = [
        (function, vars(function).copy(), vars(function.adj).copy()) for function in called(kernel)
    ]
    try:
        yield Loaded(module, (own,), ())
    finally:
        module._detach_references()
        for function, state, adjoint_state in states:
            vars(function).update(state)
            vars(function.adj).clear()
            vars(function.adj).update(adjoint_state)


def called(kernel: context.Kernel) -> tuple[context.Function, ...]:
    """User functions that a kernel reaches, callees first, with overloads and custom adjoints."""
    found: dict[context.Function, None] = {}
    entered: set[context.Function] = set()

    def visit(function: context.Function | None) -> None:
        if function is None or function.is_builtin() or function in entered:
            return
        entered.add(function)
        for callee in function.adj.get_references()[2]:
            visit(callee)
        for overload in (function.user_overloads | function.user_templates).values():
            visit(overload)
        found[function] = None
        visit(function.custom_grad_func)
        visit(function.custom_replay_func)

    for callee in kernel.adj.get_references()[2]:
        visit(callee)
    return tuple(found)


class Builder(context.ModuleBuilder):
    """Builds the adjoints of everything loaded, once for both targets, and hands out their text."""

    def __init__(self, loaded: Loaded, target: str) -> None:
        """Build for `target`, "cpu" or "cuda"; raises what Warp raises on code it rejects."""
        loaded.module.options["strip_hash"] = True
        options = loaded.module.resolve_options(warp.config)
        # No architecture: tile operations would otherwise be compiled, not only spelled out.
        options |= {"output_arch": None, "block_dim": BLOCK_DIM[target]}
        hasher = context.ModuleHasher(loaded.kernels, options)
        super().__init__(loaded.module, options, hasher=hasher, target=target)
        self._pieces: dict[str, list[list[str]]] = {}
        called = {function.key for function in self.functions}
        for function in loaded.functions:
            if function.key in called:
                continue
            for overload in function.user_overloads.values():
                if not any(
                    map(warp_types.is_warp_function_annotation, overload.input_types.values())
                ):
                    overload.adj.used_by_backward_kernel = options["enable_backward"]
                    self.build_function(overload)
        for function in self.deferred_functions:
            self.build_function(function)

    def texts(self, device: str) -> Texts:
        """Generate text for `device`; raises what Warp raises."""
        self._pieces = {}
        self.options = self.options | {"block_dim": BLOCK_DIM[device]}
        write_kernel = codegen.codegen_kernel

        def recording(kernel: Any, device: str, options: Any) -> str:
            text: str = write_kernel(kernel, device=device, options=options)
            forward, backward = self._pieces.setdefault(kernel.key, [[], []])
            name = f"{kernel.get_mangled_name()}_{device}_kernel_backward("
            at = text.rfind("\n\n", 0, text.find(name)) if name in text else len(text)
            forward.append(text[:at])
            backward.append(text[at:])
            return text

        with swapped(codegen, {"codegen_kernel": recording}):
            module = self.codegen(device)
        units = {name: (_joined(both[0]), _joined(both[1])) for name, both in self._pieces.items()}
        return Texts(module, units)

    def _codegen_functions(
        self, functions: Any, device: str, forward_only: bool = False, reverse_only: bool = False
    ) -> str:
        source = ""
        for function in functions:
            text = super()._codegen_functions([function], device, forward_only, reverse_only)
            source += text
            adjoint = function.adj
            stub = not (
                adjoint.custom_reverse_mode
                or adjoint.used_by_backward_kernel
                or adjoint.force_adjoint_codegen
            )
            if not (reverse_only and (stub or adjoint.uses_grad_call)):
                both = self._pieces.setdefault(function.key, [[], []])
                both[1 if reverse_only else 0].append(text)
        return source


@dataclass(frozen=True, slots=True)
class Texts:
    """The text of a module, and of each kernel and function by name: (forward, backward or "")."""

    module: str
    units: dict[str, tuple[str, str]]


def _joined(pieces: list[str]) -> str:
    text = "\n\n".join(stripped for piece in pieces if (stripped := piece.strip("\n")))
    return text + "\n" if text else ""
