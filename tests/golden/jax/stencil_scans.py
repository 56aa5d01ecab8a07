import jax.numpy as jnp
from jax import lax


def smooth_signal(profile):
    index = jnp.arange(8, dtype=jnp.int32)[:, None]
    col = jnp.arange(4, dtype=jnp.int32)[None, :]
    turn = index + 1
    slot = lax.min(turn, jnp.int32(7))
    first = profile[slot, col]
    return jnp.subtract(first, profile)
