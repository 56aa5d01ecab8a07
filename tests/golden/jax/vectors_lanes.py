import jax
import jax.numpy as jnp


def update_field(values, weights):
    def lane(i):
        vec = values[i]
        mat = weights[i]
        direction = mat @ vec
        a = direction[2]
        return a * vec, a.astype(jnp.float16)

    out, result = jax.vmap(lane)(jnp.arange(16, dtype=jnp.int32))
    return out, result
