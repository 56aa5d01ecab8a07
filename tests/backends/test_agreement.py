"""Both backends compute the same from the same program, and nothing overflows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grammar.presets import GRAMMARS
from grammar.program import Program, statements
from grammar.types import scalar_of
from irgen.service import draw
from tests.backends.execute import both

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
