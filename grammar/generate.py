"""The generator: from a grammar and a choice source to a program, valid by construction."""

from __future__ import annotations

from collections.abc import Callable

from grammar.config import Grammar
from grammar.drawing.kernel import single_kernel
from grammar.drawing.layers import draw_layers
from grammar.drawing.schedule import draw_schedule
from grammar.drawing.tables import Tables, tables
from grammar.passes.canonical import canonical
from grammar.program import Program
from grammar.source import RandomSource, Source

SHAPES: dict[str, Callable[[Source, Tables], Program]] = {
    "kernel": single_kernel,
    "arrays": draw_layers,
    "program": draw_schedule,
}
"""How each shape of `Grammar.shape` is drawn."""


def draw_program(source: Source, grammar: Grammar) -> Program:
    """Draw one program of the grammar from the source, its values numbered in order."""
    return canonical(SHAPES[grammar.shape](source, tables(grammar)))


def program_at(grammar: Grammar, seed: int, index: int) -> Program:
    """The program at an address; the same on every machine."""
    return draw_program(RandomSource(seed, index), grammar)
