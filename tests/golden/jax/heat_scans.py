import jax.numpy as jnp
from jax import lax


def smooth_signal(profile, theta):
    tid = jnp.arange(16, dtype=jnp.int32)
    turn = tid - 1
    slot = lax.max(turn, jnp.int32(0))
    first = profile[slot]
    first = jnp.subtract(first, profile)
    diff = jnp.multiply(theta, first)
    return profile + diff


def pipeline(intensity, gain):
    scaled = intensity
    target = jnp.zeros(16, dtype=jnp.float32)

    def advance(carry, _):
        scaled, target = carry
        target = smooth_signal(scaled, gain)
        return (target, scaled), None

    (scaled, target), _ = lax.scan(advance, (scaled, target), None, length=5)
    temperature = jnp.multiply(scaled, gain)
    return scaled, jnp.subtract(temperature, intensity)
