"""What decides the bytes of a data set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Literal

import msgspec

from grammar.config import GRAMMAR_VERSION, Grammar
from irgen.record import SCHEMA_VERSION

FORMAT_VERSION = 1
"""Raised whenever the layout of a data set, or the meaning of a setting, changes."""

Format = Literal["parquet", "jsonl", "jsonl.zst"]

FORMATS: tuple[Format, ...] = ("parquet", "jsonl", "jsonl.zst")


class Quota(msgspec.Struct, frozen=True):
    """A share of the rows that have some property.

    - "family": `key` is a grammar's name, and `share` the most that it may fill;
    - "size": `key` is a range of statements, "1-8" or "17-", and `share` the most that it may fill;
    - "op": `key` is an op's name, and `share` the least of the rows that have it.
    """

    kind: Literal["family", "size", "op"]
    key: str
    share: float


class Splits(msgspec.Struct, frozen=True):
    """How rows are split; what has the same structure always falls into the same split.

    `validation` and `test` are shares of the structures that are not held out. `heldout_pairs` is
    the number of pairs of ops whose every program is held out as "heldout_ops", and programs of
    more than `heldout_size` statements (0 for none) are held out as "heldout_size".
    """

    validation: float = 0.01
    test: float = 0.01
    heldout_pairs: int = 0
    heldout_size: int = 0


class Named(msgspec.Struct, frozen=True):
    """A grammar as data: its name and its canonical text."""

    name: str
    canonical: str


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the bytes of a data set, but for the CPU that runs it.

    Grammars take turns: candidate n is index n // len(grammars) of grammar n % len(grammars).
    `levels` lists the levels kept per backend; `execute` names executions beyond the first, as
    for `irgen sample`. `excluded` has a digest per file named for decontamination. `versions` are
    those of irgen and of each backend.
    """

    count: int
    grammars: list[Named]
    backends: list[str]
    levels: dict[str, list[str]]
    seed: int = 0
    verify: bool = True
    execute: list[str] = []
    shard_size: int = 5_000
    format: Format = "parquet"
    quotas: list[Quota] = []
    splits: Splits = Splits()
    excluded: list[str] = []
    versions: dict[str, str]
    grammar_version: int = GRAMMAR_VERSION
    schema_version: int = SCHEMA_VERSION
    format_version: int = FORMAT_VERSION


def named(grammars: Sequence[Grammar]) -> list[Named]:
    """Grammars as data."""
    return [Named(grammar.name, grammar.canonical) for grammar in grammars]


def grammar_of(one: Named) -> Grammar:
    """The grammar that a data set names; equal to the one it came from but for its doc."""
    return msgspec.json.decode(one.canonical, type=Grammar)


def digest(settings: Settings) -> str:
    """A hash of all settings: 32 hexadecimal digits."""
    text = msgspec.json.encode(settings, order="sorted")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def changes(before: Settings, now: Settings) -> list[str]:
    """What differs between two settings: a phrase each, such as "seed 0 is now 1"."""
    was, is_now = msgspec.to_builtins(before), msgspec.to_builtins(now)
    return [
        f"{key} {_short(was[key])} is now {_short(is_now[key])}"
        for key in was
        if was[key] != is_now[key]
    ]


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
