"""What recorded JAX text must be: which texts a source has, and that each is what its level says.

Texts are read by the parsers of their own compilers, and nothing of them runs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from backends.base import Artifact, BackendError, Direction, Rendered
from backends.jax.capture import LEVELS, checked, load_jax
from backends.jax.jaxpr import parse_jaxpr
from backends.jax.run import LEVEL
from backends.jax.run import _digest as texts_digest
from backends.syntax import Fault, Read

COSTED = "hlo"
"""The level whose text says what a function costs."""


def prepare() -> None:
    """Start the parsers; BackendError where JAX cannot be used."""
    version = checked()
    private: Any = importlib.import_module("backends.jax.private_syntax")
    if lacking := private.missing():
        raise BackendError(f"JAX {version} cannot read what it prints, it has no {lacking}")
    load_jax().devices("cpu")


def places(rendered: Rendered, levels: Sequence[str]) -> list[tuple[str, str, Direction]]:
    """Unit, level and direction of each artifact of a source, in order."""
    directions: tuple[Direction, ...] = ("forward", "backward")
    return [
        (rendered.entry, level.name, direction)
        for direction in directions
        for level in LEVELS
        if level.name in levels
    ]


def source_hash(
    artifacts: Sequence[Artifact], execution: str, forward: bool, backward: bool
) -> str | None:
    """The hash of the recorded texts that an execution ran, in the directions that it ran; None
    where they are not recorded."""
    ran: list[str] = []
    for direction, wanted in (("forward", forward), ("backward", backward)):
        if wanted:
            found = [
                one.text
                for one in artifacts
                if one.level == LEVEL and one.direction == direction and one.text is not None
            ]
            if not found:
                return None
            ran += found
    return texts_digest(ran)


def read(
    rows: Sequence[Sequence[Artifact]], compiled: Sequence[bool], closely: Sequence[bool]
) -> list[Read]:
    """What the parser of each level says of the artifacts of each row.

    All are parsed, whatever `compiled` and `closely` say. BackendError where JAX cannot be used. A
    text may end the process.
    """
    prepare()
    return [_read(artifacts) for artifacts in rows]


def _read(artifacts: Sequence[Artifact]) -> Read:
    private: Any = importlib.import_module("backends.jax.private_syntax")
    parsers: dict[str, Callable[[str], Any]] = {
        "jaxpr": parse_jaxpr,
        "stablehlo": private.parse_stablehlo,
        "hlo": private.parse_hlo,
        "hlo_optimized": private.parse_hlo,
    }
    faults: list[Fault] = []
    cost: dict[str, dict[str, float]] = {}
    parsed: dict[str, int] = {}
    for artifact in artifacts:
        level, direction = artifact.level, artifact.direction
        if artifact.text is None:
            continue
        parsed[level] = parsed.get(level, 0) + 1
        try:
            module = parsers[level](artifact.text)
            if level == COSTED:
                cost[direction] = private.cost(module)
        # Each parser has exceptions of its own, and raises others too: they are the answer.
        except Exception as error:
            faults.append(Fault(level, direction, artifact.unit, _said(error)))
    costed = any(one.level == COSTED for one in artifacts)
    return Read(tuple(faults), parsed, cost if costed else None)


def _said(error: Exception) -> str:
    """The words of a parser on one line."""
    found = " ".join(str(error).split())
    return found[:300] or type(error).__name__
