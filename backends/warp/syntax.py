"""What recorded Warp text must be: which texts a source has, and that each is C++ and CUDA.

Many modules are compiled together by the Clang that Warp bundles. What launches kernels is left
out and kernels are functions that nobody calls, so Clang checks all of them and makes no code. A
CUDA text has the statements of the C++ text; those that have not, and those of rows to be compiled,
go through the same Clang, with CUDA's own names declared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

from backends.base import Artifact, Direction, Rendered, Unit
from backends.syntax import Fault, Read
from backends.warp import private_run
from backends.warp.build import HEADER_END, blamed, first_error, header, plain
from backends.warp.capture import capture, level_names
from backends.warp.compiled import prepare as start_compiler
from backends.warp.run import source_hash as digest

__all__ = ["places", "prepare", "read", "source_hash"]

_DIRECTIVES = frozenset({"#if defined(WP_ENABLE_TILES_IN_STACK_MEMORY)", "#endif"})
"""The only lines for the preprocessor that Warp writes below the header."""

_MARKS = ("#", "%:", "??")
"""What begins a line for the preprocessor, or would in a language that has trigraphs."""

_READING: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("_Pragma", re.compile(r"\b_Pragma\b")),
    ("__", re.compile(r"\b__(?:has_\w+|pragma|asm\w*)\b")),
    ("asm", re.compile(r"\basm\b\s*(?:volatile|\()")),
    ("/*", re.compile(r"/\*")),
    ("\\", re.compile(r"\\[^\S\n]*$", re.M)),
)
"""What Warp never writes, and what may read a file or hide what does: letters to look for, and what
they must be part of."""

_EXECUTED = {"cpu": "cpp", "cuda": "cuda"}
_CUDA_NAMES = """\
struct cuda_index { unsigned int x, y, z; };
static const cuda_index blockDim = {1, 1, 1}, gridDim = {1, 1, 1}, blockIdx = {}, threadIdx = {};
"""
_ANY_STRIDES = "static constexpr bool wp_linear_contiguous = false;\n"
_BODY = "// primal vars"
_LEFT = frozenset({"return;", "continue;"})

_SAMPLE = """\
import warp as wp


@wp.kernel
def sample(values: wp.array(dtype=wp.float32)):
    values[wp.tid()] = 1.0
