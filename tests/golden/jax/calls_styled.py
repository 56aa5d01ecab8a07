import jax
import jax.numpy as jnp


def response_curve(omega):
    return jnp.add(omega, omega)


def activation(mu, scale):
    return mu * scale, response_curve(scale)


def weigh_errors(y, beta):
    def cell_fn(c):
        folded, second = activation(c, beta)
        return folded - second

    return jax.vmap(cell_fn)(y)
