"""A kernel that a driver launches as a program of its own, fed what it is launched on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammar.interpret import UndefinedBehaviour
from grammar.passes.dce import drop_unused_units
from grammar.plain import array_dtype
from grammar.program import Program, Region, Statement, Terminator
from grammar.reference import reference
from grammar.shrinking.edits import Edit, Edited
from grammar.types import Array, Type, scalar_of


def launched(program: Program, inputs: Sequence[NDArray[Any]]) -> Iterator[Edit]:
    """For each launch in the body of the driver itself, the kernel alone."""
    entry = program.entry
    if entry.kind != "program":
        return
    for at, statement in enumerate(entry.body.body):
        if statement.op == "launch":
            yield Edit(f"only launch {at}", change=_Alone(at, tuple(inputs)))


class _Alone:
    """Makes the kernel of a launch the entry."""

    def __init__(self, at: int, inputs: tuple[NDArray[Any], ...]) -> None:
        self.at = at
        self.inputs = inputs

    def __call__(self, program: Program) -> Edited | None:
        body = program.entry.body.body
        if self.at >= len(body) or body[self.at].op != "launch":
            return None
        statement = body[self.at]
        assert isinstance(statement.attribute, int)
        made = Program(program.units[: statement.attribute + 1])
        try:
            fed = _fed(program, self.at, self.inputs)
        except UndefinedBehaviour:
            return None
        return Edited(drop_unused_units(made), inputs=fed)


def _fed(program: Program, at: int, inputs: tuple[NDArray[Any], ...]) -> tuple[NDArray[Any], ...]:
    """What the operands of a launch hold when it runs."""
    entry = program.entry
    operands = entry.body.body[at].operands
    known = dict(zip([value.id for value in entry.parameters], inputs, strict=True))
    buffers = [value for value in operands if isinstance(value.type, Array)]
    given = [value for value in dict.fromkeys(buffers) if value.id not in known]
    if given:
        end = Terminator("return", tuple(given))
        results: tuple[Type, ...] = tuple([value.type for value in given])
        region = Region(entry.body.params, entry.body.body[:at], end)
        before = Program((*program.units[:-1], replace(entry, body=region, results=results)))
        found = reference(before, inputs)
        known.update(zip([value.id for value in given], found, strict=True))
    literals = {s.results[0].id: s for s in entry.body.body[:at] if s.op == "const"}
    return tuple([known.get(one.id, _number(literals.get(one.id), one.type)) for one in operands])


def _number(const: Statement | None, type_: Type) -> NDArray[Any]:
    """A scalar operand: the literal, or one where it was computed."""
    literal = 1 if const is None else const.attribute
    return np.asarray(literal, array_dtype(scalar_of(type_)))
