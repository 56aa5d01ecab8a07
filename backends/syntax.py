"""What every backend's `syntax` shares: faults of recorded texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backends.base import Direction


@dataclass(frozen=True, slots=True)
class Fault:
    """A recorded text that is not what its level says: the place of its artifact, and in words."""

    level: str
    direction: Direction
    unit: str
    what: str


@dataclass(frozen=True, slots=True)
class Read:
    """What parsers say of the artifacts of a row.

    `parsed` counts by level the texts that went through a parser. `cost` is what the texts say
    that a function costs, by direction, or None where no level tells.
    """

    faults: tuple[Fault, ...] = ()
    parsed: Mapping[str, int] = field(default_factory=dict[str, int])
    cost: dict[str, dict[str, float]] | None = None
