"""The parts of the documentation that are read off the code, as Markdown by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from statistics import median

from backends.base import REASONS
from backends.registry import BACKENDS
from grammar.config import Grammar
from grammar.drawing.layers import LAYERS
from grammar.guards import inputs
from grammar.ops import OPS
from grammar.ops.array import ARRAY_OPS
from grammar.presets import GRAMMARS
from grammar.program import Program, size, statements
from grammar.ranges import Range
from grammar.structural import STRUCTURAL
from grammar.types import SCALARS, Scalar
from irgen.recheck import KINDS
from irgen.record import Record
from irgen.service import Drawn, draw
from irgen.verdict import OUTCOMES
from irgen.watching import ENDINGS

LONGEST = 18
"""Samples of presets have at most so many lines, where one of the first `SEARCHED` does."""

SEARCHED = 150


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def presets() -> str:
    """Presets: what they draw, how many statements a body has, and how many a program."""
    return table(
        ("preset", "shape", "draws", "statements", "whole program"),
        (
            (
                f"[`{g.name}`](#{g.name})",
                g.shape,
                g.doc,
                "{} to {}".format(*g.statements),
                f"{median(size(draw(g, 0, index).program) for index in range(200)):.0f}",
            )
            for g in GRAMMARS.values()
        ),
    )


def samples() -> str:
    """One small program of each preset, in both languages."""
    return "\n\n".join("\n".join(_sample(grammar)) for grammar in GRAMMARS.values())


def _sample(grammar: Grammar) -> Iterator[str]:
    drawn = _small(grammar)
    yield f"### {grammar.name}"
    yield f"\n{grammar.doc} This is index {drawn.index}.\n"
    for backend in BACKENDS.values():
        yield f"```py\n{_plain(drawn, backend.name)}```\n"


def _plain(drawn: Drawn, backend: str) -> str:
    return BACKENDS[backend].render(drawn.program, drawn.style).python


def _small(grammar: Grammar) -> Drawn:
    """The first program that shows what the grammar is for and is short enough, or the shortest."""
    wanted = _essence(grammar)
    shortest: tuple[int, Drawn] | None = None
    for index in range(SEARCHED):
        drawn = draw(grammar, 0, index)
        if not 4 <= size(drawn.program) <= 2 * LONGEST or not wanted(drawn.program):
            continue
        longest = max(_plain(drawn, name).count("\n") for name in BACKENDS)
        if longest <= LONGEST:
            return drawn
        if shortest is None or longest < shortest[0]:
            shortest = (longest, drawn)
    assert shortest is not None
    return shortest[1]


def _essence(grammar: Grammar) -> Callable[[Program], bool]:
    """Whether a program has the kind of statement that sets its grammar apart."""
    weights = {k: w for k, w in grammar.control.items() if k in ("if", "for", "call")}
    if grammar.shape != "kernel" or not weights or grammar.control["op"] > 20:
        return lambda program: True
    kind = max(weights, key=lambda name: weights[name])
    return lambda program: any(statement.op == kind for statement in statements(program))


def levels() -> str:
    """Compiler levels per backend."""
    return table(
        ("backend", "level", "directions", "text"),
        (
            (backend.name, f"`{level.name}`", ", ".join(level.directions), level.doc)
            for backend in BACKENDS.values()
            for level in backend.levels
        ),
    )


def reasons() -> str:
    """Why an artifact may be missing."""
    return table(("reason", "meaning"), ((f"`{key}`", text) for key, text in REASONS.items()))


def record_fields() -> str:
    """The fields of a record with their types."""
    types = {name: str(kind) for name, kind in Record.__annotations__.items()}
    return table(("field", "type"), ((f"`{name}`", f"`{kind}`") for name, kind in types.items()))


def structural() -> str:
    """Structural ops."""
    return table(
        ("op", "form", "in", "effect", "meaning"),
        (
            (f"`{row.name}`", f"`{row.form}`", ", ".join(row.units), row.effect, row.doc)
            for row in STRUCTURAL.values()
        ),
    )


def families() -> str:
    """Op families and their ops."""
    ordered = sorted(OPS.values(), key=lambda op: tuple(_groups()).index(op.group))
    return table(
        ("family", "ops"),
        (
            (f"`{group}`", ", ".join(f"`{op.name}`" for op in ops))
            for group, ops in groupby(ordered, key=lambda op: op.group)
        ),
    )


def _groups() -> dict[str, None]:
    return dict.fromkeys(op.group for op in OPS.values())


def array_ops() -> str:
    """Array ops."""
    return table(
        ("op", "arrays", "attribute", "meaning"),
        ((f"`{op.name}`", str(op.arity), op.attribute or "-", op.doc) for op in ARRAY_OPS.values()),
    )


def layers() -> str:
    """The constructs of array grammars."""
    return table(
        ("layer", "weight", "meaning"),
        ((f"`{row.name}`", str(row.weight), row.doc) for row in LAYERS.values()),
    )


def scalars() -> str:
    """Scalar types and the range of inputs."""
    return table(
        ("type", "dtype", "inputs"),
        ((f"`{s.name}`", f"`{s.dtype}`", _interval(s, inputs(s))) for s in SCALARS),
    )


def _interval(scalar: Scalar, known: Range) -> str:
    """A range in words: floats hold the exponent of a bound, others the bounds themselves."""
    if scalar.kind == "float":
        return f"-{1 << known[1]} to {1 << known[1]}"
    return f"{known[0]} to {known[1]}"


def counts() -> str:
    """How much there is, in one sentence."""
    return (
        f"{len(OPS)} scalar, vector and matrix ops, {len(ARRAY_OPS)} array ops and "
        f"{len(STRUCTURAL)} structural ones, {len(SCALARS)} scalar types, {len(GRAMMARS)} presets."
    )


def outcomes() -> str:
    """What a verdict may say."""
    return table(("outcome", "meaning"), ((f"`{name}`", doc) for name, doc in OUTCOMES.items()))


def endings() -> str:
    """Why nothing is known of a value."""
    return table(("reason", "meaning"), ((f"`{name}`", doc) for name, doc in ENDINGS.items()))


def problems() -> str:
    """What `irgen verify` tells of a row."""
    return table(("kind", "meaning"), ((f"`{name}`", doc) for name, doc in KINDS.items()))


TABLES: dict[str, Callable[[], str]] = {
    "array_ops": array_ops,
    "counts": counts,
    "endings": endings,
    "families": families,
    "layers": layers,
    "levels": levels,
    "outcomes": outcomes,
    "presets": presets,
    "problems": problems,
    "reasons": reasons,
    "record_fields": record_fields,
    "samples": samples,
    "scalars": scalars,
    "structural": structural,
}
"""Generated parts by name."""
