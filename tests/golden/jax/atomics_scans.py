import jax.numpy as jnp
from jax import lax


def smooth_signal(profile, accum, shifted, dest, scaled):
    i = jnp.arange(16, dtype=jnp.int32)
    converged = profile > jnp.float32(100.0)
    parity = jnp.where(converged, 0, i % 4)
    flagged = profile < 1.0

    def body(current, _):
        spread = jnp.add(profile, profile)
        return jnp.maximum(current, spread), None

    bump = jnp.full(16, -jnp.inf, dtype=jnp.float32)
    d, _ = lax.scan(body, bump, None, length=3)

    def advance(cells, s):
        return jnp.add(cells, s), None

    ticks, _ = lax.scan(advance, jnp.int32(0), jnp.arange(3, dtype=jnp.int32))
    drift = jnp.where(flagged, profile, jnp.inf)
    coords = scaled.at[0].add(-jnp.sum(jnp.where(converged, 0, ticks), dtype=jnp.int32))
    grid = shifted.at[parity].min(jnp.where(converged, jnp.inf, drift))
    levels = accum.at[parity].add(jnp.where(converged, -0.0, profile))
    mesh = dest.at[parity].max(jnp.where(converged, -jnp.inf, d))
    return levels, grid, mesh, coords
