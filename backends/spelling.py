"""The texts of an op row's spellings, with the integers of one statement filled in."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set

from grammar.ops import OPS, Instance
from grammar.ops.base import size_of
from grammar.program import Attribute

_HOLES = re.compile(r"""\"[^"]*"|\b[ijn]\b""")
"""Integer holes; quoted text, such as that of an einsum, has none."""


def spelled(
    name: str, instance: Instance, attribute: Attribute, backend: str, *, lane: bool = False
) -> tuple[str, ...]:
    """The spellings of an op at a typing, simplest first.

    `i` and `j` become the indices that the attribute stands for, `n` the size of the vector or
    matrix. `lane` adds the forms that hold where no value has leading axes.
    """
    op = OPS[name]
    holes = {"n": str(size_of(instance))}
    if isinstance(attribute, int):
        holes |= dict(zip("ij", map(str, op.indices(instance, attribute)), strict=False))
    texts = op.spellings(instance, backend, lane=lane)
    return tuple([_HOLES.sub(lambda hole: holes.get(hole[0], hole[0]), text) for text in texts])


def avoidable(name: str, text: str) -> str:
    """The name of an op's spelling among those to avoid, such as `select: wp.where(a, b, c)`."""
    return f"{name}: {text}"


def kept(name: str, texts: Sequence[str], avoided: Set[str]) -> list[int]:
    """The positions of an op's spellings that need not be avoided; all where none is left."""
    found = [at for at, text in enumerate(texts) if avoidable(name, text) not in avoided]
    return found or list(range(len(texts)))
