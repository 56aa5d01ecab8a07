"""The kill drill of builds: parent or workers are killed at random moments, and the build goes on.

In the end the folder holds what an undisturbed build makes, byte for byte, but for rows that ended
their process each time they were tried, which are counted.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from irgen.dataset import layout
from irgen.dataset.reading import open_dataset
from tests.bench.report import Cell, Table
from tests.quality.fuzz_kill import DRIVER, WORKER, strike

VERIFIED = ("--grammar", "safe", "--seed", "5", "--shard-size", "60", "--workers", "2")
"""Rows of both backends and all levels, run and judged."""

SOURCES = (*VERIFIED, "--level", "python", "--no-verify")
"""Rows of sources only: quick to make, for a short drill."""

ROWS = 240

_FIRST = 0.2
"""Seconds from the start of a build to the earliest blow."""

_SEED = 1


@dataclass(frozen=True, slots=True)
class Run:
    """A build in a folder."""

    folder: Path
    rows: int
    options: tuple[str, ...]

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "irgen.cli", "build", str(self.folder)]
        command += ["--count", str(self.rows), *self.options]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=pipe, text=True)

    def problems(self) -> list[str]:
        """What is wrong with the folder of a build that is not done: a shard is whole or absent."""
        import pyarrow.parquet as pq

        found: list[str] = []
        for path in sorted((self.folder / layout.DATA).glob("*.parquet")):
            try:
                pq.ParquetFile(path).close()
            except (OSError, ValueError) as error:
                found.append(f"{path.name}: {error}")
        return found

    def whole(self) -> int:
        """How many shards are there."""
        return len(list((self.folder / layout.DATA).glob("*.parquet")))


def differences(struck: Path, quiet: Path) -> tuple[list[str], int]:
    """How two finished folders differ, and how many rows exhausted their retry in the first. Only
    the data and what is counted of it may differ then, and in these rows alone."""
    if (one := _contents(struck)) == (two := _contents(quiet)):
        return [], 0
    lost = open_dataset(struck).manifest.lost
    names = [name for name in sorted({*one, *two}) if one.get(name) != two.get(name)]
    if not lost:
        return [f"{name} differs" for name in names], 0
    pairs = zip(open_dataset(struck).rows(), open_dataset(quiet).rows(), strict=True)
    other = [here["id"] for here, there in pairs if here != there]
    extra = len(other) - sum(lost.values())
    return [f"{extra} rows differ that are not lost"] if extra else [], sum(lost.values())


def _contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def drill(blows: int, rows: int, options: tuple[str, ...] = VERIFIED) -> Table:
    """Builds that are struck so many times in all, against one that is not."""
    chance = random.Random(_SEED)
    failures: list[str] = []
    table: list[tuple[Cell, ...]] = []
    exhausted = number = 0
    with tempfile.TemporaryDirectory(prefix="irgen-kill-") as scratch:
        quiet = Run(Path(scratch, "quiet"), rows, options)
        began = time.monotonic()
        failures += _end(quiet.start(), "undisturbed")
        took = time.monotonic() - began
        while len(table) < blows and not failures:
            # Each build is struck until it is done; then the next one begins.
            run = Run(Path(scratch, f"struck-{number}"), rows, options)
            number += 1
            done = False
            while len(table) < blows and not done:
                row, found, done = _struck(run, chance, took)
                failures += [f"blow {len(table) + 1}: {one}" for one in found]
                if row is not None:
                    table.append((len(table) + 1, *row))
            failures += _end(run.start(), "the last one")
            found, lost = differences(run.folder, quiet.folder)
            failures += [f"build {number}: {one}" for one in found]
            exhausted += lost
    notes = (
        f"{len(table)} blows on {number} builds of {rows} rows; undisturbed {took:.0f} s; "
        f"{exhausted} rows exhausted their retry",
    )
    columns = ("blow", "killed", "after s", "shards there")
    return Table("Killed builds", columns, tuple(table), notes, tuple(failures))


def _struck(
    run: Run, chance: random.Random, took: float
) -> tuple[tuple[Cell, ...] | None, list[str], bool]:
    """Start a build, or go on with it, and strike: a row, None where it ended before, what is wrong
    then, and whether it has come to its end."""
    victim = chance.choice((DRIVER, WORKER))
    after = chance.uniform(_FIRST, max(_FIRST, took))
    process = run.start()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after)
    struck = strike(process, victim, chance)
    if struck == DRIVER:
        process.communicate()
        wrong: list[str] = []
    else:
        wrong = _end(process, f"after {struck or 'no blow'}")
    wrong += run.problems()
    ended = struck != DRIVER
    row = (struck, round(after, 1), run.whole())
    return (row if struck else None), wrong, ended


def _end(process: subprocess.Popen[str], when: str) -> list[str]:
    """Wait for a build to end; what is wrong where it does not end well."""
    _, told = process.communicate()
    if process.returncode == 0:
        return []
    last = told.strip().splitlines()[-1:] or [""]
    return [f"{when}: exit code {process.returncode}: {last[0]}"]


def campaign(blows: int) -> Iterator[Table]:
    """The drill with so many blows."""
    yield drill(blows, ROWS)


def main(arguments: Sequence[str]) -> int:
    from tests.bench.report import plain

    options = SOURCES if "sources" in arguments[2:] else VERIFIED
    table = drill(int(arguments[0]), int(arguments[1]), options)
    sys.stdout.write(plain(table) + "\n")
    return 1 if table.failures else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
