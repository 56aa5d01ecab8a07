"""Loops in reverse.

The replay of a loop saves the carried values at the start of each round in local arrays. The
reverse loop runs the rounds from the last to the first: it reads what was carried, replays one
round, and sweeps it. It carries the cotangents of the carried values, and sums for values from
outside. What a sweep only passes on needs no carrying: a loop that accumulates has a reverse that
does nothing but accumulate, and its tape is dead code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grammar.gradient import tape
from grammar.gradient.emitter import Cotangent, Cotangents, renamed, writes
from grammar.passes.uses import used_ids
from grammar.program import Region, Statement, Terminator, Value, walk
from grammar.structural import effect_of
from grammar.types import I32, Array, Type

if TYPE_CHECKING:
    from grammar.gradient.adjoint import Reverse


@dataclass(frozen=True, slots=True)
class Taped:
    """What the replay of a loop left for its reverse: the number of rounds (an integer where it is
    known, a value where the loop counted it, None where it follows from the bounds of the loop) and
    the tape of each carried value that a round uses."""

    rounds: int | Value | None
    tapes: tuple[Value | None, ...]


def forward(reverse: Reverse, statement: Statement) -> None:
    """Replay a loop, and save what is carried. Leaves a `Taped` for the reverse.

    ValueError for a loop that carries a local array and reads it.
    """
    emitter, replay = reverse.emitter, reverse.replay
    carried = len(statement.results)
    fixed, inits = _split(statement)
    rounds, bound = _rounds(reverse, statement)
    used = used_ids(statement.regions[-1].body)
    taped = _taped(statement, used) if rounds != 0 else ()
    if not taped and statement.op == "for":
        reverse.taped[id(statement)] = Taped(rounds, (None,) * carried)
        return reverse.copy(statement)

    types = [_tape_type(statement.results[at].type, bound) for at in taped]
    counts = statement.op == "while"
    started = [tape.local(emitter, type_) for type_ in types]
    if counts:
        started.append(emitter.const(I32, 0))
    operands = (*replay.values((*fixed, *inits)), *started)

    regions: list[Region] = []
    for region in statement.regions:
        params = region.params if reverse.first else replay.again(region.params)
        added = tuple([emitter.fresh(value.type) for value in started])
        emitter.open()
        end: tuple[Value, ...] = ()
        if region is statement.regions[-1]:
            k = _position(reverse, statement, params[0])
            end = tuple(
                [
                    tape.put(emitter, array, (k,), params[at + 1])
                    for at, array in zip(taped, added, strict=False)
                ]
            )
            if counts:
                end = (*end, emitter.integer("add", k, 1))
        for inner in region.body:
            if effect_of(inner.op) != "write":
                reverse.copy(inner)
        values = (*replay.values(region.end.values), *end)
        kept = Region((*params, *added), emitter.close(), Terminator("yield", values))
        regions.append(kept)

    results = statement.results if reverse.first else replay.again(statement.results)
    emitter.replayed.update([value.id for value in results])
    extra = tuple([emitter.fresh(value.type) for value in started])
    emitter.append(
        Statement(statement.op, operands, (*results, *extra), statement.attribute, tuple(regions))
    )
    tapes = dict(zip(taped, extra, strict=False))
    reverse.taped[id(statement)] = Taped(
        extra[-1] if counts else rounds, tuple([tapes.get(at) for at in range(carried)])
    )
    return None


def _split(statement: Statement) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """The bounds of a loop, if it has any, and the initial values of what it carries."""
    at = len(statement.operands) - len(statement.results)
    return statement.operands[:at], statement.operands[at:]


def _tape_type(type_: Type, bound: int) -> Array:
    assert not isinstance(type_, Array)
    return Array(type_, (bound,))


def _taped(statement: Statement, used: set[int]) -> tuple[int, ...]:
    """The positions of the carried values that a round uses. A local array among them may only be
    replaced element by element, which the reverse undoes without knowing what it held."""
    body = statement.regions[-1]
    found: list[int] = []
    for at, param in enumerate(body.params[1:]):
        if param.id not in used:
            continue
        if not isinstance(param.type, Array):
            found.append(at)
        elif any(s.op == "get" and s.operands[0].id == param.id for s in walk(body)):
            raise ValueError("gradient: a loop reads a local array that it carries")
    return tuple(found)


def _rounds(reverse: Reverse, statement: Statement) -> tuple[int | None, int]:
    """How many rounds a loop makes, where constants tell, and how many at most."""
    attribute = statement.attribute
    if not isinstance(attribute, tuple):
        assert isinstance(attribute, int)
        return None, attribute
    step, bound = attribute
    start, stop = [reverse.constants.get(value.id) for value in statement.operands[:2]]
    if start is None or stop is None:
        return None, bound
    rounds = min(bound, max(0, -((start - stop) // step)))
    return rounds, max(1, rounds)


def _position(reverse: Reverse, statement: Statement, index: Value) -> Value:
    """The number of the round, counted from 0, in a replay."""
    if statement.op == "while":
        return index
    emitter = reverse.emitter
    step = _step(statement)
    if reverse.constants.get(statement.operands[0].id) != 0:
        index = emitter.integer("sub", index, reverse.replay.value(statement.operands[0]))
    return index if step == 1 else emitter.integer("div_trunc", index, step)


def _step(statement: Statement) -> int:
    assert isinstance(statement.attribute, tuple)
    return statement.attribute[0]


def reverse(reverse: Reverse, statement: Statement, cotangents: Cotangents) -> None:
    """Sweep a loop that was replayed in this region."""
    emitter, varied = reverse.emitter, reverse.varied
    taped = reverse.taped[id(statement)]
    seeds = [cotangents.take(emitter, result) for result in statement.results]
    if taped.rounds == 0:
        for init, seed in zip(_split(statement)[1], seeds, strict=True):
            if seed is not None and init.id in varied:
                tape.contribute(emitter, cotangents, init, seed)
        return
    if not any(seeds) and not writes(statement):
        return
    last, stop = _last_round(reverse, statement, taped)
    body = statement.regions[-1]
    slots = [at for at, param in enumerate(body.params[1:]) if param.id in varied]
    outside = _outside(body, varied)
    carried = [emitter.fresh(body.params[at + 1].type) for at in slots]
    sums = [emitter.fresh(value.type) for value in outside]
    round_ = emitter.fresh(I32)

    emitter.open()
    k = emitter.integer("sub", last, round_)
    _restore(reverse, statement, taped, k)
    reverse.forward(body.body)
    inner = Cotangents()
    for value, total in zip(outside, sums, strict=True):
        if isinstance(value.type, Array):
            inner.add(value, Cotangent(total))
    for at, cotangent in zip(slots, carried, strict=True):
        if body.end.values[at].id in varied:
            tape.contribute(emitter, inner, body.end.values[at], Cotangent(cotangent))
    reverse.sweep(body.body, inner)
    ends: list[Value] = []
    for at in slots:
        param = body.params[at + 1]
        found = inner.take(emitter, param)
        ends.append(tape.zero(emitter, param.type) if found is None else emitter.plain(found))
    for value, total in zip(outside, sums, strict=True):
        found = inner.take(emitter, value)
        if found is None:
            ends.append(total)
        elif isinstance(value.type, Array):
            ends.append(found.value)
        else:
            both = (total, emitter.plain(found))
            ends.append(emitter.op("add", both, value.type, None))
    made = emitter.close()

    inits = _split(statement)[1]
    starts: list[Value] = []
    for at, param in zip(slots, carried, strict=True):
        seed = seeds[at]
        starts.append(tape.zero(emitter, param.type) if seed is None else emitter.plain(seed))
    live = [ends[at].id != param.id for at, param in enumerate((*carried, *sums))]
    for value, lives in zip(outside, live[len(slots) :], strict=True):
        before = cotangents.take(emitter, value) if lives else None
        starts.append(tape.zero(emitter, value.type) if before is None else emitter.plain(before))
    params = (*carried, *sums)
    constant = {
        param.id: start
        for param, start, lives in zip(params, starts, live, strict=True)
        if not lives
    }
    if constant:
        made = renamed(made, constant)
    kept = [at for at, lives in enumerate(live) if lives]
    region = Region(
        (round_, *[params[at] for at in kept]),
        made,
        Terminator("yield", tuple([constant.get(ends[at].id, ends[at]) for at in kept])),
    )
    operands = (emitter.const(I32, 0), stop, *[starts[at] for at in kept])
    types = [params[at].type for at in kept]
    bound = _rounds(reverse, statement)[1]
    results = emitter.emit("for", operands, types, (1, bound), (region,))
    now = dict(zip(kept, results, strict=True))
    for at, slot in enumerate(slots):
        if inits[slot].id in varied:
            value = now.get(at, starts[at])
            if at in now or seeds[slot] is not None:
                tape.contribute(emitter, cotangents, inits[slot], Cotangent(value))
    for at, value in enumerate(outside, len(slots)):
        if at in now:
            tape.contribute(emitter, cotangents, value, Cotangent(now[at]))


def _last_round(reverse: Reverse, statement: Statement, taped: Taped) -> tuple[Value, Value]:
    """The number of the last round, counted from 0, and the number of rounds."""
    emitter = reverse.emitter
    rounds = taped.rounds
    if rounds is None:
        start, stop = reverse.replay.values(statement.operands[:2])
        step = _step(statement)
        if reverse.constants.get(statement.operands[0].id) != 0:
            stop = emitter.integer("sub", stop, start)
        if step != 1:
            stop = emitter.integer("add", stop, step - 1)
            stop = emitter.integer("div_trunc", stop, step)
        bound = _rounds(reverse, statement)[1]
        limits = (emitter.const(I32, 0), emitter.const(I32, bound))
        rounds = emitter.op("clamp", (stop, *limits), I32, None)
    if isinstance(rounds, int):
        return emitter.const(I32, rounds - 1), emitter.const(I32, rounds)
    return emitter.integer("sub", rounds, 1), rounds


def _restore(reverse: Reverse, statement: Statement, taped: Taped, k: Value) -> None:
    """Make the parameters of a round what they were in round k."""
    emitter, replay = reverse.emitter, reverse.replay
    index, *carried = statement.regions[-1].params
    now = k
    if statement.op == "for":
        step = _step(statement)
        if step != 1:
            now = emitter.integer("mul", now, step)
        if reverse.constants.get(statement.operands[0].id) != 0:
            now = emitter.integer("add", now, replay.value(statement.operands[0]))
    replay.now[index.id] = now
    for param, array in zip(carried, taped.tapes, strict=True):
        if array is not None:
            replay.now[param.id] = tape.get(emitter, array, (k,))
            emitter.replayed.add(replay.now[param.id].id)
        elif isinstance(param.type, Array):
            replay.now[param.id] = tape.local(emitter, param.type)


def _outside(region: Region, varied: Mapping[int, Value]) -> list[Value]:
    """The varied values from outside that a round uses, in the order of their ids."""
    used = used_ids(region.body) | {value.id for value in region.end.values}
    made = {value.id for value in region.params}
    for statement in walk(region):
        made.update([value.id for value in statement.results])
        for inner in statement.regions:
            made.update([value.id for value in inner.params])
    return [varied[at] for at in sorted(used & varied.keys()) if at not in made]
