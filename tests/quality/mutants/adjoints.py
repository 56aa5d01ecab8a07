"""Faults of adjoints: of one partial of an op, or of how an op's cotangent is pulled back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from grammar.gradient import adjoint, gradient, varied
from grammar.gradient.partial import Pull, Step, pulls
from grammar.ops import OPS
from grammar.ops.base import Op
from grammar.plain import Plain
from grammar.program import Attribute, Statement
from grammar.types import Element
from tests.quality.mutants.cases import Case, Group, Mutant, Results, performed
from tests.quality.mutants.values import PRESETS

Pulls = tuple[Pull | None, ...]
Fault = Callable[[Pulls, int, tuple[Element, ...]], Pulls]
"""Makes the pull of one operand wrong, given all of them, its position, and their types."""


def _with(found: Pulls, at: int, pull: Pull | None) -> Pulls:
    return (*found[:at], pull, *found[at + 1 :])


def _zeroed(found: Pulls, at: int, types: tuple[Element, ...]) -> Pulls:
    return _with(found, at, None)


def _negated(found: Pulls, at: int, types: tuple[Element, ...]) -> Pulls:
    pull = found[at]
    return found if pull is None else _with(found, at, replace(pull, negative=not pull.negative))


def _doubled(found: Pulls, at: int, types: tuple[Element, ...]) -> Pulls:
    pull = found[at]
    if pull is None:
        return found
    twice = Step("add", None, (pull.result, pull.result), types[at])
    return _with(found, at, Pull((*pull.steps, twice), len(pull.steps), pull.negative))


def _exchanged(found: Pulls, at: int, types: tuple[Element, ...]) -> Pulls:
    if types[at] != types[at + 1]:
        return found
    return (*found[:at], found[at + 1], found[at], *found[at + 2 :])


FAULTS: dict[str, Fault] = {
    "adjoint zeroed": _zeroed,
    "adjoint negated": _negated,
    "adjoint doubled": _doubled,
}


def groups() -> Iterator[Group]:
    """Per op, the faults of each of its partials."""
    for row in OPS.values():
        made: list[Mutant] = []
        partials = row.partials or ()
        for at, partial in enumerate(partials):
            if not partial:
                continue
            made += [_mutant(row, kind, at, fault) for kind, fault in FAULTS.items()]
            if _exchangeable(row, at):
                made.append(_mutant(row, "adjoints exchanged", at, _exchanged))
        if made:
            yield Group(row.name, "", PRESETS, tuple(made))


def _exchangeable(row: Op, at: int) -> bool:
    """Whether the adjoints of an operand and of the next one differ, at a type of both."""
    later = (row.partials or ())[at + 1 :]
    return (
        bool(later)
        and later[0] not in ("", (row.partials or ())[at])
        and any(i.operands[at] == i.operands[at + 1] for i in row.instances)
    )


def _mutant(row: Op, kind: str, at: int, fault: Fault) -> Mutant:
    holds = functools.partial(_holds, row.name)
    faulty = functools.partial(_perform, row.name, at, fault)
    return Mutant(kind, f"{row.name} {'abcd'[at]}", holds, faulty)


def _holds(op: str, statement: Statement) -> bool:
    return statement.op == op


def _perform(op: str, at: int, fault: Fault, case: Case) -> Results | None:
    if case.back is None:
        return None
    changed = False

    def wrong(
        name: str, operands: tuple[Element, ...], result: Element, attribute: Attribute
    ) -> Pulls:
        nonlocal changed
        found = pulls(name, operands, result, attribute)  # pyright: ignore[reportArgumentType]
        if name != op or found[at] is None:
            return found
        faulty = fault(found, at, operands)
        changed = changed or faulty is not found
        return faulty

    with _pulling(wrong):
        back = gradient(case.program)
    return performed(case, case.program, back, Plain()) if changed else None


@contextmanager
def _pulling(wrong: Callable[..., Pulls]) -> Iterator[None]:
    """Pull cotangents back by another function."""
    adjoint.pulls = varied.pulls = wrong
    try:
        yield
    finally:
        adjoint.pulls = varied.pulls = pulls
