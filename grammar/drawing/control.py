"""Drawing structured control flow: branches, loops and the exits out of them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from grammar import guards, ranges
from grammar.drawing.body import Body, Loop
from grammar.drawing.counting import Counting, counting, stop_value, striding
from grammar.drawing.memory import atomic, load, store, wide_atomic
from grammar.drawing.operands import (
    NEVER,
    anchor,
    bring,
    call,
    condition,
    gathered,
    latest,
    operand,
    operation,
    threshold,
)
from grammar.drawing.tables import entry
from grammar.program import Region, Statement, Terminator, Value
from grammar.ranges import Range
from grammar.source import Source
from grammar.types import BOOL, F32, FLOATS, I32, Array, Element, Scalar, scalar_of

UNROLLED = 16
"""Most copies of a body in nested constant loops, which compilers unroll into as much text."""


def statements(body: Body, least: int, most: int) -> int:
    """Draw up to `most` statements into the open body; returns how many."""
    count = 0
    while count < most and body.left > 0 and body.source.span(_statement, body, least, most, count):
        count += 1
    return count


def _statement(source: Source, body: Body, least: int, most: int, count: int) -> bool:
    """One statement, or the choice to stop, which is choice 0."""
    if source.below(NEVER if count < least else most - count + 1) == 0:
        return False
    body.left -= 1
    tables = body.tables
    kinds = tables.kinds if body.depth < tables.grammar.depth else tables.flat_kinds
    match kinds.pick(source):
        case "op":  # by far the most frequent
            operation(body)
        case "if":
            branch(body)
        case "for":
            loop(body)
        case "while":
            bounded_while(body)
        case "strided":
            strided(body)
        case "load" if body.memory is not None:
            load(body)
        case "store" if body.memory is not None:
            store(body)
        case "atomic" if body.memory is not None:
            atomic(body)
        case "wide_atomic" if body.memory is not None:
            wide_atomic(body)
        case "call" if body.library.signatures or not body.library.complete:
            call(body)
        case _:
            operation(body)
    return True


def _open(body: Body) -> tuple[list[Statement], list[Value], int]:
    """Enter a region; the result goes to `_close`."""
    saved = (body.statements, body.fresh, len(body.log))
    body.statements, body.fresh = [], []
    body.depth += 1
    return saved


def _close(body: Body, saved: tuple[list[Statement], list[Value], int]) -> tuple[Statement, ...]:
    """Leave a region: its values go out of scope; returns its statements."""
    made = tuple(body.statements)
    body.statements, body.fresh, mark = saved
    while len(body.log) > mark:
        value = body.log.pop().pop()
        if body.anchors and body.anchors[-1] is value:
            body.anchors.pop()
    body.depth -= 1
    return made


def _result_types(body: Body) -> list[Element]:
    """What a branch or loop produces: the type of the value at hand, sometimes a second one."""
    source = body.source
    first = anchor(body).type
    types: list[Element] = []
    if not isinstance(first, Array) and first != BOOL:
        types.append(first)
    else:
        types.append(body.tables.elements.pick(source))
    if source.below(4) == 3:
        types.append(body.tables.elements.pick(source))
    return types


def branch(body: Body) -> None:
    """An `if`: both sides yield, or one side leaves the loop or the unit.

    What the first side computes decides the type of the result.
    """
    source = body.source
    test = condition(body)
    body.used[test.id] = True
    exits = body.tables.grammar.exits
    leaving = exits > 0 and _may_leave(body) and source.below(100) >= 100 - exits
    types: list[Element] = []
    saved = _open(body)
    statements(body, 0 if leaving else 1, 1 if leaving else 3)
    if leaving:
        end = _leave(body)
        types = [] if source.below(3) else [body.tables.elements.pick(source)]
    else:
        only_stores = any(s.op == "store" for s in body.statements) and source.below(2)
        types = [] if only_stores else _result_types(body)
        end = Terminator("yield", tuple([gathered(body, type_) for type_ in types]))
        _use(body, end.values)
    then = Region((), _close(body, saved), end)
    saved = _open(body)
    if types:
        statements(body, 0, 2)
    otherwise = [
        _different(body, type_, end.values[k] if not leaving else None)
        for k, type_ in enumerate(types)
    ]
    _use(body, otherwise)
    orelse = Region((), _close(body, saved), Terminator("yield", tuple(otherwise)))
    known = body.ranges
    results: list[Value] = []
    for k, (type_, value) in enumerate(zip(types, otherwise, strict=True)):
        range_ = known[value.id]
        if not leaving:
            range_ = ranges.join(range_, known[end.values[k].id])
        results.append(body.new(type_, range_))
    made = Statement("if", (test,), tuple(results), None, (then, orelse))
    body.statements.append(made)
    for value in results:
        body.enter(value)


def _different(body: Body, type_: Element, other: Value | None) -> Value:
    value = gathered(body, type_)
    if other is not None and value is other:
        value = operand(body, type_, other)
    return value


def _may_leave(body: Body) -> bool:
    if any(loop.sum for loop in body.loops):
        return False
    return bool(body.loops) or body.may_return


def _leave(body: Body) -> Terminator:
    """An exit: out of the loop, on to its next round, or out of the unit."""
    below = body.source.below
    if body.loops and not (body.may_return and below(6) == 5):
        current = body.loops[-1]
        if below(2) or body.tables.grammar.differentiable:
            return Terminator("continue", current.carried)
        values = [
            bring(body, carried if below(2) == 0 else latest(body, _element(carried)), keeps)
            for carried, keeps in zip(current.carried, current.keeps, strict=True)
        ]
        _use(body, values)
        return Terminator("break", tuple(values))
    values = [latest(body, type_) for type_ in body.returns]
    _use(body, values)
    for k, value in enumerate(values):
        body.returned[k].append(body.ranges[value.id])
    return Terminator("return", tuple(values))


def _use(body: Body, values: Iterable[Value]) -> None:
    for value in values:
        body.used[value.id] = True


def _element(value: Value) -> Element:
    assert not isinstance(value.type, Array)
    return value.type


def _header(body: Body) -> tuple[list[Value], list[Range]]:
    """The carried values' initial operands and the ranges they will keep."""
    source = body.source
    types = _result_types(body)
    inits: list[Value] = []
    keeps: list[Range] = []
    for type_ in types:
        if source.below(2) and isinstance(type_, Scalar):
            init = body.constant(type_, 0.0 if type_.kind == "float" else 0)
        else:
            init = operand(body, type_)
        keep = guards.carried(type_, body.ranges[init.id])
        inits.append(bring(body, init, keep))
        keeps.append(keep)
    return inits, keeps