"""


def prepare() -> None:
    """Start the compiler; BackendError where Warp cannot be used."""
    start_compiler()
    headers()


@cache
def headers() -> dict[str, str]:
    """What stands above the code of every module, by level."""
    rendered = Rendered("warp", _SAMPLE, "sample", (Unit("sample", "kernel"),), (), False)
    (found,) = capture([rendered], frozenset({"cpp", "cuda"}))
    made: dict[str, str] = {}
    for artifact in found.artifacts:
        if artifact.direction == "module":
            first = header(artifact.text or "")
            assert first is not None
            made[artifact.level] = first
    return made


def places(rendered: Rendered, levels: Sequence[str]) -> list[tuple[str, str, Direction]]:
    """Unit, level and direction of each artifact of a source, in order."""
    names = level_names(frozenset(levels))
    both: tuple[Direction, ...] = ("forward", "backward")
    found: list[tuple[str, str, Direction]] = [
        (unit.name, name, direction)
        for unit in rendered.units
        for name in names
        for direction in both
    ]
    return [*found, *[("", name, "module") for name in names]]


def source_hash(
    artifacts: Sequence[Artifact], execution: str, forward: bool, backward: bool
) -> str | None:
    """The hash of the recorded text that an execution ran; None where it is not recorded."""
    text = _module(artifacts, _EXECUTED[execution])
    return None if text is None else digest(text)


@dataclass(slots=True)
class _Found:
    """What is known so far of a row."""

    faults: list[Fault] = field(default_factory=list[Fault])
    parsed: dict[str, int] = field(default_factory=dict[str, int])

    def fault(self, level: str, direction: Direction, unit: str, what: str) -> None:
        self.faults.append(Fault(level, direction, unit, what))


def read(
    rows: Sequence[Sequence[Artifact]], compiled: Sequence[bool], closely: Sequence[bool]
) -> list[Read]:
    """What Clang says of the artifacts of each row.

    Where `compiled` says so the C++ is compiled, and where `closely` does also what launches its
    kernels, and the CUDA. Where C++ and CUDA have other statements, both are. BackendError where
    Warp cannot be used. A text may end the process.
    """
    prepare()
    found = [_Found() for _ in rows]
    todo: list[tuple[int, _Piece]] = []
    for number, artifacts in enumerate(rows):
        alike = _alike(artifacts)
        for level in _EXECUTED.values():
            text = _module(artifacts, level)
            if text is None:
                continue
            wrong = _foreign(text, level)
            if wrong:
                found[number].fault(level, "module", "", wrong)
                continue
            _contained(artifacts, level, text, found[number])
            if closely[number] or not alike or (compiled[number] and level == "cpp"):
                todo.append((number, _Piece(level, _FORMS[level](_code(text), closely[number]))))
    for (number, piece), message in zip(todo, _messages([one for _, one in todo]), strict=True):
        found[number].parsed[piece.level] = 1
        if message:
            found[number].fault(piece.level, "module", "", message)
    return [Read(tuple(one.faults), one.parsed) for one in found]


def _module(artifacts: Sequence[Artifact], level: str) -> str | None:
    for artifact in artifacts:
        if artifact.level == level and artifact.direction == "module":
            return artifact.text
    return None


def _foreign(text: str, level: str) -> str:
    """What of a text Warp has not written, or "": its header, and lines for the preprocessor, which
    may read any file."""
    first = header(text)
    if first is None:
        return "it has no header of Warp's"
    if first != headers()[level]:
        return "its header is not that of the installed Warp"
    code = _code(text)
    for mark in _MARKS:
        at = code.find(mark)
        while at >= 0:
            end = code.find("\n", at)
            line = code[code.rfind("\n", 0, at) + 1 : end if end >= 0 else None].strip()
            if line not in _DIRECTIVES and not line.startswith("//"):
                return f"a line for the preprocessor: {line[:80]!r}"
            at = code.find(mark, at + 1)
    for letters, pattern in _READING:
        if letters in code and (found := pattern.search(code)):
            return f"what may read files: {found[0]!r}"
    return ""


def _code(text: str) -> str:
    return text[text.index(HEADER_END) + len(HEADER_END) :]


def _contained(artifacts: Sequence[Artifact], level: str, module: str, found: _Found) -> None:
    """The text of each unit stands in that of the module, up to the end of a function."""
    for one in artifacts:
        if one.level == level and one.direction != "module" and one.text is not None:
            if one.text.rstrip("\n") not in module:
                found.fault(level, one.direction, one.unit, "it is no part of the module's text")
            elif not one.text.endswith("}\n"):
                found.fault(level, one.direction, one.unit, "it is cut off")


def _alike(artifacts: Sequence[Artifact]) -> bool:
    """Whether every unit has the same statements as C++ and as CUDA."""
    by_unit: dict[tuple[str, str], dict[str, list[str]]] = {}
    for one in artifacts:
        if one.direction != "module" and one.text is not None:
            by_unit.setdefault((one.unit, one.direction), {})[one.level] = _statements(one.text)
    return all(both.get("cpp") == both.get("cuda") != [] for both in by_unit.values())


def _statements(text: str) -> list[str]:
    """The lines of a body, without what differs between the two: CUDA's loop over lanes, left by
    `continue` where a C++ kernel returns."""
    lines = [line.strip() for line in text[text.find(_BODY) :].splitlines()]
    while lines and lines[-1] in ("}", ""):
        lines.pop()
    return ["return;" if line in _LEFT else line for line in lines]


def _as_cpp(code: str, whole: bool) -> str:
    """A C++ module as part of a translation unit; `whole` with what launches its kernels, of which
    nothing is exported."""
    return code.replace('extern "C" {', "namespace {") if whole else plain(code)


def _as_cuda(code: str, whole: bool) -> str:
    """A CUDA module as part of a translation unit of C++."""
    return code.replace('extern "C" __global__ ', "static ")


_FORMS: dict[str, Callable[[str, bool], str]] = {"cpp": _as_cpp, "cuda": _as_cuda}


@dataclass(frozen=True, slots=True)
class _Piece:
    """A module to compile: its level, and its code as part of a translation unit."""

    level: str
    code: str


def _unit(pieces: Sequence[_Piece]) -> str:
    """One translation unit: C++ first, since CUDA's header defines some names anew."""
    parts = {"cpp": [headers()["cpp"], _ANY_STRIDES], "cuda": list[str]()}
    for number, piece in enumerate(pieces):
        if piece.level == "cuda" and not parts["cuda"]:
            parts["cuda"] += [headers()["cuda"], _CUDA_NAMES]
        job = f'namespace job_{number} {{\n#line 1 "job_{number}"\n{piece.code}\n}}\n'
        parts[piece.level].append(job)
    return "".join(parts["cpp"] + parts["cuda"])


def _messages(pieces: Sequence[_Piece]) -> list[str]:
    """What the compiler says of each module, "" where nothing is wrong."""
    found = [""] * len(pieces)
    _compile(pieces, list(range(len(pieces))), found)
    return found


def _compile(pieces: Sequence[_Piece], numbers: Sequence[int], found: list[str]) -> None:
    """Compile some modules together; those that cannot be are tried alone."""
    if not numbers:
        return
    folder = start_compiler()
    target = folder / "checked.o"
    source = _unit([pieces[number] for number in numbers])
    messages = private_run.compile_object(source, target, folder / "builtin.pch")
    target.unlink(missing_ok=True)
    if messages is None:
        return
    if len(numbers) == 1:
        found[numbers[0]] = first_error(messages)
        return
    # Something open at the end of one text is an error in the next: try the suspects alone.
    suspects = {numbers[place] for place in blamed(messages) if place < len(numbers)}
    for number in sorted(suspects):
        _compile(pieces, [number], found)
    rest = [number for number in numbers if number not in suspects]
    for part in [rest] if suspects else [rest[: len(rest) // 2], rest[len(rest) // 2 :]]:
        _compile(pieces, part, found)
