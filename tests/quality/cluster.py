"""`python -m tests.quality cluster`: the same shards from every executor, with a worker killed.

A data set is built alone with one worker and with two, by datatrove's processes, and on a Ray
cluster of this machine of which a process is killed while it makes a shard. All shards are compared
byte for byte.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from irgen.dataset.building.build import build, finish, plan_only
from irgen.dataset.building.executors import EXECUTORS
from irgen.dataset.building.request import BuildRequest, settings_of
from irgen.errors import UserError
from tests.bench.report import Cell, Table

REQUEST = BuildRequest(count=0, grammars=("safe",), shard_size=64, validation=0.05, test=0.05)

ROUNDS = 5
"""How often the same build is started on a cluster that loses processes."""


def digests(folder: Path) -> dict[str, str]:
    """A hash of each shard, and of the manifest."""
    found = [*sorted((folder / "data").iterdir()), folder / "manifest.json"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def making() -> list[int]:
    """The processes of Ray that make shards."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if words.startswith(b"ray::RankWorker"):
                found.append(int(entry.name))
    return found


def kill_one(journals: Path, killed: list[int]) -> None:
    """Kill a process of Ray as soon as some rows of a shard are made."""
    while not any(path.stat().st_size > 200_000 for path in journals.glob("*.journal")):
        time.sleep(0.05)
    for victim in making()[:1]:
        os.kill(victim, signal.SIGKILL)
        killed.append(victim)


def on_ray(folder: Path, request: BuildRequest) -> int:
    """Build on a Ray cluster of this machine; the number of processes that were killed."""
    plan = plan_only(folder, settings_of(request), 1)
    killed: list[int] = []
    killer = threading.Thread(target=kill_one, args=(folder / "work", killed), daemon=True)
    killer.start()
    for _ in range(ROUNDS):
        EXECUTORS["ray"](folder, plan, 2)
        with contextlib.suppress(UserError):  # a shard is missing: the same again makes it
            finish(folder)
            return len(killed)
    raise RuntimeError(f"not whole after {ROUNDS} rounds")


def on_datatrove(folder: Path, request: BuildRequest) -> int:
    """Build by processes that datatrove starts."""
    EXECUTORS["datatrove"](folder, plan_only(folder, settings_of(request), 1), 2)
    finish(folder)
    return 0


def alone(workers: int, folder: Path, request: BuildRequest) -> int:
    """Build by irgen itself."""
    build(folder, settings_of(request), workers)
    return 0


WAYS: dict[str, Callable[[Path, BuildRequest], int]] = {
    "local, 1 worker": functools.partial(alone, 1),
    "local, 2 workers": functools.partial(alone, 2),
    "datatrove": on_datatrove,
    "ray": on_ray,
}
"""What makes a data set, and tells how many processes were killed meanwhile."""


def campaign(count: int) -> Iterator[Table]:
    """Build the same data set in every way, and compare."""
    request = replace(REQUEST, count=count)
    took: dict[str, float] = {}
    found: dict[str, dict[str, str]] = {}
    killed = 0
    with tempfile.TemporaryDirectory() as name:
        for way, make in WAYS.items():
            folder = Path(name) / way
            began = time.perf_counter()
            killed += make(folder, request)
            took[way] = time.perf_counter() - began
            found[way] = digests(folder)
    first = next(iter(found.values()))
    rows: list[tuple[Cell, ...]] = []
    failures: list[str] = []
    for way, files in found.items():
        same = sum(first[one] == files.get(one) for one in first)
        rows.append((way, f"{took[way]:.1f}", f"{same} of {len(first)}"))
        if files != first:
            failures.append(f"{way}: {same} of {len(first)} files are the same")
    if not killed:
        failures.append("no process of the cluster was killed")
    notes = (f"{count} rows; {killed} process of the cluster killed while it made a shard",)
    yield Table(
        "Executors", ("executor", "seconds", "same files"), tuple(rows), notes, tuple(failures)
    )
