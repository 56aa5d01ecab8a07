"""Edits that take statements away: many at once, one by one, two by two."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from grammar.program import Program
from grammar.shrinking.actions import (
    Action,
    Drop,
    End,
    Inline,
    Mode,
    Operand,
    Place,
    Stay,
    Uncarry,
    Unwrap,
)
from grammar.shrinking.edits import Edit, joined
from grammar.shrinking.sites import Site, sites
from grammar.structural import LOOPS

_CHUNK_MODES: tuple[Mode, ...] = ("first", "one")
_MODES: tuple[Mode, ...] = ("first", "second", "early", "late", "one", "zero", "param")

PAIRED = 12
"""Programs of at most so many statements that are no constants lose them two by two."""


def dropped_chunks(program: Program, width: int) -> Iterator[Edit]:
    """So many statements in a row left out, those at the end first."""
    found = [site for site in sites(program) if not site.is_const]
    for start in range((len(found) - 1) // width * width, -1, -width):
        for mode in _CHUNK_MODES:
            actions: dict[Place, Action] = {}
            hidden = (-1, -1)
            for site in found[start : start + width]:
                if site.place.unit == hidden[0] and site.place.number <= hidden[1]:
                    continue
                actions[site.place] = Drop(mode)
                hidden = (site.place.unit, site.last)
            yield Edit(f"drop {len(actions)} with {mode}", actions)


def widths(program: Program) -> list[int]:
    """The widths of chunks to try: halves, down to two."""
    count = sum(not site.is_const for site in sites(program))
    found: list[int] = []
    width = (count + 1) // 2
    while width > 1:
        found.append(width)
        width = (width + 1) // 2 if width > 2 else 1
    return found


def dropped(program: Program) -> Iterator[Edit]:
    """Single statements left out, unwrapped or inlined, the last first."""
    for site in reversed(sites(program)):
        if not site.is_const:
            for action in _removals(site):
                yield Edit(f"{_name(action)} {site.statement.op}", {site.place: action})


def dropped_pairs(program: Program) -> Iterator[Edit]:
    """Two statements left out at once, of small programs."""
    found = [site for site in sites(program) if not site.is_const]
    if len(found) > PAIRED:
        return
    single = [
        (site, Edit(f"{_name(action)} {site.statement.op}", {site.place: action}))
        for site in reversed(found)
        for action in _removals(site)
        if action != Drop("param")
    ]
    for (one, first), (other, second) in combinations(single, 2):
        if not (_holds(one, other) or _holds(other, one)):
            both = joined((first, second))
            if both is not None:
                yield both


def _holds(one: Site, other: Site) -> bool:
    same = one.place.unit == other.place.unit
    return same and one.place.number <= other.place.number <= one.last


def _removals(site: Site) -> Iterator[Action]:
    """What may be done to be rid of a statement, or of a part of it."""
    statement = site.statement
    if statement.regions:
        for at in range(len(statement.regions)):
            yield Unwrap(at)
    if statement.op == "call":
        yield Inline()
    for position in range(len(statement.operands)):
        yield Operand(position, "late")
    if not statement.results:
        yield Drop("first")
    else:
        for mode in _MODES:
            yield Drop(mode)
    if statement.op in LOOPS:
        for at in range(len(statement.results)):
            yield Uncarry(at)
    for at, region in enumerate(statement.regions):
        if region.end.kind != "yield":
            for mode in ("early", "one"):
                yield Stay(at, mode)
            continue
        for position in range(len(region.end.values)):
            for mode in ("first", "early", "late", "one", "zero"):
                yield End(at, position, mode)


def _name(action: Action) -> str:
    mode = getattr(action, "mode", "")
    return f"{type(action).__name__.lower()} {mode}".strip()
