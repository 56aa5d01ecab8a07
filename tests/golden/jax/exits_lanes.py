import jax
import jax.numpy as jnp
from jax import lax


def falloff(scale, alpha):
    inside = scale < 0.0

    def on_true():
        return jnp.float32(0.0), jnp.int32(-1)

    def on_false():
        def body(k, carry):
            a, active, is_large, b, m = carry

            def when_set():
                return a, active, is_large, b, m

            def otherwise():
                below_limit = a > alpha

                def take_left():
                    return a, jnp.bool_(True), jnp.bool_(True), a, k

                def take_right():
                    bucket = k % 2
                    done = bucket == 1

                    def branch_a():
                        return a, jnp.bool_(False), jnp.bool_(False), b, m

                    def branch_b():
                        u = a + scale
                        keep = u == a

                        def if_true():
                            return u, jnp.bool_(True), jnp.bool_(False), b, m

                        def if_false():
                            return u, jnp.bool_(False), jnp.bool_(False), b, m

                        v, ok, mask, w, bits = lax.cond(keep, if_true, if_false)
                        return v, ok, mask, w, bits

                    value, valid, found, total, code = lax.cond(
                        done, branch_a, branch_b
                    )
                    return value, valid, found, total, code

                term, use_left, crossed, left, key = lax.cond(
                    below_limit, take_left, take_right
                )
                return term, use_left, crossed, left, key

            right, converged, selected, delta, slot = lax.cond(
                active, when_set, otherwise
            )
            return right, converged, selected, delta, slot

        hit = jnp.bool_(False)
        within = jnp.bool_(False)
        diff = jnp.float32(0.0)
        steps_left = jnp.int32(0)
        c, _, above, d, count_value = lax.fori_loop(
            0, 8, body, (scale, hit, within, diff, steps_left)
        )

        def on_true_2():
            return d, count_value

        def on_false_2():
            return c, jnp.int32(8)

        acc, num = lax.cond(above, on_true_2, on_false_2)
        return acc, num

    current, hits = lax.cond(inside, on_true, on_false)
    return current, hits


def update_field(values, out):
    def lane(i):
        a = out[i]
        b = values[i]
        inside = b == 0.0

        def on_true():
            return a

        def on_false():
            c, m = falloff(b, jnp.float32(3.0))

            def body(k, carry):
                active, d, is_large, above, u = carry
                active = active & (~is_large & (d < 50.0))
                done = k > m

                def when_set():
                    keep = d > 9.0

                    def take_left():
                        return d, jnp.bool_(True), jnp.bool_(True)

                    def take_right():
                        return d, jnp.bool_(True), jnp.bool_(False)

                    value, ok, mask = lax.cond(keep, take_left, take_right)
                    return value, ok, mask

                def otherwise():
                    return d + c, jnp.bool_(False), jnp.bool_(False)

                total, valid, found = lax.cond(done, when_set, otherwise)
                use_left = jnp.where(active, valid, is_large)
                crossed = jnp.where(active, found, above)
                term = jnp.where(active, total, d)
                return active, term, use_left, crossed, jnp.where(active, d, u)

            converged = jnp.bool_(False)
            selected = jnp.bool_(False)
            _, v, _, below_limit, w = lax.fori_loop(
                0, 6, body, (True, b, converged, selected, a)
            )
            return jnp.where(below_limit, w, v)

        return lax.cond(inside, on_true, on_false)

    return jax.vmap(lane)(jnp.arange(16, dtype=jnp.int32))
