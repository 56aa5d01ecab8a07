"""`python -m tests.quality [names...]`: long runs over many programs, as tables of figures."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from grammar.presets import ALL_GRAMMARS, GRAMMARS
from tests.bench.report import Table, machine, markdown, plain, versions
from tests.quality import (
    audit,
    build_kill,
    capture,
    cluster,
    determinism,
    drill,
    edits,
    faults,
    fuzz_kill,
    fuzz_shrink,
    roundtrip,
    shrinking,
    targets,
    tricks,
    validation,
    variety,
    verification,
)
from tests.quality.mutants import campaign as mutants


def _capture(options: argparse.Namespace) -> Iterator[Table]:
    return capture.campaign(options.preset, options.count or 200, options.workers)


def _variety(options: argparse.Namespace) -> Iterator[Table]:
    return variety.campaign(options.preset, options.count or 10000, options.workers)


def _determinism(options: argparse.Namespace) -> Iterator[Table]:
    count = options.count or 1000
    return determinism.campaign(options.preset, count, options.workers, options.python)


def _roundtrip(options: argparse.Namespace) -> Iterator[Table]:
    return roundtrip.campaign(options.preset, options.count or 1000, options.workers)


def _verification(options: argparse.Namespace) -> Iterator[Table]:
    return verification.campaign(options.preset, options.count or 100, options.workers)


def _targets(options: argparse.Namespace) -> Iterator[Table]:
    named = None if options.preset == list(GRAMMARS) else options.preset
    return targets.campaign(named, options.count or 100)


CAMPAIGNS: dict[str, Callable[[argparse.Namespace], Iterator[Table]]] = {
    "capture": _capture,
    "variety": _variety,
    "determinism": _determinism,
    "shrink": lambda options: shrinking.campaign(options.workers),
    "roundtrip": _roundtrip,
    "verification": _verification,
    "audit": lambda options: audit.campaign(options.count or 1),
    "mutants": lambda options: mutants.campaign(options.count or 500, options.workers),
    "drill": lambda options: drill.campaign(options.preset, options.count or 2000, options.workers),
    "faults": lambda options: faults.campaign(options.count or 16),
    "fuzz_shrink": lambda options: fuzz_shrink.campaign(),
    "fuzz_kill": lambda options: fuzz_kill.campaign(options.count or 15),
    "edits": lambda options: edits.campaign(options.count or 200, options.workers),
    "validation": lambda options: validation.campaign(options.count or 192),
    "targets": _targets,
    "tricks": lambda options: tricks.campaign(
        options.preset, options.count or 200, options.workers
    ),
    "build_kill": lambda options: build_kill.campaign(options.count or 50),
    "cluster": lambda options: cluster.campaign(options.count or 384),
}
"""Campaigns by name, in the order in which they run."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.quality", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CAMPAIGNS))
    parser.add_argument("--count", type=int, help="programs of each preset, instead of the usual")
    parser.add_argument(
        "--preset", action="append", choices=list(ALL_GRAMMARS), help="only this one"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes at a time")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="PATH",
        help="also compare this interpreter",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the tables here")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    options = parser.parse_args(arguments)
    for name in options.names:
        if name not in CAMPAIGNS:
            parser.error(f"unknown campaign {name!r}: choose from {', '.join(CAMPAIGNS)}")
    for name in ("count", "workers"):
        value = getattr(options, name)
        if value is not None and value < 1:
            parser.error(f"--{name} {value}: at least one is needed")
    options.preset = options.preset or list(GRAMMARS)
    return options


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    sys.stdout.write(f"{machine()}\n{versions()}\n\n")
    tables: list[Table] = []
    for name in options.names or CAMPAIGNS:
        start = time.monotonic()
        for table in CAMPAIGNS[name](options):
            tables.append(table)
            sys.stdout.write((markdown if options.markdown else plain)(table) + "\n")
        sys.stdout.write(f"{name}: {time.monotonic() - start:.0f} s\n\n")
        sys.stdout.flush()
    if options.json is not None:
        data = {"machine": machine(), "versions": versions(), "tables": tables}
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(data)) + b"\n")
    return 1 if any(table.failures for table in tables) else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
