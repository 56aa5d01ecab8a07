"""Steps of loops, whose lanes go round by round together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammar.domain import Domain, Mask, Value
from grammar.interpret.control import exits_of, merge
from grammar.interpret.frame import (
    NOBODY,
    Context,
    Frame,
    Step,
    blinded,
    exact,
    shape_of,
    union,
    within,
    without,
)
from grammar.program import Region, Statement, walk
from grammar.program import Value as Name
from grammar.structural import ATOMICS


def _writes(region: Region) -> bool:
    return any(s.op == "store" or s.op in ATOMICS for s in walk(region))


def _finished(
    domain: Domain, frame: Frame, values: Sequence[Value], names: Sequence[Name], blind: Mask | None
) -> None:
    """Bind the results of a loop, of which some lanes know nothing."""
    for name, value in zip(names, values, strict=True):
        frame[name.id] = blinded(domain, blind, value, shape_of(name.type), frame.lanes)


def _after(frame: Frame, mask: Mask | None, blind: Mask | None) -> Mask | None:
    """The lanes that go on after a loop in which some may have returned. Those that may not have
    run as they did may have returned instead."""
    frame.lost = union(frame.lost, blind)
    return without(mask, frame.returned)


Round = Callable[[Frame, Mask | None, Mask | None, list[Value]], tuple[Mask | None, list[Value]]]


def _rounds(context: Context, region: Region, names: Sequence[Name]) -> Round:
    """Runs the body of a loop once: (frame, lanes that entered the loop, lanes still in it, carried
    values) to (lanes still in it, carried values). The index is bound already."""
    domain = context.domain
    body = context.region(context, region)
    params = [value.id for value in region.params[1:]]
    ends = [value.id for value in region.end.values]
    exits = bool(exits_of(context, region))

    def straight(
        frame: Frame, entered: Mask | None, live: Mask | None, carried: list[Value]
    ) -> tuple[Mask | None, list[Value]]:
        for id_, value in zip(params, carried, strict=True):
            frame[id_] = value
        body(frame, live)
        new = [frame[id_] for id_ in ends]
        return live, new if live is entered else merge(domain, live, new, carried, names)

    def left(
        frame: Frame, entered: Mask | None, live: Mask | None, carried: list[Value]
    ) -> tuple[Mask | None, list[Value]]:
        for id_, value in zip(params, carried, strict=True):
            frame[id_] = value
        outer = frame.carried, frame.broken
        frame.carried, frame.broken = carried, None
        rest = body(frame, live)
        kept, broken = frame.carried, frame.broken
        frame.carried, frame.broken = outer
        if rest is not NOBODY:
            new = [frame[id_] for id_ in ends]
            # Where nobody left, lanes outside the loop are the only others, and nobody reads those.
            whole = rest is entered or rest is None
            kept = new if whole else merge(domain, rest, new, kept, names)
        return without(without(live, broken), frame.returned), kept

    return left if exits else straight


def for_loop(context: Context, statement: Statement) -> Step:
    """`for`: its lanes in lockstep, each for as many rounds as it has."""
    domain = context.domain
    region = statement.regions[0]
    first, last = [value.id for value in statement.operands[:2]]
    inits = [value.id for value in statement.operands[2:]]
    index = region.params[0].id
    assert isinstance(statement.attribute, tuple)
    stride, bound = statement.attribute
    names = statement.results
    run = _rounds(context, region, names)
    writes = _writes(region)
    returns = "return" in exits_of(context, region)

    def step(frame: Frame, mask: Mask | None) -> Mask | None:
        start, unsure_start = exact(domain, frame[first])
        stop, unsure_stop = exact(domain, frame[last])
        carried = [frame[id_] for id_ in inits]
        doubt = union(union(unsure_start, unsure_stop), frame.lost)
        inner = frame.inner
        frame.inner = None
        live = mask
        if doubt is None and not start.ndim and not stop.ndim:
            for number in range(int(start), int(stop), stride)[:bound]:
                frame[index] = np.int32(number)
                live, carried = run(frame, mask, live, carried)
                if live is NOBODY:
                    break
        else:
            if doubt is not None:
                doubt = within(np.broadcast_to(doubt, frame.lanes), mask)
            live, carried = varying(frame, mask, start, stop, doubt, carried)
        frame.inner = inner
        _finished(domain, frame, carried, names, doubt)
        return _after(frame, mask, doubt) if returns else mask

    def varying(
        frame: Frame,
        mask: Mask | None,
        start: NDArray[Any],
        stop: NDArray[Any],
        doubt: Mask | None,
        carried: list[Value],
    ) -> tuple[Mask | None, list[Value]]:
        begin = start.astype(np.int64)
        counts = np.clip((stop - begin + (stride - 1)) // stride, 0, bound)
        counts = np.broadcast_to(counts, frame.lanes).copy()
        unsure = frame.unsure
        if doubt is not None:
            counts[doubt] = bound if writes else 0
            if writes:
                frame.unsure = union(unsure, doubt)
        live = mask
        if mask is not None:
            counts[~mask] = 0
        least = int(counts.min() if mask is None else counts[mask].min(initial=bound))
        for number in range(int(counts.max(initial=0))):
            if number >= least:
                going = counts > number
                live = within(going, live)
                if live is None:
                    break
            here = (begin + number * stride).astype(np.int32)
            if doubt is not None:
                here = domain.blind(doubt, np.broadcast_to(here, frame.lanes))
            frame[index] = here
            live, carried = run(frame, mask, live, carried)
            if live is NOBODY:
                break
        frame.unsure = unsure
        return live, carried

    return step


def while_loop(context: Context, statement: Statement) -> Step:
    """`while`: as long as the condition holds for any lane that is still in the loop."""
    domain = context.domain
    test, region = statement.regions
    condition = context.region(context, test)
    asked = test.end.values[0].id
    tested = [value.id for value in test.params[1:]]
    inits = [value.id for value in statement.operands]
    round_, again = region.params[0].id, test.params[0].id
    bound = statement.attribute
    assert isinstance(bound, int)
    names = statement.results
    run = _rounds(context, region, names)
    writes = _writes(region)
    returns = "return" in exits_of(context, region)

    def step(frame: Frame, mask: Mask | None) -> Mask | None:
        carried = [frame[id_] for id_ in inits]
        inner, unsure = frame.inner, frame.unsure
        frame.inner = None
        blind: Mask | None = None
        live = mask
        for number in range(bound):
            frame[again] = frame[round_] = np.int32(number)
            for id_, value in zip(tested, carried, strict=True):
                frame[id_] = value
            condition(frame, live)
            more, doubt = exact(domain, frame[asked])
            if frame.lost is not None or blind is not None:
                doubt = union(union(doubt, frame.lost), blind)
            if doubt is not None:
                doubt = within(np.broadcast_to(doubt, frame.lanes), live)
            if doubt is not None:
                blind = union(blind, doubt)
                more = np.broadcast_to(more, frame.lanes)
                more = more | doubt if writes else more & ~doubt
                if writes:
                    frame.unsure = union(frame.unsure, doubt)
            if more.ndim:
                active = frame.lanes if live is None else np.count_nonzero(live)
                going = more if live is None else more & live
                count = np.count_nonzero(going)
                if not count:
                    break
                if count < active:
                    live = going
            elif not more:
                break
            live, carried = run(frame, mask, live, carried)
            if live is NOBODY:
                break
        frame.inner, frame.unsure = inner, unsure
        _finished(domain, frame, carried, names, blind)
        return _after(frame, mask, blind) if returns else mask

    return step
