"""A grammar: the weights and bounds that shape generated programs. Pure data.

Every field has a default, so an own grammar names only what it changes. Weights are relative
non-negative integers; 0 switches something off.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Literal

GRAMMAR_VERSION = 3
"""Raised whenever the same (grammar, seed, index) may give another program."""

Shape = Literal["kernel", "arrays", "program"]


def _weights(**weights: int) -> Mapping[str, int]:
    return weights


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """What programs to draw.

    - `shape`: "kernel" (one kernel, perhaps with functions), "arrays" (a program of array-level
      ops) or "program" (kernels and functions with a driver over buffers).
    - `statements`: fewest and most statements of one body, nested bodies included. The fewest is
      kept but for a vanishing share of draws, which lets failures shrink below it.
    - `groups`: weight of each op family (`irgen ops` lists them); `ops`: weight of single ops,
      overriding their own.
    - `types`: weight of each scalar type; `forms`: scalar, vector and matrix inputs.
    - `control`: weight of each statement kind: op, if, for, while, load, store, atomic, call;
      strided (a loop over values from elsewhere than zero, in steps of 2 or 3, perhaps over
      nothing) and wide_atomic (an atomic on i64, u64 or u32, those the grammar has).
    - `exits`: break, continue and return out of branches, in percent of branches that could.
    - `depth`: how deep control flow nests. `trips`: most rounds of a loop.
    - `dynamic`: percent of loops whose bounds are values, not constants.
    - `arrays`, `scalars`, `outputs`: fewest and most parameters of each sort; a body that stores in
      between may get one output more.
    - `ranks`: weight of grids with one to three axes; `extents`: sizes an axis may have.
    - `functions`: fewest and most; they are drawn when first called. `kernels`: fewest and most of
      a program.
    - `accesses`: weight of each way to read an array: own, shifted, reversed, gathered, free.
    - `layers`: weight of each array-level construct of shapes "arrays" and "program".
    - `differentiable`: draw only what every backend differentiates rightly, and no steps. See
      `docs/limitations.md`.
    """

    name: str
    doc: str = ""
    shape: Shape = "kernel"
    statements: tuple[int, int] = (4, 12)
    groups: Mapping[str, int] = field(default_factory=lambda: _weights(arithmetic=1))
    ops: Mapping[str, int] = field(default_factory=dict[str, int])
    types: Mapping[str, int] = field(default_factory=lambda: _weights(f32=1))
    forms: Mapping[str, int] = field(default_factory=lambda: _weights(scalar=1))
    control: Mapping[str, int] = field(default_factory=lambda: _weights(op=1))
    exits: int = 0
    depth: int = 0
    trips: int = 8
    dynamic: int = 50
    arrays: tuple[int, int] = (1, 3)
    scalars: tuple[int, int] = (0, 1)
    outputs: tuple[int, int] = (1, 1)
    ranks: Mapping[str, int] = field(default_factory=lambda: {"1": 1})
    extents: tuple[int, ...] = (16, 8, 12, 24, 32)
    functions: tuple[int, int] = (0, 0)
    kernels: tuple[int, int] = (1, 1)
    accesses: Mapping[str, int] = field(default_factory=lambda: _weights(own=1))
    layers: Mapping[str, int] = field(default_factory=dict[str, int])
    differentiable: bool = False

    @cached_property
    def canonical(self) -> str:
        """The grammar as JSON text: all that decides which programs it draws, in fixed order."""
        data = asdict(self)
        del data["doc"]
        if not self.differentiable:
            del data["differentiable"]  # grammars keep the text they had before there was the field
        return json.dumps(data, sort_keys=True, separators=(",", ":"))

    @cached_property
    def digest(self) -> str:
        """A hash of the canonical text and the grammar version."""
        text = f"{GRAMMAR_VERSION}\n{self.canonical}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def __hash__(self) -> int:
        return hash(self.digest)
