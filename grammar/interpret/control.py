"""Steps of control flow: regions, branches, loops and exits, by masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from grammar.domain import Domain, Mask, Value
from grammar.interpret.frame import (
    NOBODY,
    Context,
    Frame,
    Step,
    axes,
    exact,
    shape_of,
    union,
    within,
    without,
    zero,
)
from grammar.program import Region, Statement, Terminator
from grammar.program import Value as Name

_NONE: frozenset[str] = frozenset()


def exits_of(context: Context, region: Region) -> frozenset[str]:
    """The kinds of exits by which a region may be left, its own end included."""
    found = context.kinds.get(id(region))
    if found is None:
        found = _NONE if region.end.kind == "yield" else frozenset((region.end.kind,))
        found = context.kinds[id(region)] = found.union(
            *[leaving(context, statement) for statement in region.body if statement.regions]
        )
    return found


def leaving(context: Context, statement: Statement) -> frozenset[str]:
    """The kinds of exits by which a statement may be left: of a loop, only return."""
    found = _NONE.union(*[exits_of(context, region) for region in statement.regions])
    return found if statement.op == "if" else found & {"return"}


def region_step(context: Context, steps: Sequence[tuple[Step, bool]], end: Terminator) -> Step:
    """Runs steps, each with whether it may be left, then the exit at the end, if it is one."""
    leave = _EXITS.get(end.kind)
    if leave is None and not any(left for _, left in steps):
        plain = tuple([step for step, _ in steps])

        def straight(frame: Frame, mask: Mask | None) -> Mask | None:
            for step in plain:
                step(frame, mask)
            return mask

        return straight
    domain, values = context.domain, end.values

    def run(frame: Frame, mask: Mask | None) -> Mask | None:
        for step, left in steps:
            if left:
                mask = step(frame, mask)
                if mask is NOBODY:
                    return NOBODY
            else:
                step(frame, mask)
        if leave is None:
            return mask
        doubt = within(
            union(frame.inner if end.kind != "return" else frame.unsure, frame.lost), mask
        )
        if doubt is not None:
            frame.lost = union(frame.lost, doubt)
            mask = without(mask, doubt)
        if mask is not NOBODY:
            leave(domain, frame, mask, values)
        return NOBODY if doubt is None else doubt

    return run


def merge(
    domain: Domain,
    mask: Mask | None,
    new: Sequence[Value],
    old: Sequence[Value],
    names: Sequence[Name],
) -> list[Value]:
    """The new values for the lanes of the mask (None: all), the old ones for the others."""
    if mask is None:
        return list(new)
    return [
        a if a is b else domain.select(axes(mask, len(shape_of(name.type))), a, b)
        for a, b, name in zip(new, old, names, strict=True)
    ]


def _everyone(mask: Mask | None, frame: Frame) -> Mask:
    return np.ones(frame.lanes, np.bool_) if mask is None else mask


def _break(domain: Domain, frame: Frame, mask: Mask | None, values: Sequence[Name]) -> None:
    _continue(domain, frame, mask, values)
    frame.broken = union(frame.broken, _everyone(mask, frame))


def _continue(domain: Domain, frame: Frame, mask: Mask | None, values: Sequence[Name]) -> None:
    new = [frame[value.id] for value in values]
    frame.carried = merge(domain, mask, new, frame.carried, values)


def _return(domain: Domain, frame: Frame, mask: Mask | None, values: Sequence[Name]) -> None:
    new = [frame[value.id] for value in values]
    frame.results = (
        new if frame.results is None else merge(domain, mask, new, frame.results, values)
    )
    frame.returned = union(frame.returned, _everyone(mask, frame))


_EXITS: dict[str, Callable[[Domain, Frame, Mask | None, Sequence[Name]], None]] = {
    "break": _break,
    "continue": _continue,
    "return": _return,
}


def branch(context: Context, statement: Statement) -> Step:
    """`if`: each side for the lanes that take it, both for those that are not certain to."""
    domain = context.domain
    condition = statement.operands[0].id
    results = statement.results
    sides = [context.region(context, region) for region in statement.regions]
    ends = [region.end for region in statement.regions]
    yields = [
        tuple([value.id for value in end.values]) if end.kind == "yield" else None for end in ends
    ]
    ranks = [len(shape_of(value.type)) for value in results]
    ids = [value.id for value in results]

    def one(frame: Frame, mask: Mask | None, side: int) -> Mask | None:
        rest = sides[side](frame, mask)
        if rest is not NOBODY and results:
            given = yields[side]
            for at, id_ in enumerate(ids):
                # A lane that goes on after an exit has no value, and needs none: it is lost.
                frame[id_] = zero(domain, results[at].type) if given is None else frame[given[at]]
        return rest

    def step(frame: Frame, mask: Mask | None) -> Mask | None:
        chosen, doubt = exact(domain, frame[condition])
        if frame.lost is not None:
            doubt = union(doubt, frame.lost)
        if doubt is not None:
            doubt = within(np.broadcast_to(doubt, frame.lanes), mask)
        if doubt is None and not chosen.ndim:
            return one(frame, mask, 0 if chosen else 1)
        chosen = np.broadcast_to(chosen, frame.lanes)
        yes = chosen if mask is None else chosen & mask
        taken = np.count_nonzero(yes)
        active = frame.lanes if mask is None else np.count_nonzero(mask)
        if doubt is None:
            if taken == active:
                return one(frame, mask, 0)
            if not taken:
                return one(frame, mask, 1)
            no = ~chosen if mask is None else mask & ~chosen
            return both(frame, mask, chosen, yes, no)
        no = ~chosen if mask is None else mask & ~chosen
        unsure, inner = frame.unsure, frame.inner
        frame.unsure, frame.inner = union(unsure, doubt), union(inner, doubt)
        rest = both(frame, mask, chosen | doubt, yes | doubt, no | doubt, doubt)
        frame.unsure, frame.inner = unsure, inner
        return rest

    def both(
        frame: Frame,
        mask: Mask | None,
        chosen: Mask,
        yes: Mask,
        no: Mask,
        doubt: Mask | None = None,
    ) -> Mask | None:
        first = sides[0](frame, yes)
        given = kept(frame, first, yields[0])
        second = sides[1](frame, no)
        other = kept(frame, second, yields[1])
        if first is yes and second is no:
            rest = mask
        elif first is NOBODY or second is NOBODY:
            rest = second if first is NOBODY else first
            if rest is NOBODY:
                return NOBODY
        else:
            rest = union(first, second)
        if given is None or other is None:
            values = given if given is not None else other
            if values is None:
                values = [zero(domain, value.type) for value in results]
        else:
            values = list[Value]()
            for a, b, rank in zip(given, other, ranks, strict=True):
                if a is not b:
                    if doubt is not None:
                        a = domain.hull(axes(doubt, rank), a, b)
                    a = domain.select(axes(chosen, rank), a, b)
                values.append(a)
        for id_, value in zip(ids, values, strict=True):
            frame[id_] = value
        return rest

    def kept(frame: Frame, rest: Mask | None, ids: tuple[int, ...] | None) -> list[Value] | None:
        return None if rest is NOBODY or ids is None else [frame[id_] for id_ in ids]

    return step
