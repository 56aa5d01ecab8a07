"""What compiling a program may cost: far more is a symptom.

The size of a program is its statements, those of a loop counted once per round where its rounds are
few and known, since compilers unroll it, and those of a function once per call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grammar.passes.effects import constants
from grammar.passes.kernels import to_kernels
from grammar.program import Program, Region, Statement
from irgen.fuzz.case import Symptom
from irgen.targets.execute import Measured

UNROLLED = 16
"""Rounds that a compiler may unroll."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a program may cost: bytes of code per statement, seconds of processor time in all and
    per statement."""

    bytes: float
    seconds: float
    seconds_each: float


_EXTRA = 8
"""Statements that a program of none counts for: what stands around it."""

ALLOWED: Mapping[str, Allowance] = {
    "warp": Allowance(4000.0, 3.0, 0.06),
    "jax": Allowance(40_000.0, 3.0, 0.06),
}
"""By backend. Drawn programs were found to take at most 800 and 6,400 bytes, and 0.012 s, per
statement. Code is the C++ of Warp and the optimized HLO of XLA, as text."""


def size_symptoms(backend: str, program: Program, found: Measured) -> list[Symptom]:
    """Whether the code is far larger than that of programs of its size. It is the same in every
    run."""
    most = ALLOWED[backend].bytes * (size(program) + _EXTRA)
    if found.code_bytes is None or found.code_bytes <= most:
        return []
    detail = f"{found.code_bytes} bytes for {size(program)} statements, more than {most:.0f}"
    return [Symptom("large_code", "cost", "", "default", detail)]


def is_slow(backend: str, program: Program, found: Measured) -> bool:
    """Whether compiling took far longer than programs of its size do. Once may be chance."""
    allowed = ALLOWED[backend]
    most = allowed.seconds + allowed.seconds_each * size(program)
    return found.compile_seconds is not None and found.compile_seconds > most


def time_symptoms(backend: str, program: Program, found: Sequence[Measured]) -> list[Symptom]:
    """Whether compiling took far longer than programs of its size do, in two runs or more."""
    if len(found) < 2 or not all(is_slow(backend, program, one) for one in found):
        return []
    seconds = min(one.compile_seconds or 0.0 for one in found)
    detail = f"{seconds:.1f} s of processor time for {size(program)} statements"
    return [Symptom("slow_compile", "cost", "", "default", detail)]


def size(program: Program) -> int:
    """The size of a program, array-level ops being the kernels that they become."""
    units = to_kernels(program).units
    sizes: list[int] = []
    for unit in units:
        sizes.append(_region(unit.body, constants(unit), sizes))
    entry = units[-1]
    others = [own for unit, own in zip(units[:-1], sizes, strict=False) if unit.kind == "kernel"]
    return sizes[-1] + (sum(others) if entry.kind == "program" else 0)


def _region(region: Region, known: Mapping[int, int], sizes: Sequence[int]) -> int:
    total = 1
    for statement in region.body:
        total += 1
        if statement.op in ("call", "launch"):
            assert isinstance(statement.attribute, int)
            total += sizes[statement.attribute] if statement.op == "call" else 1
        rounds = _rounds(statement, known)
        total += rounds * sum(_region(inner, known, sizes) for inner in statement.regions)
    return total


def _rounds(statement: Statement, known: Mapping[int, int]) -> int:
    """The rounds of a loop that a compiler, or the source, may write out; else 1."""
    rounds = 1
    if statement.op == "for":
        assert isinstance(statement.attribute, tuple)
        step, rounds = statement.attribute
        start, stop = (known.get(value.id) for value in statement.operands[:2])
        if start is not None and stop is not None:
            rounds = len(range(start, stop, step))
    elif statement.op == "while":
        assert isinstance(statement.attribute, int)
        rounds = statement.attribute
    return rounds if 1 <= rounds <= UNROLLED else 1
