"""The kill drill: campaigns whose driver or workers are killed at random moments, and go on.

No finding that was reported is lost, what is on disk can be read, and in the end a campaign has
found what an undisturbed one finds, with the same hits.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from irgen.errors import UserError
from irgen.fuzz import finding
from irgen.fuzz.state import NAME, State
from tests.bench.report import Cell, Table

GRAMMAR, SEED, PROGRAMS = "branch", 42, 25
"""A small campaign with several bugs, the first at once: limitations do not count."""

FIRST, LAST = 0.5, 40.0
"""Seconds from the start of a campaign to a blow."""

DRIVER, WORKER = "driver", "worker"

_SEED = 1


@dataclass(slots=True)
class Run:
    """A campaign in a folder: what it reported, over all its processes."""

    folder: Path
    programs: int
    reported: list[str] = field(default_factory=list[str])

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "irgen.cli", "fuzz", "--backend", "warp"]
        command += ["--grammar", GRAMMAR, "--seed", str(SEED), "--count", str(self.programs)]
        command += ["--no-limitations", "--out", str(self.folder)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def end(self, process: subprocess.Popen[str]) -> int:
        """Wait for the end of a process and note what it reported; its exit status."""
        output, _ = process.communicate()
        rows = [json.loads(line) for line in output.splitlines() if line.endswith("}")]
        self.reported += [row["bucket"] for row in rows if row["event"] == "finding"]
        return process.returncode

    def problems(self) -> list[str]:
        """What is wrong with the folder as it is."""
        try:
            there = {one.bucket for one in finding.all_findings(self.folder)}
            if (self.folder / NAME).exists():
                self.state()
        except (UserError, msgspec.DecodeError) as error:
            return [str(error)]
        return [f"{name} was reported and is gone" for name in sorted({*self.reported} - there)]

    def state(self) -> State:
        return msgspec.json.decode((self.folder / NAME).read_bytes(), type=State)

    def done(self) -> int:
        return self.state().next if (self.folder / NAME).exists() else 0

    def outcome(self) -> dict[str, object]:
        """What a campaign has come to, but for the time it took."""
        state = msgspec.to_builtins(self.state())
        found = {one.bucket: one.program for one in finding.all_findings(self.folder)}
        return {**state, "seconds": 0.0, "findings": found}


def children(process: int) -> list[int]:
    """The children of a process, by /proc."""
    found: list[int] = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        found += map(int, path.read_text().split())
    return found


def strike(process: subprocess.Popen[str], victim: str, chance: random.Random) -> str:
    """Kill a driver, or one of its workers where it has any; what was killed, "" for nothing."""
    try:
        workers = [one for one in children(process.pid) if _is_worker(one)]
        if process.poll() is not None or (victim == WORKER and not workers):
            return ""
        os.kill(process.pid if victim == DRIVER else chance.choice(workers), signal.SIGKILL)
    except (ProcessLookupError, FileNotFoundError):
        return ""
    return victim


def _is_worker(process: int) -> bool:
    return b"irgen.pool.worker" in Path(f"/proc/{process}/cmdline").read_bytes()


def drill(blows: int, programs: int) -> Table:
    """A campaign that is struck so many times, against one that is not."""
    chance = random.Random(_SEED)
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="irgen-kill-") as scratch:
        quiet = Run(Path(scratch, "quiet"), programs)
        began = time.monotonic()
        quiet.end(quiet.start())
        took = time.monotonic() - began
        rows: list[tuple[Cell, ...]] = []
        number = 0
        while len(rows) < blows:
            # Each campaign is struck until it is done; then the next one begins.
            loud = Run(Path(scratch, f"struck-{number}"), programs)
            number += 1
            while len(rows) < blows:
                row, found, ended = _struck(loud, chance, took)
                failures += [f"blow {len(rows) + 1}: {one}" for one in found]
                if row is not None:
                    rows.append((len(rows) + 1, *row))
                if ended:
                    break
            loud.end(loud.start())
            failures += [f"at the end: {one}" for one in loud.problems()]
            failures += _differences(loud.outcome(), quiet.outcome())
        buckets = len(quiet.outcome()["findings"])  # type: ignore[arg-type]
    notes = (
        f"{len(rows)} blows on {number} campaigns of {programs} {GRAMMAR} programs, {buckets} "
        f"findings each; undisturbed {took:.0f} s",
    )
    columns = ("blow", "killed", "after s", "programs done", "findings reported", "on disk")
    return Table("Killed campaigns", columns, tuple(rows), notes, tuple(failures))


def _struck(
    run: Run, chance: random.Random, took: float
) -> tuple[tuple[Cell, ...] | None, list[str], bool]:
    """Start a campaign, or go on with it, and strike: a row, None where it ended before, what is
    wrong then, and whether it has come to its end."""
    victim = chance.choice((DRIVER, WORKER))
    after = chance.uniform(FIRST, min(LAST, max(FIRST, took)))
    process = run.start()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after)
    struck = strike(process, victim, chance)
    status = run.end(process)
    wrong = run.problems()
    ended = status == 1
    if not ended and struck != DRIVER:
        wrong.append(f"it ended with exit code {status} after {struck or 'no blow'}")
    there = len(finding.all_findings(run.folder))
    row = (struck, round(after, 1), run.done(), len({*run.reported}), there)
    return (row if struck else None), wrong, ended


def _differences(found: dict[str, object], expected: dict[str, object]) -> list[str]:
    return [
        f"{name} is {found[name]} in the end, {expected[name]} undisturbed"
        for name in expected
        if found[name] != expected[name]
    ]


def campaign(blows: int) -> Iterator[Table]:
    """The drill with so many blows."""
    yield drill(blows, PROGRAMS)


def main(arguments: Sequence[str]) -> int:
    from tests.bench.report import plain

    table = drill(int(arguments[0]), int(arguments[1]))
    sys.stdout.write(plain(table) + "\n")
    return 1 if table.failures else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
