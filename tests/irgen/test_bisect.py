"""Bisection finds where a bug begins and ends, over releases that cannot run the repro too."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.warp.limit_examples import WRONG
from irgen import bisect as bisecting
from irgen.bisect import Bisected, Tried, bisect, search, within
from irgen.cli import bisect as command
from irgen.errors import UserError
from irgen.fuzz.finding import write
from irgen.targets.recipes import DISTRIBUTIONS
from irgen.targets.target import Target
from tests.irgen.fuzz.cases import finding

STATES = {"g": "good", "b": "bad", "s": "skipped"}


def searched(letters: str, found: str = "") -> tuple[Bisected, list[str]]:
    """The search among releases 0, 1, ... that do what the letters say, and what it tried."""
    asked: list[str] = []

    def tried(release: str) -> Tried:
        asked.append(release)
        return Tried(release, STATES[letters[int(release)]])  # pyright: ignore[reportArgumentType]

    return search("warp-lang", [str(at) for at in range(len(letters))], tried, found), asked


@pytest.mark.parametrize(
    ("letters", "ends"),
    [
        ("gggbbb", ("2", "3", "5", None)),
        ("bbbggg", (None, "0", "2", "3")),
        ("ggbbgg", ("1", "2", "3", "4")),
        ("bbbbbb", (None, "0", "5", None)),
        ("gggggg", (None, None, None, None)),
        ("ssbsgs", (None, "2", "2", "4")),
        ("gsssbs", ("0", "4", "4", None)),
        ("b", (None, "0", "0", None)),
        ("s", (None, None, None, None)),
        ("gb", ("0", "1", "1", None)),
        ("gggbgg", ("2", "3", "3", "4")),
    ],
)
def test_a_bug_begins_and_ends(letters: str, ends: tuple[str | None, ...]) -> None:
    found, _ = searched(letters)
    assert (found.last_good, found.first_bad, found.last_bad, found.first_good) == ends


@given(
    st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.sets(st.integers(0, 29)), st.data()
)
def test_any_bug_that_comes_and_goes_once_is_found(
    before: int, bad: int, after: int, skipped: set[int], data: st.DataObject
) -> None:
    plain = "g" * before + "b" * (bad + 1) + "g" * after
    letters = "".join("s" if at in skipped else letter for at, letter in enumerate(plain))
    start = data.draw(st.sampled_from(["", *map(str, range(len(letters)))]))
    found, asked = searched(letters, start)
    assert len(asked) == len(set(asked))
    places = [at for at, letter in enumerate(letters) if letter == "b"]
    if not places:
        assert found.first_bad is None
        return
    assert (found.first_bad, found.last_bad) == (str(places[0]), str(places[-1]))
    good = letters[: places[0]].rfind("g")
    assert found.last_good == (None if good < 0 else str(good))
    later = letters.find("g", places[-1])
    assert found.first_good == (None if later < 0 else str(later))
    assert [int(one.release) for one in found.tried] == sorted(map(int, asked))


def test_few_releases_are_tried() -> None:
    _, asked = searched("g" * 40 + "b" * 60, "99")
    assert len(asked) <= 10
    _, asked = searched("b" * 64)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("letters", "said"),
    [
        ("ggbb", "warp-lang: first bad 2, last good 1; still in 3"),
        ("bbgg", "warp-lang: present since 0, the oldest that was tried; fixed in 2, last bad 1"),
        ("gbg", "warp-lang: first bad 1, last good 0; fixed in 2, last bad 1"),
        ("bb", "present in all releases of warp-lang from 0 to 1"),
        ("gg", "absent: in no release of warp-lang from 0 to 1 that was tried"),
        ("ss", "unknown: the repro runs in no release of warp-lang that was tried"),
    ],
)
def test_the_answer_is_a_line(letters: str, said: str) -> None:
    assert searched(letters)[0].summary == said


LISTED = ["1.3.3", "1.4.0", "1.8.0", "1.10.0", "1.12.1"]


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        (None, LISTED[1:]),
        ("1.8.0..1.10.0", ["1.8.0", "1.10.0"]),
        ("1.10..", ["1.10.0", "1.12.1"]),
        ("..1.8.0", ["1.4.0", "1.8.0"]),
    ],
)
def test_a_range_keeps_what_may_be_a_target(chosen: str | None, found: list[str]) -> None:
    assert within(DISTRIBUTIONS["warp-lang"], LISTED, chosen) == found


def test_a_range_that_is_none_is_told() -> None:
    with pytest.raises(UserError, match=r"^the range of releases is '1\.8': write it as A\.\.B"):
        within(DISTRIBUTIONS["warp-lang"], LISTED, "1.8")
    with pytest.raises(UserError, match=r"no release of warp-lang lies in 2\.\.: there are 1"):
        within(DISTRIBUTIONS["warp-lang"], LISTED, "2..")


REPRO = """
import os
import sys

