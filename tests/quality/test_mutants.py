"""The oracle notices faults, and only faults."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from backends.registry import BACKENDS
from backends.style import Style
from grammar.ops import OPS
from grammar.ops.base import Instance
from grammar.presets import GRAMMARS
from grammar.program import Statement, statements
from grammar.types import F32
from irgen.service import draw
from tests.quality.mutants import cases, constructs, emitters, results, values
from tests.quality.mutants.adjoints import groups as adjoint_groups
from tests.quality.mutants.argued import ARGUED
from tests.quality.mutants.campaign import Fate, by_kind, groups, jobs, outcome, survivors
from tests.quality.mutants.cases import Group, Mutant
from tests.quality.mutants.rewriting import rewritten, shorter

EARLY = 8
"""The program by which a mutant of the quick selection is dead."""

VALUES = ("add", "div", "exp", "lt")
ADJOINTS = ("mul", "atan2", "sqrt")
CONSTRUCTS = ("store", "if", "for", "atomic_add", "const", "launch", "matmul")


def _selected() -> list[Group]:
    made = [group for group in values.groups() if group.op in VALUES and not group.scalar]
    made += [group for group in adjoint_groups() if group.op in ADJOINTS]
    made += [group for group in constructs.groups() if group.op in CONSTRUCTS and not group.scalar]
    return [*made, *results.groups()]


@pytest.mark.parametrize("group", _selected(), ids=lambda group: f"{group.op or 'results'}")
def test_mutants_are_killed_early(group: Group) -> None:
    found = outcome(group, EARLY)
    assert found.alarms == ()
    assert [fate.name for fate in found.fates if not fate.killed] == []
    assert found.control >= 1


def test_a_fault_without_effect_survives() -> None:
    """Operands of a sum may be exchanged; what is right bit by bit is no mismatch."""
    domain = values.FaultyPlain(op="add", change=functools.partial(values.swapped, 0))
    mutant = Mutant(
        "exchanged", "add", lambda s: s.op == "add", functools.partial(values.perform_with, domain)
    )
    found = outcome(Group("add", "", ("compound",), (mutant,)), EARLY)
    (fate,) = found.fates
    assert fate == Fate("exchanged: add", "exchanged", 0, EARLY, 0)
    table = survivors([fate])
    assert table.rows == (("exchanged: add", EARLY, 0, ""),)
    assert by_kind([fate], found.control, ()).failures == ("0.0% of mutants killed, target 98%",)


def test_an_error_within_bounds_survives() -> None:
    """Functions may err by a unit in the last place."""

    def nudged(right: values.Meaning, instance: Instance) -> values.Meaning | None:
        if instance.result != F32:
            return None
        return lambda a: np.nextafter(right(a), np.float32(np.inf))

    domain = values.FaultyPlain(op="exp", change=nudged)
    faulty = functools.partial(values.perform_with, domain)
    mutant = Mutant("nudged", "exp", lambda s: s.op == "exp", faulty)
    (fate,) = outcome(Group("exp", "f32", ("compound",), (mutant,)), EARLY).fates
    assert (fate.killed, fate.shown) == (0, EARLY)
    assert fate.other > 0


def test_a_mutant_without_effect_at_any_typing_is_not_made() -> None:
    names = {mutant.name for group in values.groups() for mutant in group.mutants}
    assert "operands a and b swapped: multiply_add" not in names
    assert "operands b and c swapped: multiply_add" in names
    assert "retyped f32: identity" not in names
    assert "retyped f32: exp" in names
    assert all(f"negated: {name}" in names for name in OPS)


def test_what_a_program_lacks_is_not_shown() -> None:
    program = draw(GRAMMARS["elementwise"], 0, 0).program
    assert all(statement.op != "for" for statement in statements(program))
    assert rewritten(program, "for", shorter) is None


def test_arguments_name_mutants() -> None:
    names = {mutant.name for group in groups() for mutant in group.mutants}
    assert set(ARGUED) <= names
    assert len(jobs(1)) == len(groups()) + sum(len(emitters.faults(name)) for name in BACKENDS)


@pytest.mark.parametrize(("backend", "number"), [("warp", 0), ("jax", 0)])
def test_renderers_with_a_fault_are_noticed(backend: str, number: int) -> None:
    fault = emitters.faults(backend)[number]
    found = emitters.show(backend, fault, 2)
    assert found.alarms == []
    assert found.killed == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fault_of_a_renderer_is_undone(backend: str) -> None:
    program = next(
        case.program
        for case in cases.cases(Group("sub", "", (), (Mutant("", "", _sub, lambda case: None),)))
    )
    render = functools.partial(BACKENDS[backend].render, program, Style())
    before = render().python
    with emitters.broken(backend, emitters.faults(backend)[0]):
        assert render().python != before
    assert render().python == before


def _sub(statement: Statement) -> bool:
    return statement.op == "sub" and str(statement.results[0].type) in ("f32", "f64")
