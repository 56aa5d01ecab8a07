import jax.numpy as jnp
from jax import lax


def smooth_signal(profile, accum):
    tid = jnp.arange(16, dtype=jnp.int32)

    def round_fn(tail, _):
        return tail * profile, None

    fraction, _ = lax.scan(round_fn, profile, None, length=4)

    def advance(first, q):
        flagged = q < tid
        current = profile[q]
        return jnp.where(flagged, first + current, first), None

    diff, _ = lax.scan(advance, fraction, jnp.arange(16, dtype=jnp.int32))

    def update_step(carry, s):
        above, spread, offset_index = carry
        above = above & (spread < 100.0)
        drift = jnp.where(above, jnp.add(spread, spread), spread)
        turn = jnp.where(above, offset_index + s, offset_index)
        return (above, drift, turn), None

    parity = jnp.zeros(16, dtype=jnp.int32)
    count_value = jnp.arange(8, dtype=jnp.int32)
    within = jnp.ones(16, dtype=bool)
    (_, u, ticks), _ = lax.scan(update_step, (within, diff, parity), count_value)

    def loop_body(estimate_value, _):
        return u + estimate_value, None

    quotient, _ = lax.scan(loop_body, accum, None, length=2)
    done = jnp.equal(ticks, tid)
    return jnp.where(done, fraction, quotient)
