"""Loops: unrolled by Python, `lax.fori_loop` or `lax.scan`, always over a static number of rounds.

A loop whose trip count depends on values runs to its bound; rounds past its end keep what is
carried. So reverse mode works for every loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backends import surface as s
from backends.cst import width
from backends.jax.branches import SIDES
from backends.jax.frame import AUGMENTED, Body, together
from backends.jax.shapes import NONE, choice, spread_out
from backends.jax.spell import I32_TYPE, TRUE, integer, jnp
from grammar.program import Region, Statement, Value
from grammar.types import BOOL, I32, Type

BODIES = ("body", "step_fn", "loop_body", "advance", "apply_step", "update_step", "round_fn")
CARRY = s.Name("carry")
UNROLLED_ROUNDS = 8
UNROLLED_STATEMENTS = 64
CLOSURES = frozenset(
    {*SIDES, *BODIES, CARRY.id, "shape", "lane", "per_item", "per_lane", "item_fn", "cell_fn"}
)
"""Names that nested functions take; locals must not."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """The rounds of a loop: `count` of them, the index running from `start` in steps of `step`.

    `start` is None where it is only known at run time.
    """

    count: int
    start: int | None
    step: int

    def counts(self, steps: bool) -> tuple[int, int, int] | None:
        """Start, stop and step of a counter that is the index itself; None where the counter runs
        from 0 and the index has to be computed. `steps`: whether a counter may do other than 1."""
        if self.start is None or (self.step != 1 and not steps):
            return None
        return self.start, self.start + self.count * self.step, self.step


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop to be written. `write` writes one round, given its body, the counter, and whether the
    counter is the index; it returns what is carried on. `flag` names "still running" of a `while`;
    `counted` says whether a round needs the counter."""

    statement: Statement
    rounds: Rounds
    inits: Sequence[Value]
    flag: s.Name | None
    write: Callable[[Body, s.Name, bool], list[s.Expr]]
    counted: bool

    @property
    def params(self) -> tuple[Value, ...]:
        return self.statement.regions[-1].params[1:]

    @property
    def key(self) -> int:
        return self.statement.regions[-1].params[0].id


