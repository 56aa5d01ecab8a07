"""Capture: from rendered Warp source to C++ and CUDA text, forward and adjoint, per unit.

Text only: no device is initialised and nothing is compiled.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

from backends.base import (
    Artifact,
    BackendError,
    Capture,
    Direction,
    Level,
    Rendered,
    Status,
    Unit,
)
from backends.tricks import taken

if TYPE_CHECKING:
    from backends.warp.private import Loaded, Texts

LEVELS: tuple[Level, ...] = (
    Level(
        name="cpp",
        directions=("forward", "backward", "module"),
        syntax="cpp",
        doc="C++ that Warp hands to its bundled Clang for the CPU",
    ),
    Level(
        name="cuda",
        directions=("forward", "backward", "module"),
        syntax="cuda",
        doc="CUDA C++ that Warp hands to NVRTC for the GPU",
    ),
)
"""What can be captured here, in the order in which artifacts come."""

VERSIONS = ((1, 19), (1, 20))
"""Supported warp-lang: from the first up to, but not including, the second."""

COLLECT_EVERY = 64
"""Sources between garbage collections; a captured source leaves about 3,000 objects in cycles."""

_TARGETS = {"cpp": "cpu", "cuda": "cuda"}


@cache
def check() -> str:
    """Return the version of the installed warp-lang.

    Raises:
        BackendError: it is missing, its version is not supported, or its private API has changed.
    """
    try:
        version = metadata.version("warp-lang")
    except metadata.PackageNotFoundError:
        raise BackendError("warp-lang is not installed: pip install 'irgen[warp]'") from None
    low, high = (".".join(map(str, bound)) for bound in VERSIONS)
    found = tuple(int(part) if part.isdecimal() else 0 for part in version.split(".")[:2])
    if not VERSIONS[0] <= found < VERSIONS[1]:
        raise BackendError(f"warp-lang {version} is not supported: needs >={low},<{high}")
    try:
        from backends.warp import private
    except (ImportError, AttributeError) as error:
        raise BackendError(f"warp-lang {version} cannot be used here: {error}") from None
    if missing := private.probe():
        raise BackendError(f"warp-lang {version} lacks what irgen uses: {', '.join(missing)}")
    return version


def capture(sources: Sequence[Rendered], levels: frozenset[str]) -> list[Capture]:
    """Capture each source at the levels asked for.

    The text of a source is a function of the source and of the version of Warp alone. A source
    that fails becomes artifacts with status "failed" and does not touch its neighbours.

    Raises:
        BackendError: Warp cannot be used here.
        ValueError: a level is not one of `LEVELS`.
    """
    names = level_names(levels)
    check()
    from backends.warp import private

    captures: list[Capture] = []
    with private.session(private.PINNED), _collecting() as collect:
        for source in sources:
            captures.append(_capture(source, names))
            collect()
    return captures


def level_names(levels: frozenset[str]) -> list[str]:
    """Return the names asked for in the order of `LEVELS`; ValueError names the valid ones."""
    names = [level.name for level in LEVELS]
    for name in sorted(levels.difference(names)):
        raise ValueError(f"unknown Warp level {name!r}: choose from {', '.join(names)}")
    return [name for name in names if name in levels]


def _capture(source: Rendered, levels: Sequence[str]) -> Capture:
    from backends.warp import private

    with ExitStack() as stack:
        try:
            loaded = stack.enter_context(private.loaded(source.python))
        # Python, the source itself or a Warp decorator may raise anything; it is the answer.
        except (Exception, SystemExit) as error:
            return _failure(source.units, levels, one_line(error))
        present = {entry.key for entry in (*loaded.kernels, *loaded.functions)}
        for unit in source.units:
            if unit.kind != "program" and unit.name not in present:
                detail = f"the source declares no {unit.kind} named {unit.name!r}"
                return _failure(source.units, levels, detail)
        return read(loaded, source.units, levels, shared="tile" not in source.python)


def read(loaded: Loaded, units: Sequence[Unit], levels: Sequence[str], *, shared: bool) -> Capture:
    """Generate text of what is loaded, and sort it by unit, level and direction.

    `shared` says that one build serves both targets, which holds for all but tile operations:
    their types depend on the number of threads in a block.
    """
    texts = _generate(loaded, levels, shared)
    artifacts: list[Artifact] = []
    for unit in units:
        for level in levels:
            artifacts += _unit_artifacts(unit, level, texts[level])
    for level in levels:
        found = texts[level]
        if isinstance(found, str):
            artifacts.append(_artifact("", level, "module", "failed", "compile_error", found))
        else:
            artifacts.append(Artifact("warp", "", level, "module", found.module))
    return Capture(tuple(artifacts), {})


def _generate(loaded: Loaded, levels: Sequence[str], shared: bool) -> dict[str, Texts | str]:
    """The texts of each level, or the compiler's message."""
    from backends.warp import private

    texts: dict[str, Texts | str] = {}
    builder: private.Builder | None = None
    for level in levels:
        target = _TARGETS[level]
        try:
            if builder is None or not (shared and taken("one_build")):
                builder = private.Builder(loaded, target)
            texts[level] = builder.texts(target)
        # Code generation raises whatever its checks, or a type function, raise; it is the answer.
        except Exception as error:
            texts[level] = one_line(error)
    return texts


