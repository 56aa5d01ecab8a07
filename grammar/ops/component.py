"""Componentwise operations on vectors, and reductions over their components."""

from __future__ import annotations

from functools import partial

import numpy as np

from grammar.numeric import arg_extreme, extreme, total
from grammar.ops.base import Instance, Meaning, Op, PerTyping, either
from grammar.ops.vector import vector
from grammar.types import I32, element_shape


def _i32(instance: Instance) -> bool:
    return instance.result == I32


def _sum(instance: Instance, attribute: int) -> Meaning:
    axes = len(element_shape(instance.operands[0]))
    return lambda a: total(a, axes)


COMPONENT: tuple[Op, ...] = (
    Op(
        name="component_mul",
        signature="Vn Vn -> Vn | Mn Mn -> Mn",
        doc="Componentwise product.",
        group="component",
        spell={"warp": ("wp.cw_mul(a, b)",), "jax": ("a * b", "jnp.multiply(a, b)")},
        range="mul",
        meaning=lambda a, b: a * b,
        partials=("component_mul(g, b)", "component_mul(g, a)"),
        smoothness="smooth",
        commutes=True,
    ),
    vector(
        "component_div",
        "Vn Vn -> Vn",
        "Componentwise quotient.",
        "component",
        ("component_div(g, b)", "-component_div(component_mul(g, a), component_mul(b, b))"),
        ("wp.cw_div(a, b)",),
        ("a / b", "jnp.divide(a, b)"),
        requires=("", "nonzero_vector"),
        range="div",
        meaning=lambda a, b: a / b,
        weight=2,
    ),
    vector(
        "component_abs",
        "Vn -> Vn",
        "Componentwise absolute value.",
        "component",
        ("component_mul(g, component_sign(a))",),
        ("wp.abs(a)",),
        ("jnp.abs(a)",),
        range="abs",
        meaning=np.absolute,
        weight=2,
        smoothness="kinked",
    ),
    Op(
        name="component_sign",
        signature="Vn -> Vn",
        doc="Componentwise -1 where negative, else 1.",
        group="component",
        spell={
            "warp": ("wp.sign(a)",),
            "jax": ("jnp.where(a < T(0), T(-1), T(1))",),
        },
        weight=1,
        range="unit_sign",
        meaning=either(lambda a: a < 0, -1.0, 1.0),
        partials=("",),
        smoothness="step",
    ),
    vector(
        "component_min",
        "Vn Vn -> Vn",
        "Componentwise minimum.",
        "component",
        (
            "scale(0.5, component_mul(g, 1.0 - component_sign(a - b)))",
            "scale(0.5, component_mul(g, 1.0 + component_sign(a - b)))",
        ),
        ("wp.min(a, b)",),
        ("jnp.minimum(a, b)",),
        range="min",
        meaning=np.minimum,
        weight=2,
        smoothness="kinked",
        commutes=True,
    ),
    vector(
        "component_max",
        "Vn Vn -> Vn",
        "Componentwise maximum.",
        "component",
        (
            "scale(0.5, component_mul(g, 1.0 + component_sign(a - b)))",
            "scale(0.5, component_mul(g, 1.0 - component_sign(a - b)))",
        ),
        ("wp.max(a, b)",),
        ("jnp.maximum(a, b)",),
        range="max",
        meaning=np.maximum,
        weight=2,
        smoothness="kinked",
        commutes=True,
    ),
    Op(
        name="sum_components",
        signature="Vn -> F | Mn -> F",
        doc="Sum of all components.",
        group="component",
        spell={
            "warp": ("wp.dot(a, wp.vector(T(1), length=n))",),
            "warp_matrix": ("wp.ddot(a, wp.matrix(T(1), shape=(n, n)))",),
            "jax": ("jnp.sum(a, axis=-1)",),
            "jax_matrix": ("jnp.sum(a, axis=(-2, -1))",),
            "jax_lane": ("jnp.sum(a)",),
        },
        weight=3,
        range="sum",
        meaning=PerTyping(_sum),
        partials=("fill(g)",),
        smoothness="smooth",
    ),
    vector(
        "min_component",
        "Vn -> F",
        "The smallest component.",
        "component",
        ("join(select(eq(argmin(a), i), g, 0.0))",),
        ("wp.min(a)",),
        ("jnp.min(a, axis=-1)",),
        ("jnp.min(a)",),
        range="same",
        meaning=partial(extreme, largest=False),
        weight=2,
        smoothness="kinked",
    ),
    vector(
        "max_component",
        "Vn -> F",
        "The largest component.",
        "component",
        ("join(select(eq(argmax(a), i), g, 0.0))",),
        ("wp.max(a)",),
        ("jnp.max(a, axis=-1)",),
        ("jnp.max(a)",),
        range="same",
        meaning=partial(extreme, largest=True),
        weight=2,
        smoothness="kinked",
    ),
    *(
        Op(
            name=name,
            signature="Vn -> I",
            doc=f"Place of the {which} component, the first of equal ones.",
            group="component",
            spell={
                "warp": (f"S(wp.{name}(a))",),
                "jax": (f"jnp.{name}(a, axis=-1).astype(S)",),
                "jax_lane": (f"jnp.{name}(a).astype(S)",),
            },
            meaning=meaning,
            weight=1,
            range="place",
            smoothness="step",
            only=_i32,
        )
        for name, which, meaning in (
            ("argmin", "smallest", partial(arg_extreme, largest=False)),
            ("argmax", "largest", partial(arg_extreme, largest=True)),
        )
    ),
)
