"""Trials of ops on whole arrays, at the typings that the layers of array programs use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from backends.spelling import avoidable
from grammar.build import Builder, ProgramBuilder
from grammar.config import Grammar
from grammar.drawing.layers import LAYERS
from grammar.generate import draw_program
from grammar.ops.array import ARRAY_OPS
from grammar.program import Attribute, Program, Statement, Value
from grammar.source import RandomSource
from grammar.types import Array, Type
from irgen.targets.trials import Trial

_DRAWS = 24
"""Programs drawn of each layer, to see of which ops it is made."""


@dataclass(frozen=True, slots=True)
class ArrayForm:
    """An op on whole arrays at one typing, as some layer uses it."""

    op: str
    operands: tuple[Type, ...]
    result: Type
    attribute: Attribute

    @property
    def program(self) -> Program:
        """A program of that op alone."""

        def body(b: Builder, *given: Value) -> Value:
            return b.op(self.op, *given, attribute=self.attribute, result=self.result)

        units = ProgramBuilder()
        units.program(self.operands, body)
        return units.finish()


@cache
def layer_ops() -> Mapping[str, frozenset[str]]:
    """The ops on whole arrays that each layer is made of, those aside that any program may have."""
    found = {name: frozenset([form.op for form in _drawn(name)]) for name in LAYERS}
    everywhere = found["activation"]
    return {name: ops if name == "lookup" else ops - everywhere for name, ops in found.items()}


@cache
def array_forms() -> tuple[ArrayForm, ...]:
    """Each op on whole arrays once per spelling list: at the first typing that layers use."""
    found: dict[tuple[str, int], ArrayForm] = {}
    for name in LAYERS:
        for form in _drawn(name):
            first = form.operands[0]
            assert isinstance(first, Array)
            found.setdefault((form.op, len(first.shape)), form)
    return tuple(found.values())


def array_texts(form: ArrayForm, backend: str) -> tuple[str, ...]:
    """The spellings of an op on whole arrays; none where it becomes kernels."""
    row = ARRAY_OPS[form.op]
    return row.spellings(form.operands, backend) if backend in row.spell else ()


@cache
def _drawn(layer: str) -> tuple[ArrayForm, ...]:
    grammar = Grammar(
        name="layer",
        shape="arrays",
        statements=(2, 14),
        ranks={"2": 4, "3": 1},
        extents=(4, 2),
        layers={layer: 1},
    )
    programs = [draw_program(RandomSource(0, index), grammar) for index in range(_DRAWS)]
    return tuple([form for program in programs for form in _array_statements(program)])


def _array_statements(program: Program) -> Iterator[ArrayForm]:
    for statement in program.entry.body.body:
        if statement.op in ARRAY_OPS:
            yield _array_form(statement)


def _array_form(statement: Statement) -> ArrayForm:
    types = tuple([value.type for value in statement.operands])
    return ArrayForm(statement.op, types, statement.results[0].type, statement.attribute)


def array_trial(
    form: ArrayForm, text: str, backend: str, avoided: frozenset[str] = frozenset()
) -> Trial:
    """A program of one op on whole arrays in one spelling."""
    others = {avoidable(form.op, other) for other in array_texts(form, backend) if other != text}
    return Trial(form.program, avoided=avoided | others)
