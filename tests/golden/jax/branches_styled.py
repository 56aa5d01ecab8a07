import jax
import jax.numpy as jnp
from jax import lax


def mix_channels(series, shifted):
    def lane(tid, u, cubed):
        def if_true():
            return jnp.where(u > jnp.float32(2.0), 2.0, u), jnp.int32(1)

        def if_false():
            return -u, jnp.int32(-1)

        score, span = lax.cond(u > 0.0, if_true, if_false)
        return jnp.where(span < tid, score, cubed)

    return jax.vmap(lane)(jnp.arange(16, dtype=jnp.int32), series, shifted)
