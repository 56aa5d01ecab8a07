"""What mutants are shown: programs, what they are fed, and what the oracle expects of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backends.base import Execution
from grammar.bounds.precision import Precision
from grammar.config import Grammar
from grammar.gradient import Gradient, gradient
from grammar.interpret import UndefinedBehaviour, run
from grammar.ops import OPS
from grammar.ops.array import ARRAY_OPS
from grammar.plain import Plain
from grammar.presets import GRAMMARS
from grammar.program import Program, Statement, statements
from grammar.types import scalar_of
from irgen import oracle, vectors
from irgen.oracle import Expected
from irgen.service import draw
from irgen.verdict import Verdict

SEED = 11

EVERYWHERE = 6
"""So many programs of every preset are looked through first, as they come."""

DRAWN = 4000
"""So many are drawn from each preset that favours an op."""

STAND_IN = Precision(default_ulps=(4.0, 4.0), excess=frozenset({"bf16"}))
"""How plain arrays round: NumPy's functions err by up to four units in the last place, and an op on
bfloat16 computes in float32."""

Holds = Callable[[Statement], bool]
Results = tuple[tuple[NDArray[Any], ...], tuple[NDArray[Any] | None, ...]]
"""Outputs, and gradients by parameter."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A program, its gradient, what it is fed, what the oracle expects, and what arrays of working
    precision give."""

    address: str
    program: Program
    back: Gradient | None
    inputs: tuple[NDArray[Any], ...]
    cotangents: tuple[NDArray[Any] | None, ...]
    expected: Expected
    right: Results


@dataclass(frozen=True, slots=True, eq=False)
class Mutant:
    """A fault that a statement shows where `holds` is true of it. `faulty` performs a case with the
    fault; None where the case cannot show it after all."""

    kind: str
    subject: str
    holds: Holds
    faulty: Callable[[Case], Results | None]

    @property
    def name(self) -> str:
        return f"{self.kind}: {self.subject}" if self.subject else self.kind


@dataclass(frozen=True, slots=True)
class Group:
    """Mutants that are shown the same programs: those that hold an op, of a type if one is named.
    `presets` are drawn from, with the op and the type favoured, once all presets were looked
    through."""

    op: str
    scalar: str
    presets: tuple[str, ...]
    mutants: tuple[Mutant, ...]


def perform(
    program: Program,
    back: Gradient | None,
    inputs: Sequence[NDArray[Any]],
    cotangents: Sequence[NDArray[Any] | None],
    domain: Plain,
) -> Results:
    """What a program and a gradient give on arrays of working precision. The gradient may be that
    of another program with the same parameters."""
    entry = program.entry
    outputs = [
        np.asarray(domain.lower(value, scalar_of(type_)))
        for value, type_ in zip(
            run(program, inputs, domain), vectors.output_types(entry), strict=True
        )
    ]
    gradients: list[NDArray[Any] | None] = [None] * len(entry.parameters)
    if back is not None:
        fed = [*inputs, *[cotangent for cotangent in cotangents if cotangent is not None]]
        found = run(back.program, fed, domain, back.replayed)
        for at, value in zip(oracle.carrying(entry), found, strict=True):
            scalar = scalar_of(entry.parameters[at].type)
            gradients[at] = np.asarray(domain.lower(value, scalar))
    return tuple(outputs), tuple(gradients)


def performed(case: Case, program: Program, back: Gradient | None, domain: Plain) -> Results:
    """What a program and a gradient give of a case's inputs."""
    return perform(program, back, case.inputs, case.cotangents, domain)


def made(address: str, program: Program) -> Case:
    """The case of a program, on the inputs that follow from it."""
    inputs, cotangents = vectors.make(program)
    back = gradient(program) if oracle.differentiable(program) else None
    expected = oracle.expect(program, back, inputs, cotangents, STAND_IN)
    right = perform(program, back, inputs, cotangents, Plain())
    return Case(address, program, back, inputs, cotangents, expected, right)


def judged(case: Case, results: Results) -> Verdict:
    """What the oracle says of results."""
    outputs, gradients = results
    got = Execution("stand-in", outputs, gradients)
    with np.errstate(all="ignore"):
        return oracle.judge(case.program, "stand-in", case.expected, got)


def differs(verdict: Verdict) -> bool:
    return "mismatch" in (verdict.forward, verdict.gradient)


def may_show(mutant: Mutant, program: Program) -> bool:
    """Whether a program holds what a mutant breaks."""
    return any(mutant.holds(statement) for statement in statements(program))


def shown(mutant: Mutant, case: Case) -> Results | None:
    """What a mutant gives of a case; None where the case cannot show the fault, or the fault makes
    the program do what has no meaning, so that nothing can be expected of it."""
    try:
        with np.errstate(all="ignore"):
            return mutant.faulty(case)
    except UndefinedBehaviour:
        return None


def same(a: Results, b: Results) -> bool:
    """Whether results are equal bit by bit, NaN being NaN."""
    return all(
        x is y or (x is not None and y is not None and np.array_equal(x, y, equal_nan=True))
        for x, y in zip((*a[0], *a[1]), (*b[0], *b[1]), strict=True)
    )


# Programs


def cases(group: Group) -> Iterator[Case]:
    """Cases with programs that may show a fault of the group: those of all presets in turn, then of
    presets that favour its op."""

    def suits(program: Program) -> bool:
        return any(may_show(mutant, program) for mutant in group.mutants)

    for index in range(EVERYWHERE):
        for name in GRAMMARS:
            if suits(_program(name, index)):
                yield _case(name, index)
    for index in range(EVERYWHERE, DRAWN):
        for name in group.presets:
            grammar = favouring(name, group.op, group.scalar)
            program = draw(grammar, SEED, index).program
            if suits(program):
                yield made(f"{grammar.name} {index} favouring {group.op} {group.scalar}", program)


@functools.lru_cache(maxsize=4096)
def _program(name: str, index: int) -> Program:
    return draw(GRAMMARS[name], SEED, index).program


@functools.lru_cache(maxsize=4096)
def _case(name: str, index: int) -> Case:
    return made(f"{name} {index}", _program(name, index))


@functools.lru_cache(maxsize=64)
def favouring(preset: str, op: str, scalar: str) -> Grammar:
    """A preset that draws an op, or a construct, and a type more often."""
    grammar = GRAMMARS[preset]
    types = {**grammar.types, "f32": 12, "i32": 8, "f64": 3, "u32": 2, "i64": 2}
    if scalar:
        types = {**{name: min(weight, 1) for name, weight in types.items()}, scalar: 30}
    if op in ARRAY_OPS or grammar.shape != "kernel":
        return grammar
    row = OPS.get(op)
    if row is not None:
        groups = {**grammar.groups, row.group: 30}
        return replace(grammar, types=types, groups=groups, ops={**grammar.ops, op: 400})
    control = {**grammar.control, "atomic": 8, "store": 4, "for": 8, "while": 4}
    return replace(grammar, types=types, control=control)
