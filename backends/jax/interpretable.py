"""Which recorded texts the StableHLO interpreter can run: those of operations that it has.

It ends the process at any other operation, so texts are looked through first.
"""

from __future__ import annotations

import re

_ELEMENTWISE = """
    abs add and atan2 bitcast_convert cbrt ceil clamp compare convert cosine divide exponential
    exponential_minus_one floor is_finite log log_plus_one logistic maximum minimum multiply negate
    not or popcnt power remainder round_nearest_afz round_nearest_even rsqrt select shift_left
    shift_right_arithmetic shift_right_logical sign sine sqrt subtract tan tanh xor
"""
_STRUCTURAL = """
    broadcast_in_dim case concatenate constant convolution dot_general dynamic_slice
    dynamic_update_slice gather if iota pad reduce reduce_window reshape return reverse scatter
    select_and_scatter slice sort transpose while
"""
_LEGALIZED = "acos acosh asin asinh atan atanh cosh erf erf_inv erfc sinh square tan"
"""CHLO that its legalization turns into the above."""

INTERPRETED: frozenset[str] = frozenset(
    [*_ELEMENTWISE.split(), *_STRUCTURAL.split(), *_LEGALIZED.split()]
)
"""The operations that rendered programs come to and that the interpreter evaluates."""

_OF_MODULES = frozenset({"num_partitions", "num_replicas"})
"""Attributes that every module has; those of operations start with `#`."""

_NAME = re.compile(r"hlo\.(?<!#stablehlo\.)(?<!#chlo\.)(\w+)")
_TARGET = re.compile(r"custom_call @(\w+)")


def missing_operation(text: str) -> str:
    """The first operation of a StableHLO text that the interpreter lacks, "" if there is none.

    A custom call is named by its target.
    """
    names = _NAME.findall(text)
    if INTERPRETED.issuperset(set(names) - _OF_MODULES):
        return ""
    name = next(name for name in names if name not in INTERPRETED | _OF_MODULES)
    target = _TARGET.search(text) if name == "custom_call" else None
    return f"custom_call @{target[1]}" if target else name
