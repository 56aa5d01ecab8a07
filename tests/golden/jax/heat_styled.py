import jax
import jax.numpy as jnp
from jax import lax


def mix_channels(series, shift):
    def lane(tid, u):
        cubed = series[jnp.maximum(tid - 1, jnp.int32(0))] - u
        return u + shift * cubed

    return jax.vmap(lane)(jnp.arange(16, dtype=jnp.int32), series)


def apply_all(lengths, scale):
    updated = lengths
    target = jnp.zeros(16, dtype=jnp.float32)

    def update_step(carry, _):
        updated, target = carry
        target = mix_channels(updated, scale)
        return (target, updated), None

    (updated, target), _ = lax.scan(update_step, (updated, target), None, length=5)
    return updated, jnp.subtract(jnp.multiply(updated, scale), lengths)
