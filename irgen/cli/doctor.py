"""`irgen doctor`: versions, devices, and what can be captured on this machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator

from backends.base import BackendError
from irgen.catalog import BACKENDS, check_backend, find_backend
from irgen.cli.tables import print_table
from irgen.errors import UserError

Row = tuple[str, str, str, str]

# Devices are looked up in a process of their own: a broken GPU driver may take the process down,
# and the libraries look only once at what they may use.
_DEVICES = {
    "warp": (
        "import warp; warp.config.log_level = warp.LOG_ERROR; warp.init()\n"
        "for d in warp.get_devices(): print(d.alias, d.name, sep='\\t')"
    ),
    "jax": (
        "import jax\n"
        "for d in jax.devices(): print(f'{d.platform}:{d.id}', d.device_kind, sep='\\t')"
    ),
}
_DEVICE_SECONDS = 60
_REQUIREMENT = re.compile(r"([\w.-]+)(?:\[[^]]*\])?\s*([^;]*)(?:;.*extra == ['\"](\w+)['\"])?")
_SHOWN_EXTRAS = ("", "warp", "jax")


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
    for line in required:
        matched = _REQUIREMENT.match(line)
        name, bounds, extra = matched.groups("") if matched else (line, "", "")
        if extra in _SHOWN_EXTRAS:
            yield _package(name, bounds.strip(), extra)


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
    if name in _DEVICES:
        yield from _devices(name)


def _devices(backend: str) -> Iterator[Row]:
    try:
        done = subprocess.run(
            [sys.executable, "-c", _DEVICES[backend]],
            capture_output=True,
            text=True,
            timeout=_DEVICE_SECONDS,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield "device", backend, "no answer", f"gave up after {_DEVICE_SECONDS} seconds"
        return
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        yield "device", backend, "failed", last
        return
    found = [line.split("\t", 1) for line in done.stdout.splitlines() if "\t" in line]
    for device, kind in found:
        yield "device", f"{backend} {device}", "found", kind
    if all(device.startswith("cpu") for device, _ in found):
        yield "device", f"{backend} gpu", "none", "every level above is captured without one"
