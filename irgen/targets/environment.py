"""From what a user calls a target to an interpreter that has it: found, or made once and kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from irgen.errors import UserError, nearest
from irgen.targets import building, recipes
from irgen.targets.recipes import DISTRIBUTIONS, OF_BACKEND, Distribution
from irgen.targets.releases import clean, last_line, releases
from irgen.targets.target import Target

INSTALLED = "installed"
"""The name of the target that is the backend beside irgen."""

_SECONDS = 300

_ASK = """
import importlib, importlib.metadata, json, platform, sys
names = json.loads(sys.argv[1])
importlib.import_module("numpy")
importlib.import_module(names[0])
found = [[name, importlib.metadata.version(name)] for name in names[1:]]
print("\\n" + json.dumps([*found, ["python", platform.python_version()]]))
"""
"""Run by a target: imports NumPy and the first name, and prints the versions of the others."""


def resolve(spec: str, backend: str | None = None) -> Target:
    """The target a user names: a release, such as `warp-lang==1.12.1`, whose environment is made
    where there is none yet, or the path of an interpreter or of its environment.

    `backend` is what the target must be; without it, a path says what it is by what it has.

    Raises:
        UserError: it is none, or cannot be made or used; one line says why.
    """
    spec = spec.strip()
    name, pinned, release = spec.partition("==")
    if pinned:
        return _released(recipes.distribution(name), release.strip(), backend)
    if os.path.exists(os.path.expanduser(spec)):
        return _at(spec, backend)
    if os.sep in spec:
        raise UserError(f"target {spec!r}: there is no such interpreter")
    known = [alias for one in DISTRIBUTIONS.values() for alias in one.aliases]
    if spec.casefold() in known:
        newest = recipes.distribution(spec).name
        raise UserError(f"target {spec!r} names no release: write it as in {newest}==1.2.3")
    raise UserError(
        f"target {spec!r} is neither a release, as in warp-lang==1.12.1 or jax==0.8.3, nor the path"
        " of an interpreter"
    )


@cache
def installed(backend: str) -> Target:
    """The target that is this interpreter; UserError where it lacks the backend."""
    return check(Target(INSTALLED, backend, sys.executable, ()))


def check(target: Target) -> Target:
    """The target with the versions it has; UserError where it cannot import what it is for."""
    packaged = OF_BACKEND[target.backend]
    names = json.dumps([packaged.module, *packaged.parts])
    try:
        done = subprocess.run(
            [target.python, "-I", "-c", _ASK, names],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env=clean(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"target {target.name!r} does not run: {error}") from None
    if done.returncode != 0:
        said = last_line(done.stderr) or f"exit code {done.returncode}"
        raise UserError(f"target {target.name!r} has no {packaged.name} to use: {said}")
    found = json.loads(done.stdout.splitlines()[-1])
    versions = tuple([(str(name), str(text)) for name, text in found])
    return Target(target.name, target.backend, target.python, versions)


def _at(spec: str, backend: str | None) -> Target:
    """The target at a path: an interpreter, or the folder of an environment."""
    path = Path(spec).expanduser()
    if path.is_dir():
        path = path / "bin" / "python"
    path = path.absolute()  # a link in an environment must not be followed
    if not os.access(path, os.X_OK):
        raise UserError(f"target {spec!r}: there is no interpreter at {path}")
    if backend is not None:
        return check(Target(spec, backend, str(path), ()))
    found: list[Target] = []
    problem: UserError | None = None
    for name in OF_BACKEND:
        try:
            found.append(check(Target(spec, name, str(path), ())))
        except UserError as error:
            problem = error
    if len(found) > 1:
        names = " or ".join(target.backend for target in found)
        raise UserError(f"target {spec!r} has several backends: say which, {names}")
    if not found:
        names = " nor ".join(one.name for one in DISTRIBUTIONS.values())
        raise UserError(f"target {spec!r} has neither {names}") from problem
    return found[0]


def _released(packaged: Distribution, release: str, backend: str | None) -> Target:
    if backend not in (None, packaged.backend):
        raise UserError(f"target {packaged.name}=={release} is no target of {backend}")
    recipe = recipes.recipe(packaged, release)
    name = f"{packaged.name}=={release}"
    place = building.place(packaged.name, release, recipe)
    if place.made:
        return _read(name, packaged, place.folder)
    _known(packaged, release)
    with building.lock(place):
        if not place.made:
            building.build(place, lambda folder: _write(name, packaged, folder))
    return _read(name, packaged, place.folder)


def _known(packaged: Distribution, release: str) -> None:
    """UserError where there is no such release."""
    listed = releases(packaged.name)
    if release not in listed:
        oldest = packaged.recipes[0].since
        usable = [one for one in listed if recipes.version(one) >= oldest]
        raise UserError(
            f"{packaged.name} has no release {release!r}: "
            f"{nearest(release, usable) or f'the newest is {listed[-1]}'}"
        )


def _write(name: str, packaged: Distribution, folder: Path) -> None:
    """Note in a new environment what is in it."""
    made = check(Target(name, packaged.backend, str(folder / "bin" / "python"), ()))
    (folder / "versions.json").write_text(json.dumps(made.versions) + "\n", encoding="utf-8")


def _read(name: str, packaged: Distribution, folder: Path) -> Target:
    found = json.loads((folder / "versions.json").read_text(encoding="utf-8"))
    versions = tuple([(str(part), str(text)) for part, text in found])
    return Target(name, packaged.backend, str(folder / "bin" / "python"), versions)
