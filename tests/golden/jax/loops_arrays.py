import jax.numpy as jnp
from jax import lax


def update_field(values, out):
    i = jnp.arange(16, dtype=jnp.int32)
    a = values
    for _ in range(4):
        a *= values

    def body(k, b):
        inside = k < i
        c = values[k]
        return jnp.where(inside, b + c, b)

    d = lax.fori_loop(0, 16, body, a)
    m = jnp.zeros(16, dtype=jnp.int32)
    active = True
    for j in range(8):
        active = active & (d < 100.0)
        d = jnp.where(active, d + d, d)
        m = jnp.where(active, m + j, m)
    u = out
    for _ in range(2):
        u = d + u
    is_large = m == i
    return jnp.where(is_large, a, u)
