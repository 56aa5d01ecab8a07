import jax
import jax.numpy as jnp
from jax import lax


def mix_channels(series, shifted):
    def lane(tid, u, cubed):
        def update_step(score, _):
            return score * u, None

        target_value, _ = lax.scan(update_step, u, None, length=4)

        def loop_body(outer, k):
            flagged = k < tid
            first = jnp.add(outer, series[k])
            return jnp.where(flagged, first, outer), None

        ticks = jnp.arange(16, dtype=jnp.int32)
        lifted, _ = lax.scan(loop_body, target_value, ticks)

        def apply_step(carry, tap):
            done, part, stride = carry
            done = done & jnp.less(part, 100.0)
            delta = jnp.where(done, jnp.add(part, part), part)
            return (done, delta, jnp.where(done, stride + tap, stride)), None

        bucket = jnp.arange(8, dtype=jnp.int32)
        step_count = jnp.int32(0)
        (_, curve, offset_index), _ = lax.scan(
            apply_step, (True, lifted, step_count), bucket
        )

        def advance(drift, _):
            return jnp.add(curve, drift), None

        value, _ = lax.scan(advance, cubed, None, length=2)
        above = jnp.equal(offset_index, tid)
        return jnp.where(above, target_value, value)

    return jax.vmap(lane)(jnp.arange(16, dtype=jnp.int32), series, shifted)
