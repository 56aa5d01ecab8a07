"""Programs and sources from several interpreters and hash seeds, and from Hypothesis' own draws."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings

from grammar.config import Grammar
from grammar.generate import program_at
from grammar.presets import GRAMMARS
from grammar.program import Program
from grammar.provider import addressed
from grammar.strategies import programs
from grammar.text import print_program
from tests.bench.report import Table

ROOT = Path(__file__).parents[2]
HASH_SEEDS = (0, 4242)
FULL = "compound"
"""The preset of which all programs are compared; of the others a fifth."""


def digest_lines(python: str, hash_seed: int, count: int, presets: Sequence[str]) -> list[str]:
    """What the digest command prints under an interpreter and a hash seed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(hash_seed)}
    command = [python, "-m", "tests.quality.digest", str(count), *presets]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.splitlines()


def drawn_by_hypothesis(grammar: Grammar, seed: int, count: int) -> list[Program]:
    """Programs of test cases whose draws are forced to (seed, 0), (seed, 1), ...: `count` of them,
    and those that Hypothesis adds, such as its simplest one."""
    found: list[Program] = []
    with addressed(seed, 0) as backend:

        @settings(
            backend=backend,
            max_examples=count + 5,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(programs(grammar))
        def run(program: Program) -> None:
            found.append(program)

        run()
    return found


def version_of(python: str) -> str:
    command = [python, "-c", "import platform; print(platform.python_version())"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def campaign(
    presets: list[str], count: int, workers: int, pythons: Sequence[str]
) -> Iterator[Table]:
    """Digests under every interpreter given and two hash seeds; DrawSource against RandomSource."""
    parts = [(count, [name for name in presets if name == FULL])]
    parts.append((max(1, count // 5), [name for name in presets if name != FULL]))
    runs = [
        (python, hash_seed)
        for python in dict.fromkeys([sys.executable, *pythons])
        for hash_seed in HASH_SEEDS
    ]

    def run(job: tuple[str, int]) -> list[str]:
        lines = [digest_lines(*job, number, names) for number, names in parts if names]
        return [line for part in lines for line in part]

    with ThreadPoolExecutor(workers) as pool:
        found = list(pool.map(run, runs))
    labels = [f"Python {version_of(python)}, hash seed {seed}" for python, seed in runs]
    failures = [
        f"{label} differs from {labels[0]}: {ours} is not {theirs}"
        for label, lines in zip(labels, found, strict=True)
        for ours, theirs in zip(lines, found[0], strict=True)
        if ours != theirs
    ]
    rows = tuple(
        (label, len(lines), sum(a == b for a, b in zip(lines, found[0], strict=True)))
        for label, lines in zip(labels, found, strict=True)
    )
    notes = (f"{count} programs of {FULL}, {max(1, count // 5)} of each other preset", *found[0])
    columns = ("interpreter", "presets", "equal to the first")
    yield Table("Digests of programs and sources", columns, rows, notes, tuple(failures))
    yield _forced(count)


def _forced(count: int) -> Table:
    grammar = GRAMMARS[FULL]
    found = {print_program(program) for program in drawn_by_hypothesis(grammar, 0, count)}
    expected = [print_program(program_at(grammar, 0, index)) for index in range(count)]
    equal = sum(text in found for text in expected)
    rows = ((FULL, count, len(found), equal),)
    columns = ("preset", "addresses", "different test cases", "equal")
    missed = (f"{equal} of {count} programs equal",) if equal < count else ()
    return Table("DrawSource forced to addresses, against RandomSource", columns, rows, (), missed)
