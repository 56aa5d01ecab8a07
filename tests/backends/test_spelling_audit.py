"""Every spelling of every row compiles, keeps its type, and means the same on every backend."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grammar.ops import OPS, Instance, Op
from grammar.ops.base import size_of
from grammar.ops.expression import Apply, Expression, Literal, Operand, Typed, elaborate, parse
from grammar.types import BF16, BOOL, F16, F32, F64, I32, element_shape, scalar_of
from tests.backends.audit import (
    LANES,
    Case,
    Ran,
    cases,
    everything,
    host_dtype,
    jax_function,
    run_jax,
    run_warp,
    samples,
)
from tests.spelling import LETTERS, evaluate

TOLERANCE = {"float32": 1e-4, "float64": 1e-9, "float16": 2e-2, "bfloat16": 2e-2}
"""Allowed difference, relative to the largest magnitude among the lanes."""

COMMON = [
    (op, instance)
    for op, instance in everything()
    if {scalar_of(type_) for type_ in (*instance.operands, instance.result)} <= {F32, I32, BOOL}
    if size_of(instance) in (0, 3) or instance == op.instances[0]
]
"""Every row at its simplest typing, and those that go with 32-bit scalars and three components."""


@pytest.fixture(autouse=True)
def quiet_warp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Warp compiles fast, quietly, and into a folder of its own."""
    import warp as wp

    monkeypatch.setattr(wp.config, "log_level", wp.LOG_ERROR)
    monkeypatch.setattr(wp.config, "optimization_level", 0)
    monkeypatch.setattr(wp.config, "kernel_cache_dir", str(tmp_path / "cache"))


@pytest.fixture
def wide_numbers() -> Iterator[None]:
    """64-bit types in JAX."""
    import jax

    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def difference(found: Any, expected: Any, dtype: str) -> float:
    """The largest difference over the tolerance; exact types differ by infinity."""
    if dtype not in TOLERANCE:
        return 0.0 if np.array_equal(found, expected) else np.inf
    found, expected = (np.asarray(x).astype(np.float64) for x in (found, expected))
    if not (np.isfinite(found).all() and np.isfinite(expected).all()):
        return np.inf
    scale = max(1.0, float(np.abs(expected).max()))
    return float(np.abs(found - expected).max()) / scale / TOLERANCE[dtype]


