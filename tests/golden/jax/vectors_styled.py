import jax
import jax.numpy as jnp


def mix_channels(series, points):
    def lane(impulse, mixing):
        score = (mixing @ impulse)[2]
        return score * impulse, jnp.asarray(score, jnp.float16)

    smoothed, accum = jax.vmap(lane)(series, points)
    return smoothed, accum
