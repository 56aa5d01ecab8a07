"""Every spelling of every array op computes what NumPy does."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from grammar.ops.array import ARRAY_OPS, result_type
from grammar.program import Attribute
from grammar.types import scalar_of
from tests.grammar.array_examples import CASES, expected, sample, types

TIGHT = {"float32": 1e-4, "float64": 1e-10, "int32": 0.0}


@pytest.mark.parametrize(("name", "operands", "attribute"), CASES)
def test_jax_spellings_compute_what_numpy_does(
    name: str, operands: str, attribute: Attribute
) -> None:
    given = types(operands)
    made = result_type(name, given, attribute)
    wide = any(scalar_of(type_).bits == 64 for type_ in given)
    with jax.enable_x64(wide):
        holes = {
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
        for letter, seed in zip("abc", range(len(given)), strict=False):
            dtype = scalar_of(given[seed]).dtype
            holes[letter] = jnp.asarray(sample(given[seed], seed), dtype)
        for text in ARRAY_OPS[name].spellings(given, "jax"):
            found = eval(text, holes)
            assert found.dtype == scalar_of(made).dtype, text
            assert found.shape == made.shape, text
            np.testing.assert_allclose(
                found,
                expected(name, given, attribute),
                rtol=TIGHT[found.dtype.name],
                atol=TIGHT[found.dtype.name],
                err_msg=text,
            )
