"""What each release needs to run: the Pythons it takes, and what is installed beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from irgen.errors import UserError, nearest

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What fits the releases from `since` on, up to the next recipe's: the minor versions of Python
    3 from the first to the last of `pythons`, and requirements besides the release itself."""

    since: Version
    pythons: tuple[int, int]
    pins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a backend's package is called: by its index, by users (`aliases`), in an import. `parts`
    are the distributions whose versions say what is installed. `recipes` go from old to new; what
    is older than the first one is no target."""

    name: str
    backend: str
    module: str
    aliases: tuple[str, ...]
    parts: tuple[str, ...]
    recipes: tuple[Recipe, ...]


DISTRIBUTIONS: Mapping[str, Distribution] = {
    one.name: one
    for one in (
        Distribution(
            name="warp-lang",
            backend="warp",
            module="warp",
            aliases=("warp-lang", "warp_lang", "warp"),
            parts=("warp-lang", "numpy"),
            recipes=(
                Recipe((1, 4), (9, 12), ("numpy<2",)),
                Recipe((1, 5), (9, 13), ("numpy<2.3",)),
                Recipe((1, 8), (9, 13), ("numpy<3",)),
                Recipe((1, 13), (10, 14), ("numpy<3",)),
            ),
        ),
        Distribution(
            name="jax",
            backend="jax",
            module="jax",
            aliases=("jax",),
            parts=("jax", "jaxlib", "numpy"),
            recipes=(
                Recipe((0, 4, 30), (9, 12), ("numpy<2", "scipy<1.14")),
                Recipe((0, 4, 34), (10, 13), ("numpy<2.3", "scipy<1.16")),
                Recipe((0, 7), (11, 13), ("numpy<3",)),
                Recipe((0, 8), (11, 14), ("numpy<3",)),
                Recipe((0, 11), (12, 14), ("numpy<3",)),
            ),
        ),
    )
}
"""The distributions there may be targets of, by name. A JAX release asks for its own jaxlib."""

OF_BACKEND: Mapping[str, Distribution] = {one.backend: one for one in DISTRIBUTIONS.values()}


def version(text: str) -> Version:
    """A release as integers, to be compared."""
    return tuple(map(int, re.findall(r"\d+", text)))


def distribution(name: str) -> Distribution:
    """The distribution a user means; UserError for an unknown one."""
    folded = name.strip().casefold()
    for found in DISTRIBUTIONS.values():
        if folded in found.aliases:
            return found
    raise UserError(f"unknown package {name.strip()!r}: {nearest(folded, DISTRIBUTIONS)}")


def recipe(packaged: Distribution, release: str) -> Recipe:
    """The recipe of a release; UserError where it is older than all."""
    fitting = [one for one in packaged.recipes if one.since <= version(release)]
    if not fitting:
        oldest = ".".join(map(str, packaged.recipes[0].since))
        raise UserError(f"{packaged.name}=={release} is too old: targets start at {oldest}")
    return fitting[-1]
