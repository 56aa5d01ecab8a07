"""Places: the statements of a program, each with what a rewrite sees and changes there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from grammar.build import Builder
from grammar.passes.effects import constants
from grammar.passes.uses import highest_id
from grammar.program import Program, Region, Statement, Terminator, Unit, Value, walk
from grammar.structural import ATOMICS, effect_of, op_kind
from grammar.types import Array, scalar_of


@dataclass(frozen=True, slots=True)
class Place:
    """One statement of a program.

    - `number`: the unit; `region`, `index`: the region and the place in its body.
    - `path`: the regions around, outermost first, each with the place in its body of the statement
      that holds the next, and which of that statement's regions the next is.
    - `visible`: the values in scope just before the statement.
    - `known`: the integer literals of the unit, by value id.
    """

    program: Program
    number: int
    region: Region
    index: int
    path: tuple[tuple[Region, int, int], ...]
    visible: tuple[Value, ...]
    known: Mapping[int, int]

    @property
    def unit(self) -> Unit:
        return self.program.units[self.number]

    @property
    def statement(self) -> Statement:
        return self.region.body[self.index]

    def builder(self) -> Builder:
        """A builder whose values are new to the unit."""
        return Builder(self.program.units[: self.number], highest_id(self.unit) + 1)

    def with_region(self, region: Region) -> Program:
        """The program with another region here."""
        for outer, index, which in reversed(self.path):
            holder = outer.body[index]
            regions = (*holder.regions[:which], region, *holder.regions[which + 1 :])
            made = holder._replace(regions=regions)
            region = outer._replace(body=(*outer.body[:index], made, *outer.body[index + 1 :]))
        unit = replace(self.unit, body=region)
        units = self.program.units
        return Program((*units[: self.number], unit, *units[self.number + 1 :]))

    def with_body(self, body: Iterable[Statement]) -> Program:
        """The program with another body of the region."""
        return self.with_region(self.region._replace(body=tuple(body)))

    def instead(
        self, made: Iterable[Statement], known: Mapping[int, Value] | None = None
    ) -> Program:
        """The program with other statements in place of this one; where `known` maps its results,
        the rest of the region uses those values."""
        body = self.region.body
        rest = body[self.index + 1 :]
        end = self.region.end
        if known:
            rest = tuple([substituted(statement, known) for statement in rest])
            end = ended(end, known)
        return self.with_region(
            Region(self.region.params, (*body[: self.index], *made, *rest), end)
        )


def places(program: Program) -> list[Place]:
    """Every statement of every unit, in order, nested ones after the statement that holds them."""
    found: list[Place] = []
    for number, unit in enumerate(program.units):
        known = constants(unit)
        found.extend(_inside(program, number, unit.body, (), (), known))
    return found


def _inside(
    program: Program,
    number: int,
    region: Region,
    path: tuple[tuple[Region, int, int], ...],
    outer: tuple[Value, ...],
    known: Mapping[int, int],
) -> Iterator[Place]:
    visible = [*outer, *region.params]
    for index, statement in enumerate(region.body):
        seen = tuple(visible)
        yield Place(program, number, region, index, path, seen, known)
        for which, inner in enumerate(statement.regions):
            deeper = (*path, (region, index, which))
            yield from _inside(program, number, inner, deeper, seen, known)
        visible.extend(statement.results)


# Statements and values


def substituted(statement: Statement, known: Mapping[int, Value]) -> Statement:
    """The statement with other values in place of those that it, or a region in it, uses."""
    operands = tuple([known.get(value.id, value) for value in statement.operands])
    regions = tuple(
        [
            Region(
                region.params,
                tuple([substituted(inner, known) for inner in region.body]),
                ended(region.end, known),
            )
            for region in statement.regions
        ]
    )
    return statement._replace(operands=operands, regions=regions)


def ended(end: Terminator, known: Mapping[int, Value]) -> Terminator:
    """The terminator with other values."""
    return end._replace(values=now(end.values, known))


def now(values: Iterable[Value], known: Mapping[int, Value]) -> tuple[Value, ...]:
    """What values are called now."""
    return tuple([known.get(value.id, value) for value in values])


def copied(
    b: Builder, statements: Iterable[Statement], known: dict[int, Value]
) -> tuple[Statement, ...]:
    """Copies with results of their own, which `known` learns, and operands as `known` has them."""
    made: list[Statement] = []
    for statement in statements:
        regions = tuple([copied_region(b, region, known) for region in statement.regions])
        operands = now(statement.operands, known)
        results = _renewed(b, statement.results, known)
        made.append(Statement(statement.op, operands, results, statement.attribute, regions))
    return tuple(made)


def copied_region(b: Builder, region: Region, known: dict[int, Value]) -> Region:
    """The copy of a region."""
    params = _renewed(b, region.params, known)
    body = copied(b, region.body, known)
    return Region(params, body, ended(region.end, known))


def _renewed(b: Builder, values: Sequence[Value], known: dict[int, Value]) -> tuple[Value, ...]:
    made = tuple([b.fresh(value.type) for value in values])
    known.update({old.id: new for old, new in zip(values, made, strict=True)})
    return made


def emitted(b: Builder, emit: Callable[[], object]) -> tuple[Statement, ...]:
    """The statements that a callable emits."""

    def body() -> None:
        emit()

    return b.region((), body).body


def bound(statement: Statement, results: tuple[Value, ...]) -> Statement:
    """The statement with other results."""
    return statement._replace(results=results)


# What statements do


def rounds_are_free(region: Region) -> bool:
    """Whether rounds of a body may be told apart. Sums of floats over lanes depend on the order of
    rounds, and the gradient of their extremes, at ties, on how many statements there are."""
    return all(kind_of(s.operands[-1]) != "float" for s in walk(region) if s.op in ATOMICS)


def stores(region: Region) -> bool:
    """Whether a region stores: that it surely runs then decides what a kernel leaves of an array's
    old content, and with it which of the kernel's arrays have a gradient."""
    return any(statement.op == "store" for statement in walk(region))


