"""Text forms read back: `parse(print(p)) == p` over all presets."""

from __future__ import annotations

from collections.abc import Iterator

from grammar.generate import program_at
from grammar.parse import parse_program
from grammar.presets import GRAMMARS
from grammar.text import print_program
from tests.bench.report import Table
from tests.quality.pool import over


def read_back(job: tuple[str, int]) -> tuple[int, int, list[int]]:
    """Characters and lines printed, and the indices at which a program came back otherwise."""
    preset, count = job
    characters = lines = 0
    wrong: list[int] = []
    for index in range(count):
        program = program_at(GRAMMARS[preset], 0, index)
        text = print_program(program)
        characters += len(text)
        lines += text.count("\n")
        if parse_program(text) != program:
            wrong.append(index)
    return characters, lines, wrong


def campaign(presets: list[str], count: int, workers: int) -> Iterator[Table]:
    """Equal programs per preset."""
    jobs = [(preset, count) for preset in presets]
    found = list(over(read_back, jobs, workers))
    rows = tuple(
        (preset, count, count - len(wrong), lines / count, characters / count)
        for preset, (characters, lines, wrong) in zip(presets, found, strict=True)
    )
    failures = tuple(
        f"{preset}: {len(wrong)} programs differ, the first at index {wrong[0]}"
        for preset, (_, _, wrong) in zip(presets, found, strict=True)
        if wrong
    )
    columns = ("preset", "programs", "equal", "lines each", "characters each")
    yield Table("Programs printed and read back", columns, rows, (), failures)
