"""Ops mean on every backend what their rows say, forward and backward, within its precision."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.registry import BACKENDS
from grammar.bounds.rules import FUNCTIONS
from grammar.ops import OPS, Instance
from grammar.ops.base import size_of
from grammar.types import BOOL, F16, F32, F64, I32, scalar_of
from tests.backends.audit import Case, Ran, cases, everything, run_stablehlo, run_warp
from tests.backends.op_audit import WAYS, Cell, cells, judged, one_op

SOME = [
    (op, instance)
    for op, instance in everything()
    if {scalar_of(type_) for type_ in (*instance.operands, instance.result)} <= {F32, I32, BOOL}
    if size_of(instance) in (0, 3) or instance == op.instances[0]
]
"""Every row at its simplest typing, and those that go with 32-bit scalars and three components."""

SUBTLE = [
    (op, instance)
    for op, instance in everything()
    if {scalar_of(type_) for type_ in (*instance.operands, instance.result)} in ({F16}, {F64})
    if size_of(instance) in (0, 2)
]


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Warp compiles fast, quietly, and into a folder of its own; JAX has 64-bit types."""
    import jax
    import warp as wp

    monkeypatch.setattr(wp.config, "log_level", wp.LOG_ERROR)
    monkeypatch.setattr(wp.config, "optimization_level", 0)
    monkeypatch.setattr(wp.config, "kernel_cache_dir", str(tmp_path / "cache"))
    with jax.enable_x64(True):
        yield


def faults(made: list[Cell]) -> list[str]:
    return [f"{cell.direction} {cell.detail}" for cell in made if cell.status == "differ"]


def test_warp(tmp_path: Path) -> None:
    run = partial(run_warp, folder=tmp_path, name="warp", backward=True)
    made = cells(SOME, "warp", "cpu", judged(cases("warp", SOME, every=False), "warp", "cpu", run))
    assert faults(made) == []
    statuses = {(cell.op, cell.status) for cell in made if cell.status != "agree"}
    assert statuses == {("fmod", "declared"), ("frac", "declared")}


@pytest.mark.parametrize("found", [SOME, SUBTLE], ids=["some", "subtle"])
def test_interpreter(found: list[Any]) -> None:
    run = partial(run_stablehlo, way="interpreter", backward=True)
    tried = [case for case in cases("jax", found, every=False) if not case.lane]
    made = cells(found, "jax", "interpreter", judged(tried, "jax", "interpreter", run))
    assert faults(made) == []
    assert {cell.op for cell in made if cell.status == "unsupported"} <= {"determinant", "inverse"}


def test_compiled() -> None:
    run = partial(run_stablehlo, way="compiled", backward=True)
    simplest = [
        Case(op, instance, 0, op.spellings(instance, "jax")[0])
        for op, instance in SOME
        if op.partials and size_of(instance) == 0
    ]
    tried = [(case.op, case.instance) for case in simplest]
    made = cells(tried, "jax", "compiled", judged(simplest, "jax", "compiled", run))
    assert faults(made) == []
    assert {cell.status for cell in made} == {"agree"}


def _ran(spelling: str, way: str = "interpreter") -> tuple[list[Cell], Case]:
    """The cells of `mul` when it is spelled like that."""
    case = Case(OPS["mul"], Instance((F32, F32), F32), 0, spelling)
    run = partial(run_stablehlo, way=way, backward=True)
    return cells([(case.op, case.instance)], "jax", way, judged([case], "jax", way, run)), case


@pytest.mark.parametrize(
    ("spelling", "directions"),
    [
        ("a * b", set()),
        ("a * b + T(1e-6) * a", {"forward", "gradient"}),
        ("lax.stop_gradient(a) * b", {"gradient"}),
        ("a + b", {"forward", "gradient"}),
    ],
)
def test_faults_are_found(spelling: str, directions: set[str]) -> None:
    made, _ = _ran(spelling)
    assert {cell.direction for cell in made if cell.status == "differ"} == directions
    assert len(made) == 2


def test_a_wrong_value_is_no_limitation() -> None:
    """A limitation explains gradients only."""
    op, instance = OPS["fmod"], Instance((F32, F32), F32)
    assert [row.name for row in BACKENDS["warp"].limitations(one_op(op, instance, 0))]
    case = Case(op, instance, 0, "a - b")

    def run(found: Any) -> list[Ran]:
        return [
            dataclasses.replace(ran, pulled=(ran.result, ran.result))
            for ran in run_stablehlo(found, "interpreter")
        ]

    made = cells([(op, instance)], "warp", "cpu", judged([case], "warp", "cpu", run))
    assert [cell.status for cell in made] == ["differ", "declared"]


@pytest.mark.parametrize(("backend", "execution"), WAYS)
def test_precision_names_what_is_looked_up(backend: str, execution: str) -> None:
    precision = BACKENDS[backend].precision(execution)
    known = {*FUNCTIONS, *OPS}
    assert set(precision.ulps) <= known
    assert set(precision.absolute) <= known
    assert set(precision.units) <= {"add", "mul", "div", "sqrt", "cast"}
    assert all(min(ulps) >= 0.5 for ulps in precision.ulps.values())


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_every_execution_has_a_precision(backend: str) -> None:
    assert {way for name, way in WAYS if name == backend} == set(BACKENDS[backend].executions)
    assert all(
        np.isfinite(BACKENDS[backend].precision(way).gradient_units)
        for way in BACKENDS[backend].executions
    )
