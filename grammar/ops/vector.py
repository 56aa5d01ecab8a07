"""Vectors of two to four floats: construction, products, norms, components."""

from __future__ import annotations

from typing import Any

import numpy as np

from grammar import numeric
from grammar.numeric import select, stack, total
from grammar.ops.base import Instance, Meaning, Op, PerTyping, Smoothness, size_of
from grammar.types import element_shape


def vector(
    name: str,
    signature: str,
    doc: str,
    group: str,
    partials: tuple[str, ...],
    warp: tuple[str, ...],
    jax: tuple[str, ...],
    lane: tuple[str, ...] = (),
    *,
    requires: tuple[str, ...] = (),
    range: str,
    meaning: Meaning | PerTyping,
    weight: int = 4,
    smoothness: Smoothness = "smooth",
    commutes: bool = False,
) -> Op:
    """A row over vectors."""
    return Op(
        name=name,
        signature=signature,
        doc=doc,
        group=group,
        spell={"warp": warp, "jax": jax, "jax_lane": lane},
        meaning=meaning,
        weight=weight,
        requires=requires,
        range=range,
        partials=partials,
        smoothness=smoothness,
        commutes=commutes,
    )


def _join(*parts: Any) -> Any:
    return stack(parts)


def dot(a: Any, b: Any) -> Any:
    """The inner product of vectors."""
    return total(a * b, 1)


def length(a: Any) -> Any:
    """The Euclidean norm of vectors."""
    return np.sqrt(total(a * a, 1))


_NEXT, _LAST = np.array([1, 2, 0]), np.array([2, 0, 1])


def cross(a: Any, b: Any) -> Any:
    """The vector product."""
    return a[..., _NEXT] * b[..., _LAST] - a[..., _LAST] * b[..., _NEXT]


def _distance_squared(a: Any, b: Any) -> Any:
    difference = a - b
    return total(difference * difference, 1)


def _fill(instance: Instance, attribute: int) -> Meaning:
    shape = element_shape(instance.result)
    return lambda a: numeric.fill(a, shape)


def _basis(instance: Instance, place: int) -> Meaning:
    chosen = np.arange(size_of(instance)) == place
    return lambda a: select(chosen, a[..., None], 0.0)


def _construction(size: int) -> Op:
    letters = "abcd"[:size]
    arguments = ", ".join(letters)
    return Op(
        name=f"vec{size}",
        signature=f"{'F ' * size}-> V{size}",
        doc=f"A vector of {size} components.",
        group="vector",
        spell={
            "warp": (f"R({arguments})",),
            "jax": (f"jnp.stack(jnp.broadcast_arrays({arguments}), axis=-1)",),
            "jax_lane": (f"jnp.stack([{arguments}])", f"jnp.array([{arguments}])"),
        },
        meaning=_join,
        weight=4 if size == 3 else 2,
        range="join",
        partials=tuple(f"component[{k}](g)" for k in range(size)),
        smoothness="smooth",
    )


def _replaced(instance: Instance, place: int) -> Meaning:
    chosen = np.arange(size_of(instance)) == place
    return lambda a, b: select(chosen, b[..., None], a)


def _replacement(size: int) -> Op:
    parts = ", ".join(f"wp.where(i == {k}, b, a[{k}])" for k in range(size))
    return Op(
        name=f"with_component{size}",
        signature=f"V{size} F -> V{size}",
        doc=f"A vector of {size} components with b at the place the attribute says.",
        group="vector",
        spell={
            "warp": (f"R({parts})",),
            "jax": ("jnp.where(jnp.arange(n) == i, b[..., None], a)",),
            "jax_lane": ("a.at[i].set(b)",),
        },
        meaning=PerTyping(_replaced),
        weight=2,
        range="join",
        partials=(f"with_component{size}[i](g, 0.0)", "component[i](g)"),
        smoothness="smooth",
        attributes=size_of,
    )


