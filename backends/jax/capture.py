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
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from backends.base import Artifact, BackendError, Capture, Direction, Level, Rendered
from backends.jax import shared_context, stopped_compile
from backends.jax.attempts import Failure, attempt, load_jax, one_line
from backends.jax.stopped_compile import Interception
from backends.jax.texts import (
    METADATA,
    PROPAGATION,
    SOURCE_TABLES,
    compiled_text,
    optimized_text,
    texts_of,
)
from backends.jax.traced import Pullback, load, pullback
from backends.jax.traced import trace as _trace
from backends.tricks import taken

__all__ = [
    "LEVELS",
    "METADATA",
    "PROPAGATION",
    "SOURCE_TABLES",
    "Failure",
    "Pullback",
    "artifacts_of",
    "attempt",
    "capture",
    "check",
    "checked",
    "compiled_text",
    "load",
    "load_jax",
    "one_line",
    "optimized_text",
    "pullback",
    "require_levels",
    "reset_when_due",
    "session",
    "texts_of",
]

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
    with (
        _lock,
        _frozen_collector(),
        jax.default_device(jax.devices("cpu")[0]),
        stopped_compile.intercepting(dumping=shared) as interception,
    ):
        if shared:
            with warnings.catch_warnings(), shared_context.shared_context():
                warnings.simplefilter("ignore")
                yield interception
        else:
            yield interception


@contextmanager
def _frozen_collector() -> Iterator[None]:
    """Keep the garbage collector from walking all of JAX over and over during a capture."""
    if not taken("frozen_collector") or gc.get_freeze_count() > FROZEN_AT_START:
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def reset_when_due() -> None:
    """Count a capture, and drop what JAX keeps of those before it every so often."""
    global _captured
    _captured += 1
    if _captured % RECORDS_PER_RESET == 0:
        load_jax().clear_caches()
        shared_context.reset()
        gc.collect()


def _capture_one(source: Rendered, levels: frozenset[str], interception: Interception) -> Capture:
    jax = load_jax()
    reset_when_due()
    with jax.enable_x64(source.wide):
        stages = _trace(source, exact="jaxpr" in levels)
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
