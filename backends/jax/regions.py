"""Writing regions: which function writes which op."""

from __future__ import annotations

from collections.abc import Callable

from backends.jax.branches import emit_if
from backends.jax.frame import Body
from backends.jax.loops import emit_for, emit_while
from backends.jax.statements import (
    emit_atomic,
    emit_call,
    emit_const,
    emit_load,
    emit_op,
    emit_store,
)
from grammar.program import Region, Statement, Value


def emit_region(body: Body, region: Region) -> tuple[Value, ...]:
    """Write the live statements of a region; returns the values it ends with."""
    dead = body.writer.uses.dead
    for statement in region.body:
        if not dead(statement):
            _EMIT.get(statement.op, emit_op)(body, statement)
    return region.end.values


_EMIT: dict[str, Callable[[Body, Statement], None]] = {
    "const": emit_const,
    "load": emit_load,
    "call": emit_call,
    "store": emit_store,
    "atomic_add": emit_atomic,
    "atomic_sub": emit_atomic,
    "atomic_min": emit_atomic,
    "atomic_max": emit_atomic,
    "if": emit_if,
    "for": emit_for,
    "while": emit_while,
}
