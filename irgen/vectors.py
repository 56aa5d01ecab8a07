"""Test vectors: small inputs and cotangents that follow from a program alone, dtype-exact."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from grammar.guards import INPUT_EXPONENT
from grammar.guards import inputs as input_range
from grammar.passes.canonical import exact_hash
from grammar.passes.effects import written
from grammar.program import Program, Unit
from grammar.types import Array, Scalar, Type, element_shape, scalar_of

Arrays = tuple[NDArray[Any], ...]
Optionals = tuple[NDArray[Any] | None, ...]

DEGENERATE_EVERY = 12
"""One element in so many of a float array is degenerate: zero, minus zero, one, an end of the
range, or a copy of another element."""

PROGRAM_EXPONENT = 0
"""Float inputs of programs over buffers lie in [-1, 1]: their sums and exponentials condition
worse."""

COTANGENT_EXPONENT = 1
"""Cotangents lie in [-2, 2]."""


class Vector(msgspec.Struct, frozen=True):
    """An array: the name of its dtype, its shape, and its little-endian bytes in base64."""

    dtype: str
    shape: list[int]
    data: str


class Vectors(msgspec.Struct, frozen=True):
    """What a program was fed and what came back.

    `inputs` and `gradients` go by parameter, `cotangents` and `outputs` by output. None stands for
    what does not exist: the cotangent of an integer, the gradient of one.
    """

    inputs: list[Vector]
    cotangents: list[Vector | None]
    outputs: list[Vector | None] = []
    gradients: list[Vector | None] = []


def output_types(unit: Unit) -> tuple[Type, ...]:
    """The types of what a unit gives: the arrays that a kernel writes, else its results."""
    if unit.kind != "kernel":
        return unit.results
    return tuple([unit.parameters[at].type for at in sorted(written(unit))])


def make(program: Program) -> tuple[Arrays, Optionals]:
    """Inputs, one per parameter of the entry, and cotangents, one per output or None.

    Both follow from the exact hash of the program and are the same on every machine. Inputs lie in
    the ranges that generated programs assume (`grammar.guards.inputs`).
    """
    entry = program.entry
    key = exact_hash(program)
    largest = PROGRAM_EXPONENT if entry.kind == "program" else INPUT_EXPONENT
    inputs = [
        _input(value.type, largest, f"{key} {at}") for at, value in enumerate(entry.parameters)
    ]
    cotangents = [
        _floats(_shape(type_), scalar_of(type_), COTANGENT_EXPONENT, f"{key} cotangent {at}")
        if scalar_of(type_).kind == "float"
        else None
        for at, type_ in enumerate(output_types(entry))
    ]
    return tuple(inputs), tuple(cotangents)


def encode(array: NDArray[Any], scalar: Scalar) -> Vector:
    """An array of a scalar's dtype as text; bfloat16 comes as float32 that it can hold."""
    if scalar.name == "bf16":
        raw = (array.astype(np.float32).view(np.uint32) >> np.uint32(16)).astype("<u2")
    else:
        raw = array.astype(np.dtype(scalar.dtype).newbyteorder("<"), copy=False)
    data = base64.b64encode(np.ascontiguousarray(raw).tobytes()).decode()
    return Vector(scalar.dtype, list(array.shape), data)


def encode_all(arrays: Optionals, scalars: Sequence[Scalar]) -> list[Vector | None]:
    """Arrays, or None, of these scalars as text; none at all for no arrays."""
    return [
        None if array is None else encode(array, scalar)
        for array, scalar in zip(arrays, scalars, strict=bool(arrays))
    ]


def fed(program: Program, inputs: Arrays, cotangents: Optionals) -> Vectors:
    """The vectors of a program that has not run yet."""
    entry = program.entry
    given = [scalar_of(value.type) for value in entry.parameters]
    back = [scalar_of(type_) for type_ in output_types(entry)]
    return Vectors(
        [encode(array, scalar) for array, scalar in zip(inputs, given, strict=True)],
        encode_all(cotangents, back),
    )


def decode(vector: Vector) -> NDArray[Any]:
    """The array of a text; ValueError where text, dtype and shape do not fit each other."""
    raw = base64.b64decode(vector.data, validate=True)
    if vector.dtype == "bfloat16":
        wide = np.frombuffer(raw, "<u2").astype(np.uint32) << np.uint32(16)
        return wide.view(np.float32).reshape(vector.shape)
    kind = np.dtype(vector.dtype)
    return np.frombuffer(raw, kind.newbyteorder("<")).astype(kind).reshape(vector.shape)


def _shape(type_: Type) -> tuple[int, ...]:
    if isinstance(type_, Array):
        return (*type_.shape, *element_shape(type_.element))
    return element_shape(type_)


def _input(type_: Type, exponent: int, key: str) -> NDArray[Any]:
    scalar, shape = scalar_of(type_), _shape(type_)
    if scalar.kind != "float":
        low, high = input_range(scalar)[:2]
        words = _words(shape, key)
        return (
            (words % np.uint64(high - low + 1)).astype(np.int64).__add__(low).astype(scalar.dtype)
        )
    made = _floats(shape, scalar, exponent, key)
    if isinstance(type_, Array):
        _spoil(made.reshape(-1), exponent, key)
    return made


def _floats(shape: tuple[int, ...], scalar: Scalar, exponent: int, key: str) -> NDArray[Any]:
    """Uniform in [-2**exponent, 2**exponent), on a grid that the type holds exactly."""
    words = _words(shape, key) >> np.uint64(64 - scalar.digits)
    half = 1 << (scalar.digits - 1)
    whole = words.astype(np.int64) - half
    made = np.ldexp(whole.astype(np.float64), exponent + 1 - scalar.digits)
    return made.astype(np.float32 if scalar.name == "bf16" else scalar.dtype)


def _spoil(flat: NDArray[Any], exponent: int, key: str) -> None:
    """Put degenerate values among the elements."""
    count = flat.size // DEGENERATE_EVERY
    words = _words((2, count), f"{key} degenerate")
    limit = 2.0**exponent
    for kind, at in words.T.tolist():
        values = (0.0, -0.0, 1.0, limit, -limit, flat[at // flat.size % flat.size])
        flat[at % flat.size] = values[kind % len(values)]


def _words(shape: tuple[int, ...], key: str) -> NDArray[np.uint64]:
    """Uniform 64-bit words: the splitmix64 sequence (Steele, Lea and Flood, 2014) of a key."""
    start = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little")
    count = int(np.prod(shape, dtype=np.int64))
    step, first, second = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
    word = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(step) + np.uint64(start)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(first)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(second)
    return (word ^ (word >> np.uint64(31))).reshape(shape)
