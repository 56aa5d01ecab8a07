"""`irgen doctor`: versions, devices, and what can be captured on this machine."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import subprocess
import sys
from collections.abc import Iterator

from backends.base import BackendError
from backends.registry import Backend
from irgen.catalog import BACKENDS, check_backend, find_backend
from irgen.cli.tables import print_table
from irgen.errors import UserError

Row = tuple[str, str, str, str]

_DEVICE_SECONDS = 60
_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[^]]*\])?\s*([^;]*)(?:;.*extra == ['\"](\w+)['\"])?")


def doctor() -> None:
    """Print one row per package, backend, level and device."""
    rows = [("python", platform.python_implementation(), platform.python_version(), sys.executable)]
    rows += _packages()
    for name in BACKENDS:
        rows += _backend(name)
    print_table(("what", "name", "state", "detail"), rows)


def _packages() -> Iterator[Row]:
    try:
        required = importlib.metadata.requires("irgen") or []
    except importlib.metadata.PackageNotFoundError:
        yield "package", "irgen", "not installed", "run from a checkout: make demo"
        return
    yield "package", "irgen", importlib.metadata.version("irgen"), ""
    shown = {"", *(backend.extra for backend in BACKENDS.values())}
    for line in required:
        matched = _REQUIREMENT.match(line)
        name, bounds, extra = matched.groups("") if matched else (line, "", "")
        if extra in shown:
            yield _package(name, _sorted(bounds), extra)


def _sorted(bounds: str) -> str:
    """Version bounds, the lower one first."""
    return ",".join(sorted((b.strip() for b in bounds.split(",")), key=lambda b: b.startswith("<")))


def _package(name: str, bounds: str, extra: str) -> Row:
    detail = f"supported: {bounds}" if bounds else ""
    try:
        return "package", name, importlib.metadata.version(name), detail
    except importlib.metadata.PackageNotFoundError:
        target = f"irgen[{extra}]" if extra else "irgen"
        return "package", name, "not installed", f"pip install '{target}'"


def _backend(name: str) -> Iterator[Row]:
    backend = find_backend(name)
    try:
        version = check_backend(name)
    except (BackendError, UserError) as error:
        yield "backend", name, "not usable", str(error)
        for level in backend.levels:
            yield "level", f"{name} {level.name}", "not here", level.doc
        return
    yield "backend", name, "usable", version
    for level in backend.levels:
        yield "level", f"{name} {level.name}", ", ".join(level.directions), level.doc
    yield from _devices(backend)


def _devices(backend: Backend) -> Iterator[Row]:
    # In a process of its own: a broken GPU driver may take the process down, and the libraries
    # look only once at what they may use.
    try:
        done = subprocess.run(
            [sys.executable, "-c", backend.devices],
            capture_output=True,
            text=True,
            timeout=_DEVICE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield "device", backend.name, "no answer", f"gave up after {_DEVICE_SECONDS} seconds"
        return
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        yield "device", backend.name, "failed", last
        return
    found = [line.split("\t", 1) for line in done.stdout.splitlines() if "\t" in line]
    for device, kind in found:
        yield "device", f"{backend.name} {device}", "found", kind
    if all(device.startswith("cpu") for device, _ in found):
        yield "device", f"{backend.name} gpu", "none", "every level above is captured without one"
