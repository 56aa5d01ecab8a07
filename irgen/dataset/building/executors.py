"""Shards made by datatrove's executors: processes of this machine, Ray, or a Slurm cluster.

A task of theirs makes one shard. All of them see the folder of the data set, so a file system that
machines share is needed where there are several.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irgen.dataset import layout
from irgen.dataset.building.build import build_shard, read_settings
from irgen.dataset.extras import need
from irgen.errors import UserError

if TYPE_CHECKING:
    from irgen.dataset.planning.plan import Plan

MEMORY = 4
"""Gigabytes a task may use: its own process and the one that runs programs."""

_LOGS = f"{layout.WORK}/logs"


@dataclass(frozen=True, slots=True)
class BuildShard:
    """A step of a datatrove pipeline: task `rank` makes shard `rank` of the data set in `folder`,
    unless that is there. Errors as of `irgen.dataset.building.build.build_shard`."""

    folder: str

    def __call__(self, data: object, rank: int, world_size: int) -> None:
        from irgen.dataset.planning.plan import load_plan

        folder = Path(self.folder)
        settings = read_settings(folder)
        plan = load_plan(folder, settings)
        build_shard(folder, settings, plan, plan.shards[rank], workers=1)


def _datatrove(folder: Path, plan: Plan, workers: int) -> None:
    executors = need("datatrove.executor")
    executors.LocalPipelineExecutor(**_common(folder, plan), workers=workers).run()


def _ray(folder: Path, plan: Plan, workers: int) -> None:
    need("ray")
    executors = need("datatrove.executor")
    executors.RayPipelineExecutor(
        **_common(folder, plan), workers=workers, cpus_per_task=1, mem_per_cpu_gb=MEMORY
    ).run()


EXECUTORS: Mapping[str, Callable[[Path, Plan, int], None]] = {"datatrove": _datatrove, "ray": _ray}
"""What makes the shards of a plan, at most so many at a time. "datatrove" starts processes of this
machine; "ray" uses the cluster that the environment variable RAY_ADDRESS names, or else one of its
own on this machine. What they could not make is missing afterwards."""


def slurm_script(folder: Path, plan: Plan, workers: int, options: Mapping[str, str]) -> Path:
    """Write a script for sbatch that makes the shards of a plan, at most `workers` at a time; its
    path. Nothing is submitted.

    Of the `options`, "activate" is the file to source for a Python that has irgen, and the others,
    among them "time" and "partition", are for sbatch. UserError where one of these two is missing.
    """
    executors, dill = need("datatrove.executor"), need("dill")
    for name in ("time", "partition"):
        if not options.get(name):
            raise UserError(f"Slurm needs --slurm {name}=...")
    others = dict(options)
    common = _common(folder, plan)
    executor = executors.SlurmPipelineExecutor(
        **common,
        workers=workers,
        time=others.pop("time"),
        partition=others.pop("partition"),
        venv_path=others.pop("activate", None),
        qos=others.pop("qos", None),
        sbatch_args=others,
        mem_per_cpu_gb=MEMORY,
        job_name="irgen",
        max_array_size=-1,
    )
    # The same files as datatrove writes before it calls sbatch, which need not be on this machine.
    logs = Path(common["logging_dir"])
    pickled, ranks, script = (
        logs / name for name in ("executor.pik", "ranks_to_run.json", "launch.slurm")
    )
    arguments = executor.get_sbatch_args(len(plan.shards))
    with open(pickled, "wb") as file:
        dill.dump(executor, file, fmode=dill.CONTENTS_FMODE)
    ranks.write_text(json.dumps(list(range(len(plan.shards)))))
    script.write_text(
        executor.get_launch_file_contents(
            arguments, f"srun -l -n 1 launch_pickled_pipeline {pickled}"
        )
    )
    return script


def _common(folder: Path, plan: Plan) -> dict[str, Any]:
    where = folder.resolve()
    return {
        "pipeline": [BuildShard(str(where))],
        "tasks": len(plan.shards),
        "logging_dir": str(where / _LOGS),
        "skip_completed": False,  # whether a shard is there says its file, not a mark beside it
    }
