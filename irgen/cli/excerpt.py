"""The statements of a compiler's text, without the declarations above them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from backends.base import Direction

_MARKS: dict[tuple[str, Direction], str] = {
    ("cpp", "forward"): "// forward",
    ("cpp", "backward"): "// reverse",
    ("cuda", "forward"): "// forward",
    ("cuda", "backward"): "// reverse",
}
"""By level and direction, the line below which the statements stand. Other texts have none."""

# Warp quotes a source line above its statements, then its number in a column of its own.
_QUOTED = re.compile(r"(//.*?\S) +(<L \d+>)$")


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Part of a text, and how many lines stand above it."""

    above: int
    text: str


def excerpt(text: str, level: str, direction: Direction) -> Excerpt:
    """The statements at a level that has a mark, indented from the left margin; else all."""
    lines = text.rstrip().splitlines()
    mark = _MARKS.get((level, direction))
    start = next((number for number, line in enumerate(lines, 1) if line.strip() == mark), 0)
    if not start:
        return Excerpt(0, "\n".join(lines))
    indent = _indent(lines[start - 1])
    end = len(lines)
    while end > start and _indent(lines[end - 1]) < indent:
        end -= 1  # what closes the function
    return Excerpt(start, "\n".join(_QUOTED.sub(r"\1  \2", x[indent:]) for x in lines[start:end]))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
