"""Programs in plain English, from their meaning alone: no names, no style, no backend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from grammar.program import Program, Unit, UnitKind, Value
from grammar.types import Array, Type
from irgen.dataset.english.fit import common, fit
from irgen.dataset.english.words import by, count_words, listed, size_words, type_words
from irgen.dataset.english.writer import Writer

WORDS = 120
"""A description has about so many words at most."""

_ENTRY = 50
"""Words kept free for the entry."""
_UNIT = 20
"""An earlier unit with fewer words left is described by its ops alone."""
_UNITS = 6
"""At most so many earlier units are described."""

_SHORT: dict[UnitKind, str] = {"function": "f", "kernel": "kernel ", "program": "program "}


def describe(program: Program) -> str:
    """What a program takes, computes and writes, in order, in one paragraph of plain English.

    It is a function of the program: equal programs have equal descriptions. Long ones are summed
    up in the middle.
    """
    names = _names(program)
    *earlier, entry = program.units
    head = Writer(entry, names)
    parts = [_opening(program, head)]
    left = WORDS - count_words(parts[0]) - (_ENTRY if earlier else 0)
    for place, unit in enumerate(earlier[:_UNITS]):
        share = left // (min(len(earlier), _UNITS) - place)
        text = _earlier(Writer(unit, names), names[place], share)
        left -= count_words(text)
        parts.append(text)
    if len(earlier) > _UNITS:
        parts.append(f"{len(earlier) - _UNITS} more units follow.")
    left += _ENTRY if earlier else 0
    parts.append(_body(_lead(entry), fit(head.steps(), left)))
    return " ".join([part for part in parts if part])


def _names(program: Program) -> list[str]:
    """Units by kind and number: f1, kernel 1, kernel 2."""
    counts: Counter[UnitKind] = Counter()
    names: list[str] = []
    for unit in program.units:
        counts[unit.kind] += 1
        names.append(f"{_SHORT[unit.kind]}{counts[unit.kind]}")
    return names


def _opening(program: Program, head: Writer) -> str:
    """The first sentence: what the entry is, takes and writes."""
    entry = program.entry
    text = f"A {entry.kind}"
    if entry.kind == "kernel":
        text += f" over {_grid(entry)}"
    counts: Counter[UnitKind] = Counter([unit.kind for unit in program.units[:-1]])
    if counts:
        text += f" with {listed([_count(many, kind) for kind, many in counts.items()])}"
    taken = _parameters(head, entry.parameters)
    text += f" takes {taken}"
    written = _written(head)
    return f"{text} and writes {written}." if written else f"{text}."


def _count(many: int, kind: UnitKind) -> str:
    return f"{many} {kind}{'s' if many > 1 else ''}"


def _grid(unit: Unit) -> str:
    return f"{unit.grid[0]} lanes" if len(unit.grid) == 1 else f"a {by(unit.grid)} grid"


def _written(writer: Writer) -> str:
    names = [writer.name(value) for value in writer.unit.parameters if value.id in writer.changed]
    return listed(names) if names and writer.unit.kind == "kernel" else ""


def _parameters(writer: Writer, values: Sequence[Value]) -> str:
    """Parameters in words, those of one type together."""
    names: dict[str, list[str]] = {}
    types: dict[str, Type] = {}
    for value in values:
        key = str(value.type)
        types[key] = value.type
        names.setdefault(key, []).append(writer.name(value))
    return listed([_typed(types[key], found) for key, found in names.items()])


def _typed(type_: Type, names: Sequence[str]) -> str:
    words = listed(names)
    if not isinstance(type_, Array):
        return f"{type_words(type_)} {words}"
    plural = "s" if len(names) > 1 else ""
    return f"{type_words(type_)}{plural} {words} {size_words(type_)}"


def _lead(unit: Unit) -> str:
    if unit.kind != "kernel":
        return ""
    indices = ["i", "j", "k", "l"][: len(unit.grid)]
    return f"For each {', '.join(indices)}:"


def _earlier(writer: Writer, name: str, words: int) -> str:
    """A unit before the entry: signature and steps, or its ops where words are short."""
    unit = writer.unit
    given = [writer.name(value) for value in unit.parameters]
    if unit.kind == "function":
        opening = f"Function {name}({', '.join(given)}):"
    else:
        opening = f"{name.capitalize()} over {_grid(unit)} takes {listed(given)}"
        written = _written(writer)
        opening += f" and writes {written}:" if written else ":"
    steps = writer.steps()
    left = words - count_words(opening)
    if left < _UNIT and left < sum([step.words for step in steps]):
        nouns = common(Counter([noun for step in steps for noun in step.nouns]))
        return f"{opening} {listed(nouns)}."
    return f"{opening} {'; '.join(fit(steps, left)) or 'do nothing'}."


def _body(lead: str, texts: Sequence[str]) -> str:
    """Steps as sentences; a lead stands before the first."""
    if not texts:
        return f"{lead} do nothing." if lead else ""
    first, *rest = texts
    opened = f"{lead} {first}." if lead else f"{_upper(first)}."
    return " ".join([opened, *[f"{_upper(text)}." for text in rest]])


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


__all__ = ["WORDS", "describe"]
