"""Text of any level with what does not matter taken out, so that texts can be compared.

Values become %0, %1, ... in order of appearance and parameters %a0, %a1, ...; functions become @0,
@1, ... Names, comments, locations, metadata, and what Warp and JAX wrap around every kernel are
gone. The result is for comparing: no compiler reads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping


def normalise(text: str, syntax: str) -> str:
    """The text, one statement a line, an empty one before each function; values are numbered from
    0 in each. `syntax` is that of its level, or "irgen" for programs.

    KeyError for a syntax that is none of `SYNTAXES`.
    """
    return "\n".join(SYNTAXES[syntax](text))


class _Numbers:
    """Names as numbers, in order of appearance."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._known: dict[str, str] = {}
        self._count = 0

    def __call__(self, name: str) -> str:
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = f"{self._prefix}{self._count}"
            self._count += 1
        return found

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def alias(self, name: str, to: str) -> None:
        """Let a name stand for this text from here on."""
        self._known[name] = to


_UNIT = re.compile(r"(?:function|kernel|program) @")
_VALUE = re.compile(r"%\w+(?:#\d+)?")


def _irgen(text: str) -> Iterator[str]:
    values, parameters = _Numbers("%"), _Numbers("%a")
    for line in text.splitlines():
        line = line.strip()
        if _UNIT.match(line):
            values, parameters = _Numbers("%"), _Numbers("%a")
            _name_all(line, parameters)
            yield ""
            yield _renamed(line, values, parameters)
        elif line and not line.startswith("irgen "):
            yield _renamed(line, values, parameters)


def _name_all(line: str, numbers: _Numbers) -> None:
    for found in _VALUE.finditer(line):
        numbers(found[0])


def _renamed(line: str, values: _Numbers, parameters: _Numbers) -> str:
    def number(found: re.Match[str]) -> str:
        name = found[0]
        return parameters(name) if name in parameters else values(name)

    return _VALUE.sub(number, line)


_CPP_UNIT = re.compile(
    r'^(?:static|extern "C" __global__)[^\n;{(]*?(\w+)\(([^{]*)\)\s*\n\{\n(.*?)^\}',
    re.MULTILINE | re.DOTALL,
)
_CPP_KERNEL = re.compile(r"_(?:cpu|cuda)_kernel_(forward|backward)$")
_CPP_PARAMETER = re.compile(r"([\w:<>, ]+?)[ &]*\b((?:var|adj)_\w+)\b")
_CPP_DECLARED = re.compile(
    r"(?P<const>const )?(?P<type>(?!return )[\w:][\w:<>, ]*[*&]?) "
    r"(?P<name>(?:var|adj)_\w+)(?: = (?P<value>.*))?;$"
)
_CPP_COPY = re.compile(r"(var_\w+) = wp::copy\((var_\w+)\);$")
_CPP_MADE = re.compile(r"((?:var|adj)_\w+) = ")
_CPP_NAME = re.compile(r"(?<!:)\b(?:var|adj)_\w+\b(?!\()|(?<!:)\b[A-Za-z_]\w*_\d+\b")
_CPP_VALUE = ("var_", "adj_")
_CPP_WRAPPING = (
    "//", "#", "static constexpr ", "wp_args_", "wp_contiguous_", "_wp_", "wp::tile_shared_",
    "for (size_t _idx", "_idx", "if constexpr (wp_",
)  # fmt: skip


def _cpp(text: str) -> Iterator[str]:
    """Functions first, then kernels: in a module these stand in the order of their names."""
    functions = _Numbers("@")
    kernels: list[list[str]] = []
    for unit in _CPP_UNIT.finditer(text):
        name, parameters, body = unit.groups()
        kernel = _CPP_KERNEL.search(name)
        if kernel:
            lines = _cpp_body(parameters, body, functions)
            kernels.append(["", f"kernel {kernel[1]}", *lines])
        elif "_args" not in parameters:  # else it only launches a kernel
            yield ""
            yield f"function {functions(name)}"
            yield from _cpp_body(parameters, body, functions)
    for lines in sorted(kernels):
        yield from lines


def _cpp_body(parameters: str, body: str, functions: _Numbers) -> Iterator[str]:
    """The statements of a function: constants stand where they are used, copies are seen through,
    and types where values are made."""
    values, given, labels = _Numbers("%"), _Numbers("%a"), _Numbers("label")
    types: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        name = found[0]
        if name in given:
            return given(name)
        if name in functions:
            return functions(name)
        is_value = found.end() == len(found.string) or found.string[found.end()] != "("
        return values(name) if is_value and name.startswith(_CPP_VALUE) else labels(name)

    def parameter(kind: str, name: str) -> str:
        return f"parameter {kind.strip().replace('wp::', '')} {given(name)}"

    for kind, name in _CPP_PARAMETER.findall(parameters):
        yield parameter(kind, name)
    kept: list[bool] = []
    for line in body.splitlines():
        line = line.strip()
        if not line or line.startswith(_CPP_WRAPPING):
            continue
        if line == "}":
            if kept and kept.pop():
                yield line
        elif declared := _CPP_DECLARED.match(line):
            name, value = declared["name"], declared["value"]
            types[name] = declared["type"].replace("wp::", "")
            if value is not None and "_args->" in value:
                yield parameter(declared["type"], name)
            elif declared["const"]:
                values.alias(name, f"{types[name]} {value}")
        elif copied := _CPP_COPY.match(line):
            values.alias(copied[1], _CPP_NAME.sub(number, copied[2]))
        else:
            if line.endswith("{"):
                kept.append(line != "{")
            if line == "{":
                continue
            made = _CPP_MADE.match(line)
            kind = f"{types.get(made[1], '')} " if made else ""
            yield kind + _CPP_NAME.sub(number, line).replace("wp::", "").rstrip(";")


