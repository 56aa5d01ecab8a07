"""A grammar compiled to choice tables: what may be drawn where, with cumulative weights."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Generic, TypeVar

from grammar import ranges
from grammar.config import Grammar
from grammar.ops import OPS
from grammar.ops.base import Instance, Op
from grammar.ranges import Range
from grammar.source import Source
from grammar.types import (
    BOOL,
    FLOATS,
    I32,
    I64,
    SCALARS,
    SIZES,
    U32,
    U64,
    Element,
    Matrix,
    Scalar,
    Vector,
    scalar_of,
)

T = TypeVar("T")

_SHARE = 5040
"""Group weights are split among their ops in these parts; small totals divide it evenly."""


@dataclass(frozen=True, slots=True)
class Choice(Generic[T]):
    """Items with cumulative integer weights; the first item is the simplest."""

    items: tuple[T, ...]
    cumulative: tuple[int, ...]

    def pick(self, source: Source) -> T:
        return self.items[bisect_right(self.cumulative, source.below(self.cumulative[-1]))]


def choice(weighted: Iterable[tuple[T, int]]) -> Choice[T] | None:
    """A choice over the items of positive weight; None when there are none."""
    items: list[T] = []
    cumulative: list[int] = []
    total = 0
    for item, weight in weighted:
        if weight > 0:
            total += weight
            items.append(item)
            cumulative.append(total)
    return Choice(tuple(items), tuple(cumulative)) if items else None


@dataclass(frozen=True, slots=True)
class Entry:
    """An op at one typing, ready to apply. `anchor` is the operand position already chosen, `limit`
    the widest range its result may have."""

    op: Op
    instance: Instance
    anchor: int
    domains: tuple[tuple[int, ranges.Domain], ...]
    rule: Callable[[tuple[Range, ...], Instance, int], Range]
    attributes: int
    limit: Range


@cache
def entry(name: str, operands: tuple[Element, ...], result: Element | None = None) -> Entry:
    """The entry of an op at the typing with these operand types (and result, where several)."""
    op = OPS[name]
    for instance in op.instances:
        if instance.operands == operands and result in (None, instance.result):
            return _entry(op, instance, 0)
    raise KeyError(f"{name} has no typing {', '.join(map(str, operands))}")


def _entry(op: Op, instance: Instance, anchor: int) -> Entry:
    domains = tuple((k, ranges.DOMAINS[name]) for k, name in enumerate(op.requires) if name)
    return Entry(
        op,
        instance,
        anchor,
        domains,
        ranges.RULES[op.range],
        op.attributes(instance),
        ranges.full(instance.result),
    )


_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything the generator looks up for one grammar."""

    grammar: Grammar
    scalars: Choice[Scalar]
    elements: Choice[Element]
    ops: Choice[Mapping[Element, tuple[Entry, ...]]]
    by_anchor: dict[Element, Choice[Entry]]
    makers: dict[Element, tuple[Entry, ...]]
    comparisons: dict[Element, Choice[Entry]]
    kinds: Choice[str]
    flat_kinds: Choice[str]
    ranks: Choice[int]
    accesses: Choice[str]


def supported(op: Op, instance: Instance) -> bool:
    """Whether every backend can spell the op at this typing."""
    return not any(lacks(instance) for lacks in op.unsupported.values())


_JUMPING = frozenset(("frac", "fmod", "eq", "ne"))
_TYING = frozenset(("min_component", "max_component"))
_SLOPELESS = frozenset(("distance",))
_OVERWRITING = frozenset(f"with_component{size}" for size in SIZES)
_UNSAFE = _JUMPING | _TYING | _SLOPELESS | _OVERWRITING


def safe(op: Op, instance: Instance) -> bool:
    """Whether differentiable-safe grammars draw an op at a typing: not where floats are rounded,
    otherwise jump, or are tested for equality; nor `fmod`, of which a backend passes no gradient
    to the divisor; nor the extremes of components, as vectors are often made of equal ones; nor
    the distance, which has no slope where it is zero; nor another component put into a vector,
    which a backend does by overwriting it, without its gradient."""
    if not instance.operands or scalar_of(instance.operands[-1]).kind != "float":
        return True
    if instance.result == BOOL:
        return op.name not in _JUMPING
    whole = scalar_of(instance.result).kind != "float"
    return op.smoothness != "step" and op.name not in _UNSAFE and not whole


def _weight(grammar: Grammar, op: Op) -> int:
    return grammar.ops.get(op.name, op.weight if grammar.groups.get(op.group, 0) else 0)


def _elements(grammar: Grammar) -> list[tuple[Element, int]]:
    out: list[tuple[Element, int]] = []
    for scalar in SCALARS:
        weight = grammar.types.get(scalar.name, 0)
        out.append((scalar, weight * 6 * grammar.forms.get("scalar", 0)))
        if scalar in FLOATS:
            for size in SIZES:
                out.append((Vector(scalar, size), weight * 2 * grammar.forms.get("vector", 0)))
                matrix = Matrix(scalar, size, size)
                out.append((matrix, weight * 2 * grammar.forms.get("matrix", 0)))
    return out


def _required(found: Choice[T] | None, what: str) -> Choice[T]:
    if found is None:
        raise ValueError(f"the grammar leaves no {what} to choose")
    return found


