"""Choice and rounding: rows that take one operand or another, or a number near one."""

from __future__ import annotations

import numpy as np

from grammar.numeric import round_half_away, select
from grammar.ops.base import Instance, Meaning, Op, PerTyping, either, not_unsigned, unary
from grammar.types import element_shape


def _select(instance: Instance, attribute: int) -> Meaning:
    match len(element_shape(instance.result)):
        case 0:
            return select
        case 1:
            return lambda a, b, c: select(a[..., None], b, c)
        case _:
            return lambda a, b, c: select(a[..., None, None], b, c)


SELECTING: tuple[Op, ...] = (
    Op(
        name="abs",
        signature="N -> N",
        doc="Absolute value.",
        group="choice",
        spell={"warp": ("wp.abs(a)",), "jax": ("jnp.abs(a)", "lax.abs(a)")},
        range="abs",
        meaning=np.absolute,
        partials=("sign(a)",),
        smoothness="kinked",
        only=not_unsigned,
    ),
    Op(
        name="min",
        signature="N N -> N",
        doc="The smaller of two numbers.",
        group="choice",
        spell={"warp": ("wp.min(a, b)",), "jax": ("jnp.minimum(a, b)", "lax.min(a, b)")},
        weight=5,
        range="min",
        meaning=np.minimum,
        partials=("select(a < b, 1.0, 0.0)", "select(b < a, 1.0, 0.0)"),
        smoothness="kinked",
        commutes=True,
    ),
    Op(
        name="max",
        signature="N N -> N",
        doc="The larger of two numbers.",
        group="choice",
        spell={"warp": ("wp.max(a, b)",), "jax": ("jnp.maximum(a, b)", "lax.max(a, b)")},
        weight=5,
        range="max",
        meaning=np.maximum,
        partials=("select(b < a, 1.0, 0.0)", "select(a < b, 1.0, 0.0)"),
        smoothness="kinked",
        commutes=True,
    ),
    Op(
        name="clamp",
        signature="N N N -> N",
        doc="min(max(a, b), c).",
        group="choice",
        spell={
            "warp": ("wp.clamp(a, b, c)", "wp.min(wp.max(a, b), c)"),
            "jax": ("jnp.clip(a, b, c)", "jnp.minimum(jnp.maximum(a, b), c)"),
        },
        weight=4,
        range="clamp",
        meaning=lambda a, b, c: np.minimum(np.maximum(a, b), c),
        partials=(
            "select(logical_and(b < a, a < c), 1.0, 0.0)",
            "select(logical_and(a < b, b < c), 1.0, 0.0)",
            "select(c < max(a, b), 1.0, 0.0)",
        ),
        smoothness="kinked",
    ),
    Op(
        name="select",
        signature="B Y Y -> Y",
        doc="b where a holds, else c.",
        group="choice",
        spell={
            "warp": ("wp.where(a, b, c)", "b if a else c"),
            "jax": ("jnp.where(a, b, c)",),
            "jax_vector": ("jnp.where(a[..., None], b, c)",),
            "jax_matrix": ("jnp.where(a[..., None, None], b, c)",),
            "jax_lane": ("jnp.where(a, b, c)", "lax.select(a, b, c)"),
        },
        meaning=PerTyping(_select),
        weight=8,
        range="select",
        partials=("", "select(a, g, 0.0)", "select(a, 0.0, g)"),
        smoothness="smooth",
    ),
    Op(
        name="sign",
        signature="N -> N",
        doc="-1, 0 or 1.",
        group="choice",
        spell={
            "warp": ("wp.where(a > T(0), T(1), wp.where(a < T(0), T(-1), T(0)))",),
            "jax": ("jnp.sign(a)", "lax.sign(a)"),
        },
        weight=2,
        range="sign",
        meaning=np.sign,
        partials=("",),
        smoothness="step",
        only=not_unsigned,
    ),
    unary(
        "sign_not_zero",
        "-1 where a is negative, else 1.",
        "choice",
        "",
        ("wp.sign(a)", "wp.where(a < T(0), T(-1), T(1))"),
        ("jnp.where(a < T(0), T(-1), T(1))",),
        range="unit_sign",
        meaning=either(lambda a: a < 0, -1.0, 1.0),
        smoothness="step",
        weight=2,
    ),
    Op(
        name="copysign",
        signature="F F -> F",
        doc="The magnitude of a with the sign of b.",
        group="choice",
        spell={"warp": ("wp.copysign(a, b)",), "jax": ("jnp.copysign(a, b)",)},
        weight=2,
        requires=("", "nonzero"),
        range="copysign",
        meaning=np.copysign,
        partials=("sign(a) * sign(b)", ""),
        smoothness="kinked",
    ),
    Op(
        name="absolute_difference",
        signature="N N -> N",
        doc="Absolute value of the difference.",
        group="choice",
        spell={"warp": ("wp.abs(a - b)",), "jax": ("jnp.abs(a - b)",)},
        weight=2,
        range="absolute_difference",
        meaning=lambda a, b: np.absolute(a - b),
        partials=("sign(a - b)", "sign(b - a)"),
        smoothness="kinked",
        only=not_unsigned,
        commutes=True,
    ),
    unary(
        "step",
        "1 where a is negative, else 0.",
        "choice",
        "",
        ("wp.step(a)", "wp.where(a < T(0), T(1), T(0))"),
        ("jnp.where(a < T(0), T(1), T(0))", "(a < T(0)).astype(T)"),
        range="zero_one",
        meaning=either(lambda a: a < 0, 1.0, 0.0),
        smoothness="step",
        weight=1,
    ),
    unary(
        "heaviside",
        "0 where a is negative, else 1.",
        "choice",
        "",
        ("wp.where(a < T(0), T(0), T(1))", "T(1) - wp.step(a)"),
        ("jnp.where(a < T(0), T(0), T(1))", "jnp.heaviside(a, T(1))"),
        range="zero_one",
        meaning=either(lambda a: a < 0, 0.0, 1.0),
        smoothness="step",
        weight=1,
    ),
    unary(
        "nonzero",
        "1 where a is not 0, else 0.",
        "choice",
        "",
        ("wp.nonzero(a)", "wp.where(a == T(0), T(0), T(1))"),
        ("jnp.where(a == T(0), T(0), T(1))", "(a != T(0)).astype(T)"),
        range="zero_one",
        meaning=either(lambda a: a == 0, 0.0, 1.0),
        smoothness="step",
        weight=1,
    ),
)

