"""Findings: folders that are there whole or not at all, refused where they were changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest

from backends.registry import BACKENDS
from backends.warp.limit_examples import WRONG
from grammar.presets import GRAMMARS
from irgen.errors import UserError
from irgen.fuzz import finding as findings
from irgen.fuzz.buckets import bucket, of_finding
from irgen.fuzz.case import Case
from irgen.fuzz.case import case as case_of_program
from irgen.fuzz.finding import all_findings, case_of, confirmed, count, read, write
from irgen.fuzz.setup import Setup
from irgen.service import draw
from irgen.verdict import Compared, Verdict
from tests.irgen.fuzz.cases import GRADIENT, case, finding

FILES = {
    "finding.json",
    "inputs.json",
    "program.txt",
    "report.md",
    "repro.py",
    "verdict.json",
    "versions.json",
}
WRITER = Path(__file__).with_name("finding_writer.py")


@dataclass(frozen=True, slots=True)
class Least:
    """What a shrinker gives, as far as findings look at it."""

    case: Case
    finished: bool = False


def drawn_finding() -> findings.Finding:
    """A finding with an address, of a program that was shrunk to another one."""
    drawn = draw(GRAMMARS["loop"], 7, 3)
    least = case(WRONG["loop_value"])
    compared = Compared("gradient", 0, 4, 0, 0, 0, 4, 0, 3e6, 2e6, [1])
    verdict = Verdict("warp", "cpu", "verified", "mismatch", [compared])
    return findings.make(
        Setup("warp"),
        drawn,
        case_of_program(drawn.program, drawn.style),
        Least(least),  # pyright: ignore[reportArgumentType]
        bucket(least, GRADIENT),
        GRADIENT,
        (verdict,),
    )


def test_a_finding_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = drawn_finding()
    folder = write(made, tmp_path / "deep" / "root")
    assert folder.name == made.bucket
    assert {path.name for path in folder.iterdir()} == FILES | {"record.json"}
    assert read(folder) == read(folder / "finding.json") == made
    assert [path.name for path in folder.parent.iterdir()] == [made.bucket]
    assert made.before > made.after > 0
    assert not made.finished


def test_its_case_is_the_one_that_it_was_made_of() -> None:
    least = case(WRONG["loop_value"])
    again = case_of(finding(WRONG["loop_value"]))
    assert (again.program, again.style) == (least.program, least.style)
    for a, b in zip(again.inputs, least.inputs, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_its_address_and_its_choices_give_the_drawn_program() -> None:
    made = drawn_finding()
    assert made.address is not None
    assert made.record is not None
    drawn = draw(GRAMMARS[made.address.grammar], made.address.seed, made.address.index)
    assert made.choices == list(drawn.choices) == made.record.choices
    assert made.original == str(drawn.program) == made.record.program
    assert made.address.digest == GRAMMARS["loop"].digest


def test_it_names_what_made_it() -> None:
    versions = finding(WRONG["loop_value"]).versions
    assert versions["warp-lang"] == BACKENDS["warp"].installed()
    assert versions["numpy"] == np.__version__
    assert set(versions) == {"irgen", "warp-lang", "numpy", "python"}


@pytest.mark.parametrize("name", sorted(FILES | {"record.json"}))
def test_what_was_changed_or_removed_is_refused(name: str, tmp_path: Path) -> None:
    folder = write(drawn_finding(), tmp_path)
    path = folder / name
    text = path.read_text()
    for old in ("gradient", "%1", "numpy", "version"):
        if old in text:
            path.write_text(text.replace(old, "gradients", 1))
            break
    else:
        path.write_text(text + " ")
    with pytest.raises(UserError) as refused:
        read(folder)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    path.unlink()
    with pytest.raises(UserError, match="cannot read"):
        read(folder)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is no finding"),
        (b"[]", "is no finding"),
        (b'{"finding": 3}', "is no finding"),
        (b'{"finding": {"schema_version": 99}}', "of version 99"),
        (b'{"finding": {"schema_version": 1}}', "is no finding"),
        (b"\xff", "is no finding"),
    ],
)
def test_other_files_are_refused(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "finding.json").write_bytes(data)
    with pytest.raises(UserError, match=said):
        read(tmp_path)


def test_inputs_that_do_not_fit_are_refused() -> None:
    made = finding(WRONG["loop_value"])
    given = made.vectors
    for vectors in (
        msgspec.structs.replace(given, inputs=given.inputs[1:]),
        msgspec.structs.replace(given, cotangents=[None]),
        msgspec.structs.replace(given, inputs=[given.inputs[1], *given.inputs[1:]]),
    ):
        with pytest.raises(UserError, match=made.bucket):
            case_of(msgspec.structs.replace(made, vectors=vectors))
    with pytest.raises(UserError, match=made.bucket):
        case_of(msgspec.structs.replace(made, program="irgen 1\n"))


def test_hits_are_counted_in_place(tmp_path: Path) -> None:
    folder = write(finding(WRONG["fmod_operand"]), tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    count(folder, 12)
    assert read(folder).hits == 12
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name for name in FILES if before[name] != after[name]} == {"finding.json"}


def test_one_of_the_same_bucket_is_replaced(tmp_path: Path) -> None:
    made = finding(WRONG["fmod_operand"])
    write(made, tmp_path)
    better = msgspec.structs.replace(made, shown="less")
    write(better, tmp_path)
    assert all_findings(tmp_path) == [better]
    assert all_findings(tmp_path / "none") == []


def test_a_finding_that_was_moved_away_comes_back(tmp_path: Path) -> None:
    made = finding(WRONG["fmod_operand"])
    folder = write(made, tmp_path)
    folder.rename(tmp_path / f".old-{folder.name}")
    (tmp_path / ".new-half").mkdir()
    (tmp_path / "state.json").write_text("{}")
    assert all_findings(tmp_path) == [made]
    assert folder.is_dir()


def test_a_killed_writer_leaves_whole_findings(tmp_path: Path) -> None:
    for number in range(3):
        command = [sys.executable, str(WRITER), str(tmp_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        time.sleep(0.023 * number)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        found = all_findings(tmp_path)
        assert [one.bucket for one in found] == sorted({one.bucket for one in found})
        assert len(found) >= 1
    write(finding(WRONG["fmod_operand"]), tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".old")]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write(finding(WRONG["fmod_operand"]), tmp_path / "file")


def test_reports_hold_what_an_issue_needs(tmp_path: Path) -> None:
    made = confirmed(drawn_finding())
    assert made.exit_code == 1
    text = (write(made, tmp_path) / "report.md").read_text()
    for words in (
        "# Warp: a gradient differs by more than rounding can explain (dynamic for, nonlinear in",
        f"warp-lang {BACKENDS['warp'].installed()}",
        "@wp.kernel",
        "gradient of values: WRONG, most at 0",
        "gradient 0: 4 of 4 elements are wrong, the worst, [1], by 2e+06 times its bound, 3e+06",
        "do not race",
        "Loops end",
        "the repro was run twice",
        "4 statements, shrunk from ",
        "time was up",
        "grammar loop, seed 7, index 3",
    ):
        assert words in text
    assert str(tmp_path) not in text
    assert os.sep + "tmp" not in text


def test_what_is_known_is_linked(tmp_path: Path) -> None:
    known = msgspec.structs.replace(GRADIENT, known="loop_value, fmod_operand")
    made = finding(WRONG["loop_value"], known)
    folder = write(made, tmp_path)
    assert folder.name == "known-loop_value-fmod_operand"
    text = (folder / "report.md").read_text()
    assert "<https://github.com/NVIDIA/warp/issues/729>" in text
    assert "`warp/native/builtin.h: adj_mod`" in text
    assert of_finding(read(folder)) == bucket(case(WRONG["loop_value"]), known)
