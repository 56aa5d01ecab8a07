"""Lines of StableHLO: MLIR prints the location of each operation behind it, `loc(#loc7)`, and what
the locations are below the module. Without those it is the recorded text, line by line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from irgen.report.alignment import Aligned, Lines, Mismatch, from_users, merged

Frames = tuple[int, ...]
"""Lines of the source in a traceback, the innermost first."""

_NESTED = r'(?:[^()"]|"(?:[^"\\]|\\.)*"|\((?:[^()"]|"(?:[^"\\]|\\.)*"|\([^()]*\))*\))*'
_LOCATION = re.compile(rf" loc\(({_NESTED})\)")
_DEFINED = re.compile(rf"(#loc\d*) = loc\(({_NESTED})\)$")
_PLACE = re.compile(r'"((?:[^"\\]|\\.)*)":(\d+):\d+')
_REFERENCE = re.compile(r"#loc\d*")
_FUNCTION = re.compile(r"  func\.func (?:public |private )?@([\w.$]+)\(")
_CALL = re.compile(r"call @([\w.$]+)\(")
_RESULT = re.compile(r"\s*(%[\w.]+)(?::\d+)? = ")
_CONSTANT = " = stablehlo.constant "
_VALUE = re.compile(r"%[\w.]+")


@dataclass(slots=True)
class _Function:
    """A function of a module: its lines of text, and the frames of each call of it."""

    name: str
    first: int
    last: int
    calls: list[tuple[str, Frames]] = field(default_factory=list[tuple[str, Frames]])


@dataclass(frozen=True, slots=True)
class Shared:
    """A library function that several lines of the source call, and that the module has once.

    JAX traces it for the first of them and keeps that line; `lines` are all of them.
    """

    name: str
    lines: Lines


def align(located: str, recorded: str, file: str) -> tuple[Aligned, tuple[Shared, ...]]:
    """The lines of Python behind each line of a module, and the functions that they share.

    `located` is the module printed with locations, `file` the name of the source in them. Mismatch
    where it is not the `recorded` text otherwise.
    """
    body, places = _parted(located, file)
    text = "\n".join(_LOCATION.sub("", line) for line in body)
    if text.rstrip("\n") != recorded.rstrip("\n"):
        raise Mismatch("lowering again gave another text")
    written = recorded.split("\n")
    frames = _frames(body, places)
    frames += [()] * (len(written) - len(frames))
    lines: list[Lines] = [found[:1] for found in frames]
    through: list[Lines] = [found[1:] for found in frames]
    shared = _follow_calls(written, lines, through)
    through = [merged(own, via) for own, via in zip(lines, through, strict=True)]
    lines = _unlocated(written, lines)
    clean = [tuple(x for x in via if x not in own) for own, via in zip(lines, through, strict=True)]
    return Aligned(recorded, tuple(lines), tuple(clean)), shared


def _parted(located: str, file: str) -> tuple[list[str], dict[str, Frames]]:
    """The lines of the module itself, and the frames of each location by its name."""
    body: list[str] = []
    written: dict[str, str] = {}
    for line in located.split("\n"):
        found = _DEFINED.match(line)
        if found is None:
            body.append(line)
        else:
            written[found[1]] = found[2]
    places: dict[str, Frames] = {}

    def resolve(name: str) -> Frames:
        if name not in places:
            places[name] = ()
            places[name] = read(written.get(name, ""))
        return places[name]

    def read(words: str) -> Frames:
        place = _PLACE.match(words)
        if place is not None:
            return (int(place[2]),) if place[1] == file else ()
        return tuple([line for name in _REFERENCE.findall(words) for line in resolve(name)])

    for name in written:
        resolve(name)
    return body, places


def _frames(body: Sequence[str], places: Mapping[str, Frames]) -> list[Frames]:
    """The frames of each line. An operation with regions has its location behind the last one; its
    other lines, and the arguments of its blocks, are its own."""
    found: list[Frames] = []
    opened: list[list[int]] = []
    for number, line in enumerate(body):
        locations = _LOCATION.findall(line)
        own: Frames = ()
        if locations:
            names = _REFERENCE.findall(locations[-1])
            own = tuple([at for name in names for at in places.get(name, ())])
        found.append(own)
        stripped = _LOCATION.sub("", line).strip()
        if stripped.startswith("^") and opened:
            opened[-1].append(number)
        if stripped.startswith("}") and opened:
            lines = opened.pop()
            if stripped.endswith("{"):
                opened.append([*lines, number])
            else:
                for at in lines:
                    found[at] = found[at] or own
        elif stripped.endswith("{"):
            # A loop's head is a line of its own above its regions.
            above = [number - 1] if stripped in ("cond {", "do {") and number else []
            opened.append([*above, number])
    return found


def _follow_calls(
    written: Sequence[str], lines: list[Lines], through: list[Lines]
) -> tuple[Shared, ...]:
    """Add to the lines of functions those that call them."""
    functions = _functions(written)
    for name, function in functions.items():
        for number in range(function.first, function.last + 1):
            called = _CALL.search(written[number])
            if called is not None and called[1] in functions:
                via = (*lines[number], *through[number])
                functions[called[1]].calls.append((name, via))
    heads: dict[str, Lines] = {}
    libraries: dict[str, bool] = {}
    leading: dict[str, Lines] = {}

    def visit(name: str) -> None:
        if name in libraries:
            return
        function = functions[name]
        found: list[Lines] = []
        led: list[Lines] = []
        libraries[name] = False
        for caller, frames in function.calls:
            visit(caller)
            found.append(heads[caller] if libraries[caller] else frames[:1])
            led += [frames, leading[caller]]
        heads[name], leading[name] = merged(*found), merged(*led)
        own = merged(*lines[function.first : function.last + 1])
        # What was not traced in a line of its own was traced for the lines that call it.
        libraries[name] = bool(function.calls) and set(own) <= set(heads[name])

    for name in functions:
        heads[name] = leading[name] = ()
    for name in functions:
        visit(name)
    for name, function in functions.items():
        for number in range(function.first, function.last + 1):
            if libraries[name]:
                lines[number] = heads[name]
            through[number] = merged(through[number], leading[name])
    return tuple(
        [Shared(name, heads[name]) for name in functions if libraries[name] and heads[name][1:]]
    )


def _functions(written: Sequence[str]) -> dict[str, _Function]:
    functions: dict[str, _Function] = {}
    last: _Function | None = None
    for number, line in enumerate(written):
        found = _FUNCTION.match(line)
        if found is not None:
            last = functions[found[1]] = _Function(found[1], number, number)
        elif last is not None:
            last.last = number
            last = None if line == "  }" else last
    return functions


def _unlocated(written: Sequence[str], lines: list[Lines]) -> list[Lines]:
    """Constants, which have no location or that of the loop around them, and whatever else has none
    are of the lines that use them; names are those of one function."""
    found = list(lines)
    for function in _functions(written).values():
        part = range(function.first, function.last + 1)
        defines: dict[int, str] = {}
        uses: dict[str, list[int]] = {}
        for number in part:
            result = _RESULT.match(written[number])
            if result is not None:
                defines[number] = result[1]
            for name in set(_VALUE.findall(written[number])):
                uses.setdefault(name, []).append(number)
        constants = {number for number in part if _CONSTANT in written[number]}
        for number, own in enumerate(from_users(found, defines, uses, constants)):
            found[number] = own
    return found