ROUNDING: tuple[Op, ...] = (
    *(
        unary(
            name,
            doc,
            "rounding",
            "",
            warp,
            jax,
            range="rounding",
            meaning=meaning,
            smoothness="step",
            weight=3,
        )
        for name, doc, warp, jax, meaning in (
            (
                "floor",
                "Largest whole number at most a.",
                ("wp.floor(a)",),
                ("jnp.floor(a)",),
                np.floor,
            ),
            (
                "ceil",
                "Smallest whole number at least a.",
                ("wp.ceil(a)",),
                ("jnp.ceil(a)",),
                np.ceil,
            ),
            ("trunc", "Whole part, towards zero.", ("wp.trunc(a)",), ("jnp.trunc(a)",), np.trunc),
            (
                "round",
                "Nearest whole number, halves away from zero.",
                ("wp.round(a)",),
                ("lax.round(a)", "lax.round(a, lax.RoundingMethod.AWAY_FROM_ZERO)"),
                round_half_away,
            ),
            (
                "rint",
                "Nearest whole number, halves to even.",
                ("wp.rint(a)",),
                ("jnp.rint(a)", "jnp.round(a)"),
                np.rint,
            ),
        )
    ),
    unary(
        "frac",
        "a minus its whole part; the sign is that of a.",
        "rounding",
        "1.0",
        ("wp.frac(a)", "a - wp.trunc(a)"),
        ("a - jnp.trunc(a)",),
        range="frac",
        meaning=lambda a: a - np.trunc(a),
        smoothness="kinked",
        weight=2,
    ),
)
