"""Environments under the user's cache folder: made aside, under a lock, then put in place."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from irgen.errors import UserError
from irgen.targets import pythons
from irgen.targets.recipes import Recipe
from irgen.targets.releases import clean, last_line

_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Place:
    """Where the environment of a release is, or will be: its folder, and what goes in."""

    requirement: str
    recipe: Recipe
    folder: Path

    @property
    def made(self) -> bool:
        """Whether it is there. One whose Python has gone is not."""
        return (self.folder / "bin" / "python").exists()


def cache_folder() -> Path:
    """Where targets are kept: `irgen/targets` in the user's cache folder."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(root) if os.path.isabs(root) else Path.home() / ".cache"
    return base / "irgen" / "targets"


def place(name: str, release: str, recipe: Recipe) -> Place:
    """The place of a release. Another recipe is another place."""
    said = f"{recipe.pythons} {' '.join(recipe.pins)}"
    digest = hashlib.blake2b(said.encode(), digest_size=4).hexdigest()
    return Place(f"{name}=={release}", recipe, cache_folder() / f"{name}-{release}-{digest}")


@contextmanager
def lock(place: Place) -> Generator[None]:
    """Waits until no other process makes this environment. The lock ends with its process."""
    place.folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{place.folder}.lock", "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build(place: Place, finish: Callable[[Path], None]) -> None:
    """Make an environment; the caller holds its lock. `finish` gets it before it is in place.

    Raises:
        UserError: no Python fits, or something cannot be installed; nothing is left then.
    """
    aside = place.folder.with_name(f"{place.folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)  # what a killed process left
    try:
        uv = shutil.which("uv")
        if uv is None:
            _by_pip(place, aside)
        else:
            _by_uv(uv, place, aside)
        finish(aside)
        shutil.rmtree(place.folder, ignore_errors=True)
        os.replace(aside, place.folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _by_pip(place: Place, folder: Path) -> None:
    first, last = place.recipe.pythons
    found = next(filter(None, map(pythons.find, pythons.preferred(first, last))), None)
    if found is None:
        raise UserError(
            f"no Python here fits {place.requirement}: install one of {_names(place)}, or uv"
        )
    _run(place, [found, "-I", "-m", "venv", str(folder)])
    inside = str(folder / "bin" / "python")
    # Compiled files would name the folder that the environment is made in.
    install = [inside, "-I", "-m", "pip", "install", "--quiet", "--no-compile"]
    _run(place, [*install, place.requirement, *place.recipe.pins])


def _by_uv(uv: str, place: Place, folder: Path) -> None:
    said: list[str] = []
    for minor in pythons.preferred(*place.recipe.pythons):
        python = pythons.find(minor) or f"3.{minor}"
        try:
            _run(place, [uv, "venv", "--quiet", "--python", python, str(folder)])
            break
        except UserError as error:
            said.append(str(error))
    else:
        raise UserError(f"no Python fits {place.requirement}: {said[-1]}")
    install = [uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python")]
    _run(place, [*install, place.requirement, *place.recipe.pins])


def _names(place: Place) -> str:
    first, last = place.recipe.pythons
    return ", ".join([f"3.{minor}" for minor in range(first, last + 1)])


def _run(place: Place, command: Sequence[str]) -> None:
    """Run a command; UserError with its last words where it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False, env=clean()
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"cannot make {place.requirement}: {error}") from None
    if done.returncode != 0:
        raise UserError(f"cannot make {place.requirement}: {last_line(done.stderr)}")
