import jax.numpy as jnp


def penalty(level):
    far = level + 0.1
    first = far + -0.0
    tail = first + 1e-05
    fraction = tail + 1.5e300
    fraction = jnp.add(fraction, jnp.inf)
    bucket = jnp.uint32(4294967295)
    return fraction + -jnp.inf, bucket, jnp.int32(-2147483648), jnp.bool_(True)