def _unit_artifacts(unit: Unit, level: str, texts: Texts | str) -> Iterator[Artifact]:
    if unit.kind == "program":
        for direction in ("forward", "backward"):
            yield _artifact(unit.name, level, direction, "missing", "not_a_device_unit")
    elif isinstance(texts, str):
        for direction in ("forward", "backward"):
            yield _artifact(unit.name, level, direction, "failed", "compile_error", texts)
    elif unit.name not in texts.units:
        detail = f"no text for {unit.name!r}: it is generic and no call decides its types"
        for direction in ("forward", "backward"):
            yield _artifact(unit.name, level, direction, "failed", "compile_error", detail)
    else:
        forward, backward = texts.units[unit.name]
        yield Artifact("warp", unit.name, level, "forward", forward)
        if backward:
            yield Artifact("warp", unit.name, level, "backward", backward)
        else:
            yield _artifact(unit.name, level, "backward", "missing", "adjoint_disabled")


def _failure(units: Sequence[Unit], levels: Sequence[str], detail: str) -> Capture:
    """Every artifact asked for of a source that does not load."""
    artifacts = [
        _artifact(unit.name, level, direction, *_unloaded(unit.kind, detail))
        for unit in units
        for level in levels
        for direction in ("forward", "backward")
    ]
    artifacts += [_artifact("", level, "module", *_unloaded("", detail)) for level in levels]
    return Capture(tuple(artifacts), {})


def _unloaded(kind: str, detail: str) -> tuple[Status, str, str]:
    """Status, reason and detail of a unit of a source that does not load."""
    if kind == "program":
        return "missing", "not_a_device_unit", ""
    return "failed", "source_error", detail


def _artifact(
    unit: str, level: str, direction: Direction, status: Status, reason: str, detail: str = ""
) -> Artifact:
    return Artifact("warp", unit, level, direction, None, status, reason, detail)


def one_line(error: BaseException) -> str:
    """The kind and message of an error on one line of at most 400 characters."""
    message = " ".join(str(error).split())
    line = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return line if len(line) <= 400 else f"{line[:399]}…"


@contextmanager
def _collecting() -> Iterator[Callable[[], None]]:
    """Take the timing of garbage collection over: yield what to call after each source.

    Kernels and their modules refer to each other, so reference counts alone never free them. Left
    to itself the collector also rescans all of Warp as the builds allocate; every object of a
    capture is in the youngest generation, so that one is collected and nothing else.
    """
    count = 0

    def collect() -> None:
        nonlocal count
        count += 1
        if count % COLLECT_EVERY == 0:
            gc.collect(0)

    if not taken("young_collection"):
        yield lambda: None
        return
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield collect
        if count >= COLLECT_EVERY:
            gc.collect(0)
    finally:
        if enabled:
            gc.enable()
