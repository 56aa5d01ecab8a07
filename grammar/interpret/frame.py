"""What a unit's lanes share while they run: values, buffers, and which lanes are where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammar.domain import Domain, Mask, Value
from grammar.program import Region, Statement, Unit
from grammar.text import print_statement
from grammar.types import Array, Type, element_shape, scalar_of


class UndefinedBehaviour(Exception):
    """An active lane did what programs must not do; the message holds the statement."""

    def __init__(self, statement: Statement, why: str) -> None:
        super().__init__(f"{print_statement(statement)}: {why}")


class OutOfBounds(UndefinedBehaviour, IndexError):
    """An index of an active lane lies outside its array."""


class DivisionByZero(UndefinedBehaviour, ZeroDivisionError):
    """An active lane divided an integer by zero."""


NOBODY: Mask = np.zeros(0, np.bool_)
"""The mask of no lane at all, known by identity."""


@dataclass(slots=True)
class Buffer:
    """The elements of an array: its flattened axes first, then those of an element. A value that is
    not `owned` is shared, and copied before it is written in place."""

    value: Value
    owned: bool = False

    def writable(self, domain: Domain) -> Value:
        if not self.owned:
            self.value = domain.copy(self.value)
            self.owned = True
        return self.value


class Frame(dict[int, Value]):
    """The values of one activation of a unit, by id. Masks are None where they hold for all lanes
    (masks of active lanes) or for none (all others).

    - `unsure`: lanes that may not really run what runs now, for want of certain conditions;
      `inner`: those of them that became so within the innermost loop.
    - `lost`: lanes that may have left by an exit that was not certain. They run on, so that
      whatever they might have written is known to be unknown.
    - `excused`: lanes of the caller that may not really run.
    - `carried`, `broken`: what `break` and `continue` of the innermost loop leave behind.
    - `results`, `returned`: what `return` leaves behind.
    """

    __slots__ = (
        "broken",
        "carried",
        "excused",
        "inner",
        "lanes",
        "lost",
        "results",
        "returned",
        "unsure",
    )

    def __init__(self, values: dict[int, Value], lanes: int) -> None:
        super().__init__(values)
        self.lanes = lanes
        self.unsure: Mask | None = None
        self.inner: Mask | None = None
        self.lost: Mask | None = None
        self.excused: Mask | None = None
        self.carried: list[Value] = []
        self.broken: Mask | None = None
        self.results: list[Value] | None = None
        self.returned: Mask | None = None

    def doubtful(self) -> Mask | None:
        """Lanes whose writes are not certain."""
        return union(self.unsure, self.lost)


Step = Callable[[Frame, Mask | None], Mask | None]
"""Runs a statement or region for the lanes of a mask. What may be left by an exit returns the mask
of the lanes that go on."""


@dataclass(slots=True)
class Context:
    """What compiling a unit needs: how to compile regions and call units, and what it is.

    `own` are the ids of the grid's indices, and `grid` its extents, where lanes are the cells of
    the grid. `kinds` remembers the exits of regions, by the id() of each.
    """

    domain: Domain
    unit: Unit
    constants: dict[int, Value]
    region: Callable[[Context, Region], Step]
    call: Callable[[int, Sequence[Value], Frame, Mask | None], Sequence[Value]]
    launch: Callable[[int, Sequence[Value]], None]
    adjoint: Callable[[int], bool]
    own: tuple[int, ...] = ()
    grid: tuple[int, ...] = ()
    kinds: dict[int, frozenset[str]] = field(default_factory=dict[int, frozenset[str]])


def union(a: Mask | None, b: Mask | None) -> Mask | None:
    """The lanes of either mask, None being none."""
    if a is None:
        return b
    return a if b is None else a | b


def within(a: Mask | None, active: Mask | None) -> Mask | None:
    """The lanes of a mask (None: none) that are active (None: all), None where there are none."""
    if a is None:
        return None
    if active is not None:
        a = a & active
    return a if np.count_nonzero(a) else None


def without(active: Mask | None, gone: Mask | None) -> Mask | None:
    """The active lanes (None: all) that are not gone (None: none); NOBODY where none is left."""
    if gone is None or active is NOBODY:
        return active
    rest = ~gone if active is None else active & ~gone
    return rest if np.count_nonzero(rest) else NOBODY


def shape_of(type_: Type) -> tuple[int, ...]:
    """The axes a value of the type has besides that of the lanes."""
    if isinstance(type_, Array):
        return (*type_.shape, *element_shape(type_.element))
    return element_shape(type_)


def with_lanes(domain: Domain, value: Value, shape: tuple[int, ...], lanes: int) -> Value:
    """A value of elements of a shape with an axis for the lanes, whether or not it had one."""
    return value if value.ndim > len(shape) else domain.broadcast(value, (lanes, *shape))


def axes(mask: Mask, count: int) -> Mask:
    """The mask with `count` more axes, to broadcast against elements."""
    return mask.reshape(mask.shape + (1,) * count) if count else mask


def blinded(
    domain: Domain, mask: Mask | None, value: Value, shape: tuple[int, ...], lanes: int
) -> Value:
    """A value of elements of a shape, of which nothing is known in the lanes of the mask (None: in
    no lane)."""
    if mask is None:
        return value
    mask = mask if mask.ndim else np.broadcast_to(mask, lanes)
    return domain.blind(axes(mask, len(shape)), with_lanes(domain, value, shape, lanes))


def zero(domain: Domain, type_: Type) -> Value:
    """A value to stand in where no lane has one that matters."""
    return domain.zeros(scalar_of(type_), shape_of(type_))


@lru_cache(maxsize=256)
def grid_indices(grid: tuple[int, ...]) -> tuple[NDArray[Any], ...]:
    """The index of every lane along each axis of a grid, as flat i32 arrays."""
    return tuple([np.ravel(axis).astype(np.int32) for axis in np.indices(grid)])


_ARRAYS: tuple[type[Any], ...] = (np.ndarray, np.generic)


def exact(domain: Domain, value: Value) -> tuple[NDArray[Any], Mask | None]:
    """An integer or truth value as an array, and the lanes where it is not certain."""
    return (value, None) if isinstance(value, _ARRAYS) else domain.exact(value)


def indices_of(
    domain: Domain, frame: Frame, ids: Sequence[int]
) -> tuple[list[NDArray[Any]], Mask | None]:
    """Index values as arrays, and the lanes where they are not certain."""
    found: list[NDArray[Any]] = []
    doubt: Mask | None = None
    for id_ in ids:
        value, unsure = exact(domain, frame[id_])
        doubt = union(doubt, unsure)
        found.append(value)
    return found, doubt
