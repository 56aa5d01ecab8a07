import jax.numpy as jnp


def falloff(scale):
    return scale + scale


def soft_step(scale, alpha):
    return scale * alpha, falloff(alpha)


def update_field(values, scale):
    a, b = soft_step(values, scale)
    return a - b
