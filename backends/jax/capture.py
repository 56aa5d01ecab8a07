"""Capture of JAX source: jaxpr, StableHLO, HLO and optimized HLO of a function and its backward.

Text is lowered for the CPU, without files, lines or addresses; it depends on the source and the
versions of JAX and Python only. (`hlo_optimized` of arrays past some 100,000 elements also tells
how many cores XLA split a loop over.) Nothing here is reentrant: a lock serialises callers.
"""

from __future__ import annotations

import functools
import gc
import importlib
import importlib.metadata
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from backends.base import Artifact, BackendError, Capture, Direction, Level, Rendered, Status

Result = TypeVar("Result")
Guard = Callable[[Callable[[], Any], str], Any]

LEVELS: tuple[Level, ...] = (
    Level("jaxpr", ("forward", "backward"), "jaxpr", "JAX's own typed intermediate language"),
    Level("stablehlo", ("forward", "backward"), "mlir", "StableHLO, as lowered from the jaxpr"),
    Level("hlo", ("forward", "backward"), "hlo", "XLA's HLO, before any optimization"),
    Level("hlo_optimized", ("forward", "backward"), "hlo", "HLO after XLA's passes, scheduled"),
)
"""The levels in order of descent; each has a text for the function and one for its backward."""

COSTED = frozenset({"hlo", "hlo_optimized"})
"""Levels with which flops and bytes come: they need the same conversion, which takes a while."""

SUPPORTED = ((0, 10, 2), (0, 13))
"""The oldest version of JAX that is supported, and the first that is not."""

PUBLIC_NAMES = (
    ("jax", "enable_x64"),
    ("jax", "default_device"),
    ("jax", "stages.Traced.out_info"),
    ("jax.extend.xla", "register_hlo_module_transformation"),
    ("jax.extend.xla", "clear_hlo_module_transformation"),
)

RECORDS_PER_RESET = 100
"""JAX's caches and the shared MLIR context are dropped after this many captures."""

FROZEN_AT_START = 1000
"""Python 3.12 starts with some hundred frozen objects; more were frozen by the user."""

HOOK = "irgen_keep_optimized_hlo"
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
METADATA = re.compile(r', metadata=\{(?:[^{}"]|"(?:[^"\\]|\\.)*"|\{[^{}]*\})*\}')
PROPAGATION = re.compile(r", allow_spmd_sharding_propagation_to_(?:parameters|output)=\{[^}]*\}")
SOURCE_TABLES = re.compile(
    r"(?:\n(?:FileNames|FunctionNames|FileLocations|StackFrames)\n(?:\d+ .*\n)*)+\n"
)
DETAIL_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a step gave nothing: a key of `REASONS`, and the compiler's message in one line."""

    status: Status
    reason: str
    detail: str = ""


@dataclass(slots=True)
class Interception:
    """What the compiler hook keeps: it acts on the module named `armed` and on no other."""

    armed: str = ""
    proto: bytes = b""


class CompileStoppedError(Exception):
    """Raised in the compiler hook to end a compile once the optimized module is known."""


def check() -> str:
    """The installed version of JAX; `BackendError` (one line) if it cannot be used."""
    try:
        version = importlib.metadata.version("jax")
    except importlib.metadata.PackageNotFoundError:
        raise BackendError("JAX is not installed: pip install 'irgen[jax]'") from None
    lowest, beyond = (".".join(map(str, bound)) for bound in SUPPORTED)
    if not SUPPORTED[0] <= _release(version) < SUPPORTED[1]:
        raise BackendError(f"JAX >={lowest},<{beyond} is needed, found {version}")
    try:
        jax = load_jax()
    except ImportError as error:
        message = one_line(error)
        raise BackendError(f"JAX {version} does not import ({message})") from error
    for module, path in PUBLIC_NAMES:
        try:
            functools.reduce(getattr, path.split("."), importlib.import_module(module))
        except (ImportError, AttributeError):
            raise BackendError(f"JAX {version} has no {module}.{path}") from None
    try:
        jax.devices("cpu")
    except RuntimeError as error:
        raise BackendError(
            f"JAX has no CPU device, add cpu to JAX_PLATFORMS ({one_line(error)})"
        ) from error
    return version


@functools.cache
def checked() -> str:
    return check()


def _release(version: str) -> tuple[int, ...]:
    matched = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, matched.group().split("."))) if matched else ()


