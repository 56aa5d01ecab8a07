import jax.numpy as jnp


def update_field(values, out):
    i = jnp.arange(16, dtype=jnp.int32)
    inside = values > 0.0
    active = values > 2.0
    a = jnp.where(inside, jnp.where(active, 2.0, values), -values)
    m = jnp.where(inside, jnp.int32(1), -1)
    is_large = m < i
    return jnp.where(is_large, a, out)
