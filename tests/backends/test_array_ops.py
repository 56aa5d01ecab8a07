"""Array ops in both backends compute what NumPy does, and drawn programs agree with each other."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from backends.style import Style, draw_style
from grammar.build import Builder, ProgramBuilder
from grammar.generate import program_at
from grammar.ops.array import ARRAY_OPS, result_type
from grammar.presets import GRAMMARS
from grammar.program import Attribute, Program, Value
from grammar.source import RandomSource
from grammar.types import scalar_of
from tests.backends.array_programs import arguments, run_jax, run_warp
from tests.grammar.array_examples import CASES, EXAMPLES, expected, sample, types

CLOSE = {"float32": 1e-4, "float64": 1e-10, "int32": 0.0}
FIRST = [(name, *EXAMPLES[name][0]) for name in sorted(EXAMPLES)]
DRAWN = 12


@pytest.mark.parametrize(("name", "operands", "attribute"), FIRST)
def test_every_jax_spelling(name: str, operands: str, attribute: Attribute) -> None:
    given = types(operands)
    made = result_type(name, given, attribute)
    holes: dict[str, object] = {
        "jax": jax,
        "jnp": jnp,
        "lax": lax,
        "T": getattr(jnp, scalar_of(given[0]).dtype),
        "S": getattr(jnp, scalar_of(made).dtype),
    }
    if isinstance(attribute, tuple):
        holes |= {"s": attribute} | {f"s{k}": value for k, value in enumerate(attribute)}
    else:
        holes["i"] = attribute
    for letter, (seed, type_) in zip("abc", enumerate(given), strict=False):
        holes[letter] = jnp.asarray(sample(type_, seed), scalar_of(type_).dtype)
    for text in ARRAY_OPS[name].spellings(given, "jax"):
        found = eval(text, dict(holes))
        assert found.dtype == scalar_of(made).dtype, text
        assert found.shape == made.shape, text
        close = CLOSE[found.dtype.name]
        wanted = expected(name, given, attribute)
        np.testing.assert_allclose(found, wanted, rtol=close, atol=close, err_msg=text)


def all_cases() -> Program:
    """One program that returns the result of every example."""
    operands = [types(text) for _, text, _ in CASES]
    p = ProgramBuilder()

    def body(b: Builder, *params: Value) -> list[Value]:
        left = list(params)
        found: list[Value] = []
        for (name, _, attribute), given in zip(CASES, operands, strict=True):
            taken, left = left[: len(given)], left[len(given) :]
            found.append(b.op(name, *taken, attribute=attribute))
        return found

    p.program([type_ for given in operands for type_ in given], body)
    return p.finish()


@pytest.mark.parametrize("run", [run_warp, run_jax])
def test_every_typing_from_rendered_source(run, tmp_path: Path) -> None:
    inputs = [
        sample(type_, seed).astype(scalar_of(type_).dtype)
        for _, text, _ in CASES
        for seed, type_ in enumerate(types(text))
    ]
    found = run(all_cases(), inputs, tmp_path, f"every_array_op_{run.__name__}", Style())
    for (name, text, attribute), result in zip(CASES, found, strict=True):
        given = types(text)
        assert result.dtype == scalar_of(result_type(name, given, attribute)).dtype
        close = CLOSE[result.dtype.name]
        wanted = expected(name, given, attribute)
        np.testing.assert_allclose(result, wanted, rtol=close, atol=close, err_msg=f"{name} {text}")


@pytest.mark.parametrize("preset", ["ml", "program"])
def test_drawn_programs_agree(preset: str, tmp_path: Path) -> None:
    """Lane by lane; a few lanes may differ, where rounding decides a comparison or grows."""
    lanes = agreeing = 0
    for number in range(DRAWN):
        program = program_at(GRAMMARS[preset], 21, number)
        given = arguments(program, number)
        style = draw_style(RandomSource(22, number))
        left = run_warp(program, given, tmp_path, f"{preset}_warp_{number}", style)
        right = run_jax(program, given, tmp_path, f"{preset}_jax_{number}", style)
        for a, b in zip(left, right, strict=True):
            assert a.dtype == b.dtype
            assert np.isfinite(a).all()
            assert np.isfinite(b).all()
            scale = max(1.0, float(np.abs(a).max()))
            agreeing += int(np.isclose(a, b, rtol=1e-3, atol=1e-4 * scale).sum())
            lanes += a.size
    assert agreeing >= 0.97 * lanes
