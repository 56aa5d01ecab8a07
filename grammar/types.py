"""Types of the language: scalars, small vectors and matrices, and arrays of them.

The text of a type reads left to right: `f32`, `f32x3` (vector), `f32x3x3` (matrix), `f32x3[16,8]`
(array of vectors with two axes).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

ScalarKind = Literal["bool", "int", "uint", "float"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number or truth value. `digits` are a float's significand bits, hidden bit included."""

    name: str
    kind: ScalarKind
    bits: int
    dtype: str
    digits: int = 0

    def __hash__(self) -> int:
        return hash(self.name)  # the name decides; types are looked up all the time

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Vector:
    scalar: Scalar
    size: int

    def __hash__(self) -> int:
        return hash(self.scalar.name) + self.size

    def __str__(self) -> str:
        return f"{self.scalar.name}x{self.size}"


@dataclass(frozen=True, slots=True)
class Matrix:
    scalar: Scalar
    rows: int
    columns: int

    def __hash__(self) -> int:
        return hash(self.scalar.name) + 16 * self.rows

    def __str__(self) -> str:
        return f"{self.scalar.name}x{self.rows}x{self.columns}"


Element = Scalar | Vector | Matrix


@dataclass(frozen=True, slots=True)
class Array:
    """An array of elements; `shape` holds the extents of its one to four axes."""

    element: Element
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.element}[{','.join(map(str, self.shape))}]"


Type = Scalar | Vector | Matrix | Array

BOOL = Scalar("bool", "bool", 8, "bool")
I8 = Scalar("i8", "int", 8, "int8")
I16 = Scalar("i16", "int", 16, "int16")
I32 = Scalar("i32", "int", 32, "int32")
I64 = Scalar("i64", "int", 64, "int64")
U8 = Scalar("u8", "uint", 8, "uint8")
U16 = Scalar("u16", "uint", 16, "uint16")
U32 = Scalar("u32", "uint", 32, "uint32")
U64 = Scalar("u64", "uint", 64, "uint64")
F16 = Scalar("f16", "float", 16, "float16", 11)
BF16 = Scalar("bf16", "float", 16, "bfloat16", 8)
F32 = Scalar("f32", "float", 32, "float32", 24)
F64 = Scalar("f64", "float", 64, "float64", 53)

SIGNED = (I32, I64, I8, I16)
UNSIGNED = (U32, U64, U8, U16)
INTEGERS = SIGNED + UNSIGNED
FLOATS = (F32, F64, F16, BF16)
SCALARS = (*FLOATS, *INTEGERS, BOOL)
SIZES = (2, 3, 4)
MAX_RANK = 4

_BY_NAME = {scalar.name: scalar for scalar in SCALARS}
_PATTERN = re.compile(r"([a-z]+\d*)((?:x\d+)*)(?:\[(\d+(?:,\d+)*)\])?")


def parse_type(text: str) -> Type:
    """The type that `text` names; ValueError says what is wrong with it."""
    match = _PATTERN.fullmatch(text)
    scalar = _BY_NAME.get(match[1]) if match else None
    if match is None or scalar is None:
        raise ValueError(f"unknown type {text!r}")
    dims = tuple(int(dim) for dim in match[2].split("x")[1:])
    element: Element
    match dims:
        case ():
            element = scalar
        case (size,) if size in SIZES and scalar.kind == "float":
            element = Vector(scalar, size)
        case (rows, columns) if rows == columns and rows in SIZES and scalar.kind == "float":
            element = Matrix(scalar, rows, columns)
        case _:
            raise ValueError(f"unknown type {text!r}: vectors have 2 to 4 float components")
    if match[3] is None:
        return element
    shape = tuple(map(int, match[3].split(",")))
    if len(shape) > MAX_RANK or min(shape) < 1:
        raise ValueError(f"bad array shape in {text!r}: one to four positive extents")
    return Array(element, shape)


def scalar_of(type_: Type) -> Scalar:
    """The scalar at the bottom of any type."""
    match type_:
        case Scalar():
            return type_
        case Vector() | Matrix():
            return type_.scalar
        case Array():
            return scalar_of(type_.element)


def element_shape(type_: Element) -> tuple[int, ...]:
    """The trailing axes of an element: () for a scalar, (n,) for a vector, (r, c) for a matrix."""
    match type_:
        case Scalar():
            return ()
        case Vector():
            return (type_.size,)
        case Matrix():
            return (type_.rows, type_.columns)


def int_limits(scalar: Scalar) -> tuple[int, int]:
    """Smallest and largest value of an integer type; (0, 1) for bool."""
    if scalar.kind == "int":
        return -(1 << (scalar.bits - 1)), (1 << (scalar.bits - 1)) - 1
    return 0, 1 if scalar.kind == "bool" else (1 << scalar.bits) - 1