def load_jax() -> Any:
    """Import JAX, on the CPU unless the user has chosen platforms or imported it already."""
    if "jax" not in sys.modules:
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    return importlib.import_module("jax")


def require_levels(levels: frozenset[str]) -> None:
    """`ValueError` if a level is not one of `LEVELS`."""
    known = [level.name for level in LEVELS]
    for name in sorted(levels.difference(known)):
        raise ValueError(f"unknown JAX level {name!r}, not one of {', '.join(known)}")


def capture(sources: Sequence[Rendered], levels: frozenset[str]) -> list[Capture]:
    """Capture each source at `levels`, forward and backward; one `Capture` per source, in order.

    A source that does not load, trace or compile gives artifacts with status "failed"; it does
    not harm the others. Flops and bytes of both directions come with the levels below StableHLO
    (`COSTED`), which share the conversion to HLO that they need.
    Raises `ValueError` for an unknown level, `BackendError` where JAX cannot be used.
    """
    require_levels(levels)
    checked()
    with session() as interception:
        return [_capture_one(source, levels, interception) for source in sources]


_lock = threading.RLock()
_captured = 0


@contextmanager
def session(*, shared: bool = True) -> Iterator[Interception]:
    """Prepare JAX for capture, and put everything back: hook, device, warnings, collector.

    `shared` lets modules share lowerings and hides warnings, which is right for source that was
    generated; a user's own callables are lowered by stock JAX.
    """
    jax = load_jax()
    xla: Any = importlib.import_module("jax.extend.xla")
    private: Any = importlib.import_module("backends.jax.private")
    interception = Interception()

    def keep(proto: bytes) -> None:
        # Compiles by the user, in this or another thread, pass through.
        if interception.armed and _names(proto, interception.armed):
            interception.proto = proto
            raise CompileStoppedError

    stage = xla.PipelineStage.POST_SCHEDULER
    with _lock, _frozen_collector(), jax.default_device(jax.devices("cpu")[0]):
        xla.register_hlo_module_transformation(keep, name=HOOK, stage=stage, platforms="cpu")
        try:
            if shared:
                with warnings.catch_warnings(), private.shared_lowering():
                    warnings.simplefilter("ignore")
                    yield interception
            else:
                yield interception
        finally:
            xla.clear_hlo_module_transformation(HOOK, stage=stage, platforms="cpu")


def _names(proto: bytes, module: str) -> bool:
    """Whether a serialized HloModuleProto is of that name, which is its first field."""
    name = module.encode()
    return name in proto[: len(name) + 8]


@contextmanager
def _frozen_collector() -> Iterator[None]:
    """Keep the garbage collector from walking all of JAX over and over during a capture."""
    if gc.get_freeze_count() > FROZEN_AT_START:
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _reset_when_due() -> None:
    global _captured
    _captured += 1
    if _captured % RECORDS_PER_RESET == 0:
        private: Any = importlib.import_module("backends.jax.private")
        load_jax().clear_caches()
        private.reset_shared()
        gc.collect()


def attempt(step: Callable[[], Result], reason: str) -> Result | Failure:
    """The result of `step`, or a `Failure` for `reason` with the message of what it raised."""
    try:
        return step()
    # Generated source can make Python, JAX or XLA raise anything at all, and one bad source must
    # not end the batch. What was raised is not lost: it becomes the artifact's detail.
    except (Exception, SystemExit) as error:
        return Failure("failed", reason, one_line(error))


