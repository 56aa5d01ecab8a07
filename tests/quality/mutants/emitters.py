"""Faults of the renderers, run for real: spellings and statements changed on the way to the source.

All that is changed stays inside of arrays: indices and what bounds them are left alone, since a
compiled kernel checks none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backends.base import Rendered
from backends.registry import BACKENDS
from backends.spelling import spelled
from grammar.config import Grammar
from grammar.ops import Instance
from grammar.program import Attribute, Region, Statement, Terminator, Unit, statements
from grammar.types import scalar_of
from irgen import lane
from irgen.service import Drawn, draw_batch, render_batch
from irgen.vectors import Vectors
from irgen.verdict import Verdict
from tests.quality.mutants import rewriting as r
from tests.quality.mutants.cases import SEED, favouring

BATCH = 8
"""Programs compiled at a time."""

PROGRAMS = 64
"""A mutant is shown so many programs whose source it changes."""

TRIES = 6
"""Programs rendered per one to be shown; the source of the others is as it was."""


@dataclass(frozen=True, slots=True)
class Spelled:
    """Another spelling of an op on floats: `pattern` replaced in the text of every one."""

    op: str
    pattern: str
    by: str
    presets: tuple[str, ...] = ("compound", "multi_statement")


@dataclass(frozen=True, slots=True)
class Emitted:
    """A statement rewritten just before it is emitted."""

    op: str
    what: str
    change: r.Change
    presets: tuple[str, ...] = ("compound", "loop", "nested_branch")


Fault = Spelled | Emitted

_WHOLE = r"^(.*)$"

SPELLED: Mapping[str, tuple[Spelled, ...]] = {
    "warp": (
        Spelled("sub", _WHOLE, "b - a"),
        Spelled("div", _WHOLE, "b / a"),
        Spelled("mul", _WHOLE, "a + b"),
        Spelled("pow", _WHOLE, "wp.pow(b, a)"),
        Spelled("sin", r"wp\.sin", "wp.cos"),
        Spelled("tanh", r"wp\.tanh", "wp.atan"),
        Spelled("exp", _WHOLE, "wp.exp(-a)"),
        Spelled("floor", r"wp\.floor", "wp.ceil"),
        Spelled("round", r"wp\.round", "wp.rint"),
        Spelled("sign", _WHOLE, "wp.sign(a)"),
        Spelled("max", r"wp\.max", "wp.min"),
        Spelled("lt", _WHOLE, "a <= b"),
        Spelled("sqrt", _WHOLE, "T(wp.sqrt(wp.float16(a)))"),
        Spelled("dot", _WHOLE, "wp.dot(a, a) + T(0) * wp.dot(a, b)", ("vector",)),
        Spelled("cross", _WHOLE, "wp.cross(b, a)", ("vector",)),
        Spelled("matvec", r"a @ b", "wp.transpose(a) @ b", ("matrix",)),
    ),
    "jax": (
        Spelled("sub", _WHOLE, "b - a"),
        Spelled("div", _WHOLE, "b / a"),
        Spelled("mul", _WHOLE, "a + b"),
        Spelled("pow", _WHOLE, "jnp.power(b, a)"),
        Spelled("sin", r"(jnp|lax)\.sin", "jnp.cos"),
        Spelled("tanh", r"(jnp|lax)\.tanh", "jnp.arctan"),
        Spelled("exp", r"(jnp|lax)\.exp", "jnp.expm1"),
        Spelled("floor", r"jnp\.floor", "jnp.ceil"),
        Spelled("round", _WHOLE, "jnp.rint(a)"),
        Spelled("sign", _WHOLE, "jnp.where(a < T(0), T(-1), T(1))"),
        Spelled("max", r"jnp\.maximum|lax\.max", "jnp.minimum"),
        Spelled("lt", _WHOLE, "a <= b"),
        Spelled("sqrt", _WHOLE, "jnp.sqrt(a.astype(jnp.float16)).astype(T)"),
        Spelled("component_sign", _WHOLE, "jnp.sign(a)", ("vector",)),
        Spelled("cross", _WHOLE, "jnp.cross(b, a)", ("vector",)),
        Spelled("matrix_transpose", _WHOLE, "a * T(1)", ("matrix",)),
        Spelled("mul", _WHOLE, "lax.stop_gradient(a) * b"),
        Spelled("exp", _WHOLE, "lax.stop_gradient(jnp.exp(a))"),
        Spelled("tanh", _WHOLE, "T(2) * jnp.tanh(a) - lax.stop_gradient(jnp.tanh(a))"),
    ),
}


EMITTED: tuple[Emitted, ...] = (
    Emitted("if", "branch inverted", r.inverted),
    Emitted("for", "carried values exchanged", r.carried_exchanged),
    Emitted("for", "every second round", r.sparse),
    Emitted("while", "one round only", r.bounded),
    Emitted("call", "arguments exchanged", r.exchanged, ("composite",)),
    Emitted("const", "constant of f32 in f16", r.narrower("f32", np.float16)),
    Emitted("const", "constant of the other sign", r.opposite),
    Emitted("atomic_add", "atomic of the other kind", r.renamed("atomic_sub"), ("reduction",)),
    Emitted("atomic_max", "atomic of the other kind", r.renamed("atomic_min"), ("reduction",)),
)
"""Of both renderers, by statement."""

WRITES: tuple[Emitted, ...] = (
    Emitted("store", "store lost", r.dropped),
    Emitted("atomic_add", "atomic lost", r.dropped, ("reduction",)),
    Emitted("atomic_min", "atomic lost", r.dropped, ("reduction",)),
)
"""Of the renderer whose kernels write memory themselves."""


def faults(backend: str) -> tuple[Fault, ...]:
    """The faults of one renderer."""
    return (*SPELLED[backend], *EMITTED, *(WRITES if backend == "warp" else ()))


def kind(backend: str, fault: Fault) -> str:
    return f"{backend} {'spelling' if isinstance(fault, Spelled) else 'statement'}"


def name(backend: str, fault: Fault) -> str:
    what = fault.by if isinstance(fault, Spelled) else fault.what
    return f"{backend} {fault.op}: {what}"


@dataclass(slots=True)
class Shown:
    """What came of a fault: the number of the program that killed it, or 0, how many it was shown,
    how many of these then gave other results, how many ran without it, and on which of these the
    oracle found a difference."""

    killed: int = 0
    shown: int = 0
    other: int = 0
    control: int = 0
    alarms: list[str] = field(default_factory=list[str])


def show(backend: str, fault: Fault, count: int) -> Shown:
    """Run programs whose source a fault changes, until one is judged to differ."""
    out = Shown()
    for batch in _batches(fault, count):
        right = render_batch(batch, BACKENDS[backend])
        with broken(backend, fault):
            wrong = render_batch(batch, BACKENDS[backend])
        changed = [at for at, source in enumerate(wrong) if source.python != right[at].python]
        changed = changed[: count - out.shown]
        if not changed:
            continue
        some = [batch[at] for at in changed]
        found = _ran(backend, some, [wrong[at] for at in changed])
        controls = _ran(backend, some, [right[at] for at in changed])
        for item, (vectors, verdict), (kept, control) in zip(some, found, controls, strict=True):
            out.control += 1
            if _differs(control):
                out.alarms.append(f"{backend} {item.grammar.name} {item.index} {fault.op}")
                continue
            out.shown += 1
            out.other += vectors != kept
            if _differs(verdict):
                out.killed = out.shown
                return out
        if out.shown >= count:
            break
    return out


def _batches(fault: Fault, count: int) -> Iterator[list[Drawn]]:
    grammars: list[Grammar] = [favouring(preset, fault.op, "") for preset in fault.presets]
    addresses = ((grammar, index) for index in range(count * TRIES) for grammar in grammars)
    batch: list[Drawn] = []
    for address in addresses:
        (drawn,) = draw_batch([address], SEED)
        if any(statement.op == fault.op for statement in statements(drawn.program)):
            batch.append(drawn)
        if len(batch) == BATCH:
            yield batch
            batch = []


def _ran(
    backend: str, drawn: Sequence[Drawn], rendered: Sequence[Rendered]
) -> list[tuple[Vectors | None, Verdict]]:
    """What these sources of these programs give in the backend's first execution."""
    language = BACKENDS[backend]
    execution = language.executions[0]
    captures = language.capture(rendered, language.needs(execution))
    programs = [item.program for item in drawn]
    names = [(execution,)] * len(programs)
    found = lane.check(language, programs, rendered, captures, names)
    return [(vectors, verdicts[0]) for vectors, verdicts in found]


