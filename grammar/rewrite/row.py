"""What a rewrite is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grammar.program import Program
from grammar.rewrite.place import Place
from grammar.source import Source


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One way to say the same in another way.

    - `applies`: whether there is something to rewrite at a place.
    - `rewrite`: the program rewritten there. Values are the same, bit for bit, after each op is
      rounded to the precision of its type; gradients up to the order in which they are summed up.
      (What a product of matrices sums up has no order of its own.)
      The parameters of the entry, and how it writes them, stay.
    - `limits`: it makes loops of a kind that some backends are documented to differentiate wrongly.
    """

    name: str
    doc: str
    applies: Callable[[Place], bool]
    rewrite: Callable[[Place, Source], Program]
    limits: bool = False


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A program made from another by the rewrite of that name."""

    name: str
    program: Program
