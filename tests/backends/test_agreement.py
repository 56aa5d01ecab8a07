"""Both backends compute the same from the same program, and nothing overflows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.registry import BACKENDS
from backends.style import Style
from grammar.build import Builder, ProgramBuilder
from grammar.parse import parse_program
from grammar.presets import GRAMMARS
from grammar.program import Program, Value, statements
from grammar.reference import reference
from grammar.types import F32, Array, scalar_of
from irgen.service import draw
from tests.backends.execute import both, make_inputs, run_jax

# Compilers differ in the last places, and a program may amplify that; a wrong lowering is far off.
_TOLERANCE = {"f64": 1e-6, "f32": 2e-3, "f16": 3e-2, "bf16": 2e-1}
_LANES = 0.9


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A kernel cache of this module's own."""
    import warp as wp

    before, level = wp.config.kernel_cache_dir, wp.config.log_level
    wp.config.kernel_cache_dir = str(tmp_path_factory.mktemp("kernels"))
    wp.config.log_level = wp.LOG_ERROR
    yield
    wp.config.kernel_cache_dir, wp.config.log_level = before, level


def tolerance_of(program: Program) -> float:
    """That of the least precise type anywhere in a program."""
    values = [*program.entry.parameters, *(v for s in statements(program) for v in s.results)]
    found = {scalar_of(value.type).name for value in values}
    return max([_TOLERANCE.get(name, 0.0) for name in found], default=0.0)


def agreement(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any], tolerance: float) -> float:
    """The share of elements that agree; integers exactly."""
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    if a.dtype.kind in "iub":
        return float(np.mean(a == b))
    left, right = a.astype(np.float64), b.astype(np.float64)
    assert np.isfinite(left).all()
    assert np.isfinite(right).all()
    return float(np.mean(np.isclose(left, right, rtol=tolerance, atol=tolerance)))


def check(name: str, index: int, folder: Path) -> None:
    drawn = draw(GRAMMARS[name], 5, index)
    warp, jax = both(drawn.program, drawn.style, index, folder)
    assert len(warp) == len(jax)
    for left, right in zip(warp, jax, strict=True):
        share = agreement(left, right, tolerance_of(drawn.program))
        assert share >= _LANES, f"{name} {index}\n{drawn.program}"


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("name", GRAMMARS)
def test_backends_agree(name: str, tmp_path: Path) -> None:
    for index in range(2):
        check(name, index, tmp_path)


@pytest.mark.campaign
@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("name", GRAMMARS)
def test_backends_agree_on_many(name: str, tmp_path: Path) -> None:
    for index in range(100):
        check(name, index, tmp_path)


def test_a_wrong_lowering_is_seen() -> None:
    right = np.linspace(-1, 1, 16, dtype=np.float32)
    assert agreement(right, right, 1e-6) == 1
    assert agreement(right, right[::-1].copy(), 2e-3) < _LANES
    assert agreement(np.arange(16), np.arange(16) + 1, 1e-6) == 0


LEFT_EARLY = """\
irgen 1
kernel @0 [12] (%0: i32, %1: f32[12], %2: f64[12], %3: f64, %4: f64[12], %5: f64[12]) {
  %6: f32 = load %1, %0
  %7: f64 = load %2, %0
  %8: f64 = const 0.25
  %9: bool = lt %7, %8
  %10: f64 = if %9 {
    store %4, %0, %7
    %11: bool = lt %7, %3
    %12: f64 = if %11 {
      %13: f32 = const 0.25
      %14: f32 = max %6, %13
      %15: f32 = rsqrt %14
      %16: i32 = const 11
      %17: bool = ne %0, %16
      %18: i32 = const 0
      %19: bool = lt %0, %18
      %20: bool = logical_and %17, %19
      %21: f32 = if %20 {
        return
      } else {
        yield %15
      }
      %22: f64 = cast %21
      %23: f64 = sub %3, %22
      yield %23
    } else {
      %24: f64 = tanh %7
      %25: f64 = exp %24
      %26: f64 = div %3, %25
      yield %26
    }
    yield %12
  } else {
    %27: f64 = const 0.0
    yield %27
  }
  store %5, %0, %10
  yield
}
"""
"""A branch that stores, and may end the lane: its flag and its values share a condition."""


def left_early() -> Program:
    return parse_program(LEFT_EARLY)


def carried_twice() -> Program:
    """A loop whose two carried values start from one value."""
    units = ProgramBuilder()
    floats = Array(F32, (8,))

    def kernel(b: Builder, i: Value, x: Value, out: Value) -> None:
        start = b.op("sin", b.load(x, i))
        one, two = b.for_(
            0,
            3,
            (start, start),
            lambda k, a, c: (b.op("add", a, c), b.op("mul", c, b.const(F32, 0.5))),
        )
        b.store(out, i, b.op("sub", one, two))

    units.kernel((8,), (floats, floats), kernel)
    return units.finish()


@pytest.mark.parametrize("make", [left_early, carried_twice])
def test_names_are_taken_over_only_once_they_are_free(make: Callable[[], Program]) -> None:
    program = make()
    values = make_inputs(program.entry, 3)
    wanted = reference(program, values)
    for salt in range(96):
        source = BACKENDS["jax"].render(program, Style(salt=salt, idiom=0, naming=0, inlining=0))
        for got, right in zip(run_jax(source, program.entry, values), wanted, strict=True):
            assert np.allclose(got, right, rtol=1e-6), source.python
