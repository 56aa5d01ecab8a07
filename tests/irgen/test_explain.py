"""Explanations: the worst lanes, where certainty ends, and what a backend is known to get wrong."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from grammar.bounds.domain import Bounds
from grammar.parse import parse_program
from grammar.presets import GRAMMARS
from irgen import vectors
from irgen.cli.explain import lines
from irgen.errors import UserError
from irgen.explaining import Explanation, Question, answer
from irgen.pool import Lost
from irgen.views import Row
from irgen.watching import ENDINGS, Watcher
from tests.irgen.rows import OUTSIDE, TIED, line_of, record_of, row_of

ROOT = Path(__file__).parents[2]

OVERWRITTEN = """irgen 1
kernel @0 [8] (%0: i32, %1: f32[8]) {
  %2: f32 = load %1, %0
  %3: f32 = mul %2, %2
  store %1, %0, %3
  yield
}
"""
"""Warp's adjoint of the product finds the product in the cell, and no longer its factor."""

STEPS = """irgen 1
kernel @0 [8] (%0: i32, %1: f32[8], %2: f32[8]) {
  %3: f32 = load %1, %0
  %4: f32 = sin %3
  %5: f32 = cos %3
  %6: f32 = mul %4, %4
  %7: f32 = mul %5, %5
  %8: f32 = add %6, %7
  %9: f32 = floor %8
  %10: f32 = mul %3, %9
  store %2, %0, %10
  yield
}
"""
"""The sum of squares of sine and cosine rounded down: 0 or 1."""


def explained(row: Row) -> Explanation:
    """The explanation of a row of a program that no preset drew."""
    (found,) = answer([Question(line_of(row), None, "warp", 0, ())])
    return found


def text_of(found: Explanation | Lost) -> str:
    return "\n".join(line for line, _ in lines(found, "rows.jsonl:1"))


def test_a_verified_row_is_said_to_be() -> None:
    (found,) = answer([Question(None, (GRAMMARS["unary"], 1), "warp", 0, ())])
    assert (found.title, found.problems) == ("unary seed 0 index 1", ())
    (one,) = found.explained
    assert one.verdict.verified
    text = text_of(found)
    assert "cpu: verified: values 1/1 arrays, gradients 1/1" in text
    assert "  output 0 (%1), 12 lanes: 12 exact" in text
    assert "  gradient 0 (%1), 12 lanes: " in text
    assert "where certainty ends" not in text


def test_numbers_that_differ_are_shown_beside_what_they_should_be() -> None:
    row = row_of(record_of(STEPS.replace("floor", "neg")))
    stored = row["vectors"]["outputs"][0]
    values = np.frombuffer(base64.b64decode(stored["data"]), "<f4").copy()
    values[5] += 1
    stored["data"] = base64.b64encode(values.tobytes()).decode()
    found = explained(row)
    recorded, now = found.explained
    assert (recorded.recorded, now.recorded) == (True, False)
    assert (recorded.verdict.forward, now.verdict.forward) == ("mismatch", "verified")
    lane = recorded.arrays[0].worst[0]
    assert lane.index == (5,)
    assert lane.got == values[5]
    assert lane.wanted == pytest.approx(values[5] - 1, abs=1e-6)
    assert 0 <= lane.allowed < 1e-5
    assert lane.ulps > 1e4
    text = text_of(found)
    assert "the row is not what it should be: content_hash" in text
    assert "the numbers in the row, cpu: values differ: output 0 in 1 of 8 lanes by up to" in text
    assert "8 lanes: " in text
    assert "1 different" in text
    assert f"[5] got {values[5]:.9g}, wanted " in text


@pytest.mark.parametrize(
    ("program", "reason", "statement"),
    [
        (TIED, "comparison", "%10: bool = gt %8, %9"),
        (STEPS, "step", "%9: f32 = floor %8"),
    ],
)
def test_where_certainty_ends_is_a_statement(program: str, reason: str, statement: str) -> None:
    found = explained(row_of(record_of(program)))
    (one,) = found.explained
    assert one.verdict.forward == "not_comparable"
    first = one.endings[0]
    assert (first.direction, first.unit) == ("values", "kernel @0")
    assert (first.reason, first.statement) == (reason, statement)
    assert first.lanes > 1
    value, _, error = first.operands[0].partition(" +- ")
    assert float(value) == pytest.approx(1, abs=1e-6)
    assert 0 < float(error) < 1e-5
    text = text_of(found)
    assert f"kernel @0, lane {first.lane} and {first.lanes - 1} more: {statement}" in text
    assert f"of {', '.join(first.operands)}: {reason}, {ENDINGS[reason]}" in text
    assert "not comparable" in text


