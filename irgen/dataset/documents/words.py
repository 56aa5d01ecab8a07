"""What people read of data sets: what one is called, what it is, shares and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from backends.registry import BACKENDS
from irgen.dataset.settings import Settings

if TYPE_CHECKING:
    from irgen.dataset.documents.stats import Verified

PRODUCTS = {"warp": "NVIDIA Warp", "jax": "JAX"}

LEVELS = {
    "cpp": "C++",
    "cuda": "CUDA",
    "jaxpr": "jaxpr",
    "stablehlo": "StableHLO",
    "hlo": "HLO",
    "hlo_optimized": "optimized HLO",
}
"""Levels as people write them."""


def listed(words: Sequence[str]) -> str:
    """Words as people list them: "a, b and c"."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def languages(settings: Settings) -> str:
    """The kernel languages of a data set: "NVIDIA Warp and JAX"."""
    return listed([PRODUCTS[name] for name in settings.backends])


def levels(settings: Settings) -> str:
    """The levels of a data set, from the top: "C++, CUDA and StableHLO"; empty for none."""
    found = [
        LEVELS[level.name]
        for name in settings.backends
        for level in BACKENDS[name].levels
        if level.name in settings.levels[name]
    ]
    return listed(found)


def title(settings: Settings) -> str:
    """What to call a data set: "Typed kernels in NVIDIA Warp and JAX, with their IR"."""
    end = ", with their IR" if levels(settings) else ""
    return f"Typed kernels in {languages(settings)}{end}"


def describe(settings: Settings) -> str:
    """What a data set is, in one to three sentences."""
    below = levels(settings)
    parts = [
        f"Small numerical programs, drawn from typed grammars and written as {languages(settings)} "
        "source."
    ]
    if below:
        parts.append(
            f"Beside each stands what the compilers make of it, forward and adjoint: {below}."
        )
    if settings.verify:
        parts.append(
            "Each was run, and its values and gradients were judged lane by lane against what the "
            "program means."
        )
    return " ".join(parts)


def citation(settings: Settings) -> str:
    """A BibTeX entry for a data set."""
    versions = listed([f"{name} {version}" for name, version in settings.versions.items()])
    return (
        "@misc{irgen,\n"
        f"  title = {{{title(settings)}}},\n"
        f"  note = {{{settings.count:,} programs, seed {settings.seed}; made by {versions}}}\n"
        "}"
    )


def share(part: int, whole: int) -> str:
    """A percentage that never rounds to all or to nothing: "97.3%"; "-" of nothing."""
    if not whole:
        return "-"
    if part in (0, whole):
        return "100%" if part else "0%"
    return f"{min(max(100 * part / whole, 0.1), 99.9):.1f}%"


def size(count: float) -> str:
    """Bytes in words: "3.4 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def numbers_of(found: Verified) -> list[str]:
    """The shares of rows with verified values, gradients and both."""
    return [share(part, found.judged) for part in (found.forward, found.gradient, found.both)]
