"""Survivors that are no weakness of the oracle, each with the argument."""

from __future__ import annotations

from collections.abc import Mapping

ARGUED: Mapping[str, str] = {
    "zeroed: is_nan": "no generated program makes a NaN, so the test is false everywhere",
    "zeroed: is_inf": "no generated program makes an infinity, so the test is false everywhere",
    "retyped f64: cast": "what is cast to f64 fits f32: narrower floats and integers below 2**24",
    "retyped i32: rem": "integer inputs are small, and no remainder needs more than eight bits",
    "retyped i32: bit_test": "bit numbers are at most seven, and eight bits keep those",
    "retyped i32: ne": "it differs only for operands that differ by a multiple of 256",
    "retyped f32: gt": "it differs only for operands within 2**-11 of each other",
    "retyped f32: ge": "it differs only for operands within 2**-11 of each other",
}
"""Why no program kills a mutant, by its name: it never gives another result than the right one. The
argument does not hold of one that does."""
