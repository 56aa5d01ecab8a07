"""Tidying: nothing is left that nothing needs, in signatures too."""

from __future__ import annotations

from dataclasses import replace

from grammar.passes.dce import eliminate_dead_code, used_parameters
from grammar.program import Program, Region, Statement, Unit, statements

_TARGETED = ("call", "launch")


def tidy(program: Program) -> Program:
    """The program without dead code, without parameters that nothing uses, the entry's included,
    and without results of functions that no caller uses. Values keep their ids."""
    while True:
        program = eliminate_dead_code(program, parameters=True)
        shorter = _narrowed(program)
        if shorter is program:
            return program
        program = shorter


def _narrowed(program: Program) -> Program:
    """The program with fewer parameters and results of the units before the entry."""
    *others, entry = program.units
    given = _used_results(program)
    params = [used_parameters(unit) for unit in others]
    results = [
        tuple(sorted(given.get(number, ()))) if unit.kind == "function" else ()
        for number, unit in enumerate(others)
    ]
    if all(
        len(kept) == len(unit.parameters) and len(returned) == len(unit.results)
        for unit, kept, returned in zip(others, params, results, strict=True)
    ):
        return program
    made: list[Unit] = []
    for unit, kept, returned in zip(others, params, results, strict=True):
        rank = len(unit.grid)
        body = _region(unit.body, params, results, returned)
        chosen = [unit.parameters[at] for at in kept]
        body = body._replace(params=(*unit.body.params[:rank], *chosen))
        types = tuple([unit.results[at] for at in returned])
        made.append(Unit(unit.kind, body, types, unit.grid))
    made.append(replace(entry, body=_region(entry.body, params, results, None)))
    return Program(tuple(made))


def _used_results(program: Program) -> dict[int, set[int]]:
    """By function, the positions of the results that some call uses."""
    found: dict[int, set[int]] = {}
    for unit in program.units:
        own = list(statements(Program((unit,))))
        used = {value.id for one in own for value in one.operands}
        used |= {value.id for one in own for region in one.regions for value in region.end.values}
        used |= {value.id for value in unit.body.end.values}
        for one in own:
            if one.op == "call":
                assert isinstance(one.attribute, int)
                positions = [at for at, value in enumerate(one.results) if value.id in used]
                found.setdefault(one.attribute, set()).update(positions)
    return found


def _region(
    region: Region,
    params: list[tuple[int, ...]],
    results: list[tuple[int, ...]],
    returned: tuple[int, ...] | None,
) -> Region:
    """A region whose calls and launches pass what is left; a `return` hands on `returned` only."""
    body: list[Statement] = []
    for one in region.body:
        regions = tuple([_region(inner, params, results, returned) for inner in one.regions])
        operands, made = one.operands, one.results
        if one.op in _TARGETED:
            assert isinstance(one.attribute, int)
            operands = tuple([operands[at] for at in params[one.attribute]])
            if one.op == "call":
                made = tuple([made[at] for at in results[one.attribute]])
        body.append(Statement(one.op, operands, made, one.attribute, regions))
    end = region.end
    if end.kind == "return" and returned is not None:
        end = end._replace(values=tuple([end.values[at] for at in returned if end.values]))
    return Region(region.params, tuple(body), end)
