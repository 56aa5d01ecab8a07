import jax.numpy as jnp
from jax import lax


def falloff(scale, alpha):
    shape = jnp.broadcast_shapes(scale.shape, alpha.shape)
    inside = scale < 0.0

    def body(k, carry):
        a, active, is_large, b, m = carry
        below_limit = a > alpha
        bucket = k % 2
        done = bucket == 1
        u = a + scale
        keep = u == a
        v = jnp.where(below_limit, a, jnp.where(done, a, u))
        ok = jnp.where(active, active, below_limit | ~done & keep)
        w = jnp.where(active, b, jnp.where(below_limit, a, b))
        bits = jnp.where(active, m, jnp.where(below_limit, k, m))
        mask = jnp.where(active, is_large, below_limit)
        return jnp.where(active, a, v), ok, mask, w, bits

    value = jnp.zeros(shape, dtype=jnp.float32)
    code = jnp.zeros(shape, dtype=jnp.int32)
    total = jnp.broadcast_to(scale, shape)
    valid = jnp.zeros(shape, dtype=bool)
    found = jnp.zeros(shape, dtype=bool)
    c, _, above, d, count_value = lax.fori_loop(
        0, 8, body, (total, valid, found, value, code)
    )
    key = jnp.where(inside, -1, jnp.where(above, count_value, 8))
    return jnp.where(inside, 0.0, jnp.where(above, d, c)), key


def update_field(values, out):
    inside = values == 0.0
    a, m = falloff(values, jnp.float32(3.0))
    b = values
    is_large = jnp.zeros(16, dtype=bool)
    above = jnp.zeros(16, dtype=bool)
    c = out
    active = True
    for k in range(6):
        active = active & (~is_large & (b < 50.0))
        below_limit = k > m
        done = b > 9.0
        d = jnp.where(below_limit, b, b + a)
        keep = jnp.where(active, below_limit & done, above)
        ok = jnp.where(active, below_limit, is_large)
        u = jnp.where(active, d, b)
        b, is_large, above, c = u, ok, keep, jnp.where(active, b, c)
    return jnp.where(inside, out, jnp.where(above, c, b))