def test_limitations_come_with_their_words_and_references() -> None:
    found = explained(row_of(record_of(OVERWRITTEN)))
    (one,) = found.explained
    assert (one.verdict.forward, one.verdict.gradient) == ("verified", "known_wrong")
    (limitation,) = found.limitations
    text = text_of(found)
    assert f"gradient known to be wrong: {limitation.name}" in text
    assert f"    {limitation.name}: {limitation.doc}" in text
    assert all(f"      {one}" in text for one in limitation.reference.split(", "))


def test_a_row_that_ends_its_process_says_how() -> None:
    text = text_of(Lost("crashed", "SIGSEGV"))
    assert (
        text == "rows.jsonl:1: the process that ran it died; the detail names the signal (SIGSEGV)"
    )


def test_a_line_that_is_no_row_says_why() -> None:
    with pytest.raises(UserError, match="no JSON"):
        answer([Question(b"{", None, "warp", 0, ())])


def test_a_program_that_leaves_its_arrays_is_not_run() -> None:
    row = row_of(record_of(TIED)) | {"program": OUTSIDE}
    with pytest.raises(UserError, match="not defined on its inputs"):
        answer([Question(line_of(row), None, "warp", 0, ())])


def test_rounds_of_a_loop_belong_to_their_lane() -> None:
    program = parse_program(
        "irgen 1\n"
        "kernel @0 [4] (%0: i32, %1: f32[4], %2: f32[4]) {\n"
        "  %3: f32 = load %1, %0\n"
        "  %4: i32 = const 0\n"
        "  %5: i32 = const 6\n"
        "  %6: f32 = const 0.0\n"
        "  %7: f32 = for %4, %5, %6 {1, 6} (%8: i32, %9: f32) {\n"
        "    %10: f32 = sin %3\n"
        "    %11: f32 = sub %10, %10\n"
        "    %12: f32 = reciprocal %11\n"
        "    %13: f32 = add %9, %12\n"
        "    yield %13\n"
        "  }\n"
        "  store %2, %0, %7\n"
        "  yield\n"
        "}\n"
    )
    from backends.warp.precision import PRECISION
    from grammar.interpret import run

    watcher = Watcher()
    domain = Bounds(PRECISION["cpu"], np.float64)
    run(program, vectors.make(program)[0], domain, watch=watcher.watch(domain, program, "values"))
    (ending,) = watcher.endings
    assert (ending.reason, ending.statement) == ("pole", "%12: f32 = reciprocal %11")
    assert (ending.lane, ending.lanes) == (0, 4)


# The command.


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "irgen.cli", "explain", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_the_command_takes_a_row_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"{}\n" + line_of(row_of(record_of(TIED))))
    done = run_command(f"{path}:2")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("own seed 0 index 0, warp\n")
    assert "gt %8, %9" in done.stdout
    done = run_command(f"{path}:1")
    assert done.returncode == 2
    assert done.stderr.startswith(f"irgen: {path}:1: no row of the views wide and record")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rows",), ("'rows' is no row", "FILE:LINE", "index")),
        (("README.md:0",), ("counted from 1",)),
        (("README.md:100000",), ("README.md has fewer than 100000 lines",)),
        (("none.jsonl:1",), ("cannot read none.jsonl", "No such file")),
        (("README.md:1", "-s", "1"), ("--seed is for an index", "README.md:1")),
        (("9223372036854775808",), ("index", "out of range")),
        (("1", "-g", "lop"), ("'lop'", "did you mean 'loop'")),
        (("1", "-e", "gpu"), ("unknown execution 'gpu'", "cpu")),
    ],
)
def test_what_is_no_row_is_refused_in_one_line(
    arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    done = run_command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert [word for word in words if word not in line] == []
