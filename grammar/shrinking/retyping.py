"""Edits that make types simpler throughout: f32, i32, scalars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from grammar.program import Program
from grammar.shrinking.edits import Edit, Edited
from grammar.shrinking.remap import Remap, remapped
from grammar.types import (
    F32,
    I32,
    Array,
    Element,
    Matrix,
    Scalar,
    Type,
    Vector,
    scalar_of,
)

_Elements = Callable[[Element], Element]


@dataclass(frozen=True, slots=True)
class _Scalars:
    """Some scalars become another one."""

    names: frozenset[str]
    into: Scalar

    def __call__(self, type_: Element) -> Element:
        if scalar_of(type_).name not in self.names:
            return type_
        match type_:
            case Scalar():
                return self.into
            case Vector(_, size):
                return Vector(self.into, size)
            case Matrix(_, rows, columns):
                return Matrix(self.into, rows, columns)


def _flat(type_: Element) -> Element:
    return scalar_of(type_)


def _no_matrix(type_: Element) -> Element:
    return type_.scalar if isinstance(type_, Matrix) else type_


def _no_vector(type_: Element) -> Element:
    return type_.scalar if isinstance(type_, Vector) else type_


def _smallest(type_: Element) -> Element:
    match type_:
        case Scalar():
            return type_
        case Vector(scalar, _):
            return Vector(scalar, 2)
        case Matrix(scalar, _, _):
            return Matrix(scalar, 2, 2)


_FLOATS = ("f64", "f16", "bf16")
_INTEGERS = ("i64", "i16", "i8", "u64", "u32", "u16", "u8")

_MAPS: tuple[tuple[str, _Elements], ...] = (
    ("scalars", _flat),
    ("floats to f32", _Scalars(frozenset(_FLOATS), F32)),
    ("integers to i32", _Scalars(frozenset(_INTEGERS), I32)),
    ("no matrices", _no_matrix),
    ("no vectors", _no_vector),
    ("sizes to 2", _smallest),
    *[(f"{name} to f32", _Scalars(frozenset((name,)), F32)) for name in _FLOATS],
    *[(f"{name} to i32", _Scalars(frozenset((name,)), I32)) for name in _INTEGERS],
)


@dataclass(frozen=True, slots=True)
class _Retype:
    elements: _Elements

    def type(self, type_: Type) -> Type:
        if isinstance(type_, Array):
            return Array(self.elements(type_.element), type_.shape)
        return self.elements(type_)

    def __call__(self, program: Program) -> Edited | None:
        return Edited(remapped(program, Remap(self.type)))


def retyped(program: Program) -> Iterator[Edit]:
    """Every change of types throughout."""
    for name, elements in _MAPS:
        yield Edit(name, change=_Retype(elements))