CONSTRUCTIONS: tuple[Op, ...] = (
    *map(_construction, (2, 3, 4)),
    *map(_replacement, (2, 3, 4)),
    Op(
        name="fill",
        signature="F -> Vn | F -> Mn",
        doc="A vector or matrix of equal components.",
        group="vector",
        spell={
            "warp": ("R(a)",),
            "jax": ("jnp.repeat(a[..., None], n, axis=-1)",),
            "jax_matrix": ("jnp.repeat(jnp.repeat(a[..., None, None], n, axis=-1), n, axis=-2)",),
            "jax_lane": ("jnp.full(n, a)",),
            "jax_lane_matrix": ("jnp.full((n, n), a)",),
        },
        weight=2,
        range="same",
        meaning=PerTyping(_fill),
        partials=("sum_components(g)",),
        smoothness="smooth",
    ),
    Op(
        name="basis",
        signature="F -> Vn",
        doc="A vector with a at the place the attribute says, else 0.",
        group="vector",
        spell={
            "warp": ("a * wp.identity(n, dtype=S)[i]",),
            "jax": ("a[..., None] * jnp.eye(n, dtype=S)[i]",),
            "jax_lane": ("jnp.zeros(n, S).at[i].set(a)",),
        },
        weight=1,
        range="with_zero",
        meaning=PerTyping(_basis),
        partials=("component[i](g)",),
        smoothness="smooth",
        attributes=size_of,
    ),
    Op(
        name="component",
        signature="Vn -> F",
        doc="The component at the place the attribute says.",
        group="vector",
        spell={
            "warp": ("a[i]",),
            "jax": ("a[..., i]",),
            "jax_lane": ("a[i]",),
        },
        weight=6,
        range="same",
        meaning=PerTyping(lambda instance, k: lambda a: a[..., k]),
        partials=("basis[i](g)",),
        smoothness="smooth",
        attributes=size_of,
    ),
)

PRODUCTS: tuple[Op, ...] = (
    vector(
        "scale",
        "F Vn -> Vn",
        "Number times vector.",
        "vector",
        ("dot(g, b)", "scale(a, g)"),
        ("a * b", "b * a"),
        ("a[..., None] * b",),
        ("a * b", "b * a"),
        range="mul",
        meaning=lambda a, b: a[..., None] * b,
        weight=6,
    ),
    vector(
        "vector_div",
        "Vn F -> Vn",
        "Vector divided by a number.",
        "vector",
        ("vector_div(g, b)", "-(dot(g, a) / square(b))"),
        ("a / b",),
        ("a / b[..., None]",),
        ("a / b",),
        requires=("", "nonzero"),
        range="div",
        meaning=lambda a, b: a / b[..., None],
        weight=3,
    ),
    vector(
        "vector_offset",
        "Vn F -> Vn",
        "b added to every component.",
        "vector",
        ("g", "sum_components(g)"),
        ("a + R(b)",),
        ("a + b[..., None]",),
        ("a + b",),
        range="add",
        meaning=lambda a, b: a + b[..., None],
        weight=2,
    ),
    vector(
        "dot",
        "Vn Vn -> F",
        "Inner product.",
        "vector",
        ("scale(g, b)", "scale(g, a)"),
        ("wp.dot(a, b)",),
        ("jnp.sum(a * b, axis=-1)", 'jnp.einsum("...x,...x->...", a, b)', "jnp.vecdot(a, b)"),
        ("jnp.dot(a, b)", "a @ b"),
        range="dot",
        meaning=dot,
        weight=6,
        commutes=True,
    ),
    vector(
        "cross",
        "V3 V3 -> V3",
        "Vector product.",
        "vector",
        ("cross(b, g)", "cross(g, a)"),
        ("wp.cross(a, b)",),
        ("jnp.cross(a, b)",),
        range="cross",
        meaning=cross,
        weight=4,
    ),
    vector(
        "triple",
        "V3 V3 V3 -> F",
        "dot(a, cross(b, c)).",
        "vector",
        ("scale(g, cross(b, c))", "scale(g, cross(c, a))", "scale(g, cross(a, b))"),
        ("wp.dot(a, wp.cross(b, c))",),
        ("jnp.sum(a * jnp.cross(b, c), axis=-1)",),
        ("jnp.dot(a, jnp.cross(b, c))",),
        range="triple",
        meaning=lambda a, b, c: dot(a, cross(b, c)),
        weight=1,
    ),
    vector(
        "vector_lerp",
        "Vn Vn F -> Vn",
        "a * (1 - c) + b * c.",
        "vector",
        ("scale(1.0 - c, g)", "scale(c, g)", "dot(g, b) - dot(g, a)"),
        ("wp.lerp(a, b, c)",),
        ("a * (T(1) - c[..., None]) + b * c[..., None]",),
        ("a * (T(1) - c) + b * c",),
        range="lerp",
        meaning=lambda a, b, c: a * (1.0 - c[..., None]) + b * c[..., None],
        weight=2,
    ),
    vector(
        "vector_multiply_add",
        "F Vn Vn -> Vn",
        "a * b + c.",
        "vector",
        ("dot(g, b)", "scale(a, g)", "g"),
        ("a * b + c",),
        ("a[..., None] * b + c",),
        ("a * b + c",),
        range="multiply_add",
        meaning=lambda a, b, c: a[..., None] * b + c,
        weight=3,
    ),
    vector(
        "reflect",
        "Vn Vn -> Vn",
        "a - 2 dot(a, b) b.",
        "vector",
        (
            "g - scale(2.0 * dot(g, b), b)",
            "scale(-2.0 * dot(a, b), g) - scale(2.0 * dot(g, b), a)",
        ),
        ("a - T(2) * wp.dot(a, b) * b",),
        ("a - T(2) * jnp.sum(a * b, axis=-1, keepdims=True) * b",),
        ("a - T(2) * jnp.dot(a, b) * b",),
        range="reflect",
        meaning=lambda a, b: a - (2.0 * dot(a, b))[..., None] * b,
        weight=1,
    ),
    vector(
        "project",
        "Vn Vn -> Vn",
        "The part of a along b.",
        "vector",
        (
            "scale(dot(g, b) / dot(b, b), b)",
            "vector_div(scale(dot(a, b), g) + scale(dot(g, b), a)"
            " - scale(2.0 * dot(g, y), b), dot(b, b))",
        ),
        ("(wp.dot(a, b) / wp.dot(b, b)) * b",),
        ("jnp.sum(a * b, axis=-1, keepdims=True) / jnp.sum(b * b, axis=-1, keepdims=True) * b",),
        ("jnp.dot(a, b) / jnp.dot(b, b) * b",),
        requires=("squarable_vector", "leg_vector"),
        range="project",
        meaning=lambda a, b: (dot(a, b) / dot(b, b))[..., None] * b,
        weight=1,
    ),
)

