"""How often and where values are used: what may be left out, written in place, or overwritten."""

from __future__ import annotations

from dataclasses import dataclass, field

from grammar.program import Region, Statement, Unit, Value
from grammar.structural import effect_of


@dataclass(slots=True)
class Uses:
    """By value id: `counts` of uses by live statements, the region (a number) a value is defined in
    (`home`) and last used in (`place`); `last` holds the statement that uses it last, in its home
    region, and `final` the values whose last use is the end of a region or what is written."""

    counts: dict[int, int] = field(default_factory=dict[int, int])
    home: dict[int, int] = field(default_factory=dict[int, int])
    place: dict[int, int] = field(default_factory=dict[int, int])
    last: dict[int, Statement] = field(default_factory=dict[int, Statement])
    final: set[int] = field(default_factory=set[int])
    regions: int = 0

    def dead(self, statement: Statement) -> bool:
        """Whether a statement does nothing that anything live sees."""
        if any(self.counts.get(value.id) for value in statement.results):
            return False
        return not _writes(statement)

    def inner(self, value: Value) -> bool:
        """Whether the only use stands in the region that defines the value."""
        key = value.id
        return self.counts.get(key) == 1 and self.place.get(key) == self.home.get(key, -1)

    def see(self, value: Value, region: int, statement: Statement | None) -> None:
        key = value.id
        seen = self.counts.get(key, 0)
        self.counts[key] = seen + 1
        if seen:
            return
        self.place[key] = region
        if statement is None:
            self.final.add(key)
        else:
            self.last[key] = statement


def _writes(statement: Statement) -> bool:
    if statement.regions:
        return any(_writes(inner) for region in statement.regions for inner in region.body)
    return effect_of(statement.op) == "write"


def count_uses(unit: Unit) -> Uses:
    """Count the uses in a unit, from the end, so that dead statements count nothing."""
    uses = Uses()
    _region(uses, unit.body)
    return uses


def _region(uses: Uses, region: Region) -> None:
    uses.regions += 1
    number = uses.regions
    for value in region.params:
        uses.home[value.id] = number
    for value in region.end.values:
        uses.see(value, number, None)
    for statement in reversed(region.body):
        for value in statement.results:
            uses.home[value.id] = number
        if uses.dead(statement):
            continue
        for inner in statement.regions:
            _region(uses, inner)
        written = effect_of(statement.op) == "write"
        for position, value in enumerate(statement.operands):
            last = position == len(statement.operands) - 1
            uses.see(value, number, None if written and last else statement)