_PLAIN = r'(?:[^()"]|"(?:[^"\\]|\\.)*")'
_MLIR_LOCATION = re.compile(rf" loc\((?:{_PLAIN}|\((?:{_PLAIN}|\({_PLAIN}*\))*\))*\)")
_MLIR_RESULT = re.compile(r" \{(?:jax|mhlo)\.[^{}]*\}")
_MLIR_SYMBOL = re.compile(r'@(?:"[^"]*"|[\w.$-]+)')


def _mlir(text: str) -> Iterator[str]:
    functions, values, parameters = _Numbers("@"), _Numbers("%"), _Numbers("%a")
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith(("module ", "#loc", "//")):
            continue
        line = _MLIR_RESULT.sub("", _MLIR_LOCATION.sub("", line))
        line = _MLIR_SYMBOL.sub(lambda found: functions(found[0]), line)
        if line.startswith("func.func "):
            values, parameters = _Numbers("%"), _Numbers("%a")
            _name_all(line, parameters)
            yield ""
        yield _renamed(line, values, parameters)


_HLO_NOTES = re.compile(
    r", (?:metadata|backend_config|frontend_attributes)="
    r'\{(?:[^{}"]|"(?:[^"\\]|\\.)*"|\{(?:[^{}"]|"(?:[^"\\]|\\.)*"|\{[^{}]*\})*\})*\}'
)
_HLO_MADE = re.compile(r"(?:ROOT )?%?([\w.-]+) = ")
_HLO_UNIT = re.compile(r"(ENTRY )?%?([\w.-]+)(?: \(.*\) -> .*)? \{$")
_HLO_NAME = re.compile(r"%[\w.-]+|[A-Za-z_][\w-]*\.[\w.-]+")


def _hlo(text: str) -> Iterator[str]:
    functions, values = _Numbers("@"), _Numbers("%")

    def number(found: re.Match[str]) -> str:
        name = found[0].lstrip("%")
        if name in functions:
            return functions(name)
        return values(name) if name in values else found[0]

    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith(("HloModule ", "//", "FileNames", "FunctionNames")):
            continue
        if unit := _HLO_UNIT.match(line):
            values = _Numbers("%")
            yield ""
            yield f"{unit[1] or ''}{functions(unit[2])} {{"
        elif made := _HLO_MADE.match(line):
            # An operand comes before its user, so every name is known where it is read.
            rest = _HLO_NAME.sub(number, _HLO_NOTES.sub("", line[made.end() :]))
            root = "ROOT " if line.startswith("ROOT ") else ""
            yield f"{root}{values(made[1])} = {rest}"
        else:
            yield line


_JAXPR_MADE = re.compile(r"\b([a-z]+):(?:\w+)\[")
_JAXPR_FUNCTION = re.compile(r"\blet ([A-Za-z_]\w*) = \{|\b(?:name|(?:\w*_)?jaxpr)=([A-Za-z_]\w*)")
_JAXPR_WORD = re.compile(r"(?<![\w.])([A-Za-z_]\w*)(?![\w.])(=?)")


def _jaxpr(text: str) -> Iterator[str]:
    made = set(_JAXPR_MADE.findall(text))
    named = {name for found in _JAXPR_FUNCTION.findall(text) for name in found if name} - made
    functions, values = _Numbers("@"), _Numbers("%")

    def number(found: re.Match[str]) -> str:
        word, assigned = found.groups()
        before = found.string[: found.start()]
        if word in named and before.endswith(("let ", "name=", "jaxpr=")):
            return functions(word) + assigned
        # An op stands behind "= ", an attribute before "=": neither is a value of that name.
        if word not in made or assigned or before.endswith(("= ", "=")):
            return found[0]
        return values(word)

    for line in text.splitlines():
        line = line.strip()
        if line:
            yield _JAXPR_WORD.sub(number, line)


SYNTAXES: Mapping[str, Callable[[str], Iterator[str]]] = {
    "irgen": _irgen,
    "cpp": _cpp,
    "cuda": _cpp,
    "mlir": _mlir,
    "hlo": _hlo,
    "jaxpr": _jaxpr,
}
"""The syntaxes there are, as levels name them, and "irgen" for programs."""
