import jax.numpy as jnp
from jax import lax


def penalty(level, theta):
    shape = jnp.broadcast_shapes(level.shape, theta.shape)
    below_limit = level < 0.0

    def loop_body(carry, it):
        tail, found, valid, diff, parity = carry
        within = tail > theta
        ticks = it % 2
        is_large = ticks == 1
        drift = tail + level
        selected = drift == tail
        fraction = jnp.where(is_large, tail, drift)
        trend = jnp.where(within, tail, fraction)
        offset_index = lax.select(found, parity, jnp.where(within, it, parity))
        is_small = jnp.where(found, found, within | ~is_large & selected)
        quotient = jnp.where(found, diff, jnp.where(within, tail, diff))
        done = jnp.where(found, valid, within)
        contribution = lax.select(found, tail, trend)
        return (contribution, is_small, done, quotient, offset_index), None

    remainder = jnp.zeros(shape, dtype=jnp.float32)
    total_count = jnp.zeros(shape, dtype=jnp.int32)
    current = jnp.broadcast_to(level, shape)
    bits = jnp.arange(8, dtype=jnp.int32)
    use_left = jnp.zeros(shape, dtype=bool)
    hit = jnp.zeros(shape, dtype=bool)
    (base_value, _, above, d, digit), _ = lax.scan(
        loop_body, (current, use_left, hit, remainder, total_count), bits
    )
    u = jnp.where(below_limit, 0.0, jnp.where(above, d, base_value))
    return u, jnp.where(below_limit, -1, jnp.where(above, digit, 8))


def resolve_contacts(intensity, target):
    crossed = jnp.equal(intensity, 0.0)
    outer, step_count = penalty(intensity, jnp.float32(3.0))

    def step_fn(carry, step_index):
        converged, prev, valid, found, mid = carry
        converged = converged & (~valid & jnp.less(prev, jnp.float32(50.0)))
        inside = step_index > step_count
        selected = prev > 9.0
        low = jnp.where(inside, prev, prev + outer)
        hit = jnp.where(converged, inside & selected, found)
        done = jnp.where(converged, inside, valid)
        curve = jnp.where(converged, low, prev)
        return (converged, curve, done, hit, jnp.where(converged, prev, mid)), None

    marker = jnp.arange(6, dtype=jnp.int32)
    is_small = jnp.zeros(16, dtype=bool)
    flagged = jnp.zeros(16, dtype=bool)
    use_left = jnp.ones(16, dtype=bool)
    (_, part, _, within, drift), _ = lax.scan(
        step_fn, (use_left, intensity, is_small, flagged, target), marker
    )
    return jnp.where(crossed, target, jnp.where(within, drift, part))
