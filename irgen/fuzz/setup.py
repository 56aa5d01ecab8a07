"""How cases are examined: which backend, in which interpreter, by which oracles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from irgen.errors import UserError, nearest
from irgen.targets.target import Target


@dataclass(frozen=True, slots=True)
class Oracle:
    """One way to tell right from wrong. `ways` are, for each backend that it looks at, the ways to
    run a case that it needs besides the base one."""

    name: str
    doc: str
    ways: Mapping[str, tuple[str, ...]]


_BOTH: Mapping[str, tuple[str, ...]] = {"warp": (), "jax": ()}

ORACLES: dict[str, Oracle] = {
    oracle.name: oracle
    for oracle in (
        Oracle("values", "outputs against what the program means", _BOTH),
        Oracle("gradients", "gradients against those of the program", _BOTH),
        Oracle("failures", "it compiles, runs and ends", _BOTH),
        Oracle("backends", "Warp against JAX on the same program", _BOTH),
        Oracle("modes", "forward mode against reverse mode", {"jax": ("forward_mode",)}),
        Oracle(
            "levels",
            "optimization levels against each other, compiled code against eager",
            {"warp": ("O0", "O2"), "jax": ("O0", "eager")},
        ),
        Oracle("repeat", "the same run twice", {"warp": ("again",), "jax": ("again",)}),
        Oracle("rewrites", "another program of the same meaning, another spelling", _BOTH),
        Oracle("cost", "compile time and size of the code against those of its like", _BOTH),
    )
}
"""Oracles by name. Their ways run in an interpreter of their own, by the public API."""

REFERENCE: tuple[str, ...] = ("values", "gradients", "failures")
"""Those that are on unless others are named."""

BASE: Mapping[str, str] = {"warp": "cpu", "jax": "compiled"}
"""The execution of the installed backend that every case gets. It is compiled code."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How to examine cases. `target` is None for the backend that is installed beside irgen.
    `limitations` off, what is known to be wrong is reported like anything else. With `against`,
    only what shows at one of the two targets is a symptom. `avoided` spellings are not used in
    sources: the target lacks them."""

    backend: str
    target: Target | None = None
    oracles: tuple[str, ...] = REFERENCE
    limitations: bool = True
    against: Target | None = None
    avoided: frozenset[str] = frozenset()


def known_oracles(names: tuple[str, ...], backend: str) -> tuple[str, ...]:
    """Names of oracles, "all" for all of a backend, in the order of the table; UserError for an
    unknown one or one that does not look at the backend."""
    chosen = set[str]()
    for name in names:
        if name != "all" and name not in ORACLES:
            raise UserError(f"unknown oracle {name!r}: {nearest(name, (*ORACLES, 'all'))}")
        if name != "all" and backend not in ORACLES[name].ways:
            raise UserError(f"oracle {name!r} does not look at {backend}")
        chosen |= {one.name for one in ORACLES.values() if name in (one.name, "all")}
    return tuple([name for name, one in ORACLES.items() if name in chosen and backend in one.ways])
