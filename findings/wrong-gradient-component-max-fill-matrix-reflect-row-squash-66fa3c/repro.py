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

jax.config.update("jax_platforms", "cpu")


def update_field(values):
    a = jnp.sum(values, axis=(-2, -1))
    vec = values[..., 0, :]
    direction = jnp.repeat(a[..., None], 3, axis=-1)
    normal = 2.0 * jnp.sum(vec * direction, axis=-1, keepdims=True) * direction
    axis = vec - normal
    dir_vec = jnp.broadcast_arrays(jnp.float32(0.0), a, jnp.float32(0.0))
    point = jnp.stack(dir_vec, axis=-1)
    vel = jnp.maximum(axis, point)
    return vel / (1.0 + jnp.sum(vel * vel, axis=-1, keepdims=True))


def pullback(values, cotangent):
    return jax.vjp(update_field, values)[1](cotangent)


values = jnp.array(
    [
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
        [
            [-3.5540452, -0.5, -0.74859905],
            [2.7953877, -2.1369987, 1.2703915],
            [1.5523105, 2.6672535, -3.6132016],
        ],
    ],
    dtype=jnp.float32,
)
cotangent = jnp.array(np.full((8, 3), 1.0), dtype=jnp.float32)
gradients = jax.jit(pullback)(values, cotangent)


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
        [[1.0, 1.0, 1.0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]],
        [[1.0, 1.0, 1.0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]],
        [[1.0, 1.0, 1.0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]],
        [[1.0, 1.0, 1.0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]],
        [[1.0, 1.0, 1.0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]],
        [[1.0, 1.0, 1.0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]],
        [[1.0, 1.0, 1.0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]],
        [
            [0.0233766, 0.023358, 0.0233595],
            [0.0190202, 0.0190202, 0.0190202],
            [0.0190202, 0.0190202, 0.0190202],
        ],
    ],
    [
        [[11.0, 11.0, 11.0], [5.1, 5.1, 5.1], [5.1, 5.1, 5.1]],
        [[11.0, 11.0, 11.0], [5.1, 5.1, 5.1], [5.1, 5.1, 5.1]],
        [[11.0, 11.0, 11.0], [5.1, 5.1, 5.1], [5.1, 5.1, 5.1]],
        [[11.0, 11.0, 11.0], [5.1, 5.1, 5.1], [5.1, 5.1, 5.1]],
        [[11.0, 11.0, 11.0], [5.1, 5.1, 5.1], [5.1, 5.1, 5.1]],
        [[11.0, 11.0, 11.0], [5.1, 5.1, 5.1], [5.1, 5.1, 5.1]],
        [[11.0, 11.0, 11.0], [5.1, 5.1, 5.1], [5.1, 5.1, 5.1]],
        [
            [6.7e-06, 6.7e-06, 6.7e-06],
            [5.3e-06, 5.3e-06, 5.3e-06],
            [5.3e-06, 5.3e-06, 5.3e-06],
        ],
    ],
)
sys.exit(1 if wrong else 0)
