"""Pure statements computed twice, once, or in another order."""

from __future__ import annotations

from grammar.program import Program, Region, Statement, Value
from grammar.rewrite.place import (
    Place,
    copied,
    ended,
    is_pure,
    leaves,
    mentions,
    substituted,
    written_arrays,
)
from grammar.source import Source
from grammar.structural import effect_of


def _computes(place: Place, statement: Statement) -> bool:
    """Whether a statement may run again, or elsewhere in its region."""
    unit = place.unit
    if unit.kind == "program":
        return not statement.regions and is_pure(statement)
    return is_pure(statement, reads=written_arrays(unit))


def _users(place: Place) -> list[int]:
    """The places in the rest of the region that use a result; its length for the end."""
    ids = {value.id for value in place.statement.results}
    body = place.region.body
    found = [at for at in range(place.index + 1, len(body)) if mentions(body[at], ids)]
    if any(value.id in ids for value in place.region.end.values):
        found.append(len(body))
    return found


def is_shared(place: Place) -> bool:
    """Whether a pure statement has several users, none of which changes what it reads."""
    users = _users(place)
    if len(users) < 2 or not place.statement.results or not _computes(place, place.statement):
        return False
    return _reads_the_same(place, users[-1])


def _reads_the_same(place: Place, until: int) -> bool:
    """Whether no launch up to there may change the arrays that a statement of a program reads."""
    if place.unit.kind != "program":
        return True
    between = place.region.body[place.index + 1 : until]
    return not any(effect_of(s.op) == "write" or s.regions for s in between)


def duplicate(place: Place, source: Source) -> Program:
    """The last user gets a copy of its own, computed just before it."""
    body, end = list(place.region.body), place.region.end
    user = _users(place)[-1]
    b = place.builder()
    known: dict[int, Value] = {}
    made = copied(b, [place.statement], known)
    if user < len(body):
        body[user] = substituted(body[user], known)
    else:
        end = ended(end, known)
    body[user:user] = made
    return place.with_region(Region(place.region.params, tuple(body), end))


def _earlier(place: Place) -> Statement | None:
    """An equal statement before this one in the region."""
    statement = place.statement
    if statement.regions or not statement.results or not _computes(place, statement):
        return None
    if place.unit.kind == "program" and statement.operands:
        return None
    types = [value.type for value in statement.results]
    for before in place.region.body[: place.index]:
        if (
            before.op == statement.op
            and before.operands == statement.operands
            and repr(before.attribute) == repr(statement.attribute)
            and [value.type for value in before.results] == types
        ):
            return before
    return None


def is_repeated(place: Place) -> bool:
    """Whether the same was computed before."""
    return _earlier(place) is not None


def share(place: Place, source: Source) -> Program:
    """Use what was computed before."""
    before = _earlier(place)
    assert before is not None
    pairs = zip(place.statement.results, before.results, strict=True)
    return place.instead([], {old.id: new for old, new in pairs})


def is_movable(place: Place) -> bool:
    """Whether the statement and the next may change places."""
    body = place.region.body
    if place.index + 1 >= len(body):
        return False
    first, second = place.statement, body[place.index + 1]
    made = {value.id for value in first.results}
    if mentions(second, made):
        return False
    if any(leaves(region) for s in (first, second) for region in s.regions):
        return False
    if place.unit.kind == "program":
        return all(not s.regions and is_pure(s) for s in (first, second))
    return is_pure(first) or is_pure(second)


def exchange(place: Place, source: Source) -> Program:
    """The statement moves up to three places down, past statements that do not need it."""
    body = list(place.region.body)
    at = place.index
    for _ in range(1 + source.below(3)):
        body[at], body[at + 1] = body[at + 1], body[at]
        at += 1
        made = place.region._replace(body=tuple(body))
        here = Place(place.program, place.number, made, at, place.path, place.visible, place.known)
        if not is_movable(here):
            break
    return place.with_body(body)
