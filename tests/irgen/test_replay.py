"""Replay: whatever irgen wrote down is made again, and what shows now is said."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from backends.style import draw_style
from backends.warp.limit_examples import RIGHT, WRONG
from grammar.generate import draw_program
from grammar.presets import GRAMMARS
from grammar.source import ReplaySource
from irgen.cli import replay as command
from irgen.errors import UserError
from irgen.fuzz.finding import write
from irgen.fuzz.setup import Setup
from irgen.lane import produce
from irgen.replay import replay, setup_of, understand
from irgen.service import draw
from tests.irgen.fuzz.cases import GRADIENT, finding
from tests.irgen.rows import line_of, plan, row_of

UNDEFINED = """irgen 1
kernel @0 [2] (%0: i32, %1: f32[2], %2: f32[2], %5: i32[64]) {
  %6: i32 = const 63
  %3: i32 = load %5, %6
  %7: i32 = mul %3, %3
  %8: i32 = add %7, %6
  %4: f32 = load %1, %8
  store %2, %0, %4
  yield
}
"""

FUNCTION = "irgen 1\nfunction @0(%0: f32) -> f32 {\n  return %0\n}\n"


def asked(what: str | Path, backend: str | None = None, grammar: str | None = None) -> bool:
    return command.replay(command.Request(str(what), grammar, backend, None, ()))


def test_a_finding_still_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(finding(WRONG["overwritten_cell"]), tmp_path)
    assert not asked(folder)
    shown = capsys.readouterr().out
    assert shown.startswith(f"{folder.name}, warp as installed\nstill wrong_gradient, cpu: ")
    assert "  known: overwritten_cell, https://github.com/NVIDIA/warp/issues/947\n" in shown
    assert "gradient known to be wrong" in shown
    assert asked(folder / "finding.json", backend="jax")
    shown = capsys.readouterr().out
    assert "the bug of the finding, wrong_gradient, does not show\nnothing shows\n" in shown


@pytest.mark.campaign
def test_a_finding_is_run_on_its_own_inputs(tmp_path: Path) -> None:
    made = finding(WRONG["loop_result"])
    found = understand(str(write(made, tmp_path)))
    assert found.finding == made
    assert found.backend == "warp"
    assert found.case.inputs[1] == 3
    outcome = replay(found, Setup("warp", limitations=False))
    assert outcome.again is not None
    assert outcome.again.signature == GRADIENT.signature


def test_nothing_of_a_finding_is_executed(tmp_path: Path) -> None:
    folder = write(finding(RIGHT["overwritten_cell"]), tmp_path)
    mark = tmp_path / "executed"
    with (folder / "repro.py").open("a") as file:
        file.write(f"open({str(mark)!r}, 'w')\n")
    with pytest.raises(UserError, match=r"repro\.py was changed"):
        asked(folder)
    assert not mark.exists()


def test_a_program_is_run_on_the_inputs_that_follow_from_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "program.txt"
    path.write_text(WRONG["fmod_operand"])
    assert not asked(path)
    shown = capsys.readouterr().out
    assert shown.startswith(f"{path}, warp as installed\nwrong_gradient, cpu: a gradient differs")


def test_choices_are_replayed(tmp_path: Path) -> None:
    grammar = GRAMMARS["branch"]
    drawn = draw(grammar, 3, 14)
    path = tmp_path / "choices.json"
    path.write_text(json.dumps(drawn.choices))
    for what in (str(path), json.dumps(drawn.choices)):
        found = understand(what, grammar)
        assert (found.case.program, found.case.style) == (drawn.program, drawn.style)
    source = ReplaySource([1, 2])
    found = understand("[1, 2]", grammar)
    assert found.case.program == draw_program(source, grammar)
    assert found.case.style == draw_style(source)


@pytest.mark.parametrize("view", ["wide", "record"])
def test_rows_are_made_again(view: str, tmp_path: Path) -> None:
    (record,) = produce(plan(), [draw(GRAMMARS["branch"], 0, 5)])
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n" + line_of(row_of(record, view)))
    found = understand(f"{path}:2")
    assert str(found.case.program) == record.program
    assert found.title == f"branch seed {record.seed} index 5"
    assert found.backend == "warp"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (UNDEFINED, "not defined on its inputs"),
        (FUNCTION, "let a kernel call it"),
        ("irgen 1\nkernel", "line 2"),
        ("irgen 2\n", "holds no program"),
        ("import os\n", "holds no program"),
        ("", "holds no program"),
        ("{}", "is no finding"),
        ("[1, 2]", "--grammar"),
        ("[1,", "no JSON"),
        ("\0\0", "holds no program"),
    ],
)
def test_other_files_are_refused_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(UserError, match=said) as refused:
        understand(str(path))
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value) or path.parent.name in str(refused.value)


@pytest.mark.parametrize(
    ("what", "grammar", "said"),
    [
        ("nothing.txt", None, "is nothing to replay"),
        ("nothing.txt:3", None, "is nothing to replay"),
        ("[1, -2]", "branch", "not below 0"),
        ('["a"]', "branch", "no list of choices"),
        ("[1.5]", "branch", "no list of choices"),
    ],
)
def test_other_words_are_refused(what: str, grammar: str | None, said: str) -> None:
    with pytest.raises(UserError, match=said):
        understand(what, GRAMMARS[grammar] if grammar else None)


def test_options_that_say_nothing_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "program.txt"
    path.write_text(RIGHT["fmod_operand"])
    with pytest.raises(UserError, match="--grammar is for choices"):
        understand(str(path), GRAMMARS["branch"])
    with pytest.raises(UserError, match="unknown backend 'wrap': did you mean 'warp'"):
        setup_of("wrap", None)
    with pytest.raises(UserError, match="unknown oracle"):
        setup_of("warp", None, ("value",))


def test_rows_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("{}\n")
    for number, said in ((0, "has no line 0"), (1, "rows.jsonl:1: "), (2, "has no line 2")):
        with pytest.raises(UserError, match=said):
            understand(f"{path}:{number}")


@pytest.mark.campaign
def test_a_finding_names_the_oracle_that_found_it(tmp_path: Path) -> None:
    symptom = msgspec.structs.replace(GRADIENT, oracle="levels", way="O0")
    found = understand(str(write(finding(RIGHT["loop_exit"], symptom), tmp_path)))
    outcome = replay(found, Setup("warp", oracles=("values",)))
    assert outcome.again is None
    assert outcome.examined.symptoms == ()
