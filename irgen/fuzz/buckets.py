"""Buckets: one per root cause, told by the symptom and by the constructs that are left of a case.

A shrunk program has little but what its bug needs. Where the bug is one of structure (a loop, an
exit, a cell that is overwritten), which op stands in it says nothing: only whether its derivative
depends on values does. Elsewhere the ops are the bug.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grammar.ops import OPS
from grammar.ops.expression import Expression, parse
from grammar.passes.effects import constants
from grammar.program import Program, Region, Statement, Unit, Value, walk
from grammar.structural import ATOMICS, LOOPS
from grammar.types import FLOATS, Array, Matrix, Type, Vector, scalar_of
from irgen.fuzz.case import Case, Direction, Symptom

if TYPE_CHECKING:
    from irgen.fuzz.finding import Finding

NONLINEAR = "nonlinear"
_BEFORE, _IN, _AFTER = (f"{NONLINEAR} {where} loop" for where in ("before", "in", "after"))

_ALIKE = {
    "atomic_sub": "atomic_add",
    "atomic_min": "atomic_extreme",
    "atomic_max": "atomic_extreme",
    "max": "min",
}
"""Ops that share their code, or mirror each other, in every backend."""

_SILENT = frozenset(("const", "load", "store", "if", "for", "while", "launch", "zeros", "yield"))
"""Ops that stand in most programs, or whose constructs have words of their own."""

_PLAIN = frozenset(
    (
        *("add", "sub", "mul", "neg", "cast", "lt", "le", "gt", "ge", "eq", "ne"),
        *("logical_and", "logical_or", "logical_not", "store"),
    )
)
"""Ops that shrinking leaves where it needs some op; they name a bucket if nothing else does."""

STRUCTURE = frozenset(
    (
        "for",
        "dynamic for",
        "while",
        "break",
        "continue",
        "return",
        "overwrite",
        "launches",
        "launch in loop",
        "store in loop",
        "atomic_add",
        "atomic_extreme",
        "call",
        "copy",
    )
)
"""Constructs that make a bug one of structure."""

_LAUNCHED = frozenset(("launches", "launch in loop"))
"""Several launches, one after the other or in the rounds of a loop."""

_BESIDE_LAUNCHES = frozenset(("for", "copy", "axes", "gather", _BEFORE, _IN, _AFTER))
"""What says nothing of a bug between launches."""

_USUAL = frozenset(("f32", "f64", "i32", "bool"))
"""Scalar types that say nothing."""

_CAUSE = re.compile(r"SIG[A-Z]+|\b[A-Za-z_]\w*(?:Error|Exception)\b")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A root cause: a kind of symptom, its direction, and the constructs that show it, sorted.

    `cause` is the signal or the type of the exception, of what fails. `known` names the known bug
    or limitation that it is.
    """

    kind: str
    direction: Direction
    constructs: tuple[str, ...]
    cause: str = ""
    known: str = ""

    @property
    def name(self) -> str:
        """Words and a short hash, fit for a file name, or `known:` and what is known."""
        if self.known:
            return f"known:{self.known}"
        told = (self.kind, self.direction, self.cause, *self.constructs)
        digest = hashlib.blake2b("\0".join(told).encode(), digest_size=3).hexdigest()
        words = " ".join((self.kind, self.cause, *said(self.constructs))).lower()
        return f"{re.sub(r'[^a-z0-9]+', '-', words)[:60].strip('-')}-{digest}"


def said(constructs: Sequence[str]) -> list[str]:
    """Constructs for readers: a dynamic loop is a loop."""
    return [one for one in constructs if one != "for" or "dynamic for" not in constructs]


def bucket(case: Case, symptom: Symptom) -> Bucket:
    """The bucket of a shrunk case and what is wrong with it."""
    found = constructs(case.program)
    kept = _of_gradient(found) if _is_gradient(symptom) else _of_values(found)
    return Bucket(
        symptom.kind, symptom.direction, tuple(sorted(kept)), cause(symptom), symptom.known
    )


