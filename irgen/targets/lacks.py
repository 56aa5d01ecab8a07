"""What a target lacks, and the grammar without it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import msgspec

from grammar.config import Grammar
from grammar.drawing.layers import LAYERS
from grammar.drawing.network import ACTIVATIONS
from grammar.ops import OPS
from grammar.ranges import DOMAINS, TAME
from grammar.types import Element, Matrix, Scalar, Vector, parse_type, scalar_of
from irgen.errors import UserError


class Lack(msgspec.Struct, frozen=True):
    """One thing that a target refuses.

    `kind` is "op", "type", "layer", or the field of a grammar that weighs it; `typings` are those
    of an op that are refused, in words; `reason` is what the target says, one line.
    """

    kind: str
    name: str
    reason: str
    typings: tuple[str, ...] = ()

    def __str__(self) -> str:
        name = self.name if self.kind in (self.name, "control") else f"{self.kind} {self.name}"
        return f"{name}{_few(self.typings)}: {self.reason}"


class Lacks(msgspec.Struct, frozen=True):
    """What a target lacks: `missing` is left out of grammars; `avoided` are spellings, of what it
    has in another spelling too, that sources for it do without."""

    missing: tuple[Lack, ...] = ()
    avoided: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.avoided)

    def lines(self) -> list[str]:
        """The list in words, a line each."""
        return [*map(str, self.missing), *[f"spelled otherwise: {one}" for one in self.avoided]]


def restricted(grammar: Grammar, lacks: Lacks) -> Grammar:
    """The grammar without what a target lacks; the same one where it weighs nothing of that.

    Raises:
        UserError: the generator cannot do without, or the grammar has nothing left to draw.
    """
    changes = dict(_changes(grammar, lacks))
    return replace(grammar, **changes) if changes else grammar


@dataclass(frozen=True, slots=True)
class _Gone:
    """Types and forms that a grammar must leave out."""

    types: frozenset[str]
    forms: frozenset[str]


_ALWAYS = frozenset(("f32", "i32", "bool"))
"""Types that every program may have."""


def _changes(grammar: Grammar, lacks: Lacks) -> Iterator[tuple[str, object]]:
    gone = _gone(grammar, lacks)
    kept = {
        "types": _without(grammar.types, gone.types),
        "forms": _without(grammar.forms, gone.forms),
        "control": _without(grammar.control, _names(lacks, "control")),
        "ranks": _without(grammar.ranks, _names(lacks, "ranks")),
        "accesses": _without(grammar.accesses, _names(lacks, "accesses")),
    }
    for field, weights in kept.items():
        if not any(weights.values()):
            why = next(one for one in lacks.missing if one.kind in (field, "type", "op"))
            raise UserError(f"grammar {grammar.name!r} is left without {field} there: {why}")
        if weights != getattr(grammar, field):
            yield field, weights
    left = replace(grammar, types=kept["types"], forms=kept["forms"])
    ops = {
        one.name: 0
        for one in lacks.missing
        if one.kind == "op"
        and _weighed(grammar, one.name)
        and any(_used(left, _elements(typing)) for typing in one.typings)
    }
    if ops:
        yield "ops", {**grammar.ops, **ops}
    if _names(lacks, "exits") and grammar.exits:
        yield "exits", 0
    if grammar.shape == "arrays":
        weights = grammar.layers or {layer.name: layer.weight for layer in LAYERS.values()}
        layers = _without(weights, _names(lacks, "layer"))
        if layers != weights:
            yield "layers", layers
    if grammar.shape != "kernel" and (missing := _first(lacks, "shape")):
        raise UserError(f"grammar {grammar.name!r} cannot be drawn: {missing}")


def _names(lacks: Lacks, kind: str) -> frozenset[str]:
    return frozenset([one.name for one in lacks.missing if one.kind == kind])


def _first(lacks: Lacks, kind: str) -> Lack | None:
    return next((one for one in lacks.missing if one.kind == kind), None)


def _without(weights: Mapping[str, int], names: frozenset[str]) -> dict[str, int]:
    return {name: 0 if name in names else weight for name, weight in weights.items()}


def _gone(grammar: Grammar, lacks: Lacks) -> _Gone:
    """The types that the target has not, or of which it lacks an op that the generator applies
    wherever it needs to; UserError where no program does without."""
    types = set[str]()
    forms = set[str]()
    for one in lacks.missing:
        if one.kind == "type":
            refused = [frozenset((_element(one.name),))]
        elif one.kind == "op" and one.name in needed():
            refused = [_elements(typing) for typing in one.typings]
        else:
            continue
        for elements in refused:
            if not _used(grammar, elements):
                continue
            form = _form(elements)
            scalars = {scalar_of(element).name for element in elements}
            if not scalars <= _ALWAYS:
                types |= scalars - _ALWAYS
            elif form != "scalar":
                forms.add(form)
            else:
                raise UserError(f"no program does without what the target lacks: {one}")
    return _Gone(frozenset(types), frozenset(forms))


def _weighed(grammar: Grammar, name: str) -> bool:
    """Whether programs of a grammar may have an op because of its weight."""
    row = OPS[name]
    weight = grammar.ops.get(name, row.weight if grammar.groups.get(row.group, 0) else 0)
    return weight > 0 or (grammar.shape == "arrays" and name in ACTIVATIONS)


def _used(grammar: Grammar, elements: frozenset[Element]) -> bool:
    """Whether programs of a grammar may have values of all these types."""
    weighed = {name for name, weight in grammar.types.items() if weight} | _ALWAYS
    form = _form(elements)
    fitting = form == "scalar" or grammar.forms.get(form, 0) > 0
    return fitting and {scalar_of(element).name for element in elements} <= weighed


def _form(elements: frozenset[Element]) -> str:
    if any(isinstance(element, Matrix) for element in elements):
        return "matrix"
    return "vector" if any(isinstance(element, Vector) for element in elements) else "scalar"


def _elements(typing: str) -> frozenset[Element]:
    return frozenset([_element(word) for word in re.findall(r"\w+", typing)])


def _element(text: str) -> Element:
    found = parse_type(text)
    assert isinstance(found, Scalar | Vector | Matrix)
    return found


_APPLIED = """
    add sub mul min max clamp select cast rem bit_and lt le gt ge eq ne logical_and logical_or
    length sum_components trace frobenius scale matrix_scale tanh sin
"""


@cache
def needed() -> frozenset[str]:
    """The ops that the generator applies without being told to by a weight: where operands leave
    their domain, where values are joined, compared or made."""
    texts = [guard for domain in DOMAINS.values() for guard in domain.guards]
    texts += [guard for guards in TAME.values() for guard in guards]
    named = set(re.findall(r"[a-z_]\w+", " ".join((*texts, _APPLIED)))) & set(OPS)
    for op in OPS.values():
        for instance in op.instances:
            if not isinstance(instance.result, Scalar) and all(
                isinstance(operand, Scalar) for operand in instance.operands
            ):
                named.add(op.name)
    return frozenset(named)


def _few(typings: Sequence[str]) -> str:
    if not typings:
        return ""
    more = f" and {len(typings) - 1} more" if len(typings) > 1 else ""
    return f" ({typings[0]}{more})"
