"""Lines of optimized HLO: XLA keeps with each instruction the stack frame that its first operation
came from. Without this metadata it is the recorded text, line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from backends.jax.texts import METADATA, PROPAGATION, SOURCE_TABLES
from irgen.report.alignment import Aligned, Lines, Mismatch, from_users, merged
from irgen.report.stablehlo_lines import Shared

_TABLE = re.compile(r"^(FileNames|FunctionNames|FileLocations|StackFrames)\n((?:\d+ .*\n)*)", re.M)
_ENTRY = re.compile(r"(\d+) (.*)")
_NUMBER = re.compile(r"(\w+)=(\d+)")
_FRAME = re.compile(r"stack_frame_id=(\d+)")
_PLAIN = re.compile(r'source_file="([^"]*)" source_line=(\d+)')
_NAME = re.compile(r'op_name="([^"]*)"')
_DEFINED = re.compile(r"\s*(?:ROOT )?(%[\w.-]+) = ")
_CONSTANT = re.compile(r" = \S+ (?:constant|broadcast)\(")
_CALLS = re.compile(r" calls=(%[\w.-]+)")
_VALUE = re.compile(r"%[\w.-]+")


def align(located: str, recorded: str, file: str, shared: Iterable[Shared] = ()) -> Aligned:
    """The lines of Python behind each instruction.

    `located` is the module printed with metadata, `file` the name of the source in it, `shared`
    what `irgen.report.stablehlo_lines.align` found. Mismatch where it is not the `recorded` text.
    """
    frames = _frames(located, file)
    body = PROPAGATION.sub("", SOURCE_TABLES.sub("", located)).split("\n")
    written = [METADATA.sub("", line) for line in body]
    if "\n".join(written).rstrip("\n") != recorded.rstrip("\n"):
        raise Mismatch("compiling again gave another text")
    written = recorded.split("\n")
    body += [""] * (len(written) - len(body))
    widened = tuple(shared)
    lines: list[Lines] = []
    through: list[Lines] = []
    for line in body[: len(written)]:
        metadata = "".join(found.group() for found in METADATA.finditer(line))
        own, *via = _of(metadata, frames, file) or (0,)
        inside = _NAME.search(metadata)
        lines.append(_widened(own, inside[1] if inside else "", widened) if own else ())
        through.append(tuple(at for at in via if at not in lines[-1]))
    lines = _constants(written, lines)
    _fusions(written, lines, through)
    return Aligned(recorded, tuple(lines), tuple(through))


def _fusions(written: Sequence[str], lines: Sequence[Lines], through: list[Lines]) -> None:
    """A fusion carries the line of its last operation; it leads to all the others as well."""
    inside: dict[str, Lines] = {}
    name = ""
    for number, line in enumerate(written):
        if line.startswith("%") and line.endswith("{"):
            name = line.partition(" ")[0]
        elif line == "}":
            name = ""
        elif name:
            inside[name] = merged(inside.get(name, ()), lines[number])
    for number, line in enumerate(written):
        called = _CALLS.search(line)
        if called is not None:
            more = merged(through[number], inside.get(called[1], ()))
            through[number] = tuple(at for at in more if at not in lines[number])


def _of(metadata: str, frames: Mapping[int, Lines], file: str) -> Lines:
    frame = _FRAME.search(metadata)
    if frame is not None:
        return frames.get(int(frame[1]), ())
    plain = _PLAIN.search(metadata)
    return (int(plain[2]),) if plain is not None and plain[1] == file else ()


def _widened(own: int, path: str, shared: Sequence[Shared]) -> Lines:
    """All lines that call a library function, where an instruction is of one that they share."""
    parts = re.split(r"[/()]", path)
    for one in shared:
        if own in one.lines and re.sub(r"_\d+$", "", one.name) in parts:
            return one.lines
    return (own,)


def _frames(located: str, file: str) -> dict[int, Lines]:
    """The lines of the source in each stack frame, the innermost first."""
    tables: dict[str, dict[int, str]] = {}
    for name, entries in _TABLE.findall(located):
        found = [_ENTRY.match(entry) for entry in entries.splitlines()]
        tables[name] = {int(entry[1]): entry[2] for entry in found if entry is not None}
    files = {number: text.strip('"') for number, text in tables.get("FileNames", {}).items()}
    places: dict[int, int] = {}
    for number, text in tables.get("FileLocations", {}).items():
        values = _values(text)
        places[number] = values["line"] if files.get(values["file_name_id"]) == file else 0
    stacks = {number: _values(text) for number, text in tables.get("StackFrames", {}).items()}
    frames: dict[int, Lines] = {}
    for number in stacks:
        lines: list[int] = []
        at, seen = number, set[int]()
        while at in stacks and at not in seen:
            seen.add(at)
            lines.append(places.get(stacks[at]["file_location_id"], 0))
            # Counted from 1, with 1 for none, in the text; so it is one more than the frame.
            at = stacks[at].get("parent_frame_id", 0) - 1
        frames[number] = tuple(dict.fromkeys(line for line in lines if line))
    return frames


def _values(text: str) -> dict[str, int]:
    return {name: int(value) for name, value in _NUMBER.findall(text)}


def _constants(written: Sequence[str], lines: Sequence[Lines]) -> list[Lines]:
    """Constants, and broadcasts of them, are of the instructions that use them."""
    defines: dict[int, str] = {}
    uses: dict[str, list[int]] = {}
    for number, line in enumerate(written):
        defined = _DEFINED.match(line)
        if defined is not None and _CONSTANT.search(line):
            defines[number] = defined[1]
        for name in set(_VALUE.findall(line)):
            uses.setdefault(name, []).append(number)
    return from_users(lines, defines, uses)
