"""Comparisons, logic and casts."""

from __future__ import annotations

import numpy as np

from grammar.numeric import cast
from grammar.ops.base import Instance, Meaning, Op, PerTyping
from grammar.types import BF16, BOOL, F16, scalar_of


def _comparison(
    name: str,
    doc: str,
    sign: str,
    jax: str,
    meaning: Meaning,
    *,
    signature: str = "N N -> B",
    commutes: bool = False,
) -> Op:
    text = f"a {sign} b"
    return Op(
        name=name,
        signature=signature,
        doc=doc,
        group="comparison",
        spell={"warp": (text,), "jax": (text, f"jnp.{jax}(a, b)")},
        meaning=meaning,
        weight=5 if name in ("lt", "gt") else 3,
        range="truth",
        smoothness="step",
        commutes=commutes,
    )


def _logic(
    name: str,
    doc: str,
    warp: tuple[str, ...],
    jax: tuple[str, ...],
    meaning: Meaning,
    signature: str = "B B -> B",
) -> Op:
    return Op(
        name=name,
        signature=signature,
        doc=doc,
        group="logic",
        spell={"warp": warp, "jax": jax},
        meaning=meaning,
        range="truth",
        commutes=signature == "B B -> B",
    )


def _classification(name: str, doc: str, warp: str, jax: str, meaning: Meaning) -> Op:
    return Op(
        name=name,
        signature="F -> B",
        doc=doc,
        group="comparison",
        spell={"warp": (warp,), "jax": (jax,)},
        meaning=meaning,
        weight=1,
        range="truth",
        smoothness="step",
    )


def _half_and_bool(instance: Instance) -> bool:
    """Warp's C++ finds the conversion of a half to bool ambiguous, which the adjoint of the
    opposite conversion takes too."""
    types = (instance.operands[0], instance.result)
    return BOOL in types and (F16 in types or BF16 in types)


def _changes_type(instance: Instance) -> bool:
    return instance.operands[0] != instance.result


def _cast(instance: Instance, attribute: int) -> Meaning:
    result = scalar_of(instance.result)
    return lambda a: cast(a, result)


LOGIC: tuple[Op, ...] = (
    _comparison("lt", "a < b.", "<", "less", lambda a, b: a < b),
    _comparison("gt", "a > b.", ">", "greater", lambda a, b: a > b),
    _comparison("le", "a <= b.", "<=", "less_equal", lambda a, b: a <= b),
    _comparison("ge", "a >= b.", ">=", "greater_equal", lambda a, b: a >= b),
    _comparison(
        "eq", "a == b.", "==", "equal", lambda a, b: a == b, signature="A A -> B", commutes=True
    ),
    _comparison(
        "ne", "a != b.", "!=", "not_equal", lambda a, b: a != b, signature="A A -> B", commutes=True
    ),
    _logic(
        "logical_and",
        "Both hold.",
        ("a and b",),
        ("jnp.logical_and(a, b)", "a & b"),
        lambda a, b: a & b,
    ),
    _logic(
        "logical_or",
        "Either holds.",
        ("a or b",),
        ("jnp.logical_or(a, b)", "a | b"),
        lambda a, b: a | b,
    ),
    _logic(
        "logical_not",
        "a does not hold.",
        ("not a",),
        ("jnp.logical_not(a)", "~a"),
        lambda a: ~a,
        "B -> B",
    ),
    _logic(
        "logical_xor",
        "Just one holds.",
        ("a != b",),
        ("jnp.logical_xor(a, b)", "a ^ b"),
        lambda a, b: a ^ b,
    ),
    _classification(
        "is_nan", "Whether a is not a number.", "wp.isnan(a)", "jnp.isnan(a)", np.isnan
    ),
    _classification("is_inf", "Whether a is infinite.", "wp.isinf(a)", "jnp.isinf(a)", np.isinf),
    _classification(
        "is_finite", "Whether a is finite.", "wp.isfinite(a)", "jnp.isfinite(a)", np.isfinite
    ),
    Op(
        name="cast",
        signature="A -> A'",
        doc="a in another scalar type: floats to integers by truncation, numbers to bool by != 0.",
        group="cast",
        spell={
            "warp": ("S(a)",),
            "jax": ("a.astype(S)", "jnp.asarray(a, S)", "lax.convert_element_type(a, S)"),
        },
        meaning=PerTyping(_cast),
        weight=5,
        requires=("castable",),
        range="cast",
        partials=("cast(g)",),
        smoothness="smooth",
        only=_changes_type,
        unsupported={"warp": _half_and_bool},
    ),
)
