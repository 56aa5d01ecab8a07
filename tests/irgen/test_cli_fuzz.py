"""`irgen fuzz`: what it prints, its exit codes, and what it refuses."""

from __future__ import annotations

import functools
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import rich.console

from irgen.cli import main
from irgen.cli.campaign_view import Live
from irgen.errors import UserError
from irgen.fuzz import finding
from irgen.fuzz.campaign import Plan, run
from tests.irgen.fuzz import campaign_stand_in as stand_in
from tests.irgen.fuzz.campaign_stand_in import FEW, SETUP

ROOT = Path(__file__).parents[2]
STAND_IN = [sys.executable, str(ROOT / "tests/irgen/cli_fuzz_stand_in.py")]
FATES = "cos=wrong_value log=execution_error"
GRAMMAR = """
name = "few"
statements = [1, 3]
groups = { trigonometric = 1, exponential = 1 }
types = { f32 = 1 }
arrays = [1, 1]
scalars = [0, 0]
"""

Row = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a campaign over small programs, examined by the stand-in."""
    stand_in.install(monkeypatch, FATES)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "few.toml").write_text(GRAMMAR)
    return tmp_path / "out"


def irgen(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[Row]]:
    """The exit code of a campaign that must not complain, and the events that it prints."""
    with pytest.raises(SystemExit) as ended:
        main(("fuzz", "--grammar", "few.toml", "--no-limitations", "--out", "out", *arguments))
    output, errors = capsys.readouterr()
    assert errors == ""
    assert isinstance(ended.value.code, int)
    return ended.value.code, [json.loads(line) for line in output.splitlines()]


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on stderr of a command that is refused."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    output, errors = capsys.readouterr()
    assert (ended.value.code, output) == (2, "")
    (line,) = errors.splitlines()
    assert line.startswith("irgen: ")
    return line


# What it prints.


def test_events_are_lines_of_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, rows = irgen(capsys, "--count", "7")
    assert code == 1
    *found, end = rows
    assert [row["event"] for row in rows] == ["finding", "finding", "end"]
    for row, kind, index in zip(found, ("wrong_value", "execution_error"), (1, 5), strict=True):
        assert (row["kind"], row["index"], row["repro"], row["new"]) == (kind, index, 1, True)
        assert finding.read(Path(row["folder"])).bucket == row["bucket"]
    assert end["new"] == end["findings"] == sorted(row["bucket"] for row in found)
    assert end["programs"] == 7
    assert end["verified"] + sum(row["event"] == "finding" for row in rows) < 7
    assert end["buckets"] == {found[0]["bucket"]: 2, found[1]["bucket"]: 1}
    assert end["pairs"] > end["ops"] > 3


def test_progress_is_told_where_it_takes_long(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(stand_in.FATES, "cos=unsteady")
    monkeypatch.setattr("irgen.cli.campaign_view._TOLD_EVERY", 0.0)
    code, rows = irgen(capsys, "--count", "3")
    assert code == 0
    told = [row["event"] for row in rows]
    assert told == ["progress"] * 2 + ["unconfirmed", "progress", "progress", "end"]
    assert [row["programs"] for row in rows if row["event"] == "progress"] == [1, 1, 2, 3]
    assert rows[1]["doing"] == "shrinking wrong_value at few 1"
    assert (rows[2]["kind"], rows[2]["way"]) == ("wrong_value", "cpu")
    assert rows[-1]["unconfirmed"] == 1


def test_a_terminal_has_a_table(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    console = functools.partial(
        rich.console.Console, record=True, width=100, file=io.StringIO(), force_terminal=True
    )
    made: list[rich.console.Console] = []

    def kept(**options: Any) -> rich.console.Console:
        made.append(console(**options))
        return made[-1]

    monkeypatch.setattr(rich.console, "Console", kept)
    plan = Plan(SETUP, (FEW,), 0, folder, count=7)
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    view = Live(plan, frozenset())
    with view:
        for step in run(plan):
            view.show(step)
    found = finding.all_findings(folder)
    view.end(plan, found, found[:1])
    lines = output.getvalue().splitlines()
    assert [line.split("\t")[:2] for line in lines] == [
        ["new", found[0].bucket],
        ["known", found[1].bucket],
    ]
    (one,) = made
    text = one.export_text()
    assert "programs           7 of 7" in text
    for part in ("verified", "not comparable", "coverage", f"{found[1].bucket}  wrong_value:"):
        assert part in text


# How it ends.


def test_known_buckets_are_no_failure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    baseline = folder.parent / "known.txt"
    _, rows = irgen(capsys, "--count", "4")
    (bucket,) = rows[-1]["new"]
    baseline.write_text(f"# reported\n{bucket}  # in spring\n")
    code, rows = irgen(capsys, "--count", "4", "--baseline", "known.txt")
    assert (code, rows[-1]["findings"], rows[-1]["new"]) == (0, [bucket], [])
    code, rows = irgen(capsys, "--count", "6", "--baseline", "known.txt")
    assert code == 1
    assert rows[-1]["new"] == [row["bucket"] for row in rows if row["event"] == "finding"]
    assert bucket not in rows[-1]["new"]


def test_nothing_found_is_no_failure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, (end,) = irgen(capsys, "--count", "1")
    assert (code, end["programs"], end["verified"], end["findings"]) == (0, 1, 1, [])


def test_it_ends_when_its_time_is_up(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count()
    clocked = functools.partial(run, clock=lambda: float(next(ticks)))
    monkeypatch.setattr("irgen.fuzz.campaign.run", clocked)
    monkeypatch.setenv(stand_in.FATES, "")
    code, rows = irgen(capsys, "--time", "0.5m")
    assert code == 0
    # Two looks at the clock for each program, and two before them.
    assert rows[-1]["programs"] == 15
    code, rows = irgen(capsys, "--time", "10s")
    assert (code, rows[-1]["programs"]) == (0, 20)


def test_ctrl_c_tells_how_far_it_is_and_goes_on(folder: Path) -> None:
    command = [*STAND_IN, "fuzz", "-g", "few.toml", "--no-limitations", "--out", "out"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # A shell starts what runs in the background with Ctrl-C ignored, and children inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder.parent
    )
    signal.signal(signal.SIGINT, before)
    with process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        rest = [json.loads(line) for line in process.stdout]
    assert process.returncode == 130
    assert first["event"] == "finding"
    assert rest[-1]["event"] == "end"
    assert first["bucket"] in rest[-1]["findings"]
    done = rest[-1]["programs"]
    again = subprocess.run(
        [*command, "--count", str(done + 3)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folder.parent,
        check=False,
    )
    assert again.returncode == 1
    *_, end = [json.loads(line) for line in again.stdout.splitlines()]
    assert end["programs"] == done + 3
    assert end["verified"] + _symptomatic(folder) == done + 3


def _symptomatic(folder: Path) -> int:
    return json.loads((folder / "state.json").read_text())["symptomatic"]


# What it refuses.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--backend", "wrap"), ("wrap", "did you mean 'warp'")),
        (("--grammar", "lop"), ("lop", "did you mean 'loop'")),
        (("--oracle", "valuse"), ("unknown oracle 'valuse'", "did you mean 'values'")),
        (("--oracle", "values,level"), ("unknown oracle 'level'", "did you mean 'levels'")),
        (("--oracle", "modes"), ("'modes'", "does not look at warp")),
        (("--target", "warp"), ("names no release", "warp-lang==1.2.3")),
        (("--target", "wrap-lang==1.12.1"), ("wrap-lang", "did you mean 'warp-lang'")),
        (("--target", "none/bin/python"), ("none/bin/python", "no such interpreter")),
        (("--target", "jax==0.8.3"), ("jax==0.8.3", "warp")),
        (("--compare", "warp", "jax"), ("names no release",)),
        (("--compare", "a", "b", "--target", "c"), ("--compare", "leave out --target")),
        (("--time", "soon"), ("--time 'soon'", "90s, 10m or 1.5h")),
        (("--time", "0s"), ("--time '0s'",)),
        (("--shrink-time", "10 m"), ("--shrink-time '10 m'",)),
        (("--count", "0"), ("--count 0", "at least one")),
        (("--workers", "0"), ("--workers 0", "at least one")),
        (("--seed", "-1"), ("--seed -1", "2**63 - 1")),
        (("--baseline", "none.txt"), ("cannot read none.txt", "No such file")),
        (("--grammr", "loop"), ("--grammr", "--grammar")),
    ],
)
def test_bad_input_is_refused_in_one_line_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    words: tuple[str, ...],
) -> None:
    monkeypatch.chdir(tmp_path)
    line = refusal(capsys, "fuzz", *arguments)
    assert [word for word in words if word not in line] == []
    assert list(tmp_path.iterdir()) == []


def test_another_campaign_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    irgen(capsys, "--count", "2")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    given = ("fuzz", "-g", "few.toml", "--out", "out", "--count", "2")
    line = refusal(capsys, *given, "--no-limitations", "--seed", "9")
    assert "out holds another campaign, with seed 0, not 9: name another folder" in line
    assert "limitations off, not on" in refusal(capsys, *given)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_finding_that_was_changed_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, rows = irgen(capsys, "--count", "2")
    changed = folder / rows[-1]["new"][0] / "program.txt"
    changed.write_text("nothing\n")
    given = ("fuzz", "-g", "few.toml", "--out", "out", "--no-limitations", "--count", "2")
    assert f"out/{changed.parent.name}/program.txt was changed" in refusal(capsys, *given)


def test_folders_that_cannot_be_written_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refusal(capsys, "fuzz", "-g", "few.toml", "--out", "few.toml", "--count", "2")
    assert "cannot write few.toml" in line


def test_spans_of_time() -> None:
    from irgen.cli.fuzz import seconds

    assert [seconds("--time", text) for text in ("90s", "10m", "1.5h", "7")] == [90, 600, 5400, 7]
    for text in ("", "m", "-1s", "1d", "0m", "1 m"):
        with pytest.raises(UserError, match="--time"):
            seconds("--time", text)
