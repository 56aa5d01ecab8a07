"""What may be wrong with a data set, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import msgspec

Kind = Literal["file", "order", "altered", "inconsistent", "syntax", "outcome", "lost", "note"]

KINDS: dict[Kind, str] = {
    "file": "a file is missing, is not to be there, or has other bytes, columns or rows",
    "order": "a row is not the one that the plan has in its place",
    "altered": "it says something else than its address gives",
    "inconsistent": "parts of the row contradict each other",
    "syntax": "the parser of a level refuses its text",
    "outcome": "capturing or running it again gave something else",
    "lost": "checking it ended the process",
    "note": "what could not be checked, and why",
}
"""What a problem may be; a note is none."""


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with a file, or with a row of it, counted from 1.

    `field` names a column, or a text as "LEVEL_DIRECTION" behind its backend.
    """

    kind: Kind
    file: str
    what: str
    row: int | None = None
    id: str = ""
    field: str = ""

    def __str__(self) -> str:
        place = self.file if self.row is None else f"{self.file}:{self.row}"
        if self.id:
            place = f"{place} {self.id}"
        words = f"{self.field}: {self.what}" if self.field else self.what
        return f"{place}: {words}" if place else words


def how(expected: object, got: object) -> str:
    """How two values differ, in a few words."""
    kinds = type(got).__name__, type(expected).__name__
    if got is None:
        return "is missing"
    if expected is None:
        return "should not be there"
    if isinstance(expected, str) and isinstance(got, str):
        return _how_texts(expected, got)
    if isinstance(expected, bool | int | float) and isinstance(got, bool | int | float):
        return f"is {got}, not {expected}"
    if isinstance(expected, list) and isinstance(got, list):
        return _how_lists(cast("list[Any]", expected), cast("list[Any]", got))
    if isinstance(expected, dict) and isinstance(got, dict):
        mine, theirs = cast("Mapping[str, Any]", expected), cast("Mapping[str, Any]", got)
        key = next(key for key in (*mine, *theirs) if mine.get(key) != theirs.get(key))
        return f"{key} {how(mine.get(key), theirs.get(key))}"
    return "is of type {}, not {}".format(*kinds)


def _how_texts(expected: str, got: str) -> str:
    if "\n" not in expected:
        return f"is {brief(got)!r}, not {brief(expected)!r}"
    mine, theirs = expected.splitlines(), got.splitlines()
    for number in range(max(len(mine), len(theirs))):
        a = mine[number] if number < len(mine) else "nothing"
        b = theirs[number] if number < len(theirs) else "nothing"
        if a != b:
            return f"line {number + 1} is {brief(b)!r}, not {brief(a)!r}"
    return "ends otherwise"


def _how_lists(expected: Sequence[Any], got: Sequence[Any]) -> str:
    if len(expected) != len(got):
        return f"has {len(got)} entries, not {len(expected)}"
    at = next(at for at, pair in enumerate(zip(expected, got, strict=True)) if pair[0] != pair[1])
    return f"entry {at} {how(expected[at], got[at])}"


def brief(value: object) -> str:
    """A value in at most 60 characters."""
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
