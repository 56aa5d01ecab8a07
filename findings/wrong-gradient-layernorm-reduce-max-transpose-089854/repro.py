"""JAX: a gradient differs by more than rounding can explain.

Well defined: no index out of bounds, no integer overflow, no race, loops end.
Expected values are from higher precision; bounds cover any rounding of the steps.
Exit code: 1 if the bug shows, 0 if not, 2 if it cannot run here.
"""

import sys


def stop(*error):
    """Whatever is raised: this cannot run here."""
    sys.__excepthook__(*error)
    sys.exit(2)


sys.excepthook = stop

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

jax.config.update("jax_platforms", "cpu")


def run(values, weights):
    positions = values.T
    points = jnp.var(positions, axis=-1, keepdims=True) + jnp.float32(1e-05)
    field = lax.rsqrt(points)
    signal = (positions - jnp.mean(positions, axis=-1, keepdims=True)) * field
    samples = signal * weights
    masses = samples + weights
    return jnp.max(masses, axis=0)


def pullback(values, weights, cotangent):
    return jax.vjp(run, values, weights)[1](cotangent)


values = jnp.array(
    [
        [-1.0, 0.0, 0.0, 1.0, 1.0, 0.0, -1.0, 0.0],
        [-1.0, 0.0, 0.0, -1.0, 1.0, 1.0, 1.0, 0.0],
        [1.0, 1.0, 1.0, 1.0, -1.0, 0.0, 0.0, 1.0],
        [0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        [0.0, -1.0, 1.0, -1.0, -1.0, 0.0, 1.0, 0.0],
        [0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 1.0, 1.0],
        [0.0, 1.0, -1.0, -1.0, 0.0, 0.0, -1.0, 0.0],
        [1.0, 1.0, -1.0, 0.0, -1.0, 0.0, 0.0, 0.0],
    ],
    dtype=jnp.float32,
)
weights = jnp.array(
    [0.5, -0.5, 0.5, 0.89768565, -0.78714883, 0.8110894, -0.5, -0.5288609],
    dtype=jnp.float32,
)
cotangent = jnp.array([-1.0, 1.0, 0.0, 1.0, -1.0, 0.0, 0.0, -1.0], dtype=jnp.float32)
gradients = jax.jit(pullback)(values, weights, cotangent)


def check(name, got, expected, bound):
    """Print an array, and tell whether an element is off by more than the bound."""
    got, expected = np.asarray(got), np.asarray(expected)
    close = np.isclose(got, expected, rtol=0, atol=bound, equal_nan=True)
    wrong = ~close & np.isfinite(bound)
    print(f"{name}: expected {expected.tolist()} +- {bound}")
    print(f"{name}: got      {got.tolist()}")
    if wrong.any():
        worst = np.where(wrong, abs(got - expected), -1).argmax()
        print(f"{name}: WRONG, most at", *np.unravel_index(worst, wrong.shape))
    return bool(wrong.any())


wrong = check(
    "gradient of values",
    gradients[0],
    [
        [0.2651589, -0.1551302, -0.09348935, -0.3563315, 0.0, 0.0, 0.0492083, 0.0],
        [-0.4419409, -0.1551302, -0.09348935, -0.0274084, 0.0, 0.0, -0.2460533, 0.0],
        [-0.088384, 0.077562, 0.0934856, 0.2466868, 0.0, 0.0, -0.0984225, 0.0],
        [0.0883875, -0.3878223, -0.09348935, 0.1096392, 0.0, 0.0, 0.8365884, 0.0],
        [0.0883875, 0.620527, 0.0934856, -0.0274084, 0.0, 0.0, -0.2460533, 0.0],
        [0.0883875, -0.1551302, -0.09348935, -0.0274084, 0.0, 0.0, -0.2460533, 0.0],
        [0.0883875, 0.077562, -0.2804643, -0.0274084, 0.0, 0.0, 0.0492083, 0.0],
        [-0.088384, 0.077562, 0.4674505, 0.1096392, 0.0, 0.0, -0.0984225, 0.0],
    ],
    1.3e-05,
)
sys.exit(1 if wrong else 0)
