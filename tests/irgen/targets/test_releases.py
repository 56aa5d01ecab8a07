"""Releases come from pip's public command; recipes say what fits each."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from irgen.errors import UserError
from irgen.targets import recipes, releases
from irgen.targets.recipes import DISTRIBUTIONS

LISTING = """WARNING: pip index is currently an experimental command.
warp-lang (1.10.0)
Available versions: 1.10.0, 1.9.1rc1, 1.9.1, 1.9.0.dev3, 1.9.0, 1.10.0b2, 1.8.1.post1
  INSTALLED: 1.9.0
"""


@pytest.fixture(autouse=True)
def forgotten() -> None:
    releases._releases.cache_clear()


def pip(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let a script stand for pip."""
    script = folder / "pip.py"
    script.write_text(text)
    monkeypatch.setattr(releases, "_commands", lambda: iter([[sys.executable, str(script)]]))


def test_a_listing_is_read_oldest_first_without_what_comes_before_a_release() -> None:
    assert releases.parse(LISTING) == ["1.8.1.post1", "1.9.0", "1.9.1", "1.10.0"]


def test_a_listing_without_releases_is_empty() -> None:
    assert releases.parse("warp-lang (1.10.0)\n") == []


def test_releases_are_asked_for_whatever_the_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["index", "versions", "jax", "--ignore-requires-python"]
    text = f"import sys\nassert sys.argv[1:] == {asked}\nprint('Available versions: 2.0, 1.0')"
    pip(tmp_path, monkeypatch, text)
    assert releases.releases("jax") == ["1.0", "2.0"]


def test_offline_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "import sys\nsys.exit('WARNING: retrying\\nERROR: no connection\\nWARNING: advice')"
    pip(tmp_path, monkeypatch, text)
    with pytest.raises(UserError, match=r"^cannot list the releases of jax: ERROR: no connection$"):
        releases.releases("jax")


def test_a_machine_without_pip_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "_commands", lambda: iter([["no-such-command"]]))
    with pytest.raises(UserError, match=r"^cannot list the releases of jax: .*no-such-command"):
        releases.releases("jax")


def test_recipes_go_from_old_to_new_and_name_pythons_in_order() -> None:
    for packaged in DISTRIBUTIONS.values():
        since = [one.since for one in packaged.recipes]
        assert since == sorted(set(since))
        assert all(one.pythons[0] <= one.pythons[1] for one in packaged.recipes)


@pytest.mark.parametrize(
    ("name", "release", "pins"),
    [
        ("warp", "1.4.0", ("numpy<2",)),
        ("warp-lang", "1.4.2", ("numpy<2",)),
        ("WARP_LANG", "1.10.1", ("numpy<3",)),
        ("jax", "0.4.30", ("numpy<2", "scipy<1.14")),
        ("jax", "0.12.0.1", ("numpy<3",)),
    ],
)
def test_the_recipe_of_a_release(name: str, release: str, pins: tuple[str, ...]) -> None:
    assert recipes.recipe(recipes.distribution(name), release).pins == pins


def test_what_is_too_old_is_refused() -> None:
    with pytest.raises(UserError, match=r"^warp-lang==1\.3\.3 is too old: targets start at 1\.4$"):
        recipes.recipe(recipes.distribution("warp"), "1.3.3")
