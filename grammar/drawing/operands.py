"""Drawing statements: operands, conditions, pure ops, loads, calls, and structured control flow."""

from __future__ import annotations

from collections.abc import Mapping

from grammar import guards, ranges
from grammar.drawing.body import Body, Signature
from grammar.drawing.tables import entry
from grammar.program import Value
from grammar.ranges import Range
from grammar.types import BOOL, I32, Array, Element, Matrix, Scalar, Vector

NEVER = 4096
"""A mandatory statement is left out with probability 1/NEVER, so that failures can shrink."""

FLOATS = (1.0, 2.0, 0.5, 3.0, 0.25, 1.5, 4.0, 0.1, 0.0, 0.75, 0.01, 0.3, 2.5, 0.2, 0.05, 5.0)
INTEGERS = (1, 2, 3, 4, 5, 7, 0, 6, 8, 10, 12, 15)


def literal(body: Body, scalar: Scalar) -> Value:
    """A constant as people write them: small, round, sometimes negative."""
    below = body.source.below
    if scalar.kind == "bool":
        return body.constant(scalar, below(2) == 0)
    k = below(32)
    if scalar.kind == "float":
        magnitude = FLOATS[k] if k < len(FLOATS) else (1 + below(399)) / 100
        return body.constant(scalar, -magnitude if k and below(4) == 3 else magnitude)
    number = INTEGERS[k % len(INTEGERS)]
    return body.constant(scalar, -number if scalar.kind == "int" and below(4) == 3 else number)


def leaf(body: Body, type_: Element) -> Value:
    """A value of a type with nothing of it in scope: a constant, or a vector built of scalars."""
    if type_ == BOOL:
        return condition(body)
    if isinstance(type_, Scalar):
        return literal(body, type_)
    makers = body.tables.makers[type_]
    made = makers[body.source.below(len(makers))]
    attribute = body.source.below(made.attributes) if made.attributes else None
    return body.apply(made, [operand(body, scalar) for scalar in made.instance.operands], attribute)


def operand(body: Body, type_: Element, *others: Value) -> Value:
    """A value of the type to use, none of `others` where that can be helped: mostly recent, unused
    ones first; sometimes a constant."""
    below = body.source.below
    pool = body.pools.get(type_)
    how = below(8)
    if not pool or how == 7:
        return leaf(body, type_)
    if how < 3:
        used = body.used
        for value in reversed(pool[-6:]):
            if not used[value.id] and value not in others:
                return value
    reach = len(pool) if how == 6 else min(len(pool), 5)
    value = pool[-1 - below(reach)]
    if value in others:
        value = pool[0] if pool[0] not in others else leaf(body, type_)
    return value


def anchor(body: Body) -> Value:
    """The value the next statement builds on: mostly the latest not yet used."""
    below = body.source.below
    fresh, used = body.fresh, body.used
    while fresh and used[fresh[-1].id]:
        fresh.pop()
    if fresh and below(8) < 6:
        return fresh[-1]
    anchors = body.anchors
    if anchors:
        return anchors[-1 - below(min(len(anchors), 12))]
    return body.enter(leaf(body, body.tables.elements.pick(body.source)))


def _anchor_for(body: Body, typings: Mapping[Element, object]) -> Value | None:
    """An anchor of one of these types: mostly the latest not yet used. None when there is none."""
    below = body.source.below
    used = body.used
    if below(8) < 6:
        for value in reversed(body.fresh):
            if not used[value.id] and value.type in typings:
                return value
    found = [value for value in body.anchors[-12:] if value.type in typings]
    return found[-1 - below(len(found))] if found else None


def _element(value: Value) -> Element:
    assert not isinstance(value.type, Array)
    return value.type


def operation(body: Body) -> None:
    """A pure op over an anchor and further operands. The op comes first, so that it stays when what
    stands before it is taken away."""
    source = body.source
    typings = body.tables.ops.pick(source)
    first = _anchor_for(body, typings)
    if first is None:
        first = anchor(body)
        choices = body.tables.by_anchor.get(_element(first))
        if choices is None:
            return
        made = choices.pick(source)
    else:
        entries = typings[_element(first)]
        made = entries[source.below(len(entries))]
    operands: list[Value] = []
    for k, type_ in enumerate(made.instance.operands):
        operands.append(first if k == made.anchor else operand(body, type_, first, *operands))
    attribute = source.below(made.attributes) if made.attributes else None
    body.enter(body.apply(made, operands, attribute))


def condition(body: Body) -> Value:
    """A truth value: mostly a comparison of something recent."""
    below = body.source.below
    how = below(8)
    pool = body.pools.get(BOOL)
    if pool and how > 2:
        for value in reversed(pool[-3:]):
            if not body.used[value.id]:
                return value
        if how == 7:
            return pool[-1 - below(min(len(pool), 4))]
    if how == 6 and body.depth < 4 and "logic" in body.tables.grammar.groups:
        name = ("logical_and", "logical_or")[below(2)]
        return body.apply(entry(name, (BOOL, BOOL)), [comparison(body), comparison(body)])
    return comparison(body)


def comparison(body: Body) -> Value:
    """Two numbers compared."""
    below = body.source.below
    comparisons = body.tables.comparisons
    anchors = [v for v in body.anchors[-8:] if v.type in comparisons]
    if anchors:
        left = anchors[-1 - below(len(anchors))]
    else:
        pool = body.pools.get(I32)
        left = pool[-1] if pool else literal(body, body.tables.scalars.pick(body.source))
    scalar = left.type
    assert isinstance(scalar, Scalar)
    right = threshold(body, left) if below(3) else operand(body, scalar, left)
    return body.apply(comparisons[scalar].pick(body.source), [left, right])


