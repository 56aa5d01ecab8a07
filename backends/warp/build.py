"""Joining recorded C++ texts: many modules of generated kernels as one translation unit.

A compiler starts slowly and compiles the header's templates once per translation unit, so modules
are compiled together, each in a namespace of its own. The functions that Warp generated for kernels
and functions are taken as they were recorded. What is around them is made leaner:

- the header lines, which all texts share, are written once;
- a kernel is a plain function. Warp emits a template, instantiated for strides known to be dense
  and for any strides; here it is as for any strides, which compute the same;
- the code that calls a kernel for each lane is one loop, where Warp has three nested functions for
  each kind of strides.

None of it changes a result: nothing is inlined, and no arithmetic reordered, at -O0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

HEADER_END = "#define adj_int(x, adj_x, adj_ret) adj_cast_int(x, adj_x, adj_ret)\n"
"""The last line that Warp writes before the code of a module."""

_NO_BFLOAT16 = "#define WP_NO_BFLOAT16\n"
_TEMPLATE = "template <bool wp_linear_contiguous>\n"
_ANY_STRIDES = "static constexpr bool wp_linear_contiguous = false;\n"
_DENSE = re.compile(
    r"^    wp_args_\w+ wp_contiguous_args;\n(?:    wp_args_\w+ wp_contiguous_adj_args;\n)?"
    r"    if constexpr \(wp_linear_contiguous\)\n    \{\n(?:        .*\n)*    \}\n",
    re.M,
)
_LAUNCH = re.compile(
    r"^template <bool wp_linear_contiguous>\nstatic WP_FORCEINLINE void \w+_tasks\((?:.*\n)*?"
    r"\} // extern C\n",
    re.M,
)
_LOOP = """\
extern "C" WP_API void {symbol}({parameters})
{{
    wp::tile_shared_storage_t tile_mem;
#if defined(WP_ENABLE_TILES_IN_STACK_MEMORY)
    wp::shared_tile_storage = &tile_mem;
#endif
    for (size_t lane = 0; lane < dim->size; ++lane)
        {name}_cpu_kernel_{direction}({arguments});
}}
"""
_ENTRY = re.compile(
    r"^WP_API void (\w+)_cpu_(forward|backward)\(\n    wp::launch_bounds_t<(\d)>", re.M
)
_CUDA_ENTRY = re.compile(
    r'^extern "C" __global__ void (\w+)_cuda_kernel_(forward|backward)\('
    r"\n    wp::launch_bounds_t<(\d)>",
    re.M,
)
_UNIT = "job"


@dataclass(frozen=True, slots=True)
class Entry:
    """A kernel that a text exports: its name, the rank of its index space, whether it has an
    adjoint."""

    name: str
    rank: int
    adjoint: bool


def header(text: str) -> str | None:
    """The lines that come before the code of a recorded module, or None where there are none.

    Those that only say whether bfloat16 occurs are left out: texts that differ there go together.
    """
    end = text.find(HEADER_END)
    return None if end < 0 else text[:end].replace(_NO_BFLOAT16, "") + HEADER_END


def entries(text: str) -> list[Entry]:
    """The kernels of a recorded module."""
    return _entries(_ENTRY, text)


def cuda_entries(text: str) -> list[Entry]:
    """The kernels of a recorded CUDA module."""
    return _entries(_CUDA_ENTRY, text)


def _entries(pattern: re.Pattern[str], text: str) -> list[Entry]:
    found: dict[str, Entry] = {}
    for name, direction, rank in pattern.findall(text):  # an adjoint comes after its kernel
        found[name] = Entry(name, int(rank), direction == "backward")
    return list(found.values())


def plain(code: str) -> str:
    """The code of a module with its kernels as plain functions, and without what launches them."""
    return _DENSE.sub("", _LAUNCH.sub("", code)).replace(_TEMPLATE, "")


def symbol(number: int, name: str, direction: str) -> str:
    """The symbol of a kernel of the text at a place of a translation unit."""
    return f"{_UNIT}_{number}_{name}_cpu_{direction}"


def translation_unit(texts: Sequence[str], called: Sequence[str]) -> str:
    """One translation unit of several recorded modules with the same `header`.

    `called` names for each a function to export as a kernel would be (see `caller`), or "".
    Compiler messages name the text by its place: see `blamed`.
    """
    first = header(texts[0])
    assert first is not None
    parts = [first, _ANY_STRIDES]
    for number, (text, function) in enumerate(zip(texts, called, strict=True)):
        code = text[text.index(HEADER_END) + len(HEADER_END) :]
        parts.append(f'namespace {_UNIT}_{number} {{\n#line 1 "{_UNIT}_{number}"\n')
        parts.append(plain(code))
        parts += [launcher(number, entry) for entry in entries(code)]
        if function:
            parts.append(caller(code, function, number))
        parts.append("\n}\n")
    return "".join(parts)


def launcher(number: int, entry: Entry) -> str:
    """Code that exports a kernel, and its adjoint: a loop over the lanes."""
    bounds, arguments = f"wp::launch_bounds_t<{entry.rank}> *dim", f"wp_args_{entry.name} *"
    loops = [
        _LOOP.format(
            symbol=symbol(number, entry.name, "forward"),
            parameters=f"{bounds}, {arguments}values",
            name=entry.name,
            direction="forward",
            arguments="*dim, lane, values",
        )
    ]
    if entry.adjoint:
        loops.append(
            _LOOP.format(
                symbol=symbol(number, entry.name, "backward"),
                parameters=f"{bounds}, {arguments}values, {arguments}adjoints",
                name=entry.name,
                direction="backward",
                arguments="*dim, lane, values, adjoints",
            )
        )
    return "".join(loops)


_ADJOINT = r"^static void adj_{}_\d+\(\n((?:    .*\n)*?    .*)\)\n\{{"


def caller(code: str, function: str, number: int) -> str:
    """Code that exports a function: its arguments, and then its results, come in a structure.

    The adjoint takes that structure and one of adjoints. ValueError where the code has no adjoint
    of a function of that name.
    """
    found = re.search(_ADJOINT.format(re.escape(function)), code, re.M)
    symbol_ = re.search(rf"^static .* ({re.escape(function)}_\d+)\($", code, re.M)
    if found is None or symbol_ is None:
        raise ValueError(f"the recorded text has no function {function!r} with an adjoint")
    fields: dict[str, str] = {}  # by name: var_... and ret..., in the order of the call
    given: list[str] = []
    for line in found[1].split("\n"):
        kind, name = line.strip().rstrip(",").replace(" & ", " ").rsplit(" ", 1)
        if not name.startswith("adj_"):
            given.append(f"call->{name}")
            fields[name] = kind
        elif name.startswith("adj_ret"):
            given.append(f"adjoint->{name[4:]}")
            fields[name[4:]] = kind
        else:
            given.append(f"adjoint->var_{name[4:]}")
    direct = f"{symbol_[1]}({', '.join(f'call->{name}' for name in fields if name != 'ret')})"
    members = "".join(f"    {kind} {name};\n" for name, kind in fields.items())
    return (
        f"struct recorded_call {{\n{members}}};\n"
        f'extern "C" WP_API void {symbol(number, function, "forward")}(recorded_call *call)\n'
        f"{{ {'call->ret = ' if 'ret' in fields else ''}{direct}; }}\n"
        f'extern "C" WP_API void {symbol(number, function, "backward")}'
        "(recorded_call *call, recorded_call *adjoint)\n"
        f"{{ adj_{symbol_[1]}({', '.join(given)}); }}\n"
    )


_ERROR = re.compile(rf"^(?:{_UNIT}_(\d+)|[^:\n]*):\d+:\d+: (?:fatal )?error: (.*)$", re.M)


def blamed(messages: str) -> list[int]:
    """The places of the texts in which a compiler reports errors, in order and once each."""
    numbers = (number for number, _ in _ERROR.findall(messages) if number)
    return list(dict.fromkeys(map(int, numbers)))


def first_error(messages: str) -> str:
    """The first error in a compiler's messages, on one line."""
    found = _ERROR.search(messages)
    line = found[2] if found else " ".join(messages.split())
    return line[:400] or "the compiler failed without a message"
