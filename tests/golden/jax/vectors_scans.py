import jax.numpy as jnp


def smooth_signal(profile, pressure):
    side = jnp.matvec(pressure, profile)
    tail = side[..., 2]
    return tail[..., None] * profile, jnp.asarray(tail, jnp.float16)
