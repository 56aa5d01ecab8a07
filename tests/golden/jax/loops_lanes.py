import jax
import jax.numpy as jnp
from jax import lax


def update_field(values, out):
    def lane(i):
        a = out[i]
        b = values[i]

        def body(_, c):
            return c * b

        d = lax.fori_loop(0, 4, body, b)

        def step_fn(k, u):
            inside = k < i
            v = values[k]
            return jnp.where(inside, u + v, u)

        w = lax.fori_loop(0, 16, step_fn, d)

        def loop_body(j, carry):
            active, value, m = carry
            active = active & (value < 100.0)
            term = jnp.where(active, value + value, value)
            return active, term, jnp.where(active, m + j, m)

        _, total, count_value = lax.fori_loop(0, 8, loop_body, (True, w, jnp.int32(0)))

        def advance(_, left):
            return total + left

        right = lax.fori_loop(0, 2, advance, a)
        is_large = count_value == i
        return jnp.where(is_large, d, right)

    return jax.vmap(lane)(jnp.arange(16, dtype=jnp.int32))