def one_line(error: BaseException) -> str:
    """Type and first line of an exception's message, without addresses, at most 300 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return ADDRESS.sub("", text)[:DETAIL_LIMIT]


def load(source: Rendered) -> Callable[..., Any]:
    """Execute a rendered file in a fresh namespace and return its entry."""
    namespace: dict[str, Any] = {"__name__": source.entry}
    exec(compile(source.python, f"<{source.entry}>", "exec", dont_inherit=True), namespace)
    entry = namespace[source.entry]
    if not callable(entry):
        raise TypeError(f"{source.entry} is not callable")
    return entry


def _capture_one(source: Rendered, levels: frozenset[str], interception: Interception) -> Capture:
    jax = load_jax()
    _reset_when_due()
    with jax.enable_x64(source.wide):
        stages = _trace(source)
        artifacts: list[Artifact] = []
        costs: dict[str, dict[str, float]] = {}
        kept: dict[str, tuple[int, ...]] = {}
        costed = not COSTED.isdisjoint(levels)
        for direction, stage in stages.items():
            texts = texts_of(stage, levels, interception, attempt, cost=costed)
            if isinstance(measured := texts.pop("cost", None), dict):
                costs[direction] = measured
            if isinstance(remaining := texts.pop("kept", None), tuple):
                kept[direction] = remaining
            artifacts += artifacts_of(source.entry, direction, texts)
    return Capture(tuple(artifacts), costs, kept)


def artifacts_of(unit: str, direction: Direction, texts: dict[str, Any]) -> list[Artifact]:
    """Artifacts of one direction from texts or failures by level, in the order of `LEVELS`."""
    artifacts: list[Artifact] = []
    for level in LEVELS:
        match texts.get(level.name):
            case None:
                pass
            case Failure(status, reason, detail):
                artifacts.append(
                    Artifact("jax", unit, level.name, direction, None, status, reason, detail)
                )
            case text:
                artifacts.append(Artifact("jax", unit, level.name, direction, text))
    return artifacts


def _trace(source: Rendered) -> dict[Direction, Any]:
    """Per direction the traced function, or the `Failure` that stands for every level of it."""
    jax = load_jax()
    function = attempt(lambda: load(source), "source_error")
    if isinstance(function, Failure):
        return {"forward": function, "backward": function}

    def forward() -> tuple[Any, list[Any]]:
        arguments = [
            jax.ShapeDtypeStruct(argument.shape, jax.numpy.dtype(argument.dtype))
            for argument in source.arguments
        ]
        return jax.jit(function).trace(*arguments), arguments

    traced = attempt(forward, "compile_error")
    if isinstance(traced, Failure):
        return {"forward": traced, "backward": traced}
    stage, arguments = traced

    def backward() -> Any:
        pulled = pullback(function, arguments, stage.out_info, source.entry)
        if isinstance(pulled, Failure):
            return pulled
        return jax.jit(pulled.function).trace(arguments, pulled.cotangent)

    return {"forward": stage, "backward": attempt(backward, "compile_error")}


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
    if "hlo" in levels or cost:
        computation = guard(lambda: lowered.compiler_ir("hlo"), "compile_error")
        if "hlo" in levels:
            texts["hlo"] = _then(computation, lambda: computation.as_hlo_text(), guard)
        if cost:
            texts["cost"] = _then(computation, lambda: cost_of(lowered, computation), guard)
    if "hlo_optimized" in levels:
        texts["hlo_optimized"] = guard(
            lambda: optimized_text(lowered, interception), "compile_error"
        )
    return texts


def _then(before: Any, step: Callable[[], Any], guard: Guard) -> Any:
    return before if isinstance(before, Failure) else guard(step, "compile_error")


def jaxpr_text(traced: Any) -> str:
    """Text of the jaxpr, without colours and without the addresses of functions in it."""
    return ADDRESS.sub("", traced.jaxpr.pretty_print(use_color=False))


def cost_of(lowered: Any, computation: Any) -> dict[str, float]:
    """Flops and bytes accessed by XLA's estimate for the module before optimization."""
    private: Any = importlib.import_module("backends.jax.private")
    if private.probe().computation_cost:
        analysis = lowered.cost_analysis() or {}
    else:
        analysis = private.computation_cost(computation)
    return {
        "flops": float(analysis.get("flops", 0.0)),
        "bytes": float(analysis.get("bytes accessed", 0.0)),
    }


def optimized_text(lowered: Any, interception: Interception) -> str:
    """Optimized HLO without metadata; code generation is skipped where that is possible.

    The compile runs in full where the hook is not called (the executable came from JAX's
    persistent cache, or another platform compiled it) or its bytes cannot be printed.
    """
    jax = load_jax()
    private: Any = importlib.import_module("backends.jax.private")
    if private.probe().proto_text:
        return compiled_text(lowered.compile())
    interception.proto = b""
    interception.armed = module_name(lowered)
    try:
        compiled = lowered.compile()
    except jax.errors.JaxRuntimeError:
        if not interception.proto:
            raise
        return private.proto_text(interception.proto)
    finally:
        interception.armed = ""
    return compiled_text(compiled)


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
