"""Lines of Warp's C++ and CUDA text. Warp quotes each line of Python above what it became, in the
adjoint below it, with its number: `// x = data[i]   <L 12>`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from irgen.report.alignment import Aligned, Lines, Mismatch, merged

_QUOTE = re.compile(r"\s*// (adj: )?(.*?)\s*<L (\d+)>$")
_FORWARD, _REVERSE, _RULE = "// forward", "// reverse", "//---------"
_DECLARED = re.compile(r"\s*(?:const )?[\w:<>, *]+? (?:var|adj)_(\d+)(?: = .*)?;$")
_NAMED = re.compile(r"\b(?:var|adj)_(\d+)\b")
_ASSIGNED = re.compile(r"\s*var_(\d+) = ")
_START = re.compile(r"\s*start_\w+:;$")
_END = re.compile(r"\s*end_\w+:;$")


def align(text: str, python: str) -> Aligned:
    """The lines of Python behind each line of C++ or CUDA.

    Statements belong to the quotes around them. Declarations lead to the statements that assign the
    variable, those of constants to all that use it. Mismatch where a quote is not in `python`.
    """
    source = python.split("\n")
    written = text.split("\n")
    lines: list[Lines] = []
    through: list[Lines] = []
    start = 0
    for end in (*_ends(written), len(written)):
        own, declared = _of_unit(written[start:end], source)
        lines += own
        through += declared
        start = end
    return Aligned(text, tuple(lines), tuple(through))


def _ends(written: Sequence[str]) -> list[int]:
    """Where one function ends and the next begins: names are those of one function."""
    return [number + 1 for number, line in enumerate(written) if line == "}"]


def _of_unit(written: Sequence[str], source: Sequence[str]) -> tuple[list[Lines], list[Lines]]:
    """For each line of a function, the lines that it comes from, and those that it leads to."""
    nothing: list[Lines] = [()] * len(written)
    marks = {line.strip(): number for number, line in enumerate(written)}
    if _FORWARD not in marks:
        return nothing, nothing
    quotes = [_quoted(line, source) for line in written]
    first, middle = marks[_FORWARD], marks.get(_REVERSE, len(written))
    owners = [0] * len(written)
    _own_forward(written, quotes, range(first + 1, middle), owners)
    _own_reverse(written, quotes, range(middle + 1, len(written)), owners)
    _own_replays(written, quotes, range(middle + 1, len(written)), owners)
    lines: list[Lines] = [(owner,) if owner else () for owner in owners]
    return lines, _declarations(written, lines, first)


def _quoted(line: str, source: Sequence[str]) -> tuple[bool, int] | None:
    """Whether a line quotes Python for the adjoint, and the number of what it quotes."""
    found = _QUOTE.match(line)
    if found is None:
        return None
    number = int(found[3])
    if number > len(source) or source[number - 1].strip() != found[2]:
        raise Mismatch(f"line {number} of the source is not {found[2]!r}")
    return found[1] is not None, number


Quotes = Sequence[tuple[bool, int] | None]


def _own_forward(written: Sequence[str], quotes: Quotes, part: range, owners: list[int]) -> None:
    """What stands below a quote is its own; after a block it is again what it was before."""
    owner, outer = 0, list[int]()
    for number in part:
        line, quote = written[number], quotes[number]
        if quote is not None:
            owner = quote[1]
        elif line.strip() == _RULE or (_closes(line) and not outer):
            break
        elif _closes(line) or _END.match(line):
            owner = outer.pop() if outer else owner
        owners[number] = owner
        if line.endswith("{") or _START.match(line):
            outer.append(owner)


def _own_reverse(written: Sequence[str], quotes: Quotes, part: range, owners: list[int]) -> None:
    """What stands above a quote of the adjoint is its own: the same from below."""
    owner, outer = 0, list[int]()
    for number in reversed(part):
        line, quote = written[number], quotes[number]
        if quote is not None and quote[0]:
            owner = quote[1]
        elif line.endswith("{") or _START.match(line):
            owner = outer.pop() if outer else owner
        owners[number] = owner
        if owner and (_closes(line) or _END.match(line)):
            outer.append(owner)


def _own_replays(written: Sequence[str], quotes: Quotes, part: range, owners: list[int]) -> None:
    """A loop runs its body again before the adjoint of that: such lines are quoted from above, and
    those between the head of the loop and its body are the head's."""
    replayed = head = 0
    for number in part:
        line, quote = written[number], quotes[number]
        if quote is not None:
            head, replayed = 0, 0 if quote[0] else quote[1]
        elif "wp::adj_" in line or re.match(r"\s*adj_\w+\(", line):
            head = replayed = 0
        elif _START.match(line) and not replayed:
            head = owners[number]
        if replayed or head:
            owners[number] = replayed or head


def _closes(line: str) -> bool:
    return line.strip().startswith("}")


def _declarations(written: Sequence[str], lines: Sequence[Lines], first: int) -> list[Lines]:
    """For each declaration above the statements, the lines behind what it declares."""
    assigned: dict[str, list[int]] = {}
    used: dict[str, list[int]] = {}
    for number in range(first + 1, len(written)):
        found = _ASSIGNED.match(written[number])
        if found is not None:
            assigned.setdefault(found[1], []).append(number)
        for name in _NAMED.findall(written[number]):
            used.setdefault(name, []).append(number)
    declared: list[Lines] = [()] * len(written)
    for number in range(first):
        found = _DECLARED.match(written[number])
        if found is not None:
            users = assigned.get(found[1]) or used.get(found[1], [])
            declared[number] = merged(*[lines[user] for user in users])
    return declared
