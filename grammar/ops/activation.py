"""Activation functions of neural networks."""

from __future__ import annotations

from typing import Any

import numpy as np

from grammar import numeric
from grammar.numeric import select
from grammar.ops.base import Op, unary

_CUBIC = "0.7978845608028654 * (a + 0.044715 * cube(a))"
_GELU_WARP = (
    "T(0.5) * a * (T(1) + wp.tanh(T(0.7978845608028654) * (a + T(0.044715) * (a * a * a))))"
)
_GELU_JAX = (
    "T(0.5) * a * (T(1) + jnp.tanh(T(0.7978845608028654) * (a + T(0.044715) * (a * a * a))))"
)


def _smoothstep(a: Any) -> Any:
    t = np.minimum(np.maximum(a, 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


ACTIVATION: tuple[Op, ...] = (
    unary(
        "relu",
        "max(a, 0).",
        "activation",
        "select(a > 0.0, 1.0, 0.0)",
        ("wp.max(a, T(0))",),
        ("jax.nn.relu(a)", "jnp.maximum(a, T(0))"),
        range="relu",
        meaning=lambda a: np.maximum(a, 0.0),
        smoothness="kinked",
        weight=5,
    ),
    unary(
        "leaky_relu",
        "a where it is positive, else a / 100.",
        "activation",
        "select(a > 0.0, 1.0, 0.01)",
        ("wp.where(a >= T(0), a, T(0.01) * a)",),
        ("jax.nn.leaky_relu(a)", "jnp.where(a >= T(0), a, T(0.01) * a)"),
        range="leaky_relu",
        meaning=lambda a: select(a >= 0, a, 0.01 * a),
        smoothness="kinked",
        weight=2,
    ),
    unary(
        "sigmoid",
        "1 / (1 + exp(-a)).",
        "activation",
        "y - reciprocal(square(1.0 + exp(-a)))",
        ("T(1) / (T(1) + wp.exp(-a))",),
        ("jax.nn.sigmoid(a)", "T(1) / (T(1) + jnp.exp(-a))", "lax.logistic(a)"),
        requires="moderate",
        range="sigmoid",
        meaning=lambda a: 1.0 / (1.0 + np.exp(-a)),
        weight=5,
    ),
    unary(
        "softplus",
        "log(1 + exp(a)).",
        "activation",
        "sigmoid(a)",
        ("wp.log(T(1) + wp.exp(a))",),
        ("jnp.log(T(1) + jnp.exp(a))", "jax.nn.softplus(a)"),
        requires="moderate",
        range="softplus",
        meaning=lambda a: np.log(1.0 + np.exp(a)),
        weight=3,
    ),
    unary(
        "log_sigmoid",
        "-log(1 + exp(-a)).",
        "activation",
        "sigmoid(-a)",
        ("-wp.log(T(1) + wp.exp(-a))",),
        ("jax.nn.log_sigmoid(a)", "-jnp.log(T(1) + jnp.exp(-a))"),
        requires="moderate",
        range="log_sigmoid",
        meaning=lambda a: -np.log(1.0 + np.exp(-a)),
        weight=1,
    ),
    unary(
        "silu",
        "a / (1 + exp(-a)).",
        "activation",
        "reciprocal(1.0 + exp(-a)) + (a / square(1.0 + exp(-a))) * exp(-a)",
        ("a / (T(1) + wp.exp(-a))",),
        ("jax.nn.silu(a)", "a / (T(1) + jnp.exp(-a))", "jax.nn.swish(a)"),
        requires="moderate",
        range="shrink",
        meaning=lambda a: a / (1.0 + np.exp(-a)),
        weight=3,
    ),
    unary(
        "gelu",
        "a * normal distribution(a), by the tanh approximation.",
        "activation",
        f"0.5 * (1.0 + tanh({_CUBIC})) + (0.5 * a) * ((1.0 - square(tanh({_CUBIC})))"
        " * (0.7978845608028654 * (1.0 + 0.134145 * square(a))))",
        (_GELU_WARP,),
        ("jax.nn.gelu(a)", _GELU_JAX),
        requires="moderate",
        range="shrink",
        meaning=lambda a: (
            0.5 * a * (1.0 + np.tanh(0.7978845608028654 * (a + 0.044715 * (a * a * a))))
        ),
        weight=3,
    ),
    unary(
        "gelu_erf",
        "a * normal distribution(a).",
        "activation",
        "0.5 * (1.0 + erf(0.7071067811865476 * a))"
        " + 0.3989422804014327 * (a * exp(-0.5 * square(a)))",
        ("T(0.5) * a * (T(1) + wp.erf(a * T(0.7071067811865476)))",),
        (
            "T(0.5) * a * (T(1) + lax.erf(a * T(0.7071067811865476)))",
            "jax.nn.gelu(a, approximate=False)",
        ),
        requires="moderate",
        range="shrink",
        meaning=lambda a: 0.5 * a * (1.0 + numeric.erf(a * 0.7071067811865476)),
        weight=2,
    ),
    unary(
        "elu",
        "a where it is positive, else exp(a) - 1.",
        "activation",
        "select(a > 0.0, 1.0, y + 1.0)",
        ("wp.where(a > T(0), a, wp.exp(a) - T(1))",),
        ("jnp.where(a > T(0), a, jnp.exp(a) - T(1))", "jax.nn.elu(a)"),
        requires="moderate",
        range="elu",
        meaning=lambda a: select(a > 0, a, np.exp(a) - 1.0),
        smoothness="kinked",
        weight=2,
    ),
    unary(
        "softsign",
        "a / (1 + abs(a)).",
        "activation",
        "reciprocal(1.0 + abs(a)) - abs(a) / square(1.0 + abs(a))",
        ("a / (T(1) + wp.abs(a))",),
        ("a / (T(1) + jnp.abs(a))", "jax.nn.soft_sign(a)"),
        requires="squarable",
        range="shrink_to_unit",
        meaning=lambda a: a / (1.0 + np.absolute(a)),
        weight=2,
    ),
    unary(
        "hard_tanh",
        "a between -1 and 1.",
        "activation",
        "select(logical_and(-1.0 < a, a < 1.0), 1.0, 0.0)",
        ("wp.clamp(a, T(-1), T(1))",),
        ("jnp.clip(a, T(-1), T(1))", "jax.nn.hard_tanh(a)"),
        range="shrink_to_unit",
        meaning=lambda a: np.minimum(np.maximum(a, -1.0), 1.0),
        smoothness="kinked",
        weight=2,
    ),
    unary(
        "relu6",
        "a between 0 and 6.",
        "activation",
        "select(logical_and(0.0 < a, a < 6.0), 1.0, 0.0)",
        ("wp.clamp(a, T(0), T(6))", "wp.min(wp.max(a, T(0)), T(6))"),
        ("jax.nn.relu6(a)", "jnp.clip(a, T(0), T(6))"),
        range="relu6",
        meaning=lambda a: np.minimum(np.maximum(a, 0.0), 6.0),
        smoothness="kinked",
        weight=1,
    ),
    unary(
        "smoothstep",
        "3 t**2 - 2 t**3 of t, a between 0 and 1.",
        "activation",
        "2.0 * (clamp(a, 0.0, 1.0) * (3.0 - 2.0 * clamp(a, 0.0, 1.0)))"
        " - 2.0 * square(clamp(a, 0.0, 1.0))",
        ("wp.smoothstep(T(0), T(1), a)",),
        ("jnp.square(jnp.clip(a, T(0), T(1))) * (T(3) - T(2) * jnp.clip(a, T(0), T(1)))",),
        range="zero_two",
        meaning=_smoothstep,
        smoothness="kinked",
        weight=2,
    ),
)
