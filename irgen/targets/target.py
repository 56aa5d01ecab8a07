"""A target: an interpreter that has one release of a backend."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """`name` is what the user calls it ("warp-lang==1.12.1", or the path of an interpreter),
    `python` the path of its interpreter, `versions` what is installed there: the distribution of
    the backend, its compiler if that is apart, numpy, python."""

    name: str
    backend: str
    python: str
    versions: tuple[tuple[str, str], ...]
