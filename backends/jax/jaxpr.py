"""A parser of printed jaxprs: what stands where, types of arrays, one definition for every name.

JAX prints jaxprs and reads none. Parameters of equations are any balanced text, but the jaxprs
among them are parsed too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|[A-Za-z_][\w.]*(?:-[A-Za-z][\w.]*)*|\d[\w.]*(?:(?<=[eE])[+-]\d+)?|[^\w\s]"
)
_NAME = re.compile(r"[A-Za-z_]")
_ELEMENTS = frozenset(
    {"bool", "f8", "f16", "bf16", "f32", "f64", "c64", "c128"}
    | {f"{sign}{bits}" for sign in "iu" for bits in (2, 4, 8, 16, 32, 64)}
)
_WORDS = frozenset({"True", "False", "inf", "nan"})
_CLOSING = {"[": "]", "(": ")", "{": "}"}
_END = ""
_UNUSED = "_"
"""The name of all that no equation outside of a call needs; a call may still give it."""


class JaxprError(ValueError):
    """A text that is no jaxpr; the message says what is wrong, and in which line."""


@dataclass(slots=True)
class _Parser:
    """The tokens of a text, and the place of the next one."""

    text: str
    tokens: list[str]
    at: int = 0

    def fail(self, what: str) -> JaxprError:
        matches = _TOKEN.finditer(self.text)
        line = 1 + self.text.count("\n")
        for number, found in enumerate(matches):
            if number == self.at:
                line = 1 + self.text.count("\n", 0, found.start())
        token = self.tokens[self.at]
        return JaxprError(f"line {line}: {what}, found {token!r}" if token else f"{what}, at end")

    def expect(self, token: str) -> None:
        if self.tokens[self.at] != token:
            raise self.fail(f"expected {token!r}")
        self.at += 1


def parse_jaxpr(text: str) -> int:
    """The number of equations in a printed jaxpr, nested ones included; JaxprError for any other
    text."""
    left = _TOKEN.sub("", text).strip()
    if left:
        raise JaxprError(f"unknown character {left[0]!r}")
    parser = _Parser(text, [*_TOKEN.findall(text), _END])
    count = 0
    while parser.tokens[parser.at] == "let":
        parser.at += 1
        _name(parser)
        parser.expect("=")
        count += _jaxpr(parser)
        parser.expect("in")
    count += _jaxpr(parser)
    if parser.tokens[parser.at] != _END:
        raise parser.fail("expected the end")
    return count


def _jaxpr(parser: _Parser) -> int:
    tokens = parser.tokens
    parser.expect("{")
    parser.expect("lambda")
    known = set[str]()
    _binders(parser, known)
    parser.expect(";")
    _binders(parser, known)
    parser.expect(".")
    parser.expect("let")
    count = 0
    while not (tokens[parser.at] == "in" and tokens[parser.at + 1] == "("):
        count += _equation(parser, known)
    parser.at += 1
    parser.expect("(")
    while tokens[parser.at] != ")":
        _operand(parser, known)
        if tokens[parser.at] == ",":
            parser.at += 1
        elif tokens[parser.at] != ")":
            raise parser.fail("expected ',' or ')'")
    parser.at += 1
    parser.expect("}")
    return count


def _name(parser: _Parser) -> str:
    token = parser.tokens[parser.at]
    if not _NAME.match(token):
        raise parser.fail("expected a name")
    parser.at += 1
    return token


def _binders(parser: _Parser, known: set[str]) -> None:
    """Names with types, each of which is new."""
    tokens = parser.tokens
    while tokens[parser.at + 1] == ":" and _NAME.match(tokens[parser.at]):
        name = tokens[parser.at]
        if name in known and name != _UNUSED:
            raise parser.fail(f"{name!r} is defined twice")
        known.add(name)
        parser.at += 2
        _type(parser)


def _type(parser: _Parser) -> None:
    tokens = parser.tokens
    if tokens[parser.at] not in _ELEMENTS:
        raise parser.fail("expected the type of an element")
    parser.at += 1
    parser.expect("[")
    while tokens[parser.at] != "]":
        if not tokens[parser.at].isdecimal():
            raise parser.fail("expected an extent")
        parser.at += 1
        if tokens[parser.at] == ",":
            parser.at += 1
        elif tokens[parser.at] != "]":
            raise parser.fail("expected ',' or ']'")
    parser.at += 1


def _equation(parser: _Parser, known: set[str]) -> int:
    """What an equation defines is known after it, not within."""
    tokens = parser.tokens
    start = parser.at
    defined = set[str]()
    _binders(parser, defined)
    if twice := defined & known - {_UNUSED}:
        parser.at = start
        raise parser.fail(f"{min(twice)!r} is defined twice")
    if defined:  # what defines nothing has no sign either
        parser.expect("=")
    _name(parser)
    count = 1
    if tokens[parser.at] == "[":
        count += _parameters(parser)
    while not _ends(parser):
        _operand(parser, known)
    known |= defined
    return count


def _ends(parser: _Parser) -> bool:
    """Whether the operands of an equation are over: another equation follows, or the results."""
    first, second = parser.tokens[parser.at], parser.tokens[parser.at + 1]
    if first == _END or second == "[" or (first == "in" and second == "("):
        return True
    return second == ":" and first not in _WORDS and bool(_NAME.match(first))


def _operand(parser: _Parser, known: set[str]) -> None:
    """A name that is known, or a literal with its type."""
    tokens = parser.tokens
    negative = tokens[parser.at] == "-"
    parser.at += negative
    token = tokens[parser.at]
    if tokens[parser.at + 1] == ":" and (token in _WORDS or token[:1].isdecimal()):
        parser.at += 2
        _type(parser)
    elif negative or not _NAME.match(token):
        raise parser.fail("expected an operand")
    elif token not in known:
        raise parser.fail(f"{token!r} is not defined")
    else:
        parser.at += 1


def _parameters(parser: _Parser) -> int:
    """Balanced text; the number of equations of the jaxprs in it."""
    tokens = parser.tokens
    opened: list[str] = []
    count = 0
    while True:
        token = tokens[parser.at]
        if token == "{" and tokens[parser.at + 1] == "lambda":
            count += _jaxpr(parser)
            continue
        if token in _CLOSING:
            opened.append(_CLOSING[token])
        elif token in ("]", ")", "}"):
            if opened.pop() != token:
                raise parser.fail("brackets do not match")
            if not opened:
                parser.at += 1
                return count
        elif token == _END:
            raise parser.fail("a bracket is not closed")
        parser.at += 1
