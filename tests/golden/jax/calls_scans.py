import jax.numpy as jnp


def penalty(level):
    return level + level


def remap(bias, gain):
    return bias * gain, penalty(gain)


def evaluate_profile(radii, sigma):
    target_value, slope = remap(radii, sigma)
    return jnp.subtract(target_value, slope)