def _carry(body: Body, current: Loop, inits: list[Value], bound: int) -> list[Value]:
    """What the next round starts from: an update of each carried value that keeps its range."""
    below = body.source.below
    out: list[Value] = []
    for carried, keeps, init in zip(current.carried, current.keeps, inits, strict=True):
        type_ = _element(carried)
        value = gathered(body, type_)
        how = below(8)
        if value is carried or how < 5:
            if value is carried:
                value = operand(body, type_, carried)
            if scalar_of(type_) != BOOL and (how < 3 or not isinstance(type_, Scalar)):
                term = body.ranges[value.id]
                value = body.apply(entry("add", (type_, type_)), [carried, value])
                if guards.sum_stays(type_, body.ranges[init.id], term, bound, keeps):
                    out.append(value)
                    continue
            elif isinstance(type_, Scalar) and type_ != BOOL:
                name = ("mul", "sub", "max", "min")[below(4)]
                if body.tables.grammar.differentiable and name in ("max", "min"):
                    name = "mul"  # the extreme with what no round changes is a tie ever after
                value = body.apply(entry(name, (type_, type_)), [carried, value])
        out.append(bring(body, value, keeps))
    _use(body, out)
    return out


def loop(body: Body) -> None:
    """A `for`: a constant trip count, or bounds that are values.

    In differentiable-safe grammars, one with bounds that are values sums up; see `_sum`.
    """
    source = body.source
    below = source.below
    grammar = body.tables.grammar
    zero = body.constant(I32, 0)
    dynamic = below(100) >= 100 - grammar.dynamic
    if grammar.differentiable and dynamic:
        dynamic = _may_sum(body)
    stop = stop_value(body) if dynamic else None
    if stop is not None:
        body.used[stop.id] = True
        if not grammar.differentiable:
            return _carrying(body, counting(body, zero, stop, 1))
        type_ = _summed(body)
        return _sum(body, type_, counting(body, body.constant(I32, 0), stop, 1))
    room = UNROLLED // math.prod([outer.copies for outer in body.loops])
    rounds = 2 + below(max(1, min(grammar.trips, room) - 1))
    step = 2 if below(8) == 7 else 1
    counts = counting(body, zero, body.constant(I32, rounds), step)
    return _carrying(body, counts, counts.bound)


def strided(body: Body) -> None:
    """A `for` from elsewhere than zero in steps of 2 or 3, perhaps over nothing; any other where no
    integer bounds it, or may not in differentiable-safe grammars."""
    safe = body.tables.grammar.differentiable
    counts = striding(body) if not safe or _may_sum(body) else None
    if counts is None:
        loop(body)
    elif safe:
        _sum(body, _summed(body), counts)
    else:
        _carrying(body, counts)


