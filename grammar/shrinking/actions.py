"""What may be done to a statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from grammar.program import Attribute

Mode = Literal["first", "second", "early", "late", "zero", "one", "param", "through"]
"""What takes the place of a value, one of its type: the first or second operand of the statement
that made it, the earliest or the latest value in sight, zero or one, a new parameter of the entry.
Or, "through", the first operand of the statement that made it, whatever its type."""


class Place(NamedTuple):
    """A statement: its unit, and its number there, a statement before those that it holds."""

    unit: int
    number: int


class NotApplicable(Exception):
    """There is nothing of this kind to do, or nothing to put in a value's place."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Leave the statement out, with all it holds."""

    mode: Mode


@dataclass(frozen=True, slots=True)
class Unwrap:
    """Put what a region holds in place of the statement: of a loop, one round."""

    region: int


@dataclass(frozen=True, slots=True)
class Swap:
    """Apply another op, to some of the operands."""

    op: str
    operands: tuple[int, ...]
    attribute: Attribute = None


@dataclass(frozen=True, slots=True)
class Set:
    """Give the statement another attribute."""

    attribute: Attribute


@dataclass(frozen=True, slots=True)
class Operand:
    """Give the statement another operand."""

    position: int
    mode: Mode


@dataclass(frozen=True, slots=True)
class End:
    """Have a region hand on another value. Of the body of a loop, "first" is the value that it
    carries there."""

    region: int
    position: int
    mode: Mode


@dataclass(frozen=True, slots=True)
class Stay:
    """Have a region end normally, not by an exit."""

    region: int
    mode: Mode


@dataclass(frozen=True, slots=True)
class Uncarry:
    """Have a loop no longer carry a value, which stays what it started from."""

    position: int


@dataclass(frozen=True, slots=True)
class Inline:
    """Put the body of the function in place of a call."""


Action = Drop | Unwrap | Swap | Set | Operand | End | Stay | Uncarry | Inline
