"""Candidates drawn and hashed in worker processes, in order: what a plan decides by.

Nothing is compiled, and no compiler imported. What comes back is one small record per candidate,
the same for any number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from backends.registry import BACKENDS
from grammar.config import Grammar
from grammar.passes.canonical import exact_hash, structure_hash
from grammar.program import size
from irgen import pool
from irgen.dataset import layout
from irgen.dataset.facts import ops_of
from irgen.dataset.planning.decontaminate import Foreign
from irgen.dataset.planning.splits import Pair, Splitter
from irgen.pool import Limits, Lost
from irgen.service import Drawn, draw_batch

CANDIDATE = np.dtype(
    [
        ("number", "<u8"),
        ("exact", "V16"),
        ("structure", "V16"),
        ("ops", "<u8"),
        ("size", "<u4"),
        ("split", "u1"),
        ("foreign", "?"),
    ]
)
"""A candidate: its number, its two hashes, a bit per op that has a quota, its statements, its split
as a position in `layout.SPLITS`, and whether it is like something in a file named for
decontamination."""

Candidates = NDArray[np.void]
"""Of dtype `CANDIDATE`."""

BLOCK = 256
"""Programs that a worker draws at a time."""

_FEW = 512
"""So many rows are drawn here: processes would take as long to start."""

_LIMITS = Limits(seconds=300, batch=1)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What all candidates have in common.

    `families` has the family of each grammar and `ops` the names of the ops with a quota. Backends
    are those whose source is looked for in `foreign`. `pairs` of ops are held out.
    """

    grammars: tuple[Grammar, ...]
    families: tuple[int, ...]
    seed: int
    ops: tuple[str, ...]
    pairs: tuple[Pair, ...]
    splitter: Splitter
    backends: tuple[str, ...] = ()
    foreign: Foreign | None = None

    def address(self, number: int) -> tuple[Grammar, int]:
        """The address of a candidate: grammars take turns."""
        turn, at = divmod(number, len(self.grammars))
        return self.grammars[at], turn

    def family(self, number: int) -> int:
        """The family of a candidate."""
        return self.families[number % len(self.grammars)]


@dataclass(frozen=True, slots=True)
class Block:
    """Candidates from `start` up to `stop`, those of the `open` families."""

    start: int
    stop: int
    open: tuple[int, ...]


def blocks(
    recipe: Recipe, start: int, open_families: Callable[[], tuple[int, ...]], size: int = BLOCK
) -> Iterator[Block]:
    """Blocks of about `size` candidates without end, of the families that are open by then."""
    turns = len(recipe.grammars)
    while True:
        families = open_families()
        drawn = sum(family in families for family in recipe.families)
        stop = start + -(-size * turns // max(1, drawn))
        yield Block(start, stop, families)
        start = stop


def draw_blocks(recipe: Recipe, found: Iterator[Block], workers: int) -> Generator[Candidates]:
    """The candidates of each block, in order. `workers` 0 draws in this process."""
    if not workers:
        yield from (draw_block(recipe, block) for block in found)
        return
    asked: list[Block] = []

    def noted() -> Iterator[Block]:
        for block in found:
            asked.append(block)
            yield block

    for made in pool.run(partial(work, recipe), noted(), workers=workers, limits=_LIMITS):
        block = asked.pop(0)
        # Drawing ends no process by itself: something else did, twice.
        yield draw_block(recipe, block) if isinstance(made, Lost) else read_candidates(made)


def sensible_workers(workers: int, count: int) -> int:
    """The processes worth starting to draw `count` rows."""
    return 0 if count <= _FEW else workers


def work(recipe: Recipe, found: Sequence[Block]) -> list[bytes]:
    """What a worker does."""
    return [draw_block(recipe, block).tobytes() for block in found]


def read_candidates(data: bytes) -> Candidates:
    """Candidates from the bytes of their array."""
    return np.frombuffer(data, CANDIDATE)


def draw_block(recipe: Recipe, block: Block) -> Candidates:
    """The candidates of a block."""
    open_families = set(block.open)
    numbers = [n for n in range(block.start, block.stop) if recipe.family(n) in open_families]
    drawn = draw_batch([recipe.address(number) for number in numbers], recipe.seed)
    bits = {name: 1 << bit for bit, name in enumerate(recipe.ops)}
    rows = [_candidate(recipe, bits, n, item) for n, item in zip(numbers, drawn, strict=True)]
    return np.array(rows, CANDIDATE)


def _candidate(
    recipe: Recipe, bits: dict[str, int], number: int, drawn: Drawn
) -> tuple[int, bytes, bytes, int, int, int, bool]:
    program = drawn.program
    structure = bytes.fromhex(structure_hash(program))
    ops, statements = ops_of(program), size(program)
    split = recipe.splitter.split(structure, statements, ops)
    foreign = recipe.foreign is not None and (
        structure in recipe.foreign.structures
        or any(
            recipe.foreign.resembles(BACKENDS[name].render(program, drawn.style).python)
            for name in recipe.backends
        )
    )
    return (
        number,
        bytes.fromhex(exact_hash(program)),
        structure,
        sum(bit for name, bit in bits.items() if name in ops),
        statements,
        layout.SPLITS.index(split),
        foreign,
    )
