"""Reads the text form of programs: `parse_program(print_program(p)) == p`, ids kept.

Parsing checks the shape of the text, op names, types and that operands are defined somewhere before
their use; `grammar.verify` checks the rest.
"""

from __future__ import annotations

import difflib
import math
import re
from typing import Literal, NamedTuple, NoReturn

from grammar.program import Attribute, Program, Region, Statement, Terminator, Unit, UnitKind, Value
from grammar.structural import STRUCTURAL, op_kind, op_names
from grammar.text import HEADER
from grammar.types import I32, Type, parse_type


class ProgramError(ValueError):
    """A program text that cannot be read: where (counted from 1) and why."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.line = line
        self.column = column
        self.message = message


class _Token(NamedTuple):
    kind: str
    text: str
    line: int
    column: int


_TOKEN = re.compile(
    r"(?P<space>[ \t\r]+)"
    r"|(?P<newline>\n)"
    r"|(?P<value>%\d+)"
    r"|(?P<unit>@\d+)"
    r"|(?P<grid>\[\d+(?:,\d+)*\])"
    r"|(?P<arrow>->)"
    r"|(?P<number>-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|inf)\b)"
    r"|(?P<word>[A-Za-z_]\w*(?:\[[\d,]*\])?)"
    r"|(?P<mark>[{}():=,])"
)
_LITERALS: dict[str, bool | float] = {
    "true": True,
    "false": False,
    "inf": math.inf,
    "-inf": -math.inf,
    "nan": math.nan,
}
TerminatorKind = Literal["yield", "break", "continue", "return"]
_ENDS: dict[str, TerminatorKind] = {
    "yield": "yield",
    "break": "break",
    "continue": "continue",
    "return": "return",
}
_KINDS: dict[str, UnitKind] = {"function": "function", "kernel": "kernel", "program": "program"}
_WORD_OF = {"value": "a value such as %0", "unit": "a unit such as @0", "word": "a word"}


def parse_program(text: str) -> Program:
    """The program of a text. Raises ProgramError with the place and the reason."""
    return _Parser(_tokens(text)).program()


def nearest(name: str, names: tuple[str, ...]) -> str:
    """The name most like a misspelt one."""
    return difflib.get_close_matches(name, names, 1, 0.0)[0]


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    line, begin, at = 1, 0, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ProgramError(line, at - begin + 1, f"unexpected character {text[at]!r}")
        kind = match.lastgroup
        assert kind is not None
        if kind == "newline":
            line, begin = line + 1, match.end()
        elif kind != "space":
            tokens.append(_Token(kind, match[0], line, at - begin + 1))
        at = match.end()
    tokens.append(_Token("end", "the end of the text", line, at - begin + 1))
    return tokens


class _Parser:
    """Recursive descent; `values` holds what the current unit defined so far."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.values: dict[int, Value] = {}
        self.types: dict[str, Type] = {}

    # Tokens ---------------------------------------------------------------------------------

    def fail(self, token: _Token, message: str) -> NoReturn:
        raise ProgramError(token.line, token.column, message)

    def peek(self, text: str) -> bool:
        return self.tokens[self.at].text == text

    def take(self, kind: str) -> _Token:
        token = self.tokens[self.at]
        if token.kind != kind:
            self.fail(token, f"expected {_WORD_OF.get(kind, kind)}, found {token.text}")
        self.at += 1
        return token

    def expect(self, text: str) -> _Token:
        token = self.tokens[self.at]
        if token.text != text:
            self.fail(token, f"expected {text!r}, found {token.text}")
        self.at += 1
        return token

    def accept(self, text: str) -> bool:
        found = self.peek(text)
        self.at += found
        return found

    def same_line(self) -> bool:
        """Whether the next token stands on the line of the previous one."""
        return self.tokens[self.at].line == self.tokens[self.at - 1].line

    # Values and types -----------------------------------------------------------------------

    def type(self) -> Type:
        token = self.take("word")
        type_ = self.types.get(token.text)
        if type_ is None:
            try:
                type_ = parse_type(token.text)
            except ValueError as error:
                self.fail(token, str(error))
            self.types[token.text] = type_
        return type_

    def definition(self) -> Value:
        number = int(self.take("value").text[1:])
        self.expect(":")
        value = self.values[number] = Value(number, self.type())
        return value

    def definitions(self) -> tuple[Value, ...]:
        """One or more `%0: type`, separated by commas."""
        out = [self.definition()]
        while self.accept(","):
            out.append(self.definition())
        return tuple(out)

    def uses(self) -> tuple[Value, ...]:
        """`%0, %1, ...` on the rest of this line; may be none."""
        out: list[Value] = []
        if not (self.same_line() and self.tokens[self.at].kind == "value"):
            return ()
        while True:
            token = self.take("value")
            value = self.values.get(int(token.text[1:]))
            if value is None:
                self.fail(token, f"{token.text} is not defined before its use")
            out.append(value)
            if not self.accept(","):
                return tuple(out)

    def literal(self) -> bool | int | float:
        token = self.tokens[self.at]
        self.at += 1
        if token.text in _LITERALS:
            return _LITERALS[token.text]
        if token.kind != "number":
            self.fail(token, f"expected a literal, found {token.text}")
        try:
            return int(token.text)
        except ValueError:
            return float(token.text)

    def attribute(self) -> Attribute:
        """`{literal}` or `{int, int, ...}`; a lone int of a tuple keeps its comma."""
        self.expect("{")
        items: list[bool | int | float] = []
        comma = False
        while not self.accept("}"):
            if self.accept(","):
                comma = True
            else:
                items.append(self.literal())
        if not comma and len(items) == 1:
            return items[0]
        token = self.tokens[self.at - 1]
        integers = [item for item in items if type(item) is int]
        if len(integers) != len(items):
            self.fail(token, "an attribute of several numbers holds integers only")
        return tuple(integers)

    # Structure ------------------------------------------------------------------------------

    def region(self, params: tuple[Value, ...]) -> Region:
        """Statements up to a terminator and the closing brace."""
        self.expect("{")
        body: list[Statement] = []
        while (kind := _ENDS.get(self.tokens[self.at].text)) is None:
            body.append(self.statement())
        self.at += 1
        end = Terminator(kind, self.uses())
        self.expect("}")
        return Region(params, tuple(body), end)

    def statement(self) -> Statement:
        results: tuple[Value, ...] = ()
        if self.tokens[self.at].kind == "value":
            results = self.definitions()
            self.expect("=")
        token = self.take("word")
        op = token.text
        if op_kind(op) is None:
            self.fail(token, f"unknown op {op!r}; the nearest is {nearest(op, op_names())!r}")
        if op == "const":
            return Statement(op, (), results, self.literal())
        operands = self.uses()
        attribute: Attribute = None
        if self.same_line() and self.peek("{") and self._closes_on_this_line():
            attribute = self.attribute()
        row = STRUCTURAL.get(op)
        if row is None or not row.regions:
            return Statement(op, operands, results, attribute)
        regions = [self.region(self.params() if row.loop else ())]
        while len(regions) < row.regions:
            self.expect(row.between)
            regions.append(self.region(self.params() if row.loop else ()))
        return Statement(op, operands, results, attribute, tuple(regions))

    def _closes_on_this_line(self) -> bool:
        brace, following = self.tokens[self.at], self.tokens[self.at + 1]
        return brace.line == following.line

    def params(self) -> tuple[Value, ...]:
        self.expect("(")
        out = () if self.peek(")") else self.definitions()
        self.expect(")")
        return out

    def unit(self, number: int) -> Unit:
        token = self.take("word")
        kind = _KINDS.get(token.text)
        if kind is None:
            near = nearest(token.text, tuple(_KINDS))
            self.fail(token, f"unknown unit {token.text!r}; the nearest is {near!r}")
        named = self.take("unit")
        if int(named.text[1:]) != number:
            self.fail(named, f"this unit has number @{number}, not {named.text}")
        self.values.clear()
        grid: tuple[int, ...] = ()
        if self.tokens[self.at].kind == "grid":
            grid = tuple(map(int, self.take("grid").text[1:-1].split(",")))
        params = self.params()
        if [value.type for value in params[: len(grid)]] != [I32] * len(grid):
            self.fail(named, f"a kernel over {len(grid)} axes starts with as many i32 parameters")
        results: list[Type] = []
        if self.tokens[self.at].kind == "arrow":
            self.at += 1
            results.append(self.type())
            while self.accept(","):
                results.append(self.type())
        return Unit(kind, self.region(params), tuple(results), grid)

    def program(self) -> Program:
        for word in HEADER.split():
            token = self.tokens[self.at]
            if token.text != word:
                self.fail(token, f"a program starts with the line {HEADER!r}")
            self.at += 1
        units: list[Unit] = []
        while self.tokens[self.at].kind != "end":
            units.append(self.unit(len(units)))
        return Program(tuple(units))
