"""Branches and selections in place of each other."""

from __future__ import annotations

from grammar.program import Program, Region, Statement, Terminator
from grammar.rewrite.place import Place, count_uses, emitted, is_element, is_row
from grammar.rewrite.tame import may_run_anywhere
from grammar.source import Source


def is_branch(place: Place) -> bool:
    """Whether the statement is an `if`."""
    return place.statement.op == "if"


def exchange_sides(place: Place, source: Source) -> Program:
    """The sides exchanged under the opposite condition."""
    statement = place.statement
    b = place.builder()
    made = emitted(b, lambda: b.op("logical_not", statement.operands[0]))
    operands = made[-1].results
    return place.instead(
        [*made, statement._replace(operands=operands, regions=statement.regions[::-1])]
    )


def may_select(place: Place) -> bool:
    """Whether both sides of an `if` may run, so that its results can be selected."""
    statement = place.statement
    return (
        statement.op == "if"
        and bool(statement.results)
        and all(region.end.kind == "yield" for region in statement.regions)
        and all(
            may_run_anywhere(place, inner) for region in statement.regions for inner in region.body
        )
    )


def select_results(place: Place, source: Source) -> Program:
    """Both sides, then a selection for each result."""
    statement = place.statement
    then, otherwise = statement.regions
    (condition,) = statement.operands
    chosen = [
        Statement("select", (condition, a, b), (result,))
        for result, a, b in zip(
            statement.results, then.end.values, otherwise.end.values, strict=True
        )
    ]
    return place.instead([*then.body, *otherwise.body, *chosen])


def is_selection(place: Place) -> bool:
    """Whether the statement selects one element or another."""
    return (
        place.statement.op == "select"
        and place.unit.kind != "program"
        and is_element(place.statement.results[0])
    )


def branch_results(place: Place, source: Source) -> Program:
    """An `if` that yields one or the other; what only one side needs is computed there."""
    statement = place.statement
    condition, *sides = statement.operands
    body = list(place.region.body[: place.index])
    uses = count_uses(place.unit)
    regions: list[Region] = []
    for value in sides:
        inner: list[Statement] = []
        needed = {value.id: 1}
        for at in range(len(body) - 1, -1, -1):
            made = body[at]
            if not is_row(made):
                continue
            (result,) = made.results
            if result.id in needed and needed[result.id] == uses[result.id]:
                inner.insert(0, made)
                del body[at]
                for operand in made.operands:
                    needed[operand.id] = needed.get(operand.id, 0) + 1
        regions.append(Region((), tuple(inner), Terminator("yield", (value,))))
    made = Statement("if", (condition,), statement.results, None, tuple(regions))
    return place.with_body((*body, made, *place.region.body[place.index + 1 :]))
