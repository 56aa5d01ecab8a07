"""Emitting expressions of the op vocabulary over values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from grammar.build import Builder
from grammar.ops.expression import Apply, Literal, Operand, Typed, elaborate, parse
from grammar.program import Value
from grammar.types import Array, Element, Type


def element_of(type_: Type) -> Element:
    """The element of an array, or the type itself."""
    return type_.element if isinstance(type_, Array) else type_


@lru_cache(maxsize=4096)
def typed(
    text: str, operands: tuple[Element, ...], result: Element, indices: tuple[int, ...] = ()
) -> Typed | None:
    """The expression over `a`, `b`, ... of these types; None where it has no such typing."""
    letters: Mapping[str, Element] = dict(zip("abcd", operands, strict=False))
    try:
        return elaborate(parse(text), letters, result, indices)
    except ValueError:
        return None


def fits(text: str, operands: Sequence[Type], result: Type) -> bool:
    """Whether the expression over values of these types, arrays elementwise, has such a result."""
    return _typed(text, operands, result) is not None


def emit(b: Builder, text: str, operands: Sequence[Value], result: Type) -> Value:
    """Emit the expression over values, arrays elementwise; ValueError where it has no typing."""
    tree = _typed(text, [value.type for value in operands], result)
    if tree is None:
        raise ValueError(f"{text!r} has no typing as {result}")
    letters = dict(zip("abcd", operands, strict=False))
    return _emit(b, tree, letters)


def _typed(text: str, operands: Sequence[Type], result: Type) -> Typed | None:
    return typed(text, tuple([element_of(type_) for type_ in operands]), element_of(result))


def _emit(b: Builder, tree: Typed, letters: Mapping[str, Value]) -> Value:
    match tree:
        case Operand():
            return letters[tree.name]
        case Literal():
            return b.const(tree.type, tree.value)
        case Apply():
            arguments = [_emit(b, argument, letters) for argument in tree.arguments]
            shapes = [v.type.shape for v in arguments if isinstance(v.type, Array)]
            type_: Type = Array(tree.type, shapes[0]) if shapes else tree.type
            return b.op(tree.op, *arguments, attribute=tree.attribute, result=type_)