def threshold(body: Body, value: Value) -> Value:
    """A constant that a value may lie on either side of, as far as its range tells."""
    scalar = value.type
    assert isinstance(scalar, Scalar)
    known = body.ranges[value.id]
    if scalar.kind == "float":
        made = literal(body, scalar)
        return made if body.ranges[made.id][1] <= known[1] else body.constant(scalar, 0.25)
    low, high = known
    if high - low > 64:
        return literal(body, scalar)
    return body.constant(scalar, low + 1 + body.source.below(max(1, high - low)))


def latest(body: Body, type_: Element) -> Value:
    """The value a region hands out: the latest of its type not yet used, else any in scope."""
    fresh, used = body.fresh, body.used
    for value in reversed(fresh):
        if value.type == type_ and not used[value.id]:
            return value
    return operand(body, type_)


def gathered(body: Body, type_: Element) -> Value:
    """What a body amounts to: its latest value of the type, joined with others nobody used."""
    below = body.source.below
    value = latest(body, type_)
    body.used[value.id] = True
    used = body.used
    others = [v for v in body.fresh if not used[v.id]]
    for other in others[-4:]:
        if other.type == BOOL:
            if type_ != BOOL:
                instead = operand(body, type_, value)
                choose = entry("select", (BOOL, type_, type_))
                value = body.apply(choose, [other, value, instead])
            continue
        joined = _converted(body, other, type_)
        if joined is None or below(16) == 0:
            continue
        name = _JOINS[below(len(_JOINS))] if isinstance(type_, Scalar) else "add"
        value = body.apply(entry(name, (type_, type_)), [value, joined])
    return value


_JOINS = ("add", "sub", "mul", "max", "add")
_MEASURES = {"vector": ("length", "sum_components"), "matrix": ("trace", "frobenius")}


def _converted(body: Body, value: Value, type_: Element) -> Value | None:
    """The value as another type, where there is a usual way."""
    given = value.type
    if given == type_:
        return value
    if isinstance(given, (Vector, Matrix)) and given.scalar == type_:
        kind = "vector" if isinstance(given, Vector) else "matrix"
        return body.apply(entry(_MEASURES[kind][body.source.below(2)], (given,)), [value])
    if isinstance(given, Scalar) and isinstance(type_, Scalar) and type_ != BOOL:
        whole = given.kind == "float" and type_.kind != "float"
        if whole and body.tables.grammar.differentiable:
            return None
        return body.apply(entry("cast", (given,), type_), [value])
    return None


def index_below(body: Body, extent: int, prefer: Value | None = None) -> Value:
    """An i32 in [0, extent): one in scope that provably is, or one brought there."""
    below = body.source.below
    known = body.ranges
    fitting = [
        value
        for value in body.pools.get(I32, ())
        if known[value.id][0] >= 0 and known[value.id][1] < extent
    ]
    if fitting and below(4) < 3:
        return prefer if prefer is not None else fitting[-1 - below(min(len(fitting), 4))]
    pool = body.pools.get(I32)
    if not pool:
        return body.constant(I32, below(extent))
    return within(body, pool[-1 - below(min(len(pool), 4))], extent, below(3))


def within(body: Body, value: Value, extent: int, how: int) -> Value:
    """An i32 brought into [0, extent) by clamping, or by masking where the extent allows."""
    low, high = body.ranges[value.id][:2]
    if low >= 0 and high < extent:
        return value
    if how == 1 and extent & (extent - 1) == 0:
        mask = body.constant(I32, extent - 1)
        return body.apply(entry("bit_and", (I32, I32)), [value, mask])
    if how == 2 and low >= 0:
        return body.apply(entry("rem", (I32, I32)), [value, body.constant(I32, extent)])
    bounds = [body.constant(I32, 0), body.constant(I32, extent - 1)]
    return body.apply(entry("clamp", (I32, I32, I32)), [value, *bounds])


def shifted(body: Body, index: Value, extent: int) -> Value:
    """A neighbour of an index: moved by a small constant and kept inside."""
    below = body.source.below
    offset = body.constant(I32, (1, -1, 2, -2, 3)[below(5)])
    moved = body.apply(entry("add", (I32, I32)), [index, offset])
    return within(body, moved, extent, below(3))


def reversed_(body: Body, index: Value, extent: int) -> Value:
    """An index counted from the end."""
    last = body.constant(I32, extent - 1)
    mirrored = body.apply(entry("sub", (I32, I32)), [last, index])
    return within(body, mirrored, extent, 0)


def call(body: Body) -> None:
    """A call of a function, earlier or new, its arguments brought into the ranges it takes."""
    source, library = body.source, body.library
    known = library.signatures
    wanting = not library.complete and len(known) < library.most
    if wanting and (len(known) < max(1, library.least) or source.below(3) == 0):
        source.span(library.define, library)
    signature: Signature = known[-1 - source.below(len(known))]
    arguments: list[Value] = []
    for type_, takes in zip(signature.params, signature.takes, strict=True):
        arguments.append(bring(body, operand(body, type_), takes))
    result = body.emit("call", tuple(arguments), signature.result, signature.gives, signature.unit)
    body.enter(result)


def bring(body: Body, value: Value, into: Range) -> Value:
    """The value, changed where it is not provably in the range."""
    if ranges.inside(body.ranges[value.id], into):
        return value
    assert not isinstance(value.type, Array)
    return body.guard(guards.bring(value.type, body.ranges[value.id], into), value)
