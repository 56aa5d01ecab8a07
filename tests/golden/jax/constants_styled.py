import jax.numpy as jnp


def response_curve(omega):
    ramp = jnp.add(omega + 0.1, -0.0) + 1e-05 + 1.5e300 + jnp.inf
    first = ramp + jnp.float64(-jnp.inf)
    return first, jnp.uint32(4294967295), jnp.int32(-2147483648), jnp.bool_(True)
