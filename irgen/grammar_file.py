"""Own grammars from TOML files: every field of `Grammar` is a key, all but the name optional."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast, get_args

from grammar.config import Grammar, Shape
from grammar.drawing.layers import LAYERS
from grammar.drawing.tables import ACCESSES, KINDS, tables
from grammar.ops import OPS
from grammar.presets import ALL_GRAMMARS
from grammar.types import SCALARS
from irgen.errors import UserError, nearest

_KEYS: dict[str, tuple[str, ...]] = {
    "groups": tuple(dict.fromkeys(op.group for op in OPS.values())),
    "ops": tuple(OPS),
    "types": tuple(scalar.name for scalar in SCALARS),
    "forms": ("scalar", "vector", "matrix"),
    "control": KINDS,
    "ranks": ("1", "2", "3", "4"),
    "accesses": ACCESSES,
    "layers": tuple(LAYERS),
}
"""The keys each table of weights may have."""

_PERCENT = ("exits", "dynamic")


def read_grammar(path: Path) -> Grammar:
    """The grammar in a TOML file; UserError names the file, the line and the key.

    `base = "compound"` starts from a preset; other keys replace that preset's fields.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read grammar file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"cannot read grammar file {path}: not UTF-8 text") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: {error}") from None
    return grammar_from(data, path, text)


def grammar_from(data: Mapping[str, Any], path: Path, text: str = "") -> Grammar:
    """A grammar from parsed TOML; `path` and `text` are for messages."""

    def refuse(why: str, *keys: str) -> UserError:
        return UserError(f"{path}:{_line_of(text, keys)}: {'.'.join(keys)}: {why}")

    values = dict(data)
    start: dict[str, Any] = {"name": path.stem}
    base = values.pop("base", None)
    if base is not None:
        if base not in ALL_GRAMMARS:
            raise refuse(f"unknown grammar {base!r}: {nearest(str(base), ALL_GRAMMARS)}", "base")
        start |= {f.name: getattr(ALL_GRAMMARS[base], f.name) for f in fields(Grammar)}
        start["name"] = path.stem
    known = [f.name for f in fields(Grammar)]
    for key, value in values.items():
        if key not in known:
            raise refuse(f"unknown key: {nearest(key, ('base', *known))}", key)
        try:
            start[key] = _checked(key, value)
        except _EntryError as error:
            raise refuse(str(error), key, error.entry) from None
        except ValueError as error:
            raise refuse(str(error), key) from None
    grammar = Grammar(**start)
    try:
        tables(grammar)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    return grammar


class _EntryError(ValueError):
    """What is wrong with one entry of a table."""

    def __init__(self, entry: str, why: str) -> None:
        super().__init__(why)
        self.entry = entry


def _checked(key: str, value: Any) -> Any:
    """A field's value as `Grammar` holds it; ValueError, or _EntryError, says what is wrong."""
    if key in ("name", "doc"):
        if not isinstance(value, str):
            raise ValueError("must be text")
        return value
    if key == "shape":
        if value not in get_args(Shape):
            raise ValueError(f"unknown shape: {nearest(str(value), get_args(Shape))}")
        return value
    if key == "differentiable":
        if not isinstance(value, bool):
            raise ValueError("must be true or false")
        return value
    if key in _KEYS:
        return _weights(key, value)
    if key == "extents":
        if not (items := _items(value)):
            raise ValueError("must be a list of whole numbers from 2 to 4096")
        return tuple(_whole(item, 2, 4096) for item in items)
    if key in ("depth", "trips", *_PERCENT):
        low, high = {"depth": (0, 6), "trips": (2, 64)}.get(key, (0, 100))
        return _whole(value, low, high)
    if len(items := _items(value)) != 2:
        raise ValueError("must be two whole numbers, the fewest and the most")
    least, most = (_whole(item, 0, 512) for item in items)
    if least > most:
        raise ValueError(f"the fewest, {least}, is more than the most, {most}")
    return (least, most)


def _items(value: Any) -> list[Any]:
    """The items of a list; none of anything else."""
    return list(cast("list[Any]", value)) if isinstance(value, list) else []


def _weights(key: str, value: Any) -> dict[str, int]:
    if not isinstance(value, dict):
        raise ValueError("must be a table of weights")
    out: dict[str, int] = {}
    for name, weight in cast("dict[str, Any]", value).items():
        if name not in _KEYS[key]:
            raise _EntryError(name, f"unknown entry: {nearest(name, _KEYS[key])}")
        try:
            out[name] = _whole(weight, 0, 1000)
        except ValueError as error:
            raise _EntryError(name, str(error)) from None
    return out


def _whole(value: Any, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{value!r} is not a whole number from {low} to {high}")
    return value


def _line_of(text: str, keys: tuple[str, ...]) -> int:
    """The line on which the key, or the entry of its table, is set; 1 where it is not in the text.

    TOML that ends with a statement is TOML: the first such beginning that has the key ends with
    the statement that sets it.
    """
    lines = text.split("\n")
    start = 0
    for end in range(1, len(lines) + 1):
        try:
            data: Any = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue  # in the midst of a value of several lines
        if _has(data, keys):
            return start + 1
        start = end
    return 1


def _has(data: Any, keys: tuple[str, ...]) -> bool:
    if not keys:
        return True
    return isinstance(data, dict) and keys[0] in data and _has(data[keys[0]], keys[1:])
