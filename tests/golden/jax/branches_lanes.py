import jax
import jax.numpy as jnp
from jax import lax


def update_field(values, out):
    def lane(i):
        a = out[i]
        b = values[i]
        inside = b > 0.0

        def on_true():
            active = b > 2.0
            return jnp.where(active, 2.0, b), jnp.int32(1)

        def on_false():
            return -b, jnp.int32(-1)

        c, m = lax.cond(inside, on_true, on_false)
        is_large = m < i
        return jnp.where(is_large, c, a)

    return jax.vmap(lane)(jnp.arange(16, dtype=jnp.int32))
