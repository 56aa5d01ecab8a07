import jax.numpy as jnp


def falloff(scale):
    a = scale + 0.1
    b = a + -0.0
    c = b + 1e-05
    d = c + 1.5e300
    u = d + jnp.inf
    m = jnp.uint32(4294967295)
    return u + -jnp.inf, m, jnp.int32(-2147483648), jnp.bool_(True)
