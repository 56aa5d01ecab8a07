import jax.numpy as jnp


def smooth_signal(profile, accum):
    tid = jnp.arange(16, dtype=jnp.int32)
    found = profile > 0.0
    use_left = jnp.greater(profile, 2.0)
    first = jnp.where(use_left, 2.0, profile)
    diff = jnp.where(found, first, jnp.negative(profile))
    parity = jnp.where(found, jnp.int32(1), -1)
    flagged = parity < tid
    return jnp.where(flagged, diff, accum)