def _differs(verdict: Verdict) -> bool:
    return "mismatch" in (verdict.forward, verdict.gradient)


@contextmanager
def broken(backend: str, fault: Fault) -> Iterator[None]:
    """Render with a fault."""
    with _PATCHES[backend, type(fault)](fault):
        yield


def _respelled(fault: Spelled) -> Callable[..., tuple[str, ...]]:
    def wrong(
        op: str, instance: Instance, attribute: Attribute, backend: str, *, lane: bool = False
    ) -> tuple[str, ...]:
        texts = spelled(op, instance, attribute, backend, lane=lane)
        if op != fault.op or scalar_of(instance.operands[0]).kind != "float":
            return texts
        return tuple([re.sub(fault.pattern, fault.by, text) for text in texts])

    return wrong


@contextmanager
def _warp_spelled(fault: Spelled) -> Iterator[None]:
    from backends.warp import rows

    rows._spellings.cache_clear()
    rows.spelled = _respelled(fault)
    try:
        yield
    finally:
        rows.spelled = spelled
        rows._spellings.cache_clear()


@contextmanager
def _jax_spelled(fault: Spelled) -> Iterator[None]:
    from backends.jax import spell

    spell.spellings.cache_clear()
    spell.spelled = _respelled(fault)
    try:
        yield
    finally:
        spell.spelled = spelled
        spell.spellings.cache_clear()


def _changed(fault: Emitted, statement: Statement) -> list[Statement]:
    """The statements in place of one, itself where it cannot show the fault."""
    made = fault.change(statement, _NO_VALUES)
    return [statement] if made is None else made


@contextmanager
def _warp_emitted(fault: Emitted) -> Iterator[None]:
    from backends.warp import device

    handlers = device._HANDLERS
    right = handlers[fault.op]

    def wrong(self: Any, statement: Statement, out: list[Any]) -> None:
        for one in _changed(fault, statement):
            right(self, one, out)

    handlers[fault.op] = wrong
    try:
        yield
    finally:
        handlers[fault.op] = right


@contextmanager
def _jax_emitted(fault: Emitted) -> Iterator[None]:
    from backends.jax import regions

    handlers = regions._EMIT
    right = handlers[fault.op]

    def wrong(body: Any, statement: Statement) -> None:
        for one in _changed(fault, statement):
            right(body, one)

    handlers[fault.op] = wrong
    try:
        yield
    finally:
        handlers[fault.op] = right


_NO_VALUES = r.Fresh(Unit("function", Region((), (), Terminator("yield"))))
_PATCHES: dict[tuple[str, type[Fault]], Callable[[Any], Any]] = {
    ("warp", Spelled): _warp_spelled,
    ("warp", Emitted): _warp_emitted,
    ("jax", Spelled): _jax_spelled,
    ("jax", Emitted): _jax_emitted,
}