def meaning(op: Op, instance: Instance, attribute: int) -> Any:
    """The mathematical result on the operands of the audit."""
    operands = [
        values.astype({"float": np.float64, "bool": bool}.get(scalar_of(type_).kind, object))
        for values, type_ in zip(samples(op, instance), instance.operands, strict=True)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = evaluate(op, instance, operands, attribute)
    shape = (LANES, *element_shape(instance.result))
    return np.broadcast_to(found, shape)


def disagreements(results: list[Ran]) -> list[str]:
    """The cases whose results are not those of the mathematical function."""
    known: dict[tuple[str, Instance, int], Any] = {}
    out: list[str] = []
    for ran in results:
        case, found = ran.case, ran.result
        key = (case.op.name, case.instance, case.attribute)
        if key not in known:
            known[key] = meaning(case.op, case.instance, case.attribute)
        scalar = scalar_of(case.instance.result)
        expected = known[key]
        if scalar.kind != "float":
            expected = np.asarray(expected).astype(host_dtype(scalar))
        if case.instance.operands:
            assert np.shape(found) == expected.shape, str(case)
        found = np.broadcast_to(found, expected.shape)
        if (error := difference(found, expected, scalar.dtype)) > 1:
            out.append(f"{case}: {error:.3g} of the tolerance")
    return out


def wrong_types(found: list[Case], shapes: list[tuple[int, ...]]) -> list[str]:
    """The JAX spellings that change the dtype or misplace a batch axis, by abstract evaluation.

    Every operand has the leading axes in `shapes`; then each in turn goes without any.
    """
    import jax

    out: list[str] = []
    for case in found:
        function, types = jax_function(case), case.instance.operands
        dtype = host_dtype(case.instance.result)
        for lead in shapes if not case.lane else [()]:
            for bare in (None, *range(len(types))) if lead and len(types) > 1 else (None,):
                operands = [
                    jax.ShapeDtypeStruct(
                        (*(lead if place != bare else ()), *element_shape(type_)),
                        host_dtype(type_),
                    )
                    for place, type_ in enumerate(types)
                ]
                result = jax.eval_shape(function, *operands)
                shape = (*(lead if types else ()), *element_shape(case.instance.result))
                if result.shape != shape or result.dtype != dtype:
                    out.append(f"{case}: {result.dtype}{result.shape} from {operands}")
    return out


def test_warp_means_what_the_row_means(tmp_path: Path) -> None:
    assert disagreements(run_warp(cases("warp", COMMON, every=False), tmp_path, "common")) == []


def test_jax_means_what_the_row_means() -> None:
    batch = [case for case in cases("jax", COMMON, every=False) if not case.lane]
    assert disagreements(run_jax(batch)) == []


def test_jax_lane_forms_mean_the_same() -> None:
    found = [case for case in cases("jax", COMMON, every=False) if case.lane]
    new = [case for case in found if case.spelling not in case.op.spellings(case.instance, "jax")]
    assert len(new) > 50
    assert disagreements(run_jax(new)) == []


def test_jax_keeps_types_and_batch_axes() -> None:
    assert wrong_types(cases("jax", COMMON, every=False), [(), (5,), (2, 3)]) == []


def test_what_warp_is_said_to_lack_it_lacks(tmp_path: Path) -> None:
    lacking = [
        Case(op, instance, 0, op.spellings(instance, "warp")[0])
        for op, instance in everything()
        if not op.supported(instance, "warp")
    ]
    pairs = {(case.instance.operands[0], case.instance.result) for case in lacking}
    assert pairs == {(F16, BOOL), (BF16, BOOL), (BOOL, F16), (BOOL, BF16)}
    assert {case.op.name for case in lacking} == {"cast"}
    for case in lacking:
        name = f"lacking_{case.instance.operands[0]}_{case.instance.result}"
        with pytest.raises(Exception, match="CPU kernel build failed"):
            run_warp([case], tmp_path, name, backward=True)


def _value(tree: Typed, letters: dict[str, Any]) -> Any:
    """A typed expression over arrays of lanes, in NumPy."""
    match tree:
        case Operand(name=name):
            return letters[name]
        case Literal(value=value):
            return np.full(LANES, float(value))
        case Apply(op=name, attribute=attribute, arguments=arguments, type=type_):
            instance = Instance(tuple(argument.type for argument in arguments), type_)
            operands = [_value(argument, letters) for argument in arguments]
            return evaluate(OPS[name], instance, operands, attribute or 0)


def _pulled(found: list[Case]) -> list[tuple[Any, Any, Any]]:
    """Per case: the result, a cotangent, and JAX's cotangents of the operands."""
    import jax

    random = np.random.default_rng(3)
    functions = [jax_function(case) for case in found]
    operands = [samples(case.op, case.instance) for case in found]
    cotangents = [
        random.uniform(0.5, 2.0, (LANES, *element_shape(case.instance.result))) for case in found
    ]

    def pull(operands: list[Any], cotangents: list[Any]) -> list[Any]:
        out: list[Any] = []
        for function, given, cotangent in zip(functions, operands, cotangents, strict=True):
            result, vjp = jax.vjp(function, *given)
            out.append((result, cotangent, vjp(cotangent)))
        return out

    return jax.jit(pull)(operands, cotangents)


def _declared(case: Case, result: Any, cotangent: Any) -> list[Any]:
    """The operands' cotangents by the declared partials; None for operands that carry none."""
    op, instance = case.op, case.instance
    assert op.partials is not None
    operands = samples(op, instance)
    letters = dict(zip(LETTERS, operands, strict=False))
    letters |= {"y": np.asarray(result), "g": cotangent}
    types = dict(zip(LETTERS, instance.operands, strict=False))
    types |= {"y": instance.result, "g": instance.result}
    out: list[Any] = []
    for type_, text in zip(instance.operands, op.partials, strict=True):
        if scalar_of(type_).kind != "float":
            out.append(None)
        elif not text:
            out.append(np.zeros((LANES, *element_shape(type_))))
        else:
            tree = parse(text)
            typed = elaborate(tree, types, type_, op.indices(instance, case.attribute))
            value = _value(typed, letters)
            out.append(value if "g" in _letters(tree) else value * cotangent)
    return out


def _letters(tree: Expression) -> set[str]:
    match tree:
        case str():
            return {tree}
        case int() | float():
            return set()
        case _:
            return {letter for part in tree[1:] for letter in _letters(part)}


DIFFERENTIATED = [
    (op, instance)
    for op, instance in everything()
    if op.partials and all(scalar_of(t) in (F64, BOOL) for t in instance.operands)
    if scalar_of(instance.result) == F64 and instance.operands
]


def wrong_partials(found: list[tuple[Op, Instance]]) -> list[str]:
    """The operands whose declared partial is not JAX's gradient of the simplest spelling."""
    tried = [
        Case(op, instance, attribute, op.spellings(instance, "jax")[0])
        for op, instance in found
        for attribute in sorted({0, max(op.attributes(instance) - 1, 0)})
    ]
    wrong: list[str] = []
    for case, (result, cotangent, pulled) in zip(tried, _pulled(tried), strict=True):
        declared = _declared(case, result, cotangent)
        for place, (given, expected) in enumerate(zip(declared, pulled, strict=True)):
            if given is None:
                continue
            close = np.isclose(given, expected, rtol=1e-8, atol=1e-8)
            # Kinks are among the edge values that the operands hold.
            if not close.all() if case.op.smoothness == "smooth" else close.mean() < 0.6:
                wrong.append(f"{case.op.name} {case.instance.operands} by operand {place}")
    return wrong


@pytest.mark.usefixtures("wide_numbers")
def test_partials_are_jax_gradients() -> None:
    found = [(op, instance) for op, instance in DIFFERENTIATED if size_of(instance) in (0, 3)]
    assert len(found) > 100
    assert wrong_partials(found) == []


@pytest.mark.campaign
@pytest.mark.usefixtures("wide_numbers")
def test_partials_at_every_size() -> None:
    assert wrong_partials(DIFFERENTIATED) == []


@pytest.mark.campaign
@pytest.mark.usefixtures("wide_numbers")
def test_every_typing_on_warp(tmp_path: Path) -> None:
    found = cases("warp", everything(), every=True)
    for k in range(0, len(found), 700):
        assert disagreements(run_warp(found[k : k + 700], tmp_path, f"part{k}")) == []


@pytest.mark.campaign
@pytest.mark.usefixtures("wide_numbers")
def test_every_typing_on_jax() -> None:
    found = cases("jax", everything(), every=False)
    assert disagreements(run_jax(found)) == []
    assert wrong_types(cases("jax", everything(), every=True), [(), (5,), (2, 3)]) == []
