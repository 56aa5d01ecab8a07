"""The presets: grammars as data, from single operations to whole programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from grammar.config import Grammar

_FLOATS = {"f32": 12, "f64": 2, "f16": 1}
_NUMBERS = {**_FLOATS, "i32": 4, "u32": 1, "i64": 1}
_EVERYTHING = {**_NUMBERS, "bf16": 0, "i16": 1, "u8": 1, "i8": 1, "u16": 1, "u64": 1}

_ARITHMETIC = {"arithmetic": 20, "choice": 6, "rounding": 3}
_MATH = {
    **_ARITHMETIC,
    "power": 8,
    "exponential": 8,
    "trigonometric": 8,
    "activation": 6,
}
_LOGIC = {"comparison": 3, "logic": 3}
_INTEGER = {"integer": 6, "bitwise": 4, "cast": 3}
_ALL = {**_MATH, **_LOGIC, **_INTEGER, "vector": 8, "component": 4, "matrix": 8}

_PRESETS = (
    Grammar(
        name="elementwise",
        doc="Straight-line arithmetic and functions on each element of some arrays.",
        statements=(2, 10),
        groups=_MATH,
        types=_FLOATS,
        arrays=(1, 3),
        scalars=(0, 0),
        ranks={"1": 3, "2": 1},
        control={"op": 10, "load": 1},
    ),
    Grammar(
        name="scalar_array",
        doc="Arrays combined with scalar parameters.",
        statements=(3, 10),
        groups=_MATH,
        types=_FLOATS,
        arrays=(1, 2),
        scalars=(1, 3),
        control={"op": 10, "load": 1},
    ),
    Grammar(
        name="unary",
        doc="Chains of functions of one value.",
        statements=(2, 9),
        groups={**_MATH, "arithmetic": 4, "choice": 0},
        types=_FLOATS,
        arrays=(1, 1),
        scalars=(0, 0),
    ),
    Grammar(
        name="branch",
        doc="Values that depend on a condition.",
        statements=(2, 6),
        groups={**_MATH, **_LOGIC},
        types={**_FLOATS, "i32": 2},
        control={"op": 8, "if": 4, "load": 1, "store": 1},
        depth=1,
    ),
    Grammar(
        name="loop",
        doc="Loops with carried values, with constant and with dynamic bounds.",
        statements=(1, 4),
        groups=_MATH,
        types={**_FLOATS, "i32": 2},
        control={"op": 8, "for": 4, "load": 2},
        accesses={"own": 3, "free": 3, "shifted": 1},
        depth=1,
        trips=6,
    ),
    Grammar(
        name="reduction",
        doc="Sums and extremes over rows by loops, and over lanes by atomics.",
        statements=(3, 7),
        groups=_MATH,
        types={"f32": 10, "f64": 2, "i32": 2},
        control={"op": 6, "for": 4, "load": 3, "atomic": 3},
        accesses={"own": 2, "free": 5},
        depth=1,
        trips=8,
        outputs=(0, 1),
    ),
    Grammar(
        name="vector",
        doc="Small vectors: products, norms, directions, components.",
        statements=(5, 13),
        groups={**_ARITHMETIC, "vector": 40, "component": 12, "power": 3},
        types={"f32": 10, "f64": 2, "f16": 1, "i32": 1},
        forms={"scalar": 2, "vector": 6},
        control={"op": 12, "load": 2},
    ),
    Grammar(
        name="multi_statement",
        doc="Longer straight-line bodies over several types.",
        statements=(2, 4),
        groups={**_MATH, **_INTEGER},
        types=_NUMBERS,
        arrays=(2, 4),
        scalars=(0, 2),
        outputs=(1, 2),
        control={"op": 12, "load": 2},
        accesses={"own": 5, "shifted": 2, "gathered": 1, "reversed": 1},
    ),
    Grammar(
        name="nested_branch",
        doc="Branches within branches, and early exits.",
        statements=(2, 4),
        groups={**_MATH, **_LOGIC},
        types={**_FLOATS, "i32": 2},
        control={"op": 8, "if": 6, "load": 1, "store": 1},
        depth=3,
        exits=10,
    ),
    Grammar(
        name="compound",
        doc="Everything a kernel has: types, branches, loops, exits, functions, atomics.",
        statements=(3, 7),
        groups=_ALL,
        types=_EVERYTHING,
        forms={"scalar": 6, "vector": 1, "matrix": 1},
        control={
            "op": 18,
            "if": 5,
            "for": 4,
            "while": 1,
            "load": 4,
            "store": 2,
            "atomic": 1,
            "call": 2,
        },
        exits=15,
        depth=3,
        arrays=(1, 4),
        scalars=(0, 2),
        outputs=(1, 2),
        ranks={"1": 6, "2": 3, "3": 1},
        functions=(0, 2),
        accesses={"own": 5, "shifted": 2, "gathered": 1, "reversed": 1, "free": 3},
    ),
    Grammar(
        name="arithmetic",
        doc="Sums, products and quotients over all number types.",
        statements=(3, 9),
        groups={"arithmetic": 20, "integer": 6, "bitwise": 3, "cast": 2, "rounding": 2},
        types=_EVERYTHING,
        arrays=(2, 3),
        scalars=(0, 2),
    ),
    Grammar(
        name="conditional",
        doc="Selections, comparisons and logic, with and without branches.",
        statements=(4, 12),
        groups={**_ARITHMETIC, "choice": 20, "comparison": 10, "logic": 8},
        types={**_FLOATS, "i32": 3},
        control={"op": 10, "if": 2, "load": 1},
        depth=1,
    ),
    Grammar(
        name="matrix",
        doc="Small matrices: products, inverses, decompositions into rows and elements.",
        statements=(5, 12),
        groups={"arithmetic": 6, "vector": 6, "component": 4, "matrix": 40},
        types={"f32": 10, "f64": 2},
        forms={"scalar": 1, "vector": 2, "matrix": 6},
        control={"op": 12, "load": 2},
    ),
    Grammar(
        name="broadcasting",
        doc="Grids of two and three axes with arrays that run over some of them.",
        statements=(3, 9),
        groups=_MATH,
        types=_FLOATS,
        arrays=(1, 4),
        ranks={"2": 3, "3": 2},
        extents=(8, 4, 6, 12, 16),
        control={"op": 8, "load": 5},
        accesses={"own": 5, "shifted": 1, "reversed": 1},
    ),
    Grammar(
        name="composite",
        doc="Kernels that call functions, which call functions.",
        statements=(2, 6),
        groups={**_MATH, **_LOGIC},
        types=_FLOATS,
        control={"op": 8, "call": 6, "if": 2, "load": 1},
        functions=(1, 3),
        depth=1,
        exits=20,
    ),
    Grammar(
        name="ml",
        doc="Layers over arrays: matmul, attention, norms, convolutions, losses, and blocks.",
        shape="arrays",
        statements=(3, 14),
        groups=_ARITHMETIC,
        extents=(8, 4, 6, 12, 16),
        ranks={"2": 4, "3": 1},
    ),
    Grammar(
        name="program",
        doc="Several kernels and functions with a driver that launches them over named buffers.",
        shape="program",
        statements=(2, 5),
        groups={**_MATH, **_LOGIC},
        types={"f32": 8, "f64": 1, "i32": 1},
        control={"op": 10, "if": 2, "for": 1, "load": 2, "call": 1},
        depth=2,
        arrays=(1, 2),
        ranks={"1": 3, "2": 1},
        functions=(0, 2),
        kernels=(2, 3),
        accesses={"own": 5, "shifted": 2, "free": 1},
    ),
)

GRAMMARS: Mapping[str, Grammar] = {grammar.name: grammar for grammar in _PRESETS}
"""Presets by name."""

_WIDE_TYPES = {
    "f32": 6,
    "f64": 3,
    "f16": 2,
    "bf16": 2,
    **dict.fromkeys(("i32", "i64", "u32", "u64"), 2),
    **dict.fromkeys(("i8", "i16", "u8", "u16"), 1),
}
_WIDE_CONTROL = {
    "op": 20,
    "if": 4,
    "for": 6,
    "while": 3,
    "load": 6,
    "store": 4,
    "atomic": 4,
    "call": 3,
    "strided": 2,
    "wide_atomic": 2,
}
_WIDE_GROUPS = {
    **dict.fromkeys(_ALL, 6),
    "uncommon": 5,
}

_FUZZING = (
    Grammar(
        name="fuzz",
        doc="Small kernels of rare combinations: all types, ops, control flow and accesses.",
        statements=(1, 4),
        groups=_WIDE_GROUPS,
        types=_WIDE_TYPES,
        forms={"scalar": 4, "vector": 1, "matrix": 1},
        control=_WIDE_CONTROL,
        exits=40,
        depth=3,
        trips=6,
        arrays=(1, 3),
        scalars=(0, 2),
        outputs=(1, 2),
        ranks={"1": 6, "2": 3, "3": 1, "4": 1},
        extents=(4, 3, 6, 8, 2),
        functions=(0, 2),
        accesses={"own": 4, "shifted": 2, "gathered": 2, "reversed": 2, "free": 4},
    ),
    Grammar(
        name="fuzz-program",
        doc="Small programs of rare combinations: two or three kernels over shared buffers.",
        shape="program",
        statements=(1, 3),
        groups=_WIDE_GROUPS,
        types={"f32": 4, "f64": 2, "f16": 1, "bf16": 1, "i32": 1},
        control=_WIDE_CONTROL,
        exits=40,
        depth=2,
        trips=4,
        arrays=(1, 2),
        ranks={"1": 3, "2": 1},
        extents=(4, 3, 6, 8, 2),
        functions=(0, 1),
        kernels=(2, 3),
        accesses={"own": 4, "shifted": 2, "gathered": 1, "reversed": 1, "free": 2},
    ),
    Grammar(
        name="fuzz-arrays",
        doc="Few array-level ops over small and odd shapes, down to one element.",
        shape="arrays",
        statements=(1, 5),
        groups={**_MATH, **_LOGIC},
        types={"f32": 6, "f64": 2, "f16": 2, "bf16": 2},
        extents=(4, 3, 8, 2, 5, 7, 1, 16),
        ranks={"1": 2, "2": 4, "3": 2},
    ),
)

SAFE_SUFFIX = "-safe"
"""What the name of a grammar ends in when it draws only what is differentiated rightly."""


def safe(grammar: Grammar) -> Grammar:
    """The differentiable-safe form of a grammar: its name with "-safe" behind it."""
    if grammar.differentiable:
        return grammar
    return replace(
        grammar,
        name=grammar.name + SAFE_SUFFIX,
        doc=f"{grammar.doc} Differentiable-safe.".lstrip(),
        differentiable=True,
    )


SAFE_GRAMMARS: Mapping[str, Grammar] = {
    form.name: form for form in (safe(grammar) for grammar in _PRESETS)
}
"""The differentiable-safe forms of the presets, by name."""

FUZZ_GRAMMARS: Mapping[str, Grammar] = {
    form.name: form for grammar in _FUZZING for form in (grammar, safe(grammar))
}
"""Grammars for campaigns, and their differentiable-safe forms, by name. They are no part of
balanced samples."""

ALL_GRAMMARS: Mapping[str, Grammar] = {**GRAMMARS, **SAFE_GRAMMARS, **FUZZ_GRAMMARS}
"""Every grammar that has a name."""
