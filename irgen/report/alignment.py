"""Which lines of Python each line of a compiler's text comes from, as the compilers say it."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

Lines = tuple[int, ...]
"""Lines of Python, counted from 1, that a line of text comes from; empty where none is known."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """A text and, for each of its lines, the lines of Python that it comes from.

    `through` are the lines that only led there: those that call the function whose line it is.
    """

    text: str
    lines: tuple[Lines, ...]
    through: tuple[Lines, ...]

    @property
    def mapped(self) -> int:
        """How many lines come from a line of Python."""
        return sum(1 for lines in self.lines if lines)


class Mismatch(ValueError):
    """The located text is not the recorded one, or quotes other source than it is shown beside."""


def anchors(python: str, known: Iterable[int]) -> tuple[int, ...]:
    """For each line of a source the line that stands for it, 0 where nothing is known of either.

    A line that a compiler names stands for itself; others of a statement for its first such line.
    """
    named = frozenset(known)
    found = [number if number in named else 0 for number in range(1, python.count("\n") + 2)]
    for first, last in _statements(python):
        inside = [number for number in range(first, last + 1) if number in named]
        for number in range(first, last + 1):
            if inside and not found[number - 1]:
                found[number - 1] = inside[0]
    return tuple(found)


def _statements(python: str) -> list[tuple[int, int]]:
    """First and last line of each statement, of one with a body only up to the body."""
    spans: list[tuple[int, int]] = []
    for node in ast.walk(ast.parse(python)):
        if isinstance(node, ast.stmt):
            body: Sequence[ast.stmt] = getattr(node, "body", [])
            last = node.end_lineno or node.lineno
            spans.append((node.lineno, body[0].lineno - 1 if body else last))
    # Inner statements first: a line stands for the smallest statement around it.
    return sorted(spans, key=lambda span: (span[1] - span[0], span))


def merged(*many: Iterable[int]) -> Lines:
    """Lines from several places, each once, in order."""
    return tuple(sorted({line for one in many for line in one}))


def from_users(
    own: Sequence[Lines],
    defines: Mapping[int, str],
    uses: Mapping[str, Iterable[int]],
    constants: Container[int] = (),
) -> list[Lines]:
    """The same, where what has no line of its own, or is among `constants`, has those of its users.

    `defines` has the names that lines define, `uses` the lines that mention a name, all below.
    """
    found = list(own)
    for at, name in sorted(defines.items(), reverse=True):
        if not found[at] or at in constants:
            users = merged(*[found[user] for user in uses.get(name, ()) if user != at])
            found[at] = users or found[at]
    return found
