"""Dead code elimination: statements, results, carried values and units that nothing needs.

One sweep from the end backwards keeps what changes memory, leaves the unit, or defines a needed
value. A loop is swept until no further carried value turns out to be needed, so that one used only
by itself is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from grammar.passes.uses import unit_uses
from grammar.program import Program, Region, Statement, Terminator, Unit
from grammar.structural import effect_of


def eliminate_dead_code(program: Program, *, parameters: bool = False) -> Program:
    """Every unit without dead statements, then without units the entry does not reach. The entry's
    parameters stay, but for unused ones with `parameters`. Idempotent; values keep their ids."""
    *others, entry = program.units
    made = [eliminate_dead(unit) for unit in others]
    return drop_unused_units(Program((*made, eliminate_dead(entry, parameters=parameters))))


def eliminate_dead(unit: Unit, *, parameters: bool = False) -> Unit:
    """One unit without dead statements, results and carried values; with `parameters`, also
    without parameters that nothing uses, which changes the signature. A kernel keeps its grid
    indices."""
    needed = {value.id for value in unit.body.end.values}
    body = _sweep(unit.body.body, needed, ())
    params = unit.body.params
    if parameters:
        rank = len(unit.grid)
        params = (*params[:rank], *[param for param in params[rank:] if param.id in needed])
    return Unit(unit.kind, Region(params, body, unit.body.end), unit.results, unit.grid)


def drop_unused_units(program: Program) -> Program:
    """Keep the units that the entry calls or launches, directly or not, and renumber them."""
    return renumbered(program, reached_units(program))


def reached_units(program: Program) -> tuple[int, ...]:
    """The numbers of the units that the entry calls or launches, directly or not, and its own."""
    reached = [False] * len(program.units)
    reached[-1] = True
    for number in range(len(reached) - 1, -1, -1):
        if reached[number]:
            for target in _targets(program.units[number].body):
                reached[target] = True
    return tuple([number for number, is_reached in enumerate(reached) if is_reached])


def renumbered(program: Program, kept: tuple[int, ...]) -> Program:
    """The program of some of its units, which reach no others."""
    if len(kept) == len(program.units):
        return program
    numbers = {old: new for new, old in enumerate(kept)}
    return Program(
        tuple(
            [
                replace(u, body=_renumber(u.body, numbers))
                for u in map(program.units.__getitem__, kept)
            ]
        )
    )


def used_parameters(unit: Unit) -> tuple[int, ...]:
    """The positions of the parameters that the body uses."""
    used = unit_uses(unit)
    return tuple([at for at, value in enumerate(unit.parameters) if value.id in used])


def drop_unused_parameters(unit: Unit) -> Unit:
    """The unit with only the parameters of `used_parameters`; a kernel keeps its grid indices.
    Changes the signature, so it is for units that no other unit names."""
    kept = [unit.parameters[at] for at in used_parameters(unit)]
    params = (*unit.body.params[: len(unit.grid)], *kept)
    return replace(unit, body=unit.body._replace(params=params))


_TARGETED = ("call", "launch")


def _targets(region: Region) -> Iterable[int]:
    for statement in region.body:
        if statement.op in _TARGETED:
            assert isinstance(statement.attribute, int)
            yield statement.attribute
        for inner in statement.regions:
            yield from _targets(inner)


def _renumber(region: Region, numbers: dict[int, int]) -> Region:
    body: list[Statement] = []
    for old in region.body:
        attribute = old.attribute
        if old.op in _TARGETED:
            assert isinstance(attribute, int)
            attribute = numbers[attribute]
        elif not old.regions:
            body.append(old)
            continue
        regions = tuple([_renumber(inner, numbers) for inner in old.regions])
        body.append(Statement(old.op, old.operands, old.results, attribute, regions))
    return Region(region.params, tuple(body), region.end)


def _acts(statement: Statement) -> bool:
    """Whether a statement writes memory or leaves the unit, itself or within."""
    if effect_of(statement.op) == "write":
        return True
    for region in statement.regions:
        if region.end.kind == "return" or any(_acts(inner) for inner in region.body):
            return True
    return False


def _leaves_loop(statement: Statement) -> bool:
    """Whether an `if` ends a round of the loop it stands in."""
    return statement.op == "if" and any(
        region.end.kind in ("break", "continue")
        or any(_leaves_loop(inner) for inner in region.body)
        for region in statement.regions
    )


def _sweep(
    body: tuple[Statement, ...], needed: set[int], slots: Iterable[int]
) -> tuple[Statement, ...]:
    """What is needed of a body, given the ids needed after it; adds those it needs itself.

    `slots` are the needed carried values of the loop around it.
    """
    kept: list[Statement] = []
    for statement in reversed(body):
        results = statement.results
        if not statement.regions:
            # What has no result writes memory.
            if not results or not needed.isdisjoint([value.id for value in results]):
                needed.update([value.id for value in statement.operands])
                kept.append(statement)
            continue
        wanted = [at for at, value in enumerate(results) if value.id in needed]
        if wanted or _acts(statement) or _leaves_loop(statement):
            shorten = _shorten_if if statement.op == "if" else _shorten_loop
            kept.append(shorten(statement, wanted, needed, slots))
    kept.reverse()
    return tuple(kept)


def _shorten_if(
    statement: Statement, wanted: list[int], needed: set[int], slots: Iterable[int]
) -> Statement:
    """An `if` with the wanted results only."""
    regions: list[Region] = []
    for region in statement.regions:
        end = region.end
        if end.kind == "yield":
            end = _only(end, wanted)
        elif end.kind != "return":
            end = _only(end, slots)
        needed.update([value.id for value in end.values])
        regions.append(Region(region.params, _sweep(region.body, needed, slots), end))
    needed.update([value.id for value in statement.operands])
    results = tuple([statement.results[at] for at in wanted])
    return Statement(statement.op, statement.operands, results, None, tuple(regions))


def _shorten_loop(
    statement: Statement, wanted: list[int], needed: set[int], slots: Iterable[int]
) -> Statement:
    """A loop with the carried values only that its results, or needed ones, depend on."""
    carried = len(statement.results)
    first = len(statement.operands) - carried
    *conditions, last = statement.regions
    while True:
        regions: list[Region] = []
        for region in conditions:
            needed.update([value.id for value in region.end.values])
            regions.append(Region(region.params, _sweep(region.body, needed, ()), region.end))
        end = _only(last.end, wanted)
        needed.update([value.id for value in end.values])
        regions.append(Region(last.params, _sweep(last.body, needed, wanted), end))
        found = [
            at
            for at in range(carried)
            if at in wanted
            or any(region.params[at + 1].id in needed for region in statement.regions)
        ]
        if found == wanted:
            break
        wanted = found
    trimmed = [
        Region((r.params[0], *[r.params[at + 1] for at in wanted]), r.body, r.end) for r in regions
    ]
    operands = (*statement.operands[:first], *[statement.operands[first + at] for at in wanted])
    needed.update([value.id for value in operands])
    results = tuple([statement.results[at] for at in wanted])
    return Statement(statement.op, operands, results, statement.attribute, tuple(trimmed))


def _only(end: Terminator, slots: Iterable[int]) -> Terminator:
    return Terminator(end.kind, tuple([end.values[at] for at in slots]))
