"""Comparisons, logic and casts."""

from __future__ import annotations

from grammar.ops.base import Instance, Op
from grammar.types import BF16, BOOL, F16


def _comparison(
    name: str, doc: str, sign: str, jax: str, *, signature: str = "N N -> B", commutes: bool = False
) -> Op:
    text = f"a {sign} b"
    return Op(
        name=name,
        signature=signature,
        doc=doc,
        group="comparison",
        spell={"warp": (text,), "jax": (text, f"jnp.{jax}(a, b)")},
        weight=5 if name in ("lt", "gt") else 3,
        range="truth",
        smoothness="step",
        commutes=commutes,
    )


def _logic(
    name: str, doc: str, warp: tuple[str, ...], jax: tuple[str, ...], signature: str = "B B -> B"
) -> Op:
    return Op(
        name=name,
        signature=signature,
        doc=doc,
        group="logic",
        spell={"warp": warp, "jax": jax},
        range="truth",
        commutes=signature == "B B -> B",
    )


def _classification(name: str, doc: str, warp: str, jax: str) -> Op:
    return Op(
        name=name,
        signature="F -> B",
        doc=doc,
        group="comparison",
        spell={"warp": (warp,), "jax": (jax,)},
        weight=1,
        range="truth",
        smoothness="step",
    )


def _half_to_bool(instance: Instance) -> bool:
    """Warp's C++ finds the conversion ambiguous."""
    return instance.operands[0] in (F16, BF16) and instance.result == BOOL


def _changes_type(instance: Instance) -> bool:
    return instance.operands[0] != instance.result


LOGIC: tuple[Op, ...] = (
    _comparison("lt", "a < b.", "<", "less"),
    _comparison("gt", "a > b.", ">", "greater"),
    _comparison("le", "a <= b.", "<=", "less_equal"),
    _comparison("ge", "a >= b.", ">=", "greater_equal"),
    _comparison("eq", "a == b.", "==", "equal", signature="A A -> B", commutes=True),
    _comparison("ne", "a != b.", "!=", "not_equal", signature="A A -> B", commutes=True),
    _logic("logical_and", "Both hold.", ("a and b",), ("jnp.logical_and(a, b)", "a & b")),
    _logic("logical_or", "Either holds.", ("a or b",), ("jnp.logical_or(a, b)", "a | b")),
    _logic("logical_not", "a does not hold.", ("not a",), ("jnp.logical_not(a)", "~a"), "B -> B"),
    _logic("logical_xor", "Just one holds.", ("a != b",), ("jnp.logical_xor(a, b)", "a ^ b")),
    _classification("is_nan", "Whether a is not a number.", "wp.isnan(a)", "jnp.isnan(a)"),
    _classification("is_inf", "Whether a is infinite.", "wp.isinf(a)", "jnp.isinf(a)"),
    _classification("is_finite", "Whether a is finite.", "wp.isfinite(a)", "jnp.isfinite(a)"),
    Op(
        name="cast",
        signature="A -> A'",
        doc="a in another scalar type: floats to integers by truncation, numbers to bool by != 0.",
        group="cast",
        spell={
            "warp": ("S(a)",),
            "jax": ("a.astype(S)", "jnp.asarray(a, S)", "lax.convert_element_type(a, S)"),
        },
        weight=5,
        requires=("castable",),
        range="cast",
        partials=("cast(g)",),
        smoothness="smooth",
        only=_changes_type,
        unsupported={"warp": _half_to_bool},
    ),
)
