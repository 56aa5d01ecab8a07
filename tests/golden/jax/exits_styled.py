import jax
import jax.numpy as jnp
from jax import lax


def response_curve(omega, shift):
    def branch_a():
        return jnp.float32(0.0), jnp.int32(-1)

    def branch_b():
        def update_step(carry, r):
            first, flagged, valid, score, span = carry

            def when_set():
                return first, flagged, valid, score, span

            def otherwise():
                def if_true():
                    return first, jnp.bool_(True), jnp.bool_(True), first, r

                def if_false():
                    def on_true():
                        return first, jnp.bool_(False), jnp.bool_(False), score, span

                    def on_false():
                        squared = jnp.add(first, omega)

                        def take_left():
                            done = jnp.bool_(False)
                            return squared, jnp.bool_(True), done, score, span

                        def take_right():
                            mask = jnp.bool_(False)
                            return squared, mask, jnp.bool_(False), score, span

                        second, use_left, below_limit, fraction, turn = lax.cond(
                            squared == first, take_left, take_right
                        )
                        return second, use_left, below_limit, fraction, turn

                    center, within, is_small, value, code = lax.cond(
                        jnp.equal(r % 2, 1), on_true, on_false
                    )
                    return center, within, is_small, value, code

                left, converged, ok, head, step_count = lax.cond(
                    first > shift, if_true, if_false
                )
                return left, converged, ok, head, step_count

            magnitude, found, inside, edge, bucket = lax.cond(
                flagged, when_set, otherwise
            )
            return (magnitude, found, inside, edge, bucket), None

        marker = jnp.arange(8, dtype=jnp.int32)
        crossed = jnp.bool_(False)
        above = jnp.bool_(False)
        error = jnp.float32(0.0)
        rank = jnp.int32(0)
        (outer, _, enabled, change, key), _ = lax.scan(
            update_step, (omega, crossed, above, error, rank), marker
        )

        def take_left_2():
            return change, key

        def take_right_2():
            return outer, jnp.int32(8)

        mid, total_count = lax.cond(enabled, take_left_2, take_right_2)
        return mid, total_count

    right, m = lax.cond(omega < 0.0, branch_a, branch_b)
    return right, m


def project_points(lengths, residual):
    def item_fn(i):
        cubed = residual[i]
        term = lengths[i]

        def when_set():
            return cubed

        def otherwise():
            b, parity = response_curve(term, jnp.float32(3.0))

            def step_fn(carry, it):
                is_small, slope, done, use_left, left = carry
                is_small = is_small & (~done & jnp.less(slope, 50.0))

                def take_left():
                    def branch_a():
                        return slope, jnp.bool_(True), jnp.bool_(True)

                    def branch_b():
                        return slope, jnp.bool_(True), jnp.bool_(False)

                    low, near_edge, flagged = lax.cond(slope > 9.0, branch_a, branch_b)
                    return low, near_edge, flagged

                def take_right():
                    return jnp.add(slope, b), jnp.bool_(False), jnp.bool_(False)

                mid, enabled, inside = lax.cond(
                    jnp.greater(it, parity), take_left, take_right
                )
                mask = jnp.where(is_small, inside, use_left)
                found = jnp.where(is_small, enabled, done)
                target_value = jnp.where(is_small, slope, left)
                best = jnp.where(is_small, mid, slope)
                return (is_small, best, found, mask, target_value), None

            slot = jnp.arange(6, dtype=jnp.int32)
            converged = jnp.bool_(False)
            valid = jnp.bool_(False)
            (_, change, _, keep, sum_), _ = lax.scan(
                step_fn, (True, term, converged, valid, cubed), slot
            )
            return jnp.where(keep, sum_, change)

        return lax.cond(jnp.equal(term, 0.0), when_set, otherwise)

    return jax.vmap(item_fn)(jnp.arange(16, dtype=jnp.int32))