if False:
    import warp

release = os.environ["RELEASE"]
print("it says", release)
sys.exit({"1.4.0": 2, "1.8.0": 0}.get(release, 1))
"""


@pytest.fixture
def everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every release is this interpreter, told which one it stands for; one cannot be made."""

    def resolve(spec: str, backend: str) -> Target:
        release = spec.split("==")[1]
        if release == "1.10.0":
            raise UserError("cannot make it")
        python = tmp_path / release
        python.write_text(f"#!/bin/sh\nRELEASE={release} exec '{sys.executable}' \"$@\"\n")
        python.chmod(0o755)
        return Target(spec, backend, str(python), ())

    monkeypatch.setattr(bisecting, "resolve", resolve)
    monkeypatch.setattr(bisecting, "releases", lambda distribution: LISTED)


def test_a_repro_is_run_by_the_releases(everywhere: None, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(REPRO)
    told: list[Tried] = []
    found = bisect(path, tell=told.append)
    assert (found.last_good, found.first_bad, found.first_good) == ("1.8.0", "1.12.1", None)
    assert found.skipped == (
        Tried("1.4.0", "skipped", "it says 1.4.0"),
        Tried("1.10.0", "skipped", "cannot make it"),
    )
    assert sorted(told, key=lambda one: LISTED.index(one.release)) == list(found.tried)


def test_the_folder_of_a_finding_says_what_it_is_of(tmp_path: Path) -> None:
    made = finding(WRONG["fmod_operand"])
    folder = write(made, tmp_path)
    for path in (folder, folder / "finding.json"):
        subject = bisecting.understand(path)
        assert subject.packaged.name == "warp-lang"
        assert subject.repro == (folder / "repro.py").read_text()
        assert subject.release == made.versions.get("warp-lang", "")
    (folder / "repro.py").write_text("import warp")
    with pytest.raises(UserError, match=r"was changed$"):
        bisecting.understand(folder)


def test_a_finding_is_spelled_as_old_releases_take_it(
    everywhere: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def ran(text: str, python: str, seconds: float) -> tuple[int, str]:
        asked.append("wp.array[" in text)
        return (2, "not here") if asked[-1] else (1, "")

    monkeypatch.setattr(bisecting.confirm, "ran", ran)
    made = finding(WRONG["fmod_operand"])
    text = "import warp  # wp.array[...]"
    subject = bisecting.Subject(DISTRIBUTIONS["warp-lang"], text, made)
    assert bisecting.attempt(subject, "1.4.0") == Tried("1.4.0", "bad", "in an older spelling")
    assert asked == [True, False]
    bare = bisecting.Subject(DISTRIBUTIONS["warp-lang"], text)
    assert bisecting.attempt(bare, "1.4.0") == Tried("1.4.0", "skipped", "not here")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import numpy", "is no repro: it should import either warp or jax"),
        ("import warp\nimport jax", "is no repro: it should import either warp or jax"),
        ("import (", "is no Python: line 1"),
    ],
)
def test_what_is_no_repro_is_told(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        bisecting.understand(path)
    with pytest.raises(UserError, match=r"^cannot read"):
        bisecting.understand(tmp_path / "none.py")


def test_the_command_prints_plain_lines_in_a_pipe(
    everywhere: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(REPRO)
    command.bisect(path, "1.4.0..1.12.1")
    assert capsys.readouterr().out.splitlines() == [
        "release\tstate\twhy",
        "1.4.0\tskipped\tit says 1.4.0",
        "1.8.0\tgood\t",
        "1.10.0\tskipped\tcannot make it",
        "1.12.1\tbad\t",
        "warp-lang: first bad 1.12.1, last good 1.8.0; still in 1.12.1",
        "2 skipped: the repro cannot run there",
    ]
