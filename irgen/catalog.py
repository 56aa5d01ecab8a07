"""Finding things by the name a user typed: grammars, backends, levels, views."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backends.registry import BACKENDS, Backend
from grammar.config import Grammar
from grammar.presets import ALL_GRAMMARS
from irgen.errors import UserError, nearest
from irgen.grammar_file import read_grammar

SOURCE_LEVEL = "python"
"""The level above all others: the rendered source, which needs no capture."""


def find_grammar(text: str) -> Grammar:
    """A preset by name, or the grammar in a TOML file."""
    if text in ALL_GRAMMARS:
        return ALL_GRAMMARS[text]
    if text.endswith(".toml") or "/" in text:
        return read_grammar(Path(text))
    hint = nearest(text, ALL_GRAMMARS)
    raise UserError(f"unknown grammar {text!r}: {hint}, or name a .toml file")


def find_backend(name: str) -> Backend:
    """A backend by name."""
    if name not in BACKENDS:
        raise UserError(f"unknown backend {name!r}: {nearest(name, BACKENDS)}")
    return BACKENDS[name]


def find_levels(backend: Backend, names: Sequence[str] | None) -> frozenset[str]:
    """The levels to capture: all where `names` is None; `python` needs no capture."""
    known = [level.name for level in backend.levels]
    for name in names or ():
        if name != SOURCE_LEVEL and name not in known:
            hint = nearest(name, (SOURCE_LEVEL, *known))
            raise UserError(f"unknown level {name!r} of backend {backend.name}: {hint}")
    return frozenset(known if names is None else (n for n in names if n != SOURCE_LEVEL))


def check_backend(name: str) -> str:
    """The installed version of a backend; BackendError, one line, where it cannot be used."""
    return find_backend(name).check()
