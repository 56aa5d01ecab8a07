"""Forms that are legal everywhere and written rarely: a family of its own, so that grammars draw
them only where they ask for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from grammar.ops.base import Instance, Meaning, Op, PerTyping, number_type
from grammar.ops.vector import vector
from grammar.types import BF16, I64, U64, scalar_of

WIDE = 4294967311
"""A whole number that 32 bits do not hold."""


def _wide(instance: Instance) -> bool:
    return instance.result in (I64, U64)


def _narrow(instance: Instance) -> bool:
    """Only where few digits tell a slope made of the result, `y + 1`, from that of the operand."""
    return instance.result == BF16


def _offset(instance: Instance, attribute: int) -> Meaning:
    wide = number_type(scalar_of(instance.result))(WIDE)
    return lambda a: a + wide


def _last(
    name: str,
    signature: str,
    doc: str,
    partial: str,
    places: str,
    jax: str,
    lane: str,
    meaning: Meaning,
) -> Op:
    """A row that counts from the end."""
    return vector(
        name,
        signature,
        doc,
        "uncommon",
        (partial,),
        (f"a[{places}]",),
        (f"a[..., {jax}]",),
        (f"a[{lane}]",),
        range="same",
        meaning=meaning,
    )


def _quotient(name: str, kind: str, doc: str, axes: str, domain: str, meaning: Meaning) -> Op:
    """A row that divides a number by every component."""
    return vector(
        name,
        f"F {kind} -> {kind}",
        doc,
        "uncommon",
        (
            f"sum_components(component_mul(g, {name}(1.0, b)))",
            f"neg(component_mul(component_mul(g, y), {name}(1.0, b)))",
        ),
        ("a / b",),
        (f"a[..., {axes}] / b",),
        ("a / b",),
        requires=("", domain),
        range="div",
        meaning=meaning,
    )


def _spread(axes: int) -> Meaning:
    def divided(a: Any, b: Any) -> Any:
        return a[(..., *(None,) * axes)] / b

    return divided


UNCOMMON: tuple[Op, ...] = (
    _quotient(
        "number_div_vector",
        "Vn",
        "A number divided by every component.",
        "None",
        "nonzero_vector",
        _spread(1),
    ),
    _quotient(
        "number_div_matrix",
        "Mn",
        "A number divided by every element.",
        "None, None",
        "nonzero_matrix",
        _spread(2),
    ),
    *(
        _last(
            f"last_component{size}",
            f"V{size} -> F",
            f"The last of {size} components.",
            f"basis[{size - 1}](g)",
            "-1",
            "-1",
            "-1",
            lambda a: a[..., -1],
        )
        for size in (2, 3, 4)
    ),
    *(
        _last(
            f"last_row{size}",
            f"M{size} -> V{size}",
            f"The last of {size} rows.",
            f"outer_product(basis[{size - 1}](1.0), g)",
            "-1",
            "-1, :",
            "-1",
            lambda a: a[..., -1, :],
        )
        for size in (2, 3, 4)
    ),
    *(
        _last(
            f"last_element{size}",
            f"M{size} -> F",
            f"The last element of the last of {size} rows.",
            f"outer_product(basis[{size - 1}](g), basis[{size - 1}](1.0))",
            "-1, -1",
            "-1, -1",
            "-1, -1",
            lambda a: a[..., -1, -1],
        )
        for size in (2, 3, 4)
    ),
    Op(
        name="wide_offset",
        signature="I -> I",
        doc=f"a + {WIDE}, which 32 bits do not hold.",
        group="uncommon",
        spell={"warp": (f"a + T({WIDE})",), "jax": (f"a + T({WIDE})",)},
        meaning=PerTyping(_offset),
        weight=2,
        range="wide_offset",
        only=_wide,
    ),
    Op(
        name="expm1",
        signature="F -> F",
        doc="exp(a) - 1.",
        group="uncommon",
        spell={"warp": ("wp.exp(a) - T(1)",), "jax": ("jnp.expm1(a)",)},
        meaning=lambda a: np.exp(a) - 1.0,
        requires=("moderate",),
        range="expm1",
        partials=("exp(a)",),
        smoothness="smooth",
        only=_narrow,
    ),
)