def of_finding(finding: Finding) -> Bucket:
    """The bucket that a finding was put in."""
    symptom = finding.symptom
    return Bucket(
        symptom.kind,
        symptom.direction,
        tuple(finding.constructs),
        cause(symptom),
        symptom.known,
    )


def cause(symptom: Symptom) -> str:
    """The signal or the exception that a failure names, "" for wrong numbers."""
    if symptom.kind in ("wrong_value", "wrong_gradient", "nondeterministic"):
        return ""
    found = _CAUSE.search(symptom.detail)
    return found.group() if found else ""


def alike(bucket: Bucket, symptom: Symptom) -> bool:
    """Whether a symptom is of the kind, the direction and the cause of a bucket."""
    said = (symptom.kind, symptom.direction, cause(symptom))
    return said == (bucket.kind, bucket.direction, bucket.cause)


def same(known: Bucket, other: Bucket) -> bool:
    """Whether the other bucket is the known one: nothing sets them apart but constructs that the
    known one does without."""
    if known.known or other.known:
        return known.known == other.known
    if (known.kind, known.direction, known.cause) != (other.kind, other.direction, other.cause):
        return False
    if _is_plain(known):
        return known.constructs == other.constructs
    return set(known.constructs) <= set(other.constructs)


def covers(bucket: Bucket, program: Program) -> bool:
    """Whether a program has all the constructs of a bucket, and so may show its bug. A bucket of
    nothing but ops that are everywhere covers no program: it would hide all others."""
    if bucket.known or _is_plain(bucket):
        return False
    return set(bucket.constructs) <= constructs(program)


def merged(buckets: Iterable[Bucket]) -> dict[Bucket, Bucket]:
    """Of each bucket, the one with the fewest constructs that it is the same as."""
    ordered = sorted(buckets, key=lambda one: (len(one.constructs), one.constructs, one.name))
    return {one: next(other for other in ordered if same(other, one)) for one in ordered}


def _is_plain(bucket: Bucket) -> bool:
    return set(bucket.constructs) <= _PLAIN


def _is_gradient(symptom: Symptom) -> bool:
    return symptom.direction == "gradient"


def _of_gradient(found: frozenset[str]) -> frozenset[str]:
    ops = frozenset(one for one in found if _is_op(one))
    if not found & STRUCTURE:
        return _telling(found - {NONLINEAR})
    if found & _LAUNCHED:
        # What would show in one kernel has shrunk to that kernel: this is between launches.
        found = found - _LAUNCHED - _BESIDE_LAUNCHES | {"launches"}
    slopes = found & {_BEFORE, _IN, _AFTER}
    implied = {"if"} if found & {"break", "continue", "return"} else set[str]()
    rest = found - ops - {NONLINEAR} - implied
    return rest | slopes if slopes or NONLINEAR not in found else rest | {NONLINEAR}


def _of_values(found: frozenset[str]) -> frozenset[str]:
    return _telling(found - {NONLINEAR, _BEFORE, _IN, _AFTER})


def _telling(found: frozenset[str]) -> frozenset[str]:
    """Without the ops that are everywhere, unless there is nothing else."""
    return found - _PLAIN or found


def _is_op(name: str) -> bool:
    return name in OPS and name not in STRUCTURE


# Constructs of a program.


def constructs(program: Program) -> frozenset[str]:
    """All that a program is made of, in words: structure, ops, unusual types, and where there are
    ops whose derivative depends on values."""
    found = set[str]()
    for unit in program.units:
        found |= _structure(unit)
        found |= set(_slopes(unit))
        found |= set(_types(unit))
    return frozenset(found or {"store"})


