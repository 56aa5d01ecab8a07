"""Faults of control flow, memory, literals, calls and launches, in values and in adjoints."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from grammar.gradient import Gradient, gradient
from grammar.ops.array import ARRAY_OPS
from grammar.plain import Plain
from grammar.program import Program, Statement
from tests.quality.mutants import rewriting as r
from tests.quality.mutants.cases import Case, Group, Mutant, Results, performed

Fault = tuple[str, r.Change]

OTHERS = {
    "atomic_add": "atomic_sub",
    "atomic_sub": "atomic_add",
    "atomic_min": "atomic_max",
    "atomic_max": "atomic_min",
}
"""The kind that an atomic may be mistaken for."""

FAULTS: dict[str, tuple[Fault, ...]] = {
    "load": (("index off by one", r.off_by_one),),
    "store": (("index off by one", r.off_by_one), ("store lost", r.lost)),
    "if": (
        ("branch inverted", r.inverted),
        ("branch always taken", r.always(0)),
        ("branch never taken", r.always(1)),
    ),
    "for": (
        ("last round left out", r.shorter),
        ("first round left out", r.later),
        ("carried values exchanged", r.carried_exchanged),
    ),
    "while": (
        ("one round only", r.bounded),
        ("carried values exchanged", r.carried_exchanged),
    ),
    "const": (
        ("constant of f64 in f32", r.narrower("f64", np.float32)),
        ("constant of f32 in f16", r.narrower("f32", np.float16)),
        ("constant of the other sign", r.opposite),
        ("integer constant one less", r.one_less),
    ),
    "call": (("arguments exchanged", r.exchanged),),
    "launch": (("arguments exchanged", r.exchanged), ("launch lost", r.dropped)),
    "copy": (("copy without contents", r.renamed("zeros")),),
    **{
        name: (
            ("index off by one", r.off_by_one),
            ("atomic lost", r.lost),
            ("atomic of the other kind", r.renamed(other)),
            *([("atomic done twice", r.twice)] if name in ("atomic_add", "atomic_sub") else []),
        )
        for name, other in OTHERS.items()
    },
}
"""By op, what an emitter or a compiler may get wrong."""

ADJOINT_FAULTS: dict[str, tuple[Fault, ...]] = {
    "load": (("index off by one", r.off_by_one),),
    "get": (("index off by one", r.off_by_one),),
    "store": (("index off by one", r.off_by_one), ("store lost", r.lost)),
    "atomic_add": (
        ("index off by one", r.off_by_one),
        ("atomic lost", r.lost),
        ("atomic of the other kind", r.renamed("atomic_sub")),
        ("atomic done twice", r.twice),
    ),
    "if": (("branch inverted", r.inverted),),
    "for": (("last round left out", r.shorter), ("first round left out", r.later)),
    "call": (("arguments exchanged", r.exchanged),),
    "launch": (("launch lost", r.dropped),),
    "copy": (("copy without contents", r.renamed("zeros")),),
}
"""The same in the steps of a gradient, the values being right."""

FIXED = frozenset(("take", "segment_sum", "cross_entropy", "squared_error"))
"""Ops on arrays whose operands cannot be exchanged, being of different types, or may be."""

KERNELS = ("compound", "loop", "reduction", "nested_branch", "composite")
DRIVERS = ("program",)


def groups() -> Iterator[Group]:
    """Per construct its faults, per op on arrays those of its result."""
    for op, faults in FAULTS.items():
        made = [
            Mutant(kind, op, functools.partial(_is, op), functools.partial(_perform, op, change))
            for kind, change in faults
        ]
        for mutant in made:  # one each, for not every statement shows every fault
            yield Group(op, _SCALARS.get(mutant.kind, ""), _presets(op), (mutant,))
    for op, faults in ADJOINT_FAULTS.items():
        made = [
            Mutant(
                f"{kind}, adjoint",
                op,
                _any,
                functools.partial(_perform_adjoint, op, change),
            )
            for kind, change in faults
        ]
        yield Group(op, "", (*_presets(op), "program"), tuple(made))
    for op, row in ARRAY_OPS.items():
        wrong: list[Fault] = [("negated", r.after("neg")), ("doubled", r.after("add"))]
        wrong.append(("zeroed", r.after("sub")))
        if row.arity > 1 and op not in FIXED:
            wrong.append(("operands swapped", r.exchanged))
        made = [
            Mutant(kind, op, functools.partial(_is, op), functools.partial(_perform, op, change))
            for kind, change in wrong
        ]
        yield Group(op, "", ("ml",), tuple(made))


_SCALARS = {"constant of f64 in f32": "f64"}


def _presets(op: str) -> tuple[str, ...]:
    return DRIVERS if op in ("launch", "copy") else KERNELS


def _is(op: str, statement: Statement) -> bool:
    return statement.op == op


def _any(statement: Statement) -> bool:
    return True


def _perform(op: str, change: r.Change, case: Case) -> Results | None:
    wrong = r.rewritten(case.program, op, change)
    if wrong is None:
        return None
    return _as_before(case, wrong, None if case.back is None else gradient(wrong))


def _as_before(case: Case, wrong: Program, back: Gradient | None) -> Results | None:
    """Outputs and gradients; where the fault makes a gradient of what had none, it is not asked
    for."""
    outputs, gradients = performed(case, wrong, back, Plain())
    return outputs, tuple(
        [
            None if right is None else wrong
            for right, wrong in zip(case.right[1], gradients, strict=True)
        ]
    )


def _perform_adjoint(op: str, change: r.Change, case: Case) -> Results | None:
    back = None if case.back is None else r.adjoint_rewritten(case.back, op, change)
    return None if back is None else performed(case, case.program, back, Plain())
