"""The inputs of a program as a Hypothesis strategy: few choices, which shrink towards 0 and 1.

A parameter costs one choice, a string of bytes whatever its shape: arrays of any size fit in an
example, and choices keep their meaning while the program shrinks. A byte is the code of an element;
the greater, the less simple.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from grammar.guards import INPUT_EXPONENT
from grammar.guards import inputs as input_range
from grammar.passes.effects import written
from grammar.plain import array_dtype
from grammar.program import Program, Unit
from grammar.reference import shape_of
from grammar.types import Scalar, scalar_of
from irgen.vectors import DEGENERATE_EVERY, PROGRAM_EXPONENT, Arrays

LEVELS = 8
"""A code is a level times this, and which one of a few numbers it goes by. The levels: a simple
number, the number that is gone by, the same negated, random multiples of it up to itself on a grid
that becomes finer and finer."""

GRIDS, FINE = 3, 16
"""The first level of grids, and the first that has all multiples, and now and then simple
numbers."""

PREFIX = 32
"""So many elements of an array may have a code of their own: the first ones."""

EXTENTS = 16
"""The others share a code, or only the first so many of them do and the rest is 0: all of them,
unless the extent drawn is below this."""

_NUMBERS = (0.0, 1.0, 2.0, 0.5, -1.0, 3.0, 4.0, -0.0, -2.0, -3.0, -4.0, 1.5, -0.5, -1.5, 2.5, -2.5)

_ONE = st.binary(min_size=1, max_size=1)
_MANY = st.binary(min_size=2, max_size=2 + PREFIX)
_SEED = st.binary(min_size=4, max_size=4)


@st.composite
def inputs(draw: st.DrawFn, program: Program, edges: bool = True) -> Arrays:
    """One array per parameter of the entry; see `irgen.inputs`."""
    entry = program.entry
    exponent = PROGRAM_EXPONENT if entry.kind == "program" else INPUT_EXPONENT
    types = [value.type for value in entry.parameters]
    scalars = [scalar_of(type_) for type_ in types]
    shapes = [shape_of(type_) for type_ in types]
    sizes = [int(np.prod(shape, dtype=np.int64)) for shape in shapes]
    unseen = _unseen(entry)
    pool: list[float] = []
    if edges and any(scalar.kind == "float" for scalar in scalars):
        pool = draw(st.lists(st.floats(-(2.0**exponent), 2.0**exponent), max_size=4))
    texts = [
        draw(_MANY if edges and size > 1 and at not in unseen else _ONE)
        for at, size in enumerate(sizes)
    ]
    seed = draw(_SEED).hex()
    made: list[NDArray[Any]] = []
    for at, (text, scalar) in enumerate(zip(texts, scalars, strict=True)):
        words = _words(f"{seed} {at}", sizes[at])
        if scalar.kind != "float":
            values = _whole(_codes(text, sizes[at], edges), scalar, words)
        elif edges:
            values = _floats(_codes(text, sizes[at], edges), scalar, exponent, pool, words)
        else:
            values = _interior(text[0], scalar, exponent, words)
        made.append(values.astype(array_dtype(scalar)).reshape(shapes[at]))
    return tuple(made)


def _unseen(entry: Unit) -> frozenset[int]:
    """The positions of the arrays that a kernel overwrites without looking."""
    effects = written(entry) if entry.kind == "kernel" else {}
    return frozenset([at for at, how in effects.items() if how == "out"])


def _codes(text: bytes, size: int, edges: bool) -> NDArray[np.int64]:
    """The code of each element: the common one, its extent, then the codes of the first elements.
    All are random ones without edges."""
    codes = np.full(size, text[0] if edges else FINE * LEVELS, np.int64)
    if len(text) > 1 and text[1] < EXTENTS:
        codes[text[1] :] = 0
    own = np.frombuffer(text[2:], np.uint8)[:size]
    codes[: own.size] = own
    return codes


def _whole(
    codes: NDArray[np.int64], scalar: Scalar, words: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """Integers or truth values of the range that programs assume: small ones, ones near either end,
    random ones."""
    low, high = input_range(scalar)[:2]
    levels, which = codes // LEVELS, codes % LEVELS
    small = np.where(which % 2, 1 + which // 2, -(which // 2) if low < 0 else which)
    random = (words % np.uint64(high - low + 1)).astype(np.int64) + low
    ends = [high - which // 2, low + which // 2]
    made = np.select([levels == 0, levels == 1, levels == 2], [small, *ends], random)
    return made.clip(low, high)


def _floats(
    codes: NDArray[np.int64],
    scalar: Scalar,
    exponent: int,
    pool: list[float],
    words: NDArray[np.uint64],
) -> NDArray[np.float64]:
    """Floats in [-2**exponent, 2**exponent], on a grid that the type holds exactly."""
    table = _float_table(scalar, exponent)
    limit, step = 2.0**exponent, 2.0 ** (exponent + 1 - scalar.digits)
    levels, which = codes // LEVELS, codes % LEVELS
    simple = np.array([0.0, *pool, *table[len(pool) + 1 : LEVELS]])[which]
    largest = np.array([limit, *pool, *[limit] * (LEVELS - 1 - len(pool))])[which]
    counts = 1 << np.clip(levels - GRIDS, 0, scalar.digits - 1)
    random = (words >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0
    every = np.uint64(DEGENERATE_EVERY)
    made: NDArray[np.float64] = np.select(
        [levels == 0, levels == 1, levels == 2, levels < FINE, words % every == 0],
        [
            simple,
            largest,
            -largest,
            np.rint(random * counts) / counts * largest,
            table[words // every % np.uint64(table.size)],
        ],
        random * largest,
    )
    np.rint(made / step, out=made)
    return made * step


@cache
def _float_table(scalar: Scalar, exponent: int) -> NDArray[np.float64]:
    """Simple numbers, the ends, and the least steps from 0 and from 1."""
    limit, step = 2.0**exponent, 2.0 ** (exponent + 1 - scalar.digits)
    numbers = [number for number in _NUMBERS if abs(number) <= limit]
    return np.array([*numbers, limit, -limit, step, -step, 1.0 - step, step - 1.0])


def _interior(
    code: int, scalar: Scalar, exponent: int, words: NDArray[np.uint64]
) -> NDArray[np.float64]:
    """Floats other than 0 and the ends, on a grid that is finer for greater codes, up to 16."""
    digits = min(1 + code, scalar.digits - 1) if code < 16 else scalar.digits - 1
    count = 1 << digits
    whole = 1 + ((words >> np.uint64(8)) % np.uint64(count - 1)).astype(np.int64)
    sign = 1 - 2 * (words & np.uint64(1)).astype(np.int64)
    return (sign * whole).astype(np.float64) * (2.0**exponent / count)


def _words(key: str, count: int) -> NDArray[np.uint64]:
    """Uniform 64-bit words that follow from a key, the same everywhere."""
    return np.frombuffer(hashlib.shake_128(key.encode()).digest(8 * count), "<u8")
