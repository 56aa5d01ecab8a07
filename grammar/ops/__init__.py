"""The op table: one row per operation, declared once, in canonical order, simplest first."""

from __future__ import annotations

from grammar.ops.activation import ACTIVATION
from grammar.ops.base import Instance, Op
from grammar.ops.component import COMPONENT
from grammar.ops.float import FLOAT
from grammar.ops.function import FUNCTION
from grammar.ops.integer import INTEGER
from grammar.ops.logic import LOGIC
from grammar.ops.matrix import MATRIX
from grammar.ops.uncommon import UNCOMMON
from grammar.ops.vector import VECTOR

OPS: dict[str, Op] = {
    op.name: op
    for op in (
        *FLOAT,
        *FUNCTION,
        *ACTIVATION,
        *INTEGER,
        *LOGIC,
        *VECTOR,
        *COMPONENT,
        *MATRIX,
        *UNCOMMON,
    )
}

__all__ = ["OPS", "Instance", "Op"]
