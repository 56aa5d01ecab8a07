"""Lists, extents and types in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grammar.types import Array, Matrix, Scalar, Type, Vector


def count_words(text: str) -> int:
    """The number of words of a text."""
    return text.count(" ") + 1


def listed(words: Sequence[str]) -> str:
    """Words as a list in English: "a, b and c"; "nothing" where there are none."""
    if len(words) < 2:
        return words[0] if words else "nothing"
    return f"{', '.join(words[:-1])} and {words[-1]}"


def by(extents: Iterable[int]) -> str:
    """Extents in words: "12 by 6"."""
    return " by ".join(map(str, extents))


def type_words(type_: Type) -> str:
    """A type in words: "float32", "float32 3-vector", "float32 array"."""
    match type_:
        case Scalar():
            return type_.dtype
        case Vector():
            return f"{type_.scalar.dtype} {type_.size}-vector"
        case Matrix():
            return f"{type_.scalar.dtype} {type_.rows}x{type_.columns} matrix"
        case Array():
            return f"{type_words(type_.element)} array"


def article(type_: Type) -> str:
    """A type in words behind its article: "an int32 array"."""
    words = type_words(type_)
    return f"{'an' if words.startswith('i') else 'a'} {words}"


def size_words(type_: Array) -> str:
    """The extents of an array in words: "of length 16", "of shape 12 by 6"."""
    extents = by(type_.shape)
    return f"of length {extents}" if len(type_.shape) == 1 else f"of shape {extents}"


def element_words(type_: Type) -> str:
    """The elements of a type in words."""
    return type_words(type_.element) if isinstance(type_, Array) else type_words(type_)
