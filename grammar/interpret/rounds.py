"""Loops that only accumulate, run in one go: a lane for every round of every lane."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from grammar.domain import Combine, Mask, Value
from grammar.interpret.control import exits_of
from grammar.interpret.frame import Buffer, Context, Frame, Step, exact, shape_of, with_lanes
from grammar.passes.uses import used_ids
from grammar.program import Region, Statement, walk
from grammar.types import BF16, Scalar, scalar_of

_KINDS: dict[str, Combine] = {"add": "add", "sub": "sub", "mul": "mul", "min": "min", "max": "max"}
_MOST = 1 << 18
"""The most lanes times rounds; beyond, rounds run one by one."""


def accumulations(
    context: Context, region: Region
) -> tuple[tuple[tuple[Combine, int] | None, ...], frozenset[int]] | None:
    """How each carried value of a `for` grows: (kind, id of the term), or None for one that stays;
    and the ids of the statements that combine, by their result. None unless all rounds may run at
    once: then no statement stores or leaves, and nothing but the combining reads what is carried.
    """
    if exits_of(context, region) or any(s.op in ("store", "launch") for s in walk(region)):
        return None
    if not region.params[1:]:
        return (), frozenset()
    made = {s.results[0].id: s for s in region.body if s.op in _KINDS}
    uses = Counter([v.id for s in walk(region) for v in s.operands])
    for inner in [region, *[r for s in walk(region) for r in s.regions]]:
        uses.update([v.id for v in inner.end.values])
    found: list[tuple[Combine, int] | None] = []
    combining: set[int] = set()
    for param, end in zip(region.params[1:], region.end.values, strict=True):
        if end.id == param.id:
            found.append(None)
            continue
        statement = made.get(end.id)
        if statement is None or uses[param.id] != 1 or uses[end.id] != 1:
            return None
        ids = [value.id for value in statement.operands]
        if param.id not in ids or (statement.op == "sub" and ids[0] != param.id):
            return None
        if statement.op in ("min", "max", "mul") and not isinstance(param.type, Scalar):
            return None
        if scalar_of(param.type) == BF16:  # rounded after each step, of which arrays do not tell
            return None
        found.append((_KINDS[statement.op], ids[1 - ids.index(param.id)]))
        combining.add(end.id)
    return tuple(found), frozenset(combining)


def at_once(
    context: Context, statement: Statement, rounds_apart: Callable[[], Step]
) -> Step | None:
    """The step of a `for` that only accumulates, None for one that does more. Where lanes have
    rounds of their own, or too many, it falls back to the step that `rounds_apart` makes."""
    region = statement.regions[0]
    how = accumulations(context, region)
    if how is None:
        return None
    grown, combining = how
    domain, names = context.domain, statement.results
    body = tuple([s for s in region.body if not (s.results and s.results[0].id in combining)])
    inside = replace(context, own=(), grid=())
    run = context.region(inside, region._replace(body=body))
    first, last, *inits = [value.id for value in statement.operands]
    index, *params = [value.id for value in region.params]
    assert isinstance(statement.attribute, tuple)
    stride, bound = statement.attribute
    outside = _outside(context, region, body, grown)
    one_by_one = cache(rounds_apart)

    def step(frame: Frame, mask: Mask | None) -> Mask | None:
        start, unsure = exact(domain, frame[first])
        stop, unsure_stop = exact(domain, frame[last])
        lanes = frame.lanes
        if start.ndim or stop.ndim or not (unsure is None and unsure_stop is None):
            return one_by_one()(frame, mask)
        rounds = range(int(start), int(stop), stride)[:bound]
        count = len(rounds)
        if lanes * count > _MOST or frame.lost is not None or count < 2:
            return one_by_one()(frame, mask)
        child = Frame(context.constants, lanes * count)
        for id_, rank in outside:
            value = frame[id_]
            if not isinstance(value, Buffer) and value.ndim > rank:
                value = domain.repeat(value, count)
            child[id_] = value
        for param, init, name in zip(params, inits, names, strict=True):
            value = frame[init]
            if value.ndim > len(shape_of(name.type)):
                value = domain.repeat(value, count)
            child[param] = value
        numbers = np.asarray(rounds, np.int32)
        child[index] = np.broadcast_to(numbers, (lanes, count)).reshape(-1)
        child.unsure = _each(frame.unsure, count)
        child.excused = _each(frame.excused, count)
        run(child, _each(mask, count))
        for init, name, way in zip(inits, names, grown, strict=True):
            frame[name.id] = frame[init] if way is None else total(frame, child, init, name.id, way)
        return mask

    shapes = {name.id: shape_of(name.type) for name in names}

    def total(frame: Frame, child: Frame, init: int, name: int, way: tuple[Combine, int]) -> Value:
        kind, term = way
        shape = shapes[name]
        terms = with_lanes(domain, child[term], shape, child.lanes)
        initial = with_lanes(domain, frame[init], shape, frame.lanes)
        return domain.fold(kind, initial, terms, child.lanes // frame.lanes)

    return step


def _each(mask: Mask | None, count: int) -> Mask | None:
    return None if mask is None else mask.repeat(count)


def _outside(
    context: Context,
    region: Region,
    body: Sequence[Statement],
    grown: Sequence[tuple[Combine, int] | None],
) -> tuple[tuple[int, int], ...]:
    """The ids from outside that rounds read, with the count of their element's axes."""
    inner = [region, *[r for s in walk(region) for r in s.regions]]
    defined = {value.id for one in inner for value in one.params}
    defined.update([value.id for s in walk(region) for value in s.results])
    terms = {way[1] for way in grown if way is not None}
    needed = (used_ids(body) | terms) - defined - context.constants.keys()
    types = {v.id: v.type for s in walk(region) for v in s.operands}
    for one in inner:
        types.update({v.id: v.type for v in one.end.values})
    return tuple([(id_, len(shape_of(types[id_]))) for id_ in sorted(needed)])
