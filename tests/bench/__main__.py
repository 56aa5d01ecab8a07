"""`python -m tests.bench [names...]`: paired figures as ratios, each bench in a fresh process."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from tests.bench import captures, fuzz, lanes, memory, startup, verified
from tests.bench.report import Table, machine, markdown, plain, versions

BENCHES: dict[str, Callable[[argparse.Namespace], Table]] = {
    "speed": lambda options: lanes.speed(options.blocks),
    "speed-balanced": lambda options: lanes.speed(options.blocks, lanes.BALANCED),
    "stages": lambda options: lanes.stages(options.blocks),
    "sizes-warp": lambda options: lanes.sizes(options.blocks, "warp-text"),
    "sizes-jax": lambda options: lanes.sizes(options.blocks, "jax-text"),
    "tricks": lambda options: lanes.tricks(options.blocks),
    "warp": lambda options: captures.warp(options.blocks),
    "jax": lambda options: captures.jax(options.blocks),
    "verified-warp": lambda options: verified.warp(options.blocks),
    "verified-jax": lambda options: verified.jax(options.blocks),
    "workers": lambda options: verified.workers(),
    "fuzz": lambda options: fuzz.reference(options.blocks),
    "oracles-warp": lambda options: fuzz.oracles("warp", options.blocks),
    "oracles-jax": lambda options: fuzz.oracles("jax", options.blocks),
    "startup": lambda options: startup.startup(options.blocks),
    "memory-warp": lambda options: memory.memory("warp", options.records),
    "memory-jax": lambda options: memory.memory("jax", options.records),
}
"""Benches by name, in the order in which they run."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--blocks", type=int, default=9, help="alternating blocks per timing")
    parser.add_argument("--records", type=int, default=20000, help="records for peak memory")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the tables here")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    for name in options.names:
        if name not in BENCHES:
            parser.error(f"unknown bench {name!r}: choose from {', '.join(BENCHES)}")
    if options.blocks < 1:
        parser.error(f"--blocks {options.blocks}: at least one is needed")
    if options.records <= memory.EARLY:
        parser.error(f"--records {options.records}: more than {memory.EARLY} are needed")
    return options


def _fresh(name: str, options: argparse.Namespace) -> Table:
    """Run one bench in a process of its own, so that none sees what another left behind."""
    command = [sys.executable, "-m", "tests.bench", name, "--here"]
    command += ["--blocks", str(options.blocks), "--records", str(options.records)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Table)


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    if options.here:
        (name,) = options.names
        sys.stdout.write(msgspec.json.encode(BENCHES[name](options)).decode() + "\n")
        return 0
    sys.stdout.write(f"{machine()}\n{versions()}\n\n")
    tables: list[Table] = []
    for name in options.names or BENCHES:
        tables.append(_fresh(name, options))
        sys.stdout.write((markdown if options.markdown else plain)(tables[-1]) + "\n")
        sys.stdout.flush()
    if options.json is not None:
        data = {"machine": machine(), "versions": versions(), "tables": tables}
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(data)) + b"\n")
    return 1 if any(table.failures for table in tables) else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