def leaves(region: Region, kinds: tuple[str, ...] = ("break", "continue", "return")) -> bool:
    """Whether a region, or one in it, ends with an exit of such a kind. Those of loops inside
    count as well."""
    return region.end.kind in kinds or any(
        leaves(inner, kinds) for statement in region.body for inner in statement.regions
    )


def exits_loop(region: Region) -> bool:
    """Whether a loop with this body is left or continued by its own exits."""
    for statement in region.body:
        if statement.op == "if":
            for inner in statement.regions:
                if inner.end.kind in ("break", "continue") or exits_loop(inner):
                    return True
    return False


def is_pure(statement: Statement, *, reads: frozenset[int] | None = None) -> bool:
    """Whether a statement, with all in it, only computes: no memory, no exits. With `reads`, loads
    of arrays that are not among these ids count as computing."""
    if statement.op == "load" and reads is not None:
        return statement.operands[0].id not in reads
    if effect_of(statement.op) != "none":
        return False
    return all(
        region.end.kind == "yield" and all(is_pure(inner, reads=reads) for inner in region.body)
        for region in statement.regions
    )


def is_row(statement: Statement) -> bool:
    """Whether a statement applies an op that has a row."""
    return op_kind(statement.op) == "row"


def written_arrays(unit: Unit) -> frozenset[int]:
    """The ids of the arrays that a kernel writes."""
    return frozenset(
        [s.operands[0].id for s in walk(unit.body) if effect_of(s.op) == "write" and s.operands]
    )


def is_element(value: Value) -> bool:
    """Whether a value is no array."""
    return not isinstance(value.type, Array)


def kind_of(value: Value) -> str:
    """The kind of the scalar at the bottom of a value's type."""
    return scalar_of(value.type).kind


def mentions(statement: Statement, ids: set[int]) -> bool:
    """Whether a statement, or a region in it, uses one of the values."""
    return any(value.id in ids for value in statement.operands) or any(
        any(mentions(inner, ids) for inner in region.body)
        or any(value.id in ids for value in region.end.values)
        for region in statement.regions
    )


def count_uses(unit: Unit) -> dict[int, int]:
    """How often each value is used, by id."""
    counts: dict[int, int] = {}

    def see(values: Iterable[Value]) -> None:
        for value in values:
            counts[value.id] = counts.get(value.id, 0) + 1

    def visit(region: Region) -> None:
        for statement in region.body:
            see(statement.operands)
            for inner in statement.regions:
                visit(inner)
        see(region.end.values)

    visit(unit.body)
    return counts