def _carrying(body: Body, counts: Counting, copies: int = 1) -> None:
    """A `for` that carries values; a compiler may unroll it into so many copies."""
    inits, keeps = _header(body)
    _use(body, inits)
    index = body.new(I32, counts.index)
    body.used[index.id] = True
    carried = tuple([body.new(v.type, keep) for v, keep in zip(inits, keeps, strict=True)])
    current = Loop(carried, tuple(keeps), copies)
    saved = _open(body)
    body.loops.append(current)
    for value in (index, *carried):
        body.enter(value)
    statements(body, 1, 4)
    end = Terminator("yield", tuple(_carry(body, current, inits, counts.bound)))
    body.loops.pop()
    region = Region((index, *carried), _close(body, saved), end)
    results = tuple([body.new(v.type, keep) for v, keep in zip(inits, keeps, strict=True)])
    operands = (counts.start, counts.stop, *inits)
    body.statements.append(Statement("for", operands, results, counts.attribute, (region,)))
    for value in results:
        body.enter(value)


def _may_sum(body: Body) -> bool:
    """Whether a dynamic loop may stand here whose results are only added to what is stored."""
    return body.depth == 0 and body.memory is not None and not body.memory.kept


def _summed(body: Body) -> Scalar:
    """The type of what a loop sums up."""
    scalars = [s for s in FLOATS if body.tables.grammar.types.get(s.name, 0)] or [F32]
    first = anchor(body).type
    type_ = first if first in scalars else scalars[body.source.below(len(scalars))]
    assert isinstance(type_, Scalar)
    return type_


def _sum(body: Body, type_: Scalar, counts: Counting) -> None:
    """A dynamic `for` that adds terms up: the body does not see the sum, and no op reads it, as
    its value in between is not kept for the reverse pass."""
    source = body.source
    assert body.memory is not None
    init = body.constant(type_, 0.0)
    keeps = guards.carried(type_, body.ranges[init.id])
    body.used[init.id] = True
    index = body.new(I32, counts.index)
    body.used[index.id] = True
    total = body.new(type_, keeps)
    saved = _open(body)
    body.loops.append(Loop((), (), sum=True))
    body.enter(index)
    statements(body, 1, 4)
    growth = (counts.bound - 1).bit_length()
    fits = (ranges.ZERO, keeps[1] - 1 - growth, 0)  # so that the sum stays
    term = bring(body, gathered(body, type_), fits)
    name = "sub" if source.below(4) == 3 else "add"
    end = Terminator("yield", (body.apply(entry(name, (type_, type_)), [total, term]),))
    body.loops.pop()
    region = Region((index, total), _close(body, saved), end)
    result = body.new(type_, keeps)
    body.used[result.id] = True
    operands = (counts.start, counts.stop, init)
    body.statements.append(Statement("for", operands, (result,), counts.attribute, (region,)))
    body.memory.totals.append(result)


def bounded_while(body: Body) -> None:
    """A `while` that ends by its condition or after a fixed number of rounds."""
    bound = 2 + body.source.below(max(1, body.tables.grammar.trips - 1))
    inits, keeps = _header(body)
    _use(body, inits)
    regions: list[Region] = []
    for part in ("condition", "body"):
        index = body.new(I32, (0, bound - 1))
        body.used[index.id] = True
        carried = tuple([body.new(v.type, keep) for v, keep in zip(inits, keeps, strict=True)])
        saved = _open(body)
        if part == "condition":
            loops, body.loops = body.loops, []
            body.enter(index)
            for value in carried:
                body.enter(value)
            end = Terminator("yield", (comparison_of(body, carried),))
            body.loops = loops
        else:
            current = Loop(carried, tuple(keeps))
            body.loops.append(current)
            for value in (index, *carried):
                body.enter(value)
            statements(body, 1, 4)
            end = Terminator("yield", tuple(_carry(body, current, inits, bound)))
            body.loops.pop()
        regions.append(Region((index, *carried), _close(body, saved), end))
    results = tuple([body.new(v.type, keep) for v, keep in zip(inits, keeps, strict=True)])
    body.statements.append(Statement("while", tuple(inits), results, bound, tuple(regions)))
    for value in results:
        body.enter(value)


def comparison_of(body: Body, carried: tuple[Value, ...]) -> Value:
    """The condition of a `while`: a carried scalar against a constant or a value in scope."""
    below = body.source.below
    comparisons = body.tables.comparisons
    scalars = [value for value in carried if value.type in comparisons]
    if not scalars:
        return condition(body)
    left = scalars[below(len(scalars))]
    scalar = left.type
    assert isinstance(scalar, Scalar)
    right = threshold(body, left) if below(3) else operand(body, scalar, left)
    value = body.apply(comparisons[scalar].pick(body.source), [left, right])
    body.used[value.id] = True
    return value
