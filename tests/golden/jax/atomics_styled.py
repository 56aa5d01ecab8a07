import jax
import jax.numpy as jnp
from jax import lax


def mix_channels(series, shifted, scaled, dest, normalized):
    def lane(index, target_value):
        above = target_value > 100.0

        def branch_a():
            return jnp.int32(0), above

        def branch_b():
            return index % 4, jnp.bool_(False)

        m, selected = lax.cond(above, branch_a, branch_b)

        def if_true():
            delta = jnp.float32(-jnp.inf)
            return jnp.float32(-0.0), jnp.float32(jnp.inf), delta, jnp.int32(0)

        def if_false():
            flagged = jnp.less(target_value, 1.0)

            def apply_step(first, _):
                hold = jnp.add(target_value, target_value)
                return jnp.maximum(first, hold), None

            part = jnp.float32(-jnp.inf)
            squared, _ = lax.scan(apply_step, part, None, length=3)

            def round_fn(stride, tap):
                return jnp.add(stride, tap), None

            total_count = jnp.arange(3, dtype=jnp.int32)
            span, _ = lax.scan(round_fn, jnp.int32(0), total_count)
            center = jnp.where(flagged, target_value, jnp.inf)
            return target_value, center, squared, span

        diff, drift, value, code = lax.cond(selected, if_true, if_false)
        return m, diff, m, drift, m, value, code

    bucket = jnp.arange(16, dtype=jnp.int32)
    hits, mixture, offset_index, spread, rank, peak, parity = jax.vmap(lane)(
        bucket, series
    )
    data = normalized.at[0].add(-jnp.sum(parity, dtype=jnp.int32))
    depth = scaled.at[offset_index].min(spread)
    return shifted.at[hits].add(mixture), depth, dest.at[rank].max(peak), data
