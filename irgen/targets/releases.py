"""Which releases of a package there are, by the public command of pip."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec

from irgen.errors import UserError
from irgen.targets import recipes

_LISTED = re.compile(r"^\s*Available versions:(.*)$", re.MULTILINE)
_PRE = re.compile(r"\d(?:a|b|c|rc|\.?dev|\.?alpha|\.?beta)\d*", re.IGNORECASE)
_SECONDS = 120


def releases(distribution: str) -> list[str]:
    """The releases of a distribution for any Python, oldest first, without those that are yanked or
    come before a release. UserError where they cannot be listed."""
    return list(_releases(distribution))


@cache
def _releases(distribution: str) -> tuple[str, ...]:
    said = ""
    for command in _commands():
        listing = [*command, "index", "versions", distribution, "--ignore-requires-python"]
        try:
            done = subprocess.run(
                listing, capture_output=True, text=True, timeout=_SECONDS, check=False, env=clean()
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            said = str(error)
            continue
        found = parse(done.stdout)
        if found:
            return tuple(found)
        said = last_line(done.stderr)
    raise UserError(f"cannot list the releases of {distribution}: {said or 'no pip found'}")


def parse(listing: str) -> list[str]:
    """The releases in what `pip index versions` prints, oldest first."""
    line = _LISTED.search(listing)
    if line is None:
        return []
    names = [name.strip() for name in line[1].split(",")]
    found = [name for name in names if name and not _PRE.search(name)]
    return sorted(found, key=recipes.version)


def last_line(text: str) -> str:
    """What a command ends in: its last line that is more than advice."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.casefold().startswith("error")]
    return (errors or lines or [""])[-1]


def clean() -> dict[str, str]:
    """The environment of a command that is to see its own interpreter alone."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSAFEPATH")
    return {
        **{name: value for name, value in os.environ.items() if name not in hidden},
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }


def _commands() -> Iterator[list[str]]:
    """The ways to call pip here."""
    if find_spec("pip") is not None:
        yield [sys.executable, "-m", "pip"]
    uv = shutil.which("uv")
    if uv is not None:
        yield [uv, "tool", "run", "pip"]
    for name in ("pip3", "pip"):
        found = shutil.which(name)
        if found is not None:
            yield [found]
