"""`irgen build` as a command: what it prints, how it ends, and what it leaves behind."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from irgen.cli.build import number
from irgen.dataset import layout
from irgen.dataset.reading import open_dataset
from irgen.errors import UserError
from tests.quality.build_kill import SOURCES, drill

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "irgen.cli", "build"]
SMALL = ("--grammar", "branch,loop", "--level", "python", "--no-verify", "--shard-size", "20")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def build(folder: Path, *options: str, **more: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, str(folder), *(options or ("-n", "50")), *SMALL]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=ENVIRONMENT,
        **more,  # type: ignore[call-overload]
    )


def events(output: str) -> list[dict]:
    return [json.loads(line) for line in output.splitlines()]


def test_a_pipe_gets_a_line_per_shard_and_one_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    planned = build(folder, "--count", "5_0", "--plan-only")
    (told,) = events(planned.stdout)
    assert (told["event"], told["rows"]) == ("planned", 50)
    assert not (folder / layout.DATA).exists()
    done = build(folder)
    assert (done.returncode, done.stderr) == (0, "")
    *shards, end = events(done.stdout)
    files = {file.name: file.rows for file in open_dataset(folder).manifest.files}
    assert {one["name"]: one["rows"] for one in shards} == files
    assert {one["event"] for one in shards} == {"shard"}
    assert (end["event"], end["rows"], end["made"]) == ("end", 50, len(files))
    again = build(folder)
    (end,) = events(again.stdout)
    assert (again.returncode, end["made"]) == (0, 0)
    other = build(folder, "-n", "51")
    assert (other.returncode, other.stdout) == (2, "")
    assert other.stderr == (
        f"irgen: {folder} was begun with other settings: count 50 is now 51: name another folder\n"
    )


def test_ctrl_c_leaves_whole_rows_only(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    process = subprocess.Popen(
        [*COMMAND, str(folder), "-n", "2_000", *SMALL],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=ENVIRONMENT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    with process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()
    assert (process.returncode, told) == (130, "")
    assert (folder / first["name"]).stat().st_size == first["bytes"]
    assert list(folder.rglob("*.partial")) == []
    assert not (folder / layout.MANIFEST).exists()


def test_a_disk_that_is_too_small_is_named_and_nothing_is_half_written(tmp_path: Path) -> None:
    folder = tmp_path / "set"

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (25_000, 25_000))

    done = build(folder, preexec_fn=small)
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"irgen: cannot write {folder}")
    assert line.endswith("File too large; with more space, the same command goes on")
    assert list(folder.rglob("*.partial")) == []
    assert not (folder / layout.MANIFEST).exists()
    assert build(folder).returncode == 0
    assert open_dataset(folder).count == 50


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-n", "many"), "--count 'many' is no number: write 5000 or 1_000_000"),
        (("-n", "0"), "--count 0: at least one row is needed"),
        (("-n", "5", "--seed", "-1"), "--seed -1 is out of range"),
        (("-n", "5", "--shard-size", "0"), "--shard-size 0: at least one"),
        (("-n", "5", "--backend", "wrap"), "unknown backend 'wrap': did you mean 'warp'?"),
        (("-n", "5", "--grammar", "lop"), "unknown grammar 'lop': did you mean 'loop'"),
        (("-n", "5", "--level", "cdua"), "unknown level 'cdua': did you mean 'cuda'?"),
        (("-n", "5", "--format", "parket"), "unknown format 'parket': did you mean 'parquet'?"),
        (("-n", "5", "--execute", "compield"), "unknown execution 'compield': did you mean"),
        (("-n", "5", "--execute", "cpu", "--no-verify"), "--execute cpu with --no-verify"),
        (("-n", "5", "--quota", "family:nope=0.1"), "no grammar 'nope' here"),
        (("-n", "5", "--quota", "half"), "'half' is no quota: write family:"),
        (("-n", "5", "--validation", "0.6", "--test", "0.5"), "which leaves nothing to train"),
        (("-n", "5", "--decontaminate", "none.txt"), "cannot read none.txt: No such file"),
        (("-n", "5", "--workers", "0"), "--workers 0: at least one is needed"),
        ((), "Missing option '--count'"),
    ],
)
def test_bad_options_are_refused_in_one_line_and_leave_nothing(
    options: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from irgen.cli.app import main

    folder = tmp_path / "set"
    with pytest.raises(SystemExit) as ended:
        main(["build", str(folder), *options])
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert words in told.err
    assert told.err.count("\n") == 1
    assert not folder.exists()


def test_grammars_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "loop.toml").write_text('base = "loop"\nstatements = [3, 4]\n')
    done = build(tmp_path / "set", "-n", "5", "--grammar", str(tmp_path / "loop.toml"))
    assert done.returncode == 2
    assert "two different grammars are named 'loop'" in done.stderr


@pytest.mark.parametrize(("text", "found"), [("7", 7), ("1_000_000", 1_000_000), ("1,000", 1000)])
def test_numbers_may_be_grouped(text: str, found: int) -> None:
    assert number("--count", text) == found


@pytest.mark.parametrize("text", ["", "-1", "1_", "_1", "1e6", "1__0", "1.5"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no number"):
        number("--count", text)


def test_killed_builds_end_with_the_same_bytes() -> None:
    table = drill(4, 150, SOURCES)
    assert table.failures == ()
    assert len(table.rows) == 4
