"""Start of the command line against the least it could take: importing typer and rich."""

from __future__ import annotations

import resource
import subprocess
import sys

from tests.bench.measure import Ratio, pin, table
from tests.bench.report import Table

HELP = (sys.executable, "-m", "irgen.cli", "--help")
IMPORTS = (sys.executable, "-c", "import typer, rich")


def _child(command: tuple[str, ...]) -> float:
    """CPU seconds of a command that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def startup(blocks: int = 9, block: int = 5) -> Table:
    """`irgen --help` and the imports in turn, several of each per block."""
    note = pin()
    for command in (HELP, IMPORTS):
        _child(command)
    helped: list[float] = []
    imported: list[float] = []
    for number in range(blocks):
        pairs = [(HELP, helped), (IMPORTS, imported)]
        for command, times in pairs if number % 2 else pairs[::-1]:
            times.append(sum(_child(command) for _ in range(block)))
    ratio = Ratio(
        what="irgen --help",
        against="import typer, rich",
        ratios=tuple(a / b for a, b in zip(helped, imported, strict=True)),
        target=2.0,
        measured=1000 * sum(helped) / (blocks * block),
        reference=1000 * sum(imported) / (blocks * block),
        unit="ms",
    )
    notes = (f"{blocks} blocks of {block} starts; {note}",)
    return table("Start of the command line", [ratio], notes)
