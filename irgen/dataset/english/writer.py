"""The steps of a unit in words: a phrase per value, a step per effect.

A value that is used once is spoken of where it is used; one that is used more often, or whose
phrase is long, is given a letter by a step of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from grammar.program import Region, Statement, Terminator, Unit, Value
from grammar.structural import ATOMICS
from grammar.types import Array, Matrix
from irgen.dataset.english.phrases import ATOM, CLAUSE, INFIX, PREFIX, Level, named, phrase
from irgen.dataset.english.words import (
    article,
    count_words,
    element_words,
    listed,
    size_words,
)

LONG = 8
"""A value whose phrase has more words gets a letter."""

_ARRAYS = "abcdefgh"
_VALUES = "xyzuvwpqrst"
_INDICES = "ijkl"
_COUNTERS = "mn"
_SIGNS = ((" plus ", " + "), (" minus ", " - "), (" times ", " * "))


class Step(NamedTuple):
    """One thing that is done: `text`, then each body behind its lead ("", "otherwise").

    `words` counts all of it; `nouns` are those of its ops, `names` what it gives a name to.
    """

    text: str
    words: int
    nouns: tuple[str, ...]
    names: tuple[str, ...] = ()
    bodies: tuple[tuple[str, tuple[Step, ...]], ...] = ()


Spoken = tuple[str, Level]


def _attribute(statement: Statement) -> str:
    """The attribute of an op of a table in words; "" where there is none."""
    attribute = statement.attribute
    if isinstance(attribute, tuple):
        return f"({', '.join(map(str, attribute))})"
    if statement.op == "element" and isinstance(attribute, int):
        matrix = statement.operands[0].type
        assert isinstance(matrix, Matrix)
        return str(divmod(attribute, matrix.columns))
    return "" if attribute is None else str(attribute)


def _step(text: str, noun: str = "", names: Sequence[str] = ()) -> Step:
    return Step(text, count_words(text), (noun,) if noun else (), tuple(names))


def _structured(
    text: str, bodies: Iterable[tuple[str, Sequence[Step]]], noun: str, names: Sequence[str]
) -> Step:
    kept = tuple([(lead, tuple(steps)) for lead, steps in bodies if steps])
    inner = [step for _, steps in kept for step in steps]
    words = count_words(text) + sum([step.words for step in inner])
    nouns = (noun, *[found for step in inner for found in step.nouns])
    words += sum([count_words(lead) for lead, _ in kept if lead])
    return Step(text, words, nouns, tuple(names), kept)


def _branch(condition: str, inner: Sequence[list[Step]], names: Sequence[str]) -> Step:
    then, other = inner
    if not then:
        return _structured(f"unless {condition}", [("", other)], "branch", names)
    return _structured(f"if {condition}", [("", then), ("otherwise", other)], "branch", names)


class _Letters:
    """Letters in order, numbered from the second round on: x, y, z, x2, y2, ..."""

    def __init__(self, letters: str) -> None:
        self._letters = letters
        self._given = 0

    def next(self) -> str:
        turn, place = divmod(self._given, len(self._letters))
        self._given += 1
        return self._letters[place] + (str(turn + 1) if turn else "")


class Writer:
    """Puts one unit into words."""

    def __init__(self, unit: Unit, callees: Sequence[str]) -> None:
        self.unit = unit
        self.spoken: dict[int, Spoken] = {}
        self.uses: dict[int, int] = {}
        self.changed: set[int] = set()
        self._callees = callees
        self._values = _Letters(_VALUES)
        self._counters = _Letters(_COUNTERS)
        arrays = _Letters(_ARRAYS)
        rank = len(unit.grid)
        for place, value in enumerate(unit.body.params):
            name = _INDICES[place] if place < rank else arrays.next()
            self.spoken[value.id] = (name, ATOM)
        self._look(unit.body)

    def _look(self, region: Region) -> None:
        """Count uses, and find the arrays that are written."""
        uses = self.uses
        for statement in region.body:
            for operand in statement.operands:
                uses[operand.id] = uses.get(operand.id, 0) + 1
            if statement.op == "store" or statement.op in ATOMICS:
                self.changed.add(statement.operands[0].id)
            elif statement.op == "launch":
                self.changed.update([operand.id for operand in statement.operands])
            for inner in statement.regions:
                self._look(inner)
        for value in region.end.values:
            uses[value.id] = uses.get(value.id, 0) + 1

    def name(self, value: Value) -> str:
        """What a parameter of the unit is called."""
        return self.spoken[value.id][0]

    def steps(self) -> tuple[Step, ...]:
        """The steps of the whole unit."""
        made = self._region(self.unit.body)
        end = self.unit.body.end
        if end.kind == "return" or end.values:
            made.append(_step(self._end(end, ())))
        return tuple(made)

    def _region(self, region: Region) -> list[Step]:
        made: list[Step] = []
        for statement in region.body:
            special = _SPECIAL.get(statement.op)
            if special is not None:
                special(self, statement, made)
            elif statement.op in ATOMICS:
                self.atomic(statement, made)
            else:
                self._pure(statement, made)
        return made

    def _words(self, value: Value) -> str:
        return self.spoken[value.id][0]

    def _inner(self, value: Value, lowest: Level) -> str:
        """An operand, in parentheses from a level on."""
        text, level = self.spoken[value.id]
        return f"({text})" if level >= lowest else text

    def _condition(self, value: Value) -> str:
        text, level = self.spoken[value.id]
        return text if level == CLAUSE else f"{text} holds"

    def _place(self, array: Value, indices: Sequence[Value]) -> str:
        """An element of an array: "a[i, j + 1]"."""
        inside = ", ".join([self._words(index) for index in indices])
        if " " in inside:
            for word, sign in _SIGNS:
                inside = inside.replace(word, sign)
        return f"{self._words(array)}[{inside}]"

    def _say(self, value: Value, text: str, level: Level, op: str, made: list[Step]) -> None:
        """Let a value be spoken of by a text, or by a letter that a step gives it."""
        uses = self.uses.get(value.id, 0)
        words = count_words(text)
        if words <= LONG and (level == ATOM or uses < 2):
            self.spoken[value.id] = (text, level)
            return
        self._let((value,), text, op, made, whether=level == CLAUSE)

    def _let(
        self, values: Sequence[Value], text: str, op: str, made: list[Step], whether: bool = False
    ) -> None:
        names = self._new(values)
        words = f"let {listed(names)} be {'whether ' if whether else ''}{text}"
        made.append(_step(words, named(op), names))

    def _new(self, values: Iterable[Value]) -> list[str]:
        names: list[str] = []
        for value in values:
            name = self._values.next()
            self.spoken[value.id] = (name, ATOM)
            names.append(name)
        return names

    def _pure(self, statement: Statement, made: list[Step]) -> None:
        """An op of a table: a phrase over its operands."""
        known = phrase(statement.op)
        operands = statement.operands
        if known.enclosed:
            words = [self._words(operand) for operand in operands]
        elif known.level == PREFIX:
            words = [self._inner(operand, INFIX) for operand in operands]
        else:
            words = [self._inner(operand, PREFIX) for operand in operands]
        if statement.op == "select" and self.spoken[operands[0].id][1] != CLAUSE:
            words[0] = f"{words[0]} holds"
        result = statement.results[0]
        text = known.text.format(
            *words,
            i=_attribute(statement),
            t=element_words(result.type) if "{t}" in known.text else "",
        )
        if any(operand.id in self.changed for operand in operands):
            self._let((result,), text, statement.op, made)
        else:
            self._say(result, text, known.level, statement.op, made)

    def const(self, statement: Statement, made: list[Step]) -> None:
        literal = statement.attribute
        text = str(literal).lower() if isinstance(literal, bool) else repr(literal)
        self.spoken[statement.results[0].id] = (text, ATOM)

    def load(self, statement: Statement, made: list[Step]) -> None:
        array, *indices = statement.operands
        text = self._place(array, indices)
        result = statement.results[0]
        if array.id in self.changed:  # what is read here may be written before it is used
            self._let((result,), text, "load", made)
        else:
            self._say(result, text, ATOM, "load", made)

    def store(self, statement: Statement, made: list[Step]) -> None:
        array, *indices, value = statement.operands
        text = f"store {self._words(value)} in {self._place(array, indices)}"
        made.append(_step(text, "store"))

    def atomic(self, statement: Statement, made: list[Step]) -> None:
        array, *indices, value = statement.operands
        known = phrase(statement.op)
        text = known.text.format(self._inner(value, INFIX), self._place(array, indices))
        made.append(_step(text, known.noun))

    def if_(self, statement: Statement, made: list[Step]) -> None:
        condition = self._condition(statement.operands[0])
        then, other = statement.regions
        results = statement.results
        inner = [self._region(then), self._region(other)]
        plain = not any(inner) and then.end.kind == other.end.kind == "yield"
        if plain and len(results) == 1:
            yes, no = (self._inner(region.end.values[0], INFIX) for region in (then, other))
            self._say(results[0], f"{yes} if {condition}, else {no}", INFIX, "if", made)
            return
        names = self._new(results)
        for region, steps in zip((then, other), inner, strict=True):
            ended = self._end(region.end, names)
            if ended:
                steps.append(_step(ended))
        if inner[0] or inner[1]:
            made.append(_branch(condition, inner, names))

    def for_(self, statement: Statement, made: list[Step]) -> None:
        start, stop, *inits = statement.operands
        assert isinstance(statement.attribute, tuple)
        stride, bound = statement.attribute
        body = statement.regions[0]
        index, *carried = body.params
        first, last = self._words(start), self._words(stop)
        fixed = last.lstrip("-").isdigit()
        if self.uses.get(index.id, 0):
            counter = self._counters.next()
            self.spoken[index.id] = (counter, ATOM)
            text = f"for {counter} from {first} to below {last}"
        elif first == "0" and stride == 1:
            text = f"repeat {last} times" if fixed else f"repeat {self._inner(stop, PREFIX)} times"
        else:
            text = f"repeat from {first} to below {last}"
        if stride != 1:
            text += f" in steps of {stride}"
        if not fixed:
            text += f" (at most {bound} times)"
        text += self._starting(carried, inits)
        names = [self._words(value) for value in carried]
        steps = self._body(body, names)
        self._results(statement, names)
        made.append(_structured(text, (("", steps),), "loop", names))

    def while_(self, statement: Statement, made: list[Step]) -> None:
        test, body = statement.regions
        carried, again = test.params[1:], body.params[1:]
        text = f"repeat at most {statement.attribute} times"
        text += self._starting(carried, statement.operands)
        names = [self._words(value) for value in carried]
        for value, name in zip(again, names, strict=True):
            self.spoken[value.id] = (name, ATOM)
        if any(self.uses.get(region.params[0].id, 0) for region in (test, body)):
            counter = self._counters.next()
            text += f", counting {counter} from 0"
            for region in (test, body):
                self.spoken[region.params[0].id] = (counter, ATOM)
        before = self._region(test)
        condition = self._condition(test.end.values[0])
        bodies: list[tuple[str, list[Step]]] = [("", before)] if before else []
        bodies.append((f"while {condition}", self._body(body, names)))
        self._results(statement, names)
        made.append(_structured(text, bodies, "loop", names))

    def _starting(self, carried: Sequence[Value], inits: Sequence[Value]) -> str:
        """Where carried values begin; names them. Arrays keep the names of their buffers."""
        if not carried:
            return ""
        begun = [self._words(init) for init in inits]
        names = self._new(carried)
        return (
            f", starting with {listed([f'{n} = {b}' for n, b in zip(names, begun, strict=True)])}"
        )

    def _body(self, region: Region, names: Sequence[str]) -> list[Step]:
        steps = self._region(region)
        ended = self._end(region.end, names)
        if ended:
            steps.append(_step(ended))
        return steps

    def _results(self, statement: Statement, names: Sequence[str]) -> None:
        for value, name in zip(statement.results, names, strict=True):
            self.spoken[value.id] = (name, ATOM)

    def _end(self, end: Terminator, names: Sequence[str]) -> str:
        """A terminator in words, given the names of what it sets; "" where it sets nothing."""
        values = [self._words(value) for value in end.values]
        if end.kind == "return":
            if self.unit.kind == "kernel":
                return "end the lane"
            return f"return {listed(values)}" if values else "return"
        pairs = [(n, v) for n, v in zip(names, values, strict=False) if n != v]
        if end.kind == "yield":
            return f"set {listed([f'{n} to {v}' for n, v in pairs])}" if pairs else ""
        verb = "leave the loop" if end.kind == "break" else "go on with the next round"
        # Inside a branch the names are those of the branch, where the values are the loop's.
        return f"{verb} with {listed(values)}" if values else verb

    def call(self, statement: Statement, made: list[Step]) -> None:
        assert isinstance(statement.attribute, int)
        inside = ", ".join([self._words(operand) for operand in statement.operands])
        text = f"{self._callees[statement.attribute]}({inside})"
        if len(statement.results) == 1:
            self._say(statement.results[0], text, ATOM, "call", made)
        elif statement.results:
            self._let(statement.results, text, "call", made)

    def launch(self, statement: Statement, made: list[Step]) -> None:
        assert isinstance(statement.attribute, int)
        text = f"launch {self._callees[statement.attribute]}"
        given = [self._words(operand) for operand in statement.operands]
        made.append(_step(f"{text} on {listed(given)}" if given else text, "launch"))

    def zeros(self, statement: Statement, made: list[Step]) -> None:
        type_ = statement.results[0].type
        assert isinstance(type_, Array)
        text = f"{article(type_)} of zeros {size_words(type_)}"
        self._let(statement.results, text, "zeros", made)

    def copy(self, statement: Statement, made: list[Step]) -> None:
        text = f"a copy of {self._words(statement.operands[0])}"
        self._let(statement.results, text, "copy", made)


_SPECIAL = {
    "const": Writer.const,
    "load": Writer.load,
    "store": Writer.store,
    "if": Writer.if_,
    "for": Writer.for_,
    "while": Writer.while_,
    "call": Writer.call,
    "launch": Writer.launch,
    "zeros": Writer.zeros,
    "copy": Writer.copy,
}