@lru_cache(maxsize=256)
def tables(grammar: Grammar) -> Tables:
    """The choice tables of a grammar; ValueError when it leaves nothing to draw."""
    elements = _elements(grammar)
    allowed = {element for element, weight in elements if weight} | {BOOL}
    if grammar.forms.get("vector", 0) or grammar.forms.get("matrix", 0):
        allowed |= {scalar for scalar in SCALARS if grammar.types.get(scalar.name, 0)}
    entries = [
        (op, instance)
        for op in OPS.values()
        if _weight(grammar, op) > 0
        for instance in op.instances
        if instance.result in allowed
        and all(operand in allowed or operand == I32 for operand in instance.operands)
        and supported(op, instance)
        and (safe(op, instance) or not grammar.differentiable)
    ]
    anchored: dict[Element, list[tuple[Entry, int]]] = {}
    for op, instance in entries:
        for position, operand in enumerate(instance.operands):
            if operand in instance.operands[:position] and op.commutes:
                continue
            made = _entry(op, instance, position)
            weight = _weight(grammar, op)
            anchored.setdefault(operand, []).append((made, weight))
    return Tables(
        grammar=grammar,
        scalars=_required(
            choice((s, grammar.types.get(s.name, 0)) for s in SCALARS if s != BOOL), "type"
        ),
        elements=_required(choice(elements), "type"),
        ops=_required(choice(_ops(grammar, anchored)), "op"),
        by_anchor=_grouped(grammar, anchored),
        makers=_makers(),
        comparisons=_comparisons(),
        kinds=_required(choice(_kinds(grammar)), "statement kind"),
        flat_kinds=_required(
            choice((k, w) for k, w in _kinds(grammar) if k not in NESTING),
            "statement kind",
        ),
        ranks=_required(
            choice((rank, grammar.ranks.get(str(rank), 0)) for rank in (1, 2, 3, 4)), "rank"
        ),
        accesses=_required(
            choice((a, grammar.accesses.get(a, 0)) for a in ACCESSES), "array access"
        ),
    )


NESTING = ("if", "for", "while", "strided")
KINDS = (
    *("op", "if", "for", "while", "load", "store", "atomic", "call"),
    *("strided", "wide_atomic"),
)
ACCESSES = ("own", "shifted", "reversed", "gathered", "free")


def _kinds(grammar: Grammar) -> list[tuple[str, int]]:
    left_out = {"while"} if grammar.differentiable else set[str]()
    if not wide_scalars(grammar):
        left_out.add("wide_atomic")
    return [(kind, grammar.control.get(kind, 0)) for kind in KINDS if kind not in left_out]


def wide_scalars(grammar: Grammar) -> list[Scalar]:
    """The integers of a grammar that atomics fold only where it asks for them."""
    return [scalar for scalar in (I64, U64, U32) if grammar.types.get(scalar.name, 0)]


def _ops(
    grammar: Grammar, anchored: dict[Element, list[tuple[Entry, int]]]
) -> list[tuple[Mapping[Element, tuple[Entry, ...]], int]]:
    """Per op, its entries by the type of their anchor; a group's weight is split among its ops."""
    typings: dict[str, dict[Element, tuple[Entry, ...]]] = {}
    for element, listed in anchored.items():
        for made, _ in listed:
            by_type = typings.setdefault(made.op.name, {})
            by_type[element] = (*by_type.get(element, ()), made)
    totals: dict[str, int] = {}
    for name in typings:
        group = OPS[name].group
        totals[group] = totals.get(group, 0) + _weight(grammar, OPS[name])
    out: list[tuple[Mapping[Element, tuple[Entry, ...]], int]] = []
    for name, op in OPS.items():
        if name in typings:
            share = _SHARE * max(1, grammar.groups.get(op.group, 0)) * _weight(grammar, op)
            out.append((typings[name], share // totals[op.group] or 1))
    return out


def _grouped(
    grammar: Grammar, found: dict[Element, list[tuple[Entry, int]]]
) -> dict[Element, Choice[Entry]]:
    """Split each group's weight among its ops, per type, so that a big family does not drown."""
    out: dict[Element, Choice[Entry]] = {}
    for element, listed in found.items():
        totals: dict[str, int] = {}
        for made, weight in listed:
            totals[made.op.group] = totals.get(made.op.group, 0) + weight
        made_choice = choice(
            (
                made,
                max(1, _SHARE * max(1, grammar.groups.get(made.op.group, 0)) * weight)
                // totals[made.op.group]
                or 1,
            )
            for made, weight in listed
        )
        if made_choice is not None:
            out[element] = made_choice
    return out


def _makers() -> dict[Element, tuple[Entry, ...]]:
    """Per vector and matrix type, the ops that make it from scalars or nothing, fewest operands
    first."""
    out: dict[Element, list[Entry]] = {}
    for op in OPS.values():
        for instance in op.instances:
            scalars = all(isinstance(operand, Scalar) for operand in instance.operands)
            if scalars and not isinstance(instance.result, Scalar):
                out.setdefault(instance.result, []).append(_entry(op, instance, 0))
    return {
        element: tuple(sorted(made, key=lambda e: len(e.instance.operands)))
        for element, made in out.items()
    }


def _comparisons() -> dict[Element, Choice[Entry]]:
    """Per scalar type, the comparisons; equality of floats is left out as too brittle."""
    out: dict[Element, Choice[Entry]] = {}
    for scalar in SCALARS:
        if scalar == BOOL:
            continue
        made = choice(
            (entry(name, (scalar, scalar)), 1 if name in ("eq", "ne") else 3)
            for name in _COMPARISONS
            if scalar.kind != "float" or name not in ("eq", "ne")
        )
        assert made is not None
        out[scalar] = made
    return out
