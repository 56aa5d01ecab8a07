"""Shards come out the same whoever makes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from irgen.dataset.building.build import build, finish, plan_only
from irgen.dataset.building.executors import EXECUTORS, BuildShard, slurm_script
from irgen.dataset.building.request import BuildRequest, settings_of
from irgen.errors import UserError

REQUEST = BuildRequest(
    count=24, grammars=("unary-safe", "loop-safe"), backends=("warp",), shard_size=6, test=0.2
)


def shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "data").iterdir())}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set as one process makes it."""
    folder = tmp_path_factory.mktemp("alone") / "set"
    build(folder, settings_of(REQUEST), 1)
    return folder


def test_datatrove_makes_the_same_shards(alone: Path, tmp_path: Path) -> None:
    plan = plan_only(tmp_path / "set", settings_of(REQUEST), 1)
    EXECUTORS["datatrove"](tmp_path / "set", plan, 2)
    finish(tmp_path / "set")
    assert shards(tmp_path / "set") == shards(alone)
    assert (tmp_path / "set/manifest.json").read_bytes() == (alone / "manifest.json").read_bytes()


def test_a_shard_that_is_there_is_left_alone(alone: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (alone / "data").iterdir()}
    build(alone, settings_of(REQUEST), 1)
    assert {path: path.stat().st_mtime_ns for path in (alone / "data").iterdir()} == before


def test_the_command_names_its_executors(tmp_path: Path) -> None:
    out = tmp_path / "set"
    command = [sys.executable, "-m", "irgen.cli", "build", str(out), "--count", "9"]
    command += ["--backend", "warp", "--grammar", "unary-safe", "--level", "python", "--no-verify"]
    command += ["--shard-size", "5"]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *more], capture_output=True, text=True)

    for more, words in {
        ("-x", "rey"): "did you mean 'ray'",
        ("-x", "slurm", "--slurm", "time"): "write NAME=VALUE",
        ("--slurm", "time=1:00"): "is for --executor slurm",
    }.items():
        refused = run(*more)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        assert words in refused.stderr
        assert not out.exists()
    made = run("-x", "slurm", "--slurm", "time=1:00,partition=cpu")
    assert made.returncode == 0
    told = json.loads(made.stdout.splitlines()[-1])
    assert told["event"] == "script"
    assert Path(told["path"]).read_text().startswith("#!/bin/bash")
    ended = run("-x", "datatrove", "-w", "2")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1])["event"] == "end"
    assert (out / "manifest.json").exists()


def test_slurm_gets_a_script_and_nothing_is_submitted(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    plan = plan_only(folder, settings_of(REQUEST), 1)
    options = {"time": "10:00:00", "partition": "long", "activate": "/opt/v/bin/activate"}
    text = slurm_script(folder, plan, 3, options).read_text()
    for line in (
        f"#SBATCH --array=0-{len(plan.shards) - 1}%3",
        "#SBATCH --partition=long",
        "#SBATCH --time=10:00:00",
        "source /opt/v/bin/activate",
    ):
        assert line in text.splitlines()
    command = next(line for line in text.splitlines() if line.startswith("srun"))
    pickled = Path(command.split()[-1])
    assert subprocess.run(["bash", "-n", str(pickled.parent / "launch.slurm")]).returncode == 0
    with pytest.raises(UserError, match="partition"):
        slurm_script(folder, plan, 3, {"time": "1:00:00"})


def test_what_slurm_starts_makes_the_shard_of_its_number(alone: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    plan = plan_only(folder, settings_of(REQUEST), 1)
    script = slurm_script(folder, plan, -1, {"time": "1:00", "partition": "cpu"})
    launch = Path(sys.executable).parent / "launch_pickled_pipeline"
    # The cluster says which node this is through a command of its own.
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "scontrol").write_text("#!/bin/sh\necho here\n")
    (bin_folder / "scontrol").chmod(0o755)
    environment = {
        **os.environ,
        "SLURM_ARRAY_TASK_ID": "1",
        "SLURM_NODELIST": "here",
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
    }
    subprocess.run(
        [launch, script.parent / "executor.pik"], env=environment, check=True, capture_output=True
    )
    (made,) = (folder / "data").iterdir()
    assert made.name == Path(plan.shards[1].name).name
    assert made.read_bytes() == shards(alone)[made.name]
    BuildShard(str(folder))(None, 0, len(plan.shards))
    assert len(shards(folder)) == 2
    with pytest.raises(UserError, match="is missing: run the same irgen build again"):
        finish(folder)
