"""What a card says of limitations: those of the rows, and those of the backends."""

from __future__ import annotations

from collections.abc import Iterator

from backends.registry import BACKENDS
from irgen.dataset.documents.stats import Stats
from irgen.dataset.documents.words import PRODUCTS
from irgen.dataset.settings import Settings


def limitations(settings: Settings, stats: Stats) -> Iterator[str]:
    """The paragraphs of the section."""
    yield "\n".join(f"- {one}" for one in _general(settings))
    for name in settings.backends:
        known = BACKENDS[name].known_limitations
        rows = stats.executed[name].limitations
        if known:
            yield (
                f"{PRODUCTS[name]} is known to differentiate these wrongly, or not at all. A "
                "gradient that differs where one of them applies is `known_wrong`; a value never "
                "is."
            )
            yield "\n".join(
                f"- `{one.name}`{_met(rows.get(one.name, 0))}: {one.doc} {_links(one.reference)}"
                for one in known.values()
            )


def _general(settings: Settings) -> Iterator[str]:
    yield (
        "Programs are drawn, not written: they compute nothing that anybody wanted, and their "
        "names come from word lists. Arrays are small, so that rows can be run."
    )
    yield (
        "The language has scalars, vectors, matrices, arrays, branches, loops, functions, "
        "reductions and atomics; it has no structs, textures, tiles, meshes or randomness."
    )
    if "jax" in settings.backends:
        yield "HLO is that of XLA for the CPU; `hlo_optimized` depends on the CPU's features."
    if "warp" in settings.backends:
        yield (
            "CUDA is what Warp hands to its compiler. It was not run; the C++ of the same kernels "
            "was, where rows are verified."
        )
    yield (
        "Inputs are drawn from small ranges (floats in [-4, 4]), one set of them per program: "
        "verified is said of those."
    )


def _met(verdicts: int) -> str:
    return f" (met in {verdicts:,} verdicts)" if verdicts else ""


def _links(reference: str) -> str:
    """References as links where they are addresses: "[1](https://...), [2](https://...)"."""
    found = [part.strip() for part in reference.split(",")]
    number = 0
    words: list[str] = []
    for part in found:
        if part.startswith("https://"):
            number += 1
            words.append(f"[{number}]({part})")
        else:
            words.append(f"`{part}`")
    return f"({', '.join(words)})"