def emit_for(body: Body, statement: Statement) -> None:
    """A `for` of the language."""
    writer = body.writer
    start, stop, *inits = statement.operands
    assert isinstance(statement.attribute, tuple)
    step, bound = statement.attribute
    region = statement.regions[0]
    first, last = writer.constants.get(start.id), writer.constants.get(stop.id)
    index = region.params[0]
    if first is not None and last is not None:
        rounds = Rounds(max(0, -((first - last) // step)), first, step)
        masked = False
    else:
        rounds = Rounds(bound, first, step)
        masked = True
        body.settle(stop)
    if first is None:
        body.settle(start)

    def write(inner: Body, counter: s.Name, direct: bool) -> list[s.Expr]:
        if counted and direct:
            writer.env[index.id] = counter
        elif counted:
            _computed(inner, index, start, rounds, counter)
        if not masked:
            return _next(inner, region)
        last = inner.operand(stop)
        first = inner.typed(index) if last.weak else inner.raw(index)
        flag = s.Name(writer.names.fresh("flag"))
        inner.assign(flag, s.Binary("<", first, last.expr))
        return _next(inner, region, flag)

    counted = masked or bool(writer.uses.counts.get(index.id))
    _loop(body, Loop(statement, rounds, inits, None, write, counted))


def emit_while(body: Body, statement: Statement) -> None:
    """A `while` of the language: it carries whether it still runs."""
    writer = body.writer
    assert isinstance(statement.attribute, int)
    rounds = Rounds(statement.attribute, 0, 1)
    test, region = statement.regions
    flag = s.Name(writer.names.fresh("flag"))

    def write(inner: Body, counter: s.Name, direct: bool) -> list[s.Expr]:
        for param, other in zip(test.params[1:], region.params[1:], strict=True):
            writer.env[param.id] = writer.env[other.id]
        for part in (test, region):
            writer.env[part.params[0].id] = counter
        condition = writer.region(inner, test)[0]
        inner.assign(flag, s.Binary("&", flag, inner.typed(condition)))
        return _next(inner, region, flag)

    counts = writer.uses.counts
    counted = any(counts.get(part.params[0].id) for part in statement.regions)
    _loop(body, Loop(statement, rounds, statement.operands, flag, write, counted))


def _computed(body: Body, index: Value, start: Value, rounds: Rounds, counter: s.Name) -> None:
    """Bind the index of a round to `start + counter * step`."""
    writer = body.writer
    offset: s.Expr = counter
    if rounds.step != 1:
        offset = s.Binary("*", counter, integer(rounds.step))
    first = body.raw(start) if rounds.start is not None else body.typed(start)
    name = s.Name(writer.names.fresh("loop"))
    body.assign(name, offset if rounds.start == 0 else s.Binary("+", first, offset))
    writer.env[index.id] = name
    writer.weak.pop(index.id, None)


def _next(body: Body, region: Region, running: s.Expr | None = None) -> list[s.Expr]:
    """Write a round; returns what it carries on, the old values where it does not run."""
    writer = body.writer
    values = writer.region(body, region)
    found: list[s.Expr] = []
    for param, value in zip(region.params[1:], values, strict=True):
        waits = running is not None and value.id in body.pending
        if waits and width(writer.env[value.id]) > 24:
            body.settle(value)
        if value == param:
            found.append(writer.env[param.id])
        elif running is None:
            found.append(spread_out(body, value, writer.mask(param)))
        else:
            found.append(choice(body, running, writer.axes is not None, value, param))
    return found


def _weight(region: Region) -> int:
    """How many statements unrolling a region once writes to the compiler."""
    total = 0
    for statement in region.body:
        inner = sum(map(_weight, statement.regions))
        attribute = statement.attribute
        if statement.op == "for" and isinstance(attribute, tuple):
            total += inner * attribute[1]
        elif statement.op == "while" and isinstance(attribute, int):
            total += inner * attribute
        else:
            total += 1 + inner
    return total


def _loop(body: Body, loop: Loop) -> None:
    form = body.writer.sheet.idiom.loop
    count = loop.rounds.count
    written = count * sum(map(_weight, loop.statement.regions))
    if form == "unroll" and count <= UNROLLED_ROUNDS and written <= UNROLLED_STATEMENTS:
        _python(body, loop)
    else:
        _lax(body, loop, form == "scan")


def _python(body: Body, loop: Loop) -> None:
    """Python unrolls the loop while it is traced; carried values are rebound."""
    writer = body.writer
    for param, init, result in zip(loop.params, loop.inits, loop.statement.results, strict=True):
        name = None
        once = loop.statement.operands.count(init) == 1
        if once and (writer.mask(init) == writer.mask(param) or writer.spread is None):
            name = body.outlived(result, (init,), loop.statement)
        if name is None:
            name = s.Name(writer.fresh(param.type))
            body.assign(name, spread_out(body, init, writer.mask(param)))
        writer.env[param.id] = writer.env[result.id] = name
    if loop.flag is not None:
        body.assign(loop.flag, TRUE)
    counter = s.Name(writer.names.fresh("loop") if loop.counted else "_")
    for region in loop.statement.regions:
        writer.weak[region.params[0].id] = I32
    inner = body.nested()
    counts = loop.rounds.counts(True)
    found = loop.write(inner, counter, counts is not None)
    types = [param.type for param in loop.params]
    rebind(inner, [writer.env[param.id] for param in loop.params], found, types)
    steps = counter_range(counts if loop.counted else None, loop.rounds.count)
    values = s.Call(s.Name("range"), steps)
    body.add(s.For(counter, values, tuple(inner.lines) or (s.Pass(),)))


def counter_range(counts: tuple[int, int, int] | None, count: int) -> tuple[s.Expr, ...]:
    """The arguments of a range, as few as will do."""
    start, stop, step = counts or (0, count, 1)
    if step != 1:
        return integer(start), integer(stop), integer(step)
    return (integer(start), integer(stop)) if start else (integer(stop),)


def rebind(
    body: Body, names: Sequence[s.Expr], values: Sequence[s.Expr], types: Sequence[Type] = ()
) -> None:
    """Assign the next round's values, all at once where they refer to each other."""
    pairs = [(n, v) for n, v in zip(names, values, strict=True) if n != v]
    targets = {n.id for n, _ in pairs if isinstance(n, s.Name)}
    crossed = any((names_in(v) & targets) - {n.id} for n, v in pairs if isinstance(n, s.Name))
    if crossed:
        target = s.Tuple(tuple([n for n, _ in pairs]))
        news = [v for _, v in pairs]
        if types:
            kinds = [kind for kind, n, v in zip(types, names, values, strict=True) if n != v]
            news = body.fitting(news, kinds, body.left(width(target) + 3))
        body.assign(target, s.Tuple(tuple(news)))
        return
    for name, value in pairs:
        if isinstance(value, s.Binary) and value.left == name and value.op in AUGMENTED:
            body.add(s.AugAssign(name, value.op, value.right))
        else:
            body.assign(name, value)


def names_in(expr: s.Expr | s.Slice | None) -> set[str]:
    """The names an expression refers to."""
    match expr:
        case s.Name(id=name):
            return {name}
        case s.Attribute(value=inner) | s.Unary(operand=inner) | s.Lambda(body=inner):
            return names_in(inner)
        case s.Binary(left=left, right=right):
            return names_in(left) | names_in(right)
        case s.Call(func=func, args=args, keywords=keywords):
            parts = [func, *args, *[value for _, value in keywords]]
            return set[str]().union(*map(names_in, parts))
        case s.Subscript(value=value, indices=indices):
            return names_in(value).union(*map(names_in, indices))
        case s.Tuple(items=items) | s.List(items=items):
            return set[str]().union(*map(names_in, items))
        case s.Conditional(test=test, body=yes, orelse=no):
            return names_in(test) | names_in(yes) | names_in(no)
        case s.Slice(lower=lower, upper=upper, step=step):
            return names_in(lower) | names_in(upper) | names_in(step)
        case _:
            return set()


def _lax(body: Body, loop: Loop, scans: bool) -> None:
    """`lax.fori_loop` or `lax.scan` over a nested function."""
    writer = body.writer
    rounds = loop.rounds
    starts = [
        spread_out(body, init, writer.mask(param))
        for param, init in zip(loop.params, loop.inits, strict=True)
    ]
    names = [s.Name(writer.fresh(param.type)) for param in loop.params]
    for param, name in zip(loop.params, names, strict=True):
        writer.env[param.id] = name
    results = loop.statement.results
    alone = not scans and len(results) == 1 and loop.flag is None
    targets: list[s.Expr] = [] if alone else [body.bind(result) for result in results]
    if loop.flag is not None:
        running = 0 if writer.axes is None else writer.axes.loops.get(loop.key, 0)
        starts.insert(0, _running(body, running))
        names.insert(0, loop.flag)
        targets.insert(0, s.Name("_"))
    counter = s.Name(writer.names.fresh("loop") if loop.counted else "_")
    name = s.Name(writer.closure(BODIES, loop.key))
    inner = body.nested()
    if len(names) > 1:
        inner.assign(s.Tuple(tuple(names)), CARRY)
    counts = rounds.counts(scans)
    low, high, _ = counts or (0, rounds.count, 1)
    bounds: tuple[s.Expr, s.Expr] = (integer(low), integer(high))
    if loop.counted and not scans and writer.sheet.wide:
        # JAX counts in 64 bits where it has them; with typed bounds there is no reverse mode.
        inner.assign(counter, s.Call(s.Attribute(counter, "astype"), (I32_TYPE,)))
    found = loop.write(inner, counter, counts is not None)
    if loop.flag is not None:
        found.insert(0, loop.flag)
    params = (counter, names[0] if len(names) == 1 else CARRY)
    types = [*[BOOL] * (loop.flag is not None), *[param.type for param in loop.params]]
    value = together(inner.fitting(found, types, inner.left(18 if scans else 8)))
    if scans:
        params = params[::-1]
        value = s.Tuple((value, NONE))
    body.add(s.FunctionDef(name.id, tuple([s.Param(p.id) for p in params]), inner.finish(value)))
    taken = width(together(targets or [name])) + width(name) + 22 + 4 * scans
    if scans and loop.counted:
        kind = (("dtype", I32_TYPE),)
        counters = s.Call(jnp("arange"), counter_range(counts, rounds.count), kind)
        starts.append(counters)
        types.append(I32)
    else:
        taken += 15 * scans
    starts = list(body.fitting(starts, types, body.left(taken)))
    counters = starts.pop() if scans and loop.counted else NONE
    start = together(starts)
    lax = writer.sheet.lax
    if not scans:
        call = s.Call(lax("fori_loop"), (*bounds, name, start))
        if alone:
            body.define(results[0], call)
        else:
            body.assign(together(targets), call)
        return
    length = () if loop.counted else (("length", integer(rounds.count)),)
    call = s.Call(lax("scan"), (name, start, counters), length)
    body.assign(s.Tuple((together(targets), s.Name("_"))), call)


def _running(body: Body, mask: int) -> s.Expr:
    """True for every lane."""
    spread = body.writer.spread
    if not mask or spread is None:
        return TRUE
    shape = spread(mask, BOOL)
    if isinstance(shape, s.Tuple) and len(shape.items) == 1:
        shape = shape.items[0]
    return s.Call(jnp("ones"), (shape,), (("dtype", s.Name("bool")),))
