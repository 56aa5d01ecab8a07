import jax.numpy as jnp


def update_field(values):
    i = jnp.arange(8, dtype=jnp.int32)[:, None]
    j = jnp.arange(4, dtype=jnp.int32)[None, :]
    m = i + 1
    count_value = jnp.minimum(m, 7)
    a = values[count_value, j]
    return a - values
