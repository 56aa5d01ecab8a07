"""`if`: both sides and `jnp.where` over all lanes, `lax.cond` over closures for one lane."""

from __future__ import annotations

import itertools

from backends import surface as s
from backends.cst import width
from backends.jax.frame import Body, together
from backends.jax.shapes import choice, trailing
from grammar.program import Statement, Value

PAIRS = (
    ("on_true", "on_false"),
    ("when_set", "otherwise"),
    ("take_left", "take_right"),
    ("branch_a", "branch_b"),
    ("if_true", "if_false"),
)
SIDES = tuple(name for pair in PAIRS for name in pair)


def emit_if(body: Body, statement: Statement) -> None:
    """An `if` in the form of the source's idiom."""
    if body.writer.sheet.idiom.whole:
        _select(body, statement)
    else:
        _cond(body, statement)


def _select(body: Body, statement: Statement) -> None:
    writer = body.writer
    condition = statement.operands[0]
    sides = [writer.region(body, region) for region in statement.regions]
    rows = [
        row
        for row in zip(statement.results, *sides, strict=True)
        if writer.uses.counts.get(row[0].id)
    ]
    if len(rows) > 1:
        body.settle(condition)
    for at, (result, yes, no) in enumerate(rows):
        if yes == no or _same(body, result, yes, no):
            body.alias(result, yes)
            continue
        values = (condition, yes, no)
        equal = len({writer.mask(value) for value in values}) == 1
        plain = equal and not trailing(result.type) and writer.choose(result.id, 6, 4) == 3

        def build(values: tuple[Value, Value, Value] = values, plain: bool = plain) -> s.Expr:
            if plain:
                return s.Call(writer.sheet.lax("select"), tuple(map(body.typed, values)))
            return choice(body, values[0], True, values[1], values[2])

        # Only the last choice may take the condition's name: the others still need it.
        ends = statement if at == len(rows) - 1 else None
        body.define(result, body.settle_wide(values, build, body.room), ends)


def _same(body: Body, result: Value, yes: Value, no: Value) -> bool:
    """Whether two values are spelled the same, and have the lane axes of their choice."""
    writer = body.writer
    if yes.id in body.pending or no.id in body.pending:
        return False
    same = writer.env[yes.id] == writer.env[no.id]
    return same and writer.mask(result) == writer.mask(yes) and result.type == yes.type


def _cond(body: Body, statement: Statement) -> None:
    writer = body.writer
    condition = statement.operands[0]
    results = statement.results
    names = names_of_sides(body, condition)
    blocks = [body.nested(), body.nested()]
    sides = [
        writer.region(block, region)
        for block, region in zip(blocks, statement.regions, strict=True)
    ]
    if not results:
        return
    empty = not any(block.lines for block in blocks)
    if empty and len(results) == 1 and writer.choose(results[0].id, 6, 3) < 2:
        writer.closures.difference_update(names)
        for block in blocks:
            body.pending.update(block.pending)
        values = (condition, sides[0][0], sides[1][0])
        if sides[0] == sides[1]:
            body.alias(results[0], sides[0][0])
            return

        def build() -> s.Expr:
            return choice(body, values[0], False, values[1], values[2])

        body.define(results[0], body.settle_wide(values, build, body.room), statement)
        return
    returned = [block.closing(side) for block, side in zip(blocks, sides, strict=True)]
    lambdas = [s.Lambda((), value) for value in returned]
    call = s.Call(writer.sheet.lax("cond"), (body.typed(condition), *lambdas))
    if not any(block.lines for block in blocks) and width(call) <= min(80, body.room):
        writer.closures.difference_update(names)
    else:
        for name, block, value in zip(names, blocks, returned, strict=True):
            body.add(s.FunctionDef(name, (), block.finish(value)))
        call = s.Call(call.func, (call.args[0], *map(s.Name, names)))
    if len(results) == 1:
        body.define(results[0], call, statement)
    else:
        body.assign(together([body.bind(result) for result in results]), call)


def names_of_sides(body: Body, value: Value) -> tuple[str, str]:
    """Names for the two functions of a `cond`."""
    writer = body.writer
    start = writer.choose(value.id, 1, len(PAIRS))
    for suffix in itertools.chain(("",), map("_{}".format, itertools.count(2))):
        for step in range(len(PAIRS)):
            pair = PAIRS[(start + step) % len(PAIRS)]
            names = (pair[0] + suffix, pair[1] + suffix)
            if names[0] not in writer.closures:
                writer.closures.update(names)
                return names
    raise AssertionError("names do not run out")
