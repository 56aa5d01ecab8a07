"""Mutants: faults made mechanically from the op table, the constructs and the outputs.

A mutant plays the backend: it runs the program with one fault on arrays of working precision, and
the oracle, which knows the right meaning, judges what it gives. A mutant is killed by the first
program whose verdict is a mismatch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backends.base import Execution
from backends.registry import BACKENDS
from grammar.gradient import Gradient, gradient
from grammar.interpret import run
from grammar.ops import OPS
from grammar.ops.base import Instance, Op
from grammar.plain import Plain
from grammar.presets import GRAMMARS
from grammar.program import Program, Region, Statement, Unit, Value, statements
from grammar.types import Array, scalar_of
from irgen import oracle, vectors
from irgen.oracle import Expected
from irgen.service import draw
from tests.bench.report import Table
from tests.quality.pool import over

PROGRAMS = 500
"""A mutant is shown so many programs that hold what it breaks."""

SEED = 11
ROUNDING = BACKENDS["warp"].precision


@dataclass(frozen=True, slots=True)
class Case:
    """A program, its gradient, what it is fed, and what the oracle expects."""

    program: Program
    back: Gradient | None
    inputs: tuple[Any, ...]
    cotangents: tuple[Any, ...]
    expected: Expected


Faulty = Callable[[Case], "tuple[list[Any], list[Any]] | None"]
"""Outputs and gradients with a fault, or None where the program lacks what it breaks."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault. `op` names the op or construct that a program must hold to show it."""

    kind: str
    op: str
    faulty: Faulty

    @property
    def name(self) -> str:
        return f"{self.kind} {self.op}".strip()


def made(program: Program) -> Case:
    """The case of a program on the inputs that follow from it."""
    inputs, cotangents = vectors.make(program)
    back = gradient(program) if oracle.differentiable(program) else None
    precision = ROUNDING("cpu")
    expected = oracle.expect(program, back, inputs, cotangents, precision)
    return Case(program, back, inputs, cotangents, expected)


def killed(mutant: Mutant, case: Case) -> bool | None:
    """Whether the oracle sees the fault; None where the program cannot show it."""
    found = mutant.faulty(case)
    if found is None:
        return None
    outputs, gradients = found
    whole: list[Any] = [None] * len(case.inputs)
    for at, array in zip(oracle.carrying(case.program.entry), gradients, strict=bool(gradients)):
        whole[at] = array
    got = Execution("stand-in", tuple(outputs), tuple(whole))
    verdict = oracle.judge(case.program, "stand-in", case.expected, got)
    return "mismatch" in (verdict.forward, verdict.gradient)


def perform(
    program: Program, back: Gradient | None, case: Case, domain: Plain
) -> tuple[list[Any], list[Any]]:
    """Outputs and gradients of a program on arrays of working precision."""
    entry = program.entry
    types = vectors.output_types(entry)
    outputs = [
        domain.lower(value, scalar_of(type_))
        for value, type_ in zip(run(program, case.inputs, domain), types, strict=True)
    ]
    if back is None:
        return outputs, []
    fed = [*case.inputs, *[c for c in case.cotangents if c is not None]]
    found = run(back.program, fed, domain, back.replayed)
    places = oracle.carrying(entry)
    carried = [scalar_of(entry.parameters[at].type) for at in places]
    return outputs, [domain.lower(v, s) for v, s in zip(found, carried, strict=True)]


# Faults of an op's value


