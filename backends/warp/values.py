"""Values as compiled Warp code lays them out: NumPy arrays and aligned structures.

bfloat16 is stored as the upper halves of float32 words.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammar.types import MAX_RANK, Array, Scalar, Type, element_shape, scalar_of

AnyArray = NDArray[Any]

ARRAY = np.dtype(
    [
        ("data", np.uint64),
        ("grad", np.uint64),
        ("shape", np.int32, (MAX_RANK,)),
        ("strides", np.int32, (MAX_RANK,)),
        ("ndim", np.uint16),
        ("flags", np.uint16),
    ],
    align=True,
)
"""`wp::array_t`: how kernels see an array."""


def storage(scalar: Scalar) -> np.dtype[Any]:
    """The type of the numbers in memory."""
    return np.dtype(np.uint16 if scalar.name == "bf16" else scalar.dtype)


def stored(value: AnyArray, scalar: Scalar) -> AnyArray:
    """A copy of the values in the layout of memory, rounded to nearest where that is narrower."""
    if scalar.name != "bf16":
        return np.array(value, storage(scalar), order="C")
    words = np.array(value, np.float32, order="C").view(np.uint32)
    rounded = (words + 0x7FFF + (words >> 16 & 1)) >> 16
    return np.where(np.isnan(value), 0x7FC0, rounded).astype(np.uint16)


def shown(memory: AnyArray, scalar: Scalar) -> AnyArray:
    """A copy of what is in memory, bfloat16 as float32."""
    if scalar.name == "bf16":
        return np.asarray(memory.astype(np.uint32) << 16, np.uint32).view(np.float32)
    return memory.copy()


def address(memory: AnyArray) -> int:
    """Where an array starts."""
    return memory.__array_interface__["data"][0]


@lru_cache(maxsize=1024)
def structure(types: tuple[Type, ...]) -> np.dtype[Any]:
    """The structure that holds values of these types, arrays as `ARRAY`; fields are f0, f1, ..."""
    fields: list[Any] = []
    for number, type_ in enumerate(types):
        if isinstance(type_, Array):
            fields.append((f"f{number}", ARRAY))
        else:
            fields.append((f"f{number}", storage(scalar_of(type_)), element_shape(type_)))
    return np.dtype(fields, align=True)


def descriptor(type_: Array, memory: AnyArray | None, gradient: AnyArray | None = None) -> Any:
    """What stands for an array in a structure; without memory it is the null array."""
    if memory is None:
        return (0, 0, (0,) * MAX_RANK, (0,) * MAX_RANK, 0, 0)
    rank = len(type_.shape)
    padding = (0,) * (MAX_RANK - rank)
    return (
        address(memory),
        0 if gradient is None else address(gradient),
        (*type_.shape, *padding),
        (*memory.strides[:rank], *padding),
        rank,
        0,
    )


def packed(types: Sequence[Type], values: Sequence[Any]) -> AnyArray:
    """A structure of those values: descriptors for arrays, stored values for others."""
    made = np.zeros((), structure(tuple(types)))
    for number, value in enumerate(values):
        if value is not None:
            made[f"f{number}"] = value
    return made
