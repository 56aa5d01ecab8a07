"""What a repro is made of, whatever the backend: statements, and the results they leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import libcst as cst

from backends import surface as s
from backends.base import Rendered
from irgen.fuzz.case import Case

Role = Literal["output", "gradient"]
Place = tuple[Role, int]
"""An output by its position, or a gradient by that of its parameter."""


@dataclass(frozen=True, slots=True)
class Result:
    """An array that a run leaves: what a reader calls it, and the expression of it as NumPy."""

    name: str
    value: s.Expr


@dataclass(frozen=True, slots=True)
class Request:
    """What a scene has to do: `way` is a way to run a case, `outputs` and `gradients` what is
    wanted of it. `rendered` is its source."""

    case: Case
    rendered: Rendered
    way: str
    outputs: bool
    gradients: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """The statements of a repro, in order: settings, definitions (after those of the source), the
    inputs, the run. `results` are there after the run.
    """

    settings: tuple[s.Stmt, ...]
    definitions: tuple[s.Stmt, ...]
    inputs: tuple[s.Stmt, ...]
    run: tuple[s.Stmt, ...]
    results: Mapping[Place, Result]


def recorded(tape: str, body: Sequence[s.Stmt]) -> s.Stmt:
    """`with tape: body`. Surface has no such statement: it is an `if` until it is printed, see
    `with_tapes`."""
    return s.If(s.Name(tape), tuple(body))


def with_tapes(module: cst.Module, tapes: frozenset[str]) -> cst.Module:
    """The module with its `if tape:` as `with tape:`."""

    class Tapes(cst.CSTTransformer):
        def leave_If(self, original_node: cst.If, updated_node: cst.If) -> cst.If | cst.With:  # noqa: N802
            test = updated_node.test
            if not isinstance(test, cst.Name) or test.value not in tapes:
                return updated_node
            return cst.With((cst.WithItem(test),), updated_node.body)

    return cst.ensure_type(module.visit(Tapes()), cst.Module)


class Fresh:
    """Names that a source does not use."""

    def __init__(self, source: str) -> None:
        self._taken = _names(cst.parse_module(source))

    def __call__(self, name: str) -> str:
        """The name, or one like it where it is taken."""
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name


def _names(module: cst.Module) -> set[str]:
    found = set[str]()

    class Names(cst.CSTVisitor):
        def visit_Name(self, node: cst.Name) -> None:  # noqa: N802
            found.add(node.value)

    module.visit(Names())
    return found


def imports_of(source: str) -> list[s.Import]:
    """The imports of a rendered source, each of one name."""
    found: list[s.Import] = []
    for node in imported(cst.parse_module(source)):
        assert not isinstance(node.names, cst.ImportStar)
        (alias,) = node.names
        package = node.module if isinstance(node, cst.ImportFrom) else None
        found.append(
            s.Import(
                _path(alias.name),
                _path(alias.asname.name) if alias.asname else "",
                _path(package) if package else "",
            )
        )
    return found


def imported(module: cst.Module) -> list[cst.Import | cst.ImportFrom]:
    """The import statements of a module."""
    return [
        small
        for line in module.body
        if isinstance(line, cst.SimpleStatementLine)
        for small in line.body
        if isinstance(small, cst.Import | cst.ImportFrom)
    ]


def _path(node: cst.CSTNode) -> str:
    return cst.Module(()).code_for_node(node)


def dotted(path: str) -> s.Expr:
    """`a.b.c` as an expression."""
    first, *rest = path.split(".")
    expr: s.Expr = s.Name(first)
    for name in rest:
        expr = s.Attribute(expr, name)
    return expr


def call(path: str, *arguments: s.Expr, **keywords: s.Expr) -> s.Call:
    """A call of a dotted name."""
    return s.Call(dotted(path), arguments, tuple(keywords.items()))


def assign(name: str, value: s.Expr) -> s.Assign:
    """`name = value`."""
    return s.Assign(s.Name(name), value)
