import jax.numpy as jnp


def update_field(values, weights):
    vec = jnp.einsum("...xy,...y->...x", weights, values)
    a = vec[..., 2]
    return a[..., None] * values, a.astype(jnp.float16)
