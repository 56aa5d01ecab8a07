import jax
import jax.numpy as jnp


def mix_channels(series):
    def lane(i, col, u):
        cubed = series[jnp.minimum(i + 1, jnp.int32(7)), col]
        return cubed - u

    scan_step = jax.vmap(lane, in_axes=(None, 0, 0))
    span = jnp.arange(8, dtype=jnp.int32)
    m = jnp.arange(4, dtype=jnp.int32)
    return jax.vmap(scan_step, in_axes=(0, None, 0))(span, m, series)
