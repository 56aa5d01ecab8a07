"""Whose text a data set holds, and under what licence."""

from __future__ import annotations

from dataclasses import dataclass

LICENCE = "apache-2.0"
"""The licence of a data set, as Hugging Face names it: that of irgen, Warp and JAX."""

LICENCE_URL = "https://www.apache.org/licenses/LICENSE-2.0"


@dataclass(frozen=True, slots=True)
class Licence:
    """A package whose text occurs in a data set: its licence, as its metadata names it, who holds
    the rights, and what of its own text it writes around that of a program."""

    distribution: str
    name: str
    holder: str
    written: str


LICENCES: dict[str, Licence] = {
    "irgen": Licence(
        "irgen",
        "Apache-2.0",
        "the irgen authors",
        "Programs, sources and descriptions are drawn by irgen from its own grammars and word "
        "lists. No source of anybody else was read to make them.",
    ),
    "warp": Licence(
        "warp-lang",
        "Apache-2.0",
        "NVIDIA CORPORATION & AFFILIATES",
        "C++ and CUDA are those of the program, written with the templates of Warp's code "
        "generator: preambles, argument structs, launch wrappers. They call functions of Warp's "
        "native library by name and include its headers; no text of either is in here.",
    ),
    "jax": Licence(
        "jax",
        "Apache-2.0",
        "the JAX authors",
        "jaxprs, StableHLO and HLO are those of the program, printed by JAX and XLA. Small "
        "functions of `jax.numpy` that a program calls, such as `_where`, occur as lowered.",
    ),
}
"""By irgen or name of the backend; what packages say of themselves is compared in the tests."""
