import jax
import jax.numpy as jnp
from jax import lax


def update_field(values, out, result, output, target):
    def lane(i):
        a = values[i]
        inside = a > 100.0

        def on_true():
            return jnp.int32(0), inside

        def on_false():
            return i % 4, jnp.bool_(False)

        m, active = lax.cond(inside, on_true, on_false)

        def when_set():
            d = jnp.float32(-jnp.inf)
            return jnp.float32(-0.0), jnp.float32(jnp.inf), d, jnp.int32(0)

        def otherwise():
            is_large = a < 1.0

            def body(_, b):
                c = a + a
                return jnp.maximum(b, c)

            def step_fn(k, count_value):
                return count_value + k

            u = lax.fori_loop(0, 3, body, jnp.float32(-jnp.inf))
            bucket = lax.fori_loop(0, 3, step_fn, jnp.int32(0))
            return a, jnp.where(is_large, a, jnp.inf), u, bucket

        v, w, value, bits = lax.cond(active, when_set, otherwise)
        return m, v, m, w, m, value, bits

    code = jnp.arange(16, dtype=jnp.int32)
    key, total, slot, term, steps_left, left, num = jax.vmap(lane)(code)
    weights = target.at[0].add(-jnp.sum(num, dtype=jnp.int32))
    positions = output.at[steps_left].max(left)
    return out.at[key].add(total), result.at[slot].min(term), positions, weights
