"""Shrinking: programs found in bulk, reduced from their choices to the least that will do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count as counting

from grammar.config import Grammar
from grammar.generate import draw_program
from grammar.presets import GRAMMARS
from grammar.program import Program, size
from grammar.source import RandomSource
from grammar.strategies import shrink
from tests.bench.report import Table
from tests.quality.pool import over
from tests.quality.witnesses import WITNESSES

MOST = 4
"""Statements that a shrunk witness may have."""

SEARCHED = 20000
"""Programs searched for a witness."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A witness before and after: sizes in statements, programs tried, CPU seconds."""

    witness: str
    index: int
    before: int
    program: Program
    tried: int
    seconds: float

    @property
    def after(self) -> int:
        return size(self.program)


def find(name: str, grammar: Grammar, seed: int = 0) -> tuple[int, Program, list[int]]:
    """The first index whose program is a witness, the program, and the choices behind it."""
    witness = WITNESSES[name]
    for index in counting():
        source = RandomSource(seed, index)
        program = draw_program(source, grammar)
        if witness(program):
            return index, program, source.choices
        if index == SEARCHED:
            break
    raise LookupError(f"no program of {SEARCHED} has {name}")


def shrunk(name: str, preset: str = "compound", seed: int = 0) -> Shrunk:
    """Find a witness in a preset and shrink it."""
    grammar = GRAMMARS[preset]
    index, found, choices = find(name, grammar, seed)
    tried = 0

    def counted(program: Program) -> bool:
        nonlocal tried
        tried += 1
        return WITNESSES[name](program)

    start = time.process_time()
    least = shrink(grammar, choices, counted)
    return Shrunk(name, index, size(found), least, tried, time.process_time() - start)


def campaign(workers: int) -> Iterator[Table]:
    """Every witness, found in `compound`."""
    found = list(over(shrunk, list(WITNESSES), workers))
    rows = tuple(
        (one.witness, one.index, one.before, one.after, one.tried, one.seconds) for one in found
    )
    failures = tuple(
        f"{one.witness}: {one.after} statements, at most {MOST}"
        for one in found
        if one.after > MOST
    )
    columns = ("witness", "index", "before", "after", "programs tried", "seconds")
    yield Table(f"{len(found)} witnesses shrunk", columns, rows, (), failures)
