"""The Python interpreters of this machine, by minor version."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from irgen.targets.releases import clean

_SECONDS = 20
_ASK = "import sys, venv, ensurepip; print(*sys.version_info[:2])"


@cache
def find(minor: int) -> str | None:
    """The path of a Python 3 of that minor version which can make environments, or None."""
    for path in _candidates(minor):
        if _says(path) == f"3 {minor}":
            return path
    return None


def preferred(first: int, last: int) -> Iterator[int]:
    """The minor versions in a range, the running one first, then from new to old."""
    here = sys.version_info.minor
    if first <= here <= last:
        yield here
    for minor in range(last, first - 1, -1):
        if minor != here:
            yield minor


def _candidates(minor: int) -> Iterator[str]:
    if sys.version_info.minor == minor:
        yield sys.executable
    named = shutil.which(f"python3.{minor}")
    if named is not None:
        yield named
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    if root.is_dir():
        for folder in sorted(root.glob(f"3.{minor}.*"), reverse=True):
            yield str(folder / "bin" / "python")


def _says(path: str) -> str:
    """What an interpreter prints of itself, "" where it does not run."""
    try:
        done = subprocess.run(
            [path, "-I", "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env=clean(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
