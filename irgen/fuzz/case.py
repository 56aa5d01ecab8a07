"""A case: one program as it is tried. And what may be wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from backends.style import Style
from grammar.program import Program
from irgen import vectors
from irgen.vectors import Arrays, Optionals
from irgen.verdict import Verdict

Direction = Literal["forward", "gradient", ""]


@dataclass(frozen=True, slots=True)
class Case:
    """A program, how it is spelled, and what it is fed: one array per parameter of the entry, and
    one cotangent per output, None for those that are no floats (as `irgen.vectors` makes them)."""

    program: Program
    style: Style
    inputs: Arrays
    cotangents: Optionals


def case(program: Program, style: Style) -> Case:
    """The case of a program on the inputs that follow from it."""
    return Case(program, style, *vectors.make(program))


SYMPTOMS: dict[str, str] = {
    "wrong_value": "an output differs by more than rounding can explain",
    "wrong_gradient": "a gradient differs by more than rounding can explain",
    "source_error": "a valid source is rejected",
    "compile_error": "the compiler fails on what it accepted",
    "execution_error": "running it raises an error",
    "crashed": "the process dies",
    "timed_out": "it does not end",
    "out_of_memory": "it takes more memory than such a program can need",
    "nondeterministic": "the same program on the same inputs gives other bits",
    "slow_compile": "compiling takes far longer than programs of its size do",
    "large_code": "the code is far larger than that of programs of its size",
}
"""What may be wrong, most to least telling."""

WRONG = frozenset(("wrong_value", "wrong_gradient"))
"""Those that a repro shows again wherever the bug is."""


class Symptom(msgspec.Struct, frozen=True):
    """One thing that is wrong with a case: a key of `SYMPTOMS`, found by which of the oracles, in
    which direction, in which way to run it. `known` names the limitation or known upstream bug that
    explains it, "" where none does."""

    kind: str
    oracle: str
    direction: Direction
    way: str
    detail: str = ""
    known: str = ""

    @property
    def signature(self) -> tuple[str, str, str, str]:
        """What stays the same while a case shrinks."""
        return self.kind, self.oracle, self.direction, self.way


@dataclass(frozen=True, slots=True)
class Examined:
    """What the oracles say of a case: all symptoms, those that are explained too, and the verdicts
    of the reference."""

    symptoms: tuple[Symptom, ...]
    verdicts: tuple[Verdict, ...] = ()

    @property
    def unexplained(self) -> tuple[Symptom, ...]:
        """The symptoms that no known limitation or bug explains."""
        return tuple([one for one in self.symptoms if not one.known])