class FaultyPlain(Plain):
    """Working precision with one op that means something else."""

    def __init__(self, op: str, change: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        super().__init__()
        self.op, self.change = op, change

    def meaning(
        self, op: Op, instance: Instance, attribute: int, adjoint: bool
    ) -> Callable[..., Any]:
        right = super().meaning(op, instance, attribute, adjoint)
        return self.change(right) if op.name == self.op and not adjoint else right


def _swapped(right: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b, *rest: right(b, a, *rest)


def _negated(right: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*operands: Any) -> Any:
        found = np.asarray(right(*operands))
        return ~found if found.dtype == np.bool_ else np.negative(found)

    return wrong


def _zeroed(right: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *operands: np.zeros_like(right(*operands))


def _doubled(right: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*operands: Any) -> Any:
        found = np.asarray(right(*operands))
        return found if found.dtype == np.bool_ else found + found

    return wrong


_NARROWER = {"float64": "float32", "float32": "float16", "int64": "int8", "int32": "int8"}


def _retyped(right: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*operands: Any) -> Any:
        found = np.asarray(right(*operands))
        narrow = _NARROWER.get(found.dtype.name)
        return found if narrow is None else found.astype(narrow).astype(found.dtype)

    return wrong


VALUE_FAULTS = {
    "operands swapped": _swapped,
    "negated": _negated,
    "zeroed": _zeroed,
    "doubled": _doubled,
    "retyped": _retyped,
}


def value_mutants() -> Iterator[Mutant]:
    """Faults of what an op computes."""
    for row in OPS.values():
        kinds = {scalar_of(i.result).kind for i in row.instances}
        for kind, change in VALUE_FAULTS.items():
            if kind == "operands swapped" and not _swappable(row):
                continue
            if kind in ("doubled", "retyped") and kinds == {"bool"}:
                continue
            yield Mutant(kind, row.name, functools.partial(_value_fault, row.name, change))


def _swappable(row: Op) -> bool:
    return (
        row.arity > 1
        and not row.commutes
        and any(i.operands[0] == i.operands[1] for i in row.instances)
    )


def _value_fault(op: str, change: Any, case: Case) -> tuple[list[Any], list[Any]] | None:
    present = [s for s in statements(case.program) if s.op == op]
    if change is _swapped:
        present = [s for s in present if s.operands[0].type == s.operands[1].type]
    if not present:
        return None
    if change is _swapped and any(s.operands[0].type != s.operands[1].type for s in present):
        return None
    return perform(case.program, case.back, case, FaultyPlain(op, change))


# Faults of an op's adjoint

ADJOINT_FAULTS = {"adjoint zeroed": "", "adjoint doubled": "2.0 * ", "adjoint negated": "-"}


def adjoint_mutants() -> Iterator[Mutant]:
    """Faults of one partial of an op: as if the backend's adjoint had them."""
    for row in OPS.values():
        for at, partial in enumerate(row.partials or ()):
            if partial:
                for kind, before in ADJOINT_FAULTS.items():
                    wrong = f"{before}({partial})" if before else ""
                    yield Mutant(
                        f"{kind} ({'abcd'[at]})",
                        row.name,
                        functools.partial(_adjoint_fault, row.name, at, wrong),
                    )


def _adjoint_fault(op: str, at: int, wrong: str, case: Case) -> tuple[list[Any], list[Any]] | None:
    if case.back is None or all(s.op != op for s in statements(case.program)):
        return None
    row = OPS[op]
    partials = list(row.partials or ())
    partials[at] = wrong
    OPS[op] = replace(row, partials=tuple(partials))
    try:
        back = gradient(case.program)
    except ValueError:
        return None  # the factor's type does not allow the change to be written
    finally:
        OPS[op] = row
    return perform(case.program, back, case, Plain())


# Faults of constructs: what an emitter may get wrong

Change = Callable[[Statement], "Statement | list[Statement]"]


def _rewritten(
    program: Program, op: str, change: Callable[[Statement, Any], Any]
) -> Program | None:
    """The program with every statement of an op changed; None where it has none."""
    found = False

    def region(source: Region, fresh: Any) -> Region:
        nonlocal found
        body: list[Statement] = []
        for statement in source.body:
            inner = tuple([region(r, fresh) for r in statement.regions])
            statement = statement._replace(regions=inner)
            if statement.op == op:
                changed = change(statement, fresh)
                if changed is not None:
                    found = True
                    body += changed
                    continue
            body.append(statement)
        return source._replace(body=tuple(body))

    units: list[Unit] = []
    for unit in program.units:
        counter = iter(range(1_000_000, 2_000_000))

        def fresh(type_: Any, counter: Any = counter) -> Value:
            return Value(next(counter), type_)

        units.append(replace(unit, body=region(unit.body, fresh)))
    return Program(tuple(units)) if found else None


def _const(fresh: Any, type_: Any, literal: Any) -> Statement:
    return Statement("const", (), (fresh(type_),), literal)


def _off_by_one(statement: Statement, fresh: Any) -> list[Statement] | None:
    array, first, *rest = statement.operands
    assert isinstance(array.type, Array)
    extent = array.type.shape[0]
    if extent == 1:
        return None
    one = _const(fresh, first.type, 1)
    moved = Statement("add", (first, one.results[0]), (fresh(first.type),))
    size = _const(fresh, first.type, extent)
    wrapped = Statement("rem", (moved.results[0], size.results[0]), (fresh(first.type),))
    made_ = statement._replace(operands=(array, wrapped.results[0], *rest))
    return [one, moved, size, wrapped, made_]


def _inverted(statement: Statement, fresh: Any) -> list[Statement]:
    return [statement._replace(regions=statement.regions[::-1])]


def _always_then(statement: Statement, fresh: Any) -> list[Statement]:
    return [statement._replace(regions=(statement.regions[0], statement.regions[0]))]


def _renamed(name: str) -> Callable[[Statement, Any], list[Statement]]:
    return lambda statement, fresh: [statement._replace(op=name)]


def _lost(statement: Statement, fresh: Any) -> list[Statement]:
    return []


def _short(statement: Statement, fresh: Any) -> list[Statement]:
    start, stop, *inits = statement.operands
    one = _const(fresh, stop.type, 1)
    less = Statement("sub", (stop, one.results[0]), (fresh(stop.type),))
    return [one, less, statement._replace(operands=(start, less.results[0], *inits))]


def _late(statement: Statement, fresh: Any) -> list[Statement]:
    start, stop, *inits = statement.operands
    one = _const(fresh, start.type, 1)
    more = Statement("add", (start, one.results[0]), (fresh(start.type),))
    return [one, more, statement._replace(operands=(more.results[0], stop, *inits))]


def _never(statement: Statement, fresh: Any) -> list[Statement]:
    return [statement._replace(attribute=1)]


def _narrow_literal(statement: Statement, fresh: Any) -> list[Statement] | None:
    scalar = scalar_of(statement.results[0].type)
    narrower = {"f64": np.float32, "f32": np.float16}.get(scalar.name)
    if narrower is None or not isinstance(statement.attribute, float):
        return None
    literal = float(narrower(statement.attribute))
    same = literal == statement.attribute or not np.isfinite(literal)
    return None if same else [statement._replace(attribute=literal)]


def _opposite_literal(statement: Statement, fresh: Any) -> list[Statement] | None:
    if not isinstance(statement.attribute, float) or statement.attribute == 0:
        return None
    return [statement._replace(attribute=-statement.attribute)]


def _integer_literal(statement: Statement, fresh: Any) -> list[Statement] | None:
    literal = statement.attribute
    if type(literal) is not int or not 0 < literal < 100:
        return None
    return [statement._replace(attribute=literal - 1)]


def _arguments_swapped(statement: Statement, fresh: Any) -> list[Statement] | None:
    first, *rest = statement.operands
    if not rest or rest[0].type != first.type or rest[0] == first:
        return None
    return [statement._replace(operands=(rest[0], first, *rest[1:]))]


CONSTRUCT_FAULTS: tuple[tuple[str, str, Callable[[Statement, Any], Any]], ...] = (
    ("index off by one", "load", _off_by_one),
    ("index off by one", "store", _off_by_one),
    ("index off by one", "atomic_add", _off_by_one),
    ("branch inverted", "if", _inverted),
    ("branch always taken", "if", _always_then),
    ("one round short", "for", _short),
    ("first round left out", "for", _late),
    ("one round only", "while", _never),
    ("constant in a narrower width", "const", _narrow_literal),
    ("constant with the other sign", "const", _opposite_literal),
    ("integer constant one less", "const", _integer_literal),
    ("store lost", "store", _lost),
    ("atomic lost", "atomic_add", _lost),
    ("atomic lost", "atomic_sub", _lost),
    ("atomic lost", "atomic_min", _lost),
    ("atomic lost", "atomic_max", _lost),
    ("atomic of the other sign", "atomic_add", _renamed("atomic_sub")),
    ("atomic of the other sign", "atomic_sub", _renamed("atomic_add")),
    ("atomic of the other end", "atomic_min", _renamed("atomic_max")),
    ("atomic of the other end", "atomic_max", _renamed("atomic_min")),
    ("arguments swapped", "call", _arguments_swapped),
    ("arguments swapped", "launch", _arguments_swapped),
    ("launch lost", "launch", _lost),
)


def construct_mutants() -> Iterator[Mutant]:
    """Faults of control flow, memory, literals, calls and launches."""
    for kind, op, change in CONSTRUCT_FAULTS:
        yield Mutant(kind, op, functools.partial(_construct_fault, op, change))


def _construct_fault(op: str, change: Any, case: Case) -> tuple[list[Any], list[Any]] | None:
    wrong = _rewritten(case.program, op, change)
    if wrong is None:
        return None
    back = gradient(wrong) if case.back is not None else None
    return perform(wrong, back, case, Plain())


# Faults of what comes back

RESULT_FAULTS: dict[str, Callable[[Any], Any]] = {
    "zeroed": np.zeros_like,
    "doubled": lambda array: array + array,
    "negated": np.negative,
    "moved by one lane": lambda array: np.roll(array, 1, 0) if array.ndim else array,
}


def result_mutants() -> Iterator[Mutant]:
    """Faults of an output or of a gradient as a whole."""
    for side in ("output", "gradient"):
        for kind, change in RESULT_FAULTS.items():
            yield Mutant(f"{side} {kind}", "", functools.partial(_result_fault, side, change))


def _result_fault(side: str, change: Any, case: Case) -> tuple[list[Any], list[Any]] | None:
    outputs, gradients = perform(case.program, case.back, case, Plain())
    chosen = outputs if side == "output" else gradients
    at = next(
        (k for k, array in enumerate(chosen) if array.dtype != np.bool_ and np.any(array)), None
    )
    if at is None:
        return None
    chosen[at] = change(chosen[at])
    return outputs, gradients


# The campaign


def mutants() -> list[Mutant]:
    """Every mutant, in a fixed order."""
    return [*value_mutants(), *adjoint_mutants(), *construct_mutants(), *result_mutants()]


def cases_of(op: str, count: int) -> Iterator[Case]:
    """Programs that hold an op or construct: drawn from all presets in turn, then from presets
    that weigh it more."""
    shown = 0
    for index in range(count // len(GRAMMARS) + 1):
        for name in GRAMMARS:
            case = _shared(name, index)
            if not op or any(s.op == op for s in statements(case.program)):
                yield case
                shown += 1
                if shown == count:
                    return
    for index in range(20 * count):
        for name in ("compound", "vector", "matrix"):
            program = draw(_favouring(op, name), SEED, index).program
            if any(s.op == op for s in statements(program)):
                yield made(program)
                shown += 1
                if shown == count:
                    return


@functools.lru_cache(maxsize=1024)
def _shared(name: str, index: int) -> Case:
    return made(draw(GRAMMARS[name], SEED, index).program)


@functools.lru_cache(maxsize=8)
def _favouring(op: str, preset: str) -> Any:
    grammar = GRAMMARS[preset]
    row = OPS.get(op)
    if row is None:
        control = {**grammar.control, "atomic": 8, "store": 4}
        return replace(grammar, control=control)
    groups = {**grammar.groups, row.group: 30}
    types = {**grammar.types, "f32": 12, "i32": 8, "f64": 3, "u32": 2, "i64": 2}
    return replace(grammar, groups=groups, types=types, ops={**grammar.ops, op: 400})


def fate(job: tuple[int, int]) -> tuple[str, int, int]:
    """The name of a mutant, and the number of the program that kills it, or 0; and how many
    programs it was shown."""
    number, count = job
    mutant = mutants()[number]
    shown = 0
    for case in cases_of(mutant.op, count):
        with np.errstate(all="ignore"):
            seen = killed(mutant, case)
        if seen is None:
            continue
        shown += 1
        if seen:
            return mutant.name, shown, shown
    return mutant.name, 0, shown


def campaign(count: int, workers: int) -> Iterator[Table]:
    """Every mutant against up to `count` programs."""
    jobs = [(number, count) for number in range(len(mutants()))]
    fates = list(over(fate, jobs, workers))
    kinds: dict[str, list[tuple[str, int, int]]] = {}
    for mutant, found in zip(mutants(), fates, strict=True):
        kinds.setdefault(mutant.kind.split(" (")[0], []).append(found)
    rows = tuple(
        (kind, len(found), sum(at > 0 for _, at, _ in found), _median(found))
        for kind, found in kinds.items()
    )
    dead = sum(at > 0 for _, at, _ in fates)
    share = dead / len(fates)
    failures = () if share >= 0.98 else (f"{share:.1%} of mutants killed, target 98%",)
    yield Table(
        f"Mutants: {dead} of {len(fates)} killed ({share:.1%})",
        ("fault", "mutants", "killed", "median program that kills"),
        rows,
        failures=failures,
    )
    left = tuple((name, shown) for name, at, shown in fates if not at)
    yield Table("Survivors", ("mutant", "programs shown"), left)


def _median(found: Sequence[tuple[str, int, int]]) -> int:
    killed_at = sorted(at for _, at, _ in found if at)
    return killed_at[len(killed_at) // 2] if killed_at else 0
