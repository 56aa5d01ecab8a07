"""Texts of one traced function, level by level, and what comes with them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

from backends.jax import stopped_compile
from backends.jax.attempts import ADDRESS, Failure, Guard
from backends.jax.stopped_compile import Interception

METADATA = re.compile(r', metadata=\{(?:[^{}"]|"(?:[^"\\]|\\.)*"|\{[^{}]*\})*\}')
PROPAGATION = re.compile(r", allow_spmd_sharding_propagation_to_(?:parameters|output)=\{[^}]*\}")
SOURCE_TABLES = re.compile(
    r"(?:\n(?:FileNames|FunctionNames|FileLocations|StackFrames)\n(?:\d+ .*\n)*)+\n"
)


def texts_of(
    stage: Any,
    levels: frozenset[str],
    interception: Interception,
    guard: Guard,
    *,
    cost: bool,
) -> dict[str, Any]:
    """Text or `Failure` per level of one traced function, with `cost` also flops and bytes.

    With StableHLO comes "kept", the positions of the arguments that its text has.
    `guard(step, reason)` runs each step and decides what becomes of exceptions. A failed `stage`
    stands for every level.
    """
    if isinstance(stage, Failure):
        return dict.fromkeys(levels, stage)
    texts: dict[str, Any] = {}
    if "jaxpr" in levels:
        texts["jaxpr"] = guard(lambda: jaxpr_text(stage), "compile_error")
    deeper = levels - {"jaxpr"}
    if not deeper:
        return texts
    lowered = guard(stage.lower, "compile_error")
    if isinstance(lowered, Failure):
        return texts | dict.fromkeys(deeper, lowered)
    if "stablehlo" in levels:
        texts["stablehlo"] = guard(lowered.as_text, "compile_error")
        texts["kept"] = guard(lambda: kept_arguments(stage, lowered), "compile_error")
    before = b""
    if "hlo_optimized" in levels:
        # The module before optimization costs the same; its text has another layout of results.
        enough = cost and "hlo" not in levels
        optimized = guard(lambda: _optimized(lowered, interception, before=enough), "compile_error")
        text, before = optimized if isinstance(optimized, tuple) else (optimized, b"")
        texts["hlo_optimized"] = text
    if before:
        texts["cost"] = guard(lambda: _counted(stopped_compile.cost_of(before)), "compile_error")
    elif "hlo" in levels or cost:
        computation = guard(lambda: lowered.compiler_ir("hlo"), "compile_error")
        if "hlo" in levels:
            texts["hlo"] = _then(computation, lambda: computation.as_hlo_text(), guard)
        if cost:
            texts["cost"] = _then(computation, lambda: _analysis(lowered, computation), guard)
    return texts


def _then(before: Any, step: Callable[[], Any], guard: Guard) -> Any:
    return before if isinstance(before, Failure) else guard(step, "compile_error")


def jaxpr_text(traced: Any) -> str:
    """Text of the jaxpr, without colours and without the addresses of functions in it."""
    return ADDRESS.sub("", traced.jaxpr.pretty_print(use_color=False))


def _analysis(lowered: Any, computation: Any) -> dict[str, float]:
    """Cost of a module; the public route converts it once more."""
    if stopped_compile.is_taken():
        return _counted(stopped_compile.cost_of(computation.as_serialized_hlo_module_proto()))
    return _counted(lowered.cost_analysis() or {})


def _counted(analysis: dict[str, float]) -> dict[str, float]:
    """Flops and bytes accessed by XLA's estimate for the module before optimization."""
    return {
        "flops": float(analysis.get("flops", 0.0)),
        "bytes": float(analysis.get("bytes accessed", 0.0)),
    }


def optimized_text(lowered: Any, interception: Interception) -> str:
    """Optimized HLO without metadata; code generation is skipped where that is possible."""
    return _optimized(lowered, interception, before=False)[0]


def _optimized(lowered: Any, interception: Interception, *, before: bool) -> tuple[str, bytes]:
    """Optimized HLO and, with `before`, the serialized module that XLA started from, b"" where it
    is not to be had."""
    if stopped_compile.is_taken():
        found = stopped_compile.stopped(lowered, module_name(lowered), interception, before=before)
        if found is not None:
            return stopped_compile.optimized_text(found.optimized), found.before
    return compiled_text(lowered.compile()), b""


def kept_arguments(traced: Any, lowered: Any) -> tuple[int, ...] | Failure:
    """Positions, among the flat arguments of a traced function, of those that its module takes.

    JAX drops arguments that nothing needs; the locations of the others in the module name them.
    """
    private: Any = importlib.import_module("backends.jax.private")
    main = private.main_of(lowered.compiler_ir("stablehlo"))
    names = traced.jaxpr.jaxpr.debug_info.arg_names
    positions = {f'loc("{name}")': at for at, name in enumerate(names)}
    found = [positions.get(str(argument.location)) for argument in main.arguments]
    kept = [position for position in found if position is not None]
    if len(kept) < len(found):
        return Failure("failed", "compile_error", "an argument of the module has no name")
    return tuple(kept)


def module_name(lowered: Any) -> str:
    """Name of the lowered module, such as "jit_f"."""
    return lowered.compiler_ir("stablehlo").operation.attributes["sym_name"].value


def compiled_text(compiled: Any) -> str:
    """Text of a compiled function's optimized HLO by public routes, metadata removed."""
    text = compiled.runtime_executable().hlo_modules()[0].to_string()
    for pattern in (SOURCE_TABLES, METADATA, PROPAGATION):
        text = pattern.sub("", text)
    return text
