"""Targets are found by name or path; environments are made once, whole or not at all."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from irgen.errors import UserError
from irgen.targets import building, environment, pythons
from irgen.targets.building import Place
from irgen.targets.environment import installed, resolve

LISTED = ["1.3.3", "1.4.2", "1.12.0", "1.12.1"]


def interpreter(path: Path, *options: str) -> Path:
    """An interpreter at a path: this one with options."""
    path.parent.mkdir(parents=True, exist_ok=True)
    words = " ".join([f"'{sys.executable}'", *options, '"$@"'])
    path.write_text(f"#!/bin/sh\nexec {words}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Place]:
    """The environments that were made: each holds this interpreter."""
    done: list[Place] = []

    def make(place: Place, folder: Path) -> None:
        time.sleep(0.05)
        done.append(place)
        interpreter(folder / "bin" / "python")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(building, "_by_pip", make)
    monkeypatch.setattr(building.shutil, "which", lambda name: None)
    monkeypatch.setattr(environment, "releases", lambda distribution: LISTED)
    return done


@pytest.mark.parametrize("backend", ["warp", "jax"])
def test_the_installed_backend_is_a_target(backend: str) -> None:
    target = installed(backend)
    assert target.python == sys.executable
    names = [name for name, _ in target.versions]
    assert names[0] == {"warp": "warp-lang", "jax": "jax"}[backend]
    assert names[-2:] == ["numpy", "python"]


def test_a_path_is_a_target_by_interpreter_or_by_folder(tmp_path: Path) -> None:
    path = interpreter(tmp_path / "bin" / "python")
    by_file, by_folder = resolve(str(path), "warp"), resolve(str(tmp_path), "warp")
    assert by_file.python == by_folder.python == str(path)
    assert by_file.versions == installed("warp").versions
    assert by_folder.name == str(tmp_path)


def test_a_path_with_both_backends_must_say_which(tmp_path: Path) -> None:
    path = interpreter(tmp_path / "python")
    with pytest.raises(UserError, match=r"has several backends: say which, warp or jax$"):
        resolve(str(path))


def test_a_path_without_packages_is_refused_in_one_line(tmp_path: Path) -> None:
    path = interpreter(tmp_path / "python", "-S")
    with pytest.raises(UserError, match=r"has no warp-lang to use: .*No module named 'numpy'$"):
        resolve(str(path), "warp")
    with pytest.raises(UserError, match=r"has neither warp-lang nor jax$"):
        resolve(str(path))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("warp", "names no release: write it as in warp-lang==1.2.3"),
        ("jx==0.8.3", "unknown package 'jx': did you mean 'jax'?"),
        ("warp==1.3.3", "warp-lang==1.3.3 is too old: targets start at 1.4"),
        ("warp-lang==1.12.2", "has no release '1.12.2': did you mean '1.12.1' or '1.12.0'"),
        ("jax==0.8.3", "jax==0.8.3 is no target of warp"),
        ("no/such/python", "there is no such interpreter"),
        ("", "is neither a release"),
    ],
)
def test_what_is_no_target_is_told_in_one_line(made: list[Place], spec: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        resolve(spec, "warp")
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert made == []


def test_an_environment_is_made_once(made: list[Place], tmp_path: Path) -> None:
    first = resolve("warp==1.12.1")
    assert resolve("warp-lang==1.12.1", "warp") == first
    assert [place.requirement for place in made] == ["warp-lang==1.12.1"]
    assert first.name == "warp-lang==1.12.1"
    assert Path(first.python).is_relative_to(tmp_path / "irgen" / "targets")
    assert first.versions == installed("warp").versions


def test_two_who_want_one_environment_wait_for_each_other(made: list[Place]) -> None:
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(resolve, ["warp==1.12.1"] * 2))
    assert found[0] == found[1]
    assert len(made) == 1


def test_what_a_killed_process_left_is_not_used(made: list[Place], tmp_path: Path) -> None:
    first = Path(resolve("warp==1.12.1").python).parents[1]
    left = first.with_name(f"{first.name}.part")
    os.replace(first, left)
    (left / "versions.json").write_text("[")
    resolve("warp==1.12.1")
    assert len(made) == 2
    assert not left.exists()


def test_an_environment_whose_python_is_gone_is_made_again(made: list[Place]) -> None:
    Path(resolve("warp==1.12.1").python).unlink()
    resolve("warp==1.12.1")
    assert len(made) == 2


def _install_nothing(place: Place, folder: Path) -> None:
    interpreter(folder / "bin" / "python", "-S")


def _stop(place: Place, folder: Path) -> None:
    folder.mkdir()
    raise UserError(f"cannot make {place.requirement}: ERROR: no connection")


@pytest.mark.parametrize("broken", [_install_nothing, _stop])
def test_an_environment_that_cannot_be_made_leaves_nothing(
    made: list[Place],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[Place, Path], None],
) -> None:
    monkeypatch.setattr(building, "_by_pip", broken)
    with pytest.raises(UserError):
        resolve("warp==1.12.1")
    left = [path.name for path in (tmp_path / "irgen" / "targets").iterdir() if path.is_dir()]
    assert left == []


def test_no_python_that_fits_is_told_with_those_that_would(
    made: list[Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(building.shutil, "which", lambda name: None)
    monkeypatch.setattr(pythons, "find", lambda minor: None)
    place = building.place(
        "warp-lang", "1.4.2", environment.recipes.DISTRIBUTIONS["warp-lang"].recipes[0]
    )
    with pytest.raises(
        UserError, match=r"fits warp-lang==1\.4\.2: install one of 3\.9, .*3\.12, or uv"
    ):
        building._by_pip(place, Path("unused"))


def test_the_running_python_comes_first_where_it_fits() -> None:
    here = sys.version_info.minor
    assert next(pythons.preferred(here, here + 2)) == here
    assert list(pythons.preferred(4, 6)) == [6, 5, 4]
    assert pythons.find(here) == sys.executable
    assert pythons.find(1) is None


def test_uv_is_used_where_it_is(
    made: list[Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = interpreter(tmp_path / "python")
    uv = tmp_path / "uv"
    lines = (
        "#!/bin/sh",
        f'echo "$@" >> {tmp_path}/calls',
        '[ "$1" = venv ] || exit 0',
        "for last; do :; done",
        'mkdir -p "$last/bin"',
        f'cp {python} "$last/bin/python"',
    )
    uv.write_text("\n".join(lines))
    uv.chmod(0o755)
    monkeypatch.setattr(building.shutil, "which", lambda name: str(uv))
    resolve("warp==1.12.1")
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0].startswith("venv --quiet --python ")
    assert calls[1].startswith("pip install --quiet --python ")
    assert calls[1].endswith("warp-lang==1.12.1 numpy<3")
    assert made == []