def _structure(unit: Unit) -> set[str]:
    found = set[str]()
    known = constants(unit)
    launches = [s for s in walk(unit.body) if s.op == "launch"]
    loaded = {s.operands[0].id for s in walk(unit.body) if s.op == "load"}
    own = tuple(value.id for value in unit.body.params[: len(unit.grid)])
    for statement in walk(unit.body):
        op = statement.op
        if op not in _SILENT:
            found.add(_ALIKE.get(op, op))
        if op in LOOPS:
            found.add(op)
            if op == "for" and not all(v.id in known for v in statement.operands[:2]):
                found.add("dynamic for")
            inside = [s.op for region in statement.regions for s in walk(region)]
            if any(name == "store" or name in ATOMICS for name in inside):
                found.add("store in loop")
            if "launch" in inside:
                found.add("launch in loop")
        elif op == "if":
            found.add("if")
        elif op == "load":
            if tuple(v.id for v in statement.operands[1:]) != own:
                found.add("gather")
        elif op == "store" and statement.operands[0].id in loaded:
            found.add("overwrite")
    found |= set(_ends(unit.body, top=True))
    if len(launches) > 1:
        found.add("launches")
    if len(unit.grid) > 1:
        found.add("axes")
    return found


def _ends(region: Region, *, top: bool) -> Iterator[str]:
    """The exits in a region; the return of the whole unit is none."""
    if region.end.kind != "yield" and not top:
        yield region.end.kind
    for statement in region.body:
        for inner in statement.regions:
            yield from _ends(inner, top=False)


def _types(unit: Unit) -> Iterator[str]:
    values = [*unit.body.params, *[v for s in walk(unit.body) for v in s.results]]
    for value in values:
        type_: Type = value.type.element if isinstance(value.type, Array) else value.type
        name = scalar_of(type_).name
        if name not in _USUAL:
            yield name
        if isinstance(type_, Vector):
            yield "vector"
        elif isinstance(type_, Matrix):
            yield "matrix"


def _slopes(unit: Unit) -> Iterator[str]:
    """Where ops stand whose derivative depends on values."""
    known = {s.results[0].id for s in walk(unit.body) if s.op == "const"}
    bent = [s for s in walk(unit.body) if _is_bent(s, known)]
    if not bent:
        return
    yield NONLINEAR
    loops = [s for s in walk(unit.body) if s.op in LOOPS]
    inside = {id(s) for loop in loops for region in loop.regions for s in walk(region)}
    after = _derived(unit, {v.id for loop in loops for v in loop.results})
    before = _sources(unit, {v.id for loop in loops for v in _carried(loop)})
    for statement in bent:
        if id(statement) in inside:
            yield _IN
            continue
        if any(value.id in after for value in statement.operands):
            yield _AFTER
        if any(value.id in before for value in statement.results):
            yield _BEFORE


def _carried(loop: Statement) -> Sequence[Value]:
    return loop.operands[2:] if loop.op == "for" else loop.operands


def _derived(unit: Unit, values: set[int]) -> set[int]:
    """Values made from some, those included."""
    found = set(values)
    for statement in walk(unit.body):
        if _mentions(statement, found):
            found |= {value.id for value in statement.results}
    return found


def _sources(unit: Unit, values: set[int]) -> set[int]:
    """Values that some are made from, those included."""
    found = set(values)
    for statement in reversed([*walk(unit.body)]):
        if any(value.id in found for value in statement.results):
            found |= {value.id for value in statement.operands}
            found |= {v.id for region in statement.regions for v in region.end.values}
    return found


def _mentions(statement: Statement, values: set[int]) -> bool:
    return any(value.id in values for value in statement.operands) or any(
        value.id in values for region in statement.regions for value in region.end.values
    )


def _is_bent(statement: Statement, known: set[int]) -> bool:
    """Whether a derivative of a statement depends on values that are no constants."""
    row = OPS.get(statement.op)
    if row is None or row.partials is None or scalar_of(statement.results[0].type) not in FLOATS:
        return False
    free = {
        name
        for name, value in zip("abcdefgh", statement.operands, strict=False)
        if value.id not in known
    }
    return any(
        partial and name in free and letters(parse(partial)) & (free | {"y"})
        for name, partial in zip("abcdefgh", row.partials, strict=False)
    )


def letters(expression: Expression) -> set[str]:
    """The operands, and `y` for the result, that an expression mentions."""
    if isinstance(expression, str):
        return {expression} - {"g"}
    if isinstance(expression, tuple):
        return {name for part in expression[1:] for name in letters(part)}
    return set()