NORMS: tuple[Op, ...] = (
    vector(
        "length",
        "Vn -> F",
        "Euclidean norm.",
        "vector",
        ("scale(g / y, a)",),
        ("wp.length(a)",),
        ("jnp.linalg.norm(a, axis=-1)", "jnp.sqrt(jnp.sum(a * a, axis=-1))"),
        ("jnp.linalg.norm(a)",),
        requires=("leg_vector",),
        range="length",
        meaning=length,
        weight=4,
    ),
    vector(
        "length_squared",
        "Vn -> F",
        "Squared Euclidean norm.",
        "vector",
        ("scale(2.0 * g, a)",),
        ("wp.length_sq(a)",),
        ("jnp.sum(a * a, axis=-1)", "jnp.sum(jnp.square(a), axis=-1)"),
        ("jnp.dot(a, a)",),
        range="length_squared",
        meaning=lambda a: dot(a, a),
        weight=3,
    ),
    vector(
        "normalize",
        "Vn -> Vn",
        "The vector of length 1 in the same direction.",
        "vector",
        ("vector_div(g - scale(dot(g, y), y), length(a))",),
        ("wp.normalize(a)", "a / wp.length(a)"),
        (
            "a / jnp.linalg.norm(a, axis=-1, keepdims=True)",
            "a / jnp.sqrt(jnp.sum(a * a, axis=-1, keepdims=True))",
        ),
        ("a / jnp.linalg.norm(a)",),
        requires=("leg_vector",),
        range="normalize",
        meaning=lambda a: a / length(a)[..., None],
        weight=4,
    ),
    vector(
        "squash",
        "Vn -> Vn",
        "a / (1 + dot(a, a)): a vector shorter than 1.",
        "vector",
        ("vector_div(g, 1.0 + dot(a, a)) - scale(2.0 * (dot(g, a) / square(1.0 + dot(a, a))), a)",),
        ("a / (T(1) + wp.dot(a, a))", "a / (T(1) + wp.length_sq(a))"),
        ("a / (T(1) + jnp.sum(a * a, axis=-1, keepdims=True))",),
        ("a / (T(1) + jnp.dot(a, a))",),
        requires=("squarable_vector",),
        range="squash",
        meaning=lambda a: a / (1.0 + dot(a, a))[..., None],
        weight=1,
    ),
    vector(
        "distance",
        "Vn Vn -> F",
        "Length of the difference.",
        "vector",
        ("scale(g / y, a - b)", "scale(g / y, b - a)"),
        ("wp.length(a - b)",),
        ("jnp.linalg.norm(a - b, axis=-1)", "jnp.sqrt(jnp.sum(jnp.square(a - b), axis=-1))"),
        ("jnp.linalg.norm(a - b)",),
        requires=("squarable_vector", "squarable_vector"),
        range="distance",
        meaning=lambda a, b: length(a - b),
        weight=2,
        smoothness="kinked",
        commutes=True,
    ),
    vector(
        "distance_squared",
        "Vn Vn -> F",
        "Squared length of the difference.",
        "vector",
        ("scale(2.0 * g, a - b)", "scale(2.0 * g, b - a)"),
        ("wp.length_sq(a - b)",),
        ("jnp.sum(jnp.square(a - b), axis=-1)",),
        ("jnp.sum(jnp.square(a - b))",),
        range="distance_squared",
        meaning=_distance_squared,
        weight=2,
        commutes=True,
    ),
)

VECTOR: tuple[Op, ...] = (*CONSTRUCTIONS, *PRODUCTS, *NORMS)
