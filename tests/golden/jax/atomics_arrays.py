import jax.numpy as jnp


def update_field(values, out, result, output, target):
    i = jnp.arange(16, dtype=jnp.int32)
    inside = values > 100.0
    m = jnp.where(inside, 0, i % 4)
    active = values < 1.0
    a = jnp.full(16, -jnp.inf, dtype=jnp.float32)
    for _ in range(3):
        b = values + values
        a = jnp.maximum(a, b)
    count_value = jnp.int32(0)
    for k in range(3):
        count_value += k
    c = jnp.where(active, values, jnp.inf)
    weights = target.at[0].add(
        -jnp.sum(jnp.where(inside, 0, count_value), dtype=jnp.int32)
    )
    positions = output.at[m].max(jnp.where(inside, -jnp.inf, a))
    samples = result.at[m].min(jnp.where(inside, jnp.inf, c))
    signal = out.at[m].add(jnp.where(inside, -0.0, values))
    return signal, samples, positions, weights
