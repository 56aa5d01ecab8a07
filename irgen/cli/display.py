"""Programs as text: Python beside its IR on a terminal, plain blocks elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from backends.base import REASONS, Artifact, Level
from irgen.record import Record

NARROW = 110
"""Terminals with fewer columns get the IR below the Python."""

_THEME = "ansi_dark"


@dataclass(frozen=True, slots=True)
class _Block:
    """One titled text and the syntax it is highlighted in; an empty syntax is prose."""

    title: str
    text: str
    syntax: str


def side_by_side(record: Record, levels: Sequence[Level], console: Console | None = None) -> None:
    """Print the Python on the left and the artifacts of the levels on the right."""
    console = console or Console()
    console.print(Rule(_heading(record)))
    python, ir = list(_sources(record)), list(_artifacts(record, levels, complete=False))
    if console.width < NARROW or not ir:
        console.print(_stack([*python, *ir]))
    else:
        table = Table.grid(expand=True, padding=(0, 2, 0, 0))
        table.add_column(ratio=1)
        table.add_column(ratio=1)
        table.add_row(_stack(python), _stack(ir))
        console.print(table)
    others = _others(record, levels)
    if others:
        console.print(Text(others, style="dim"))


def stacked(record: Record, levels: Sequence[Level], console: Console | None = None) -> None:
    """Print the program text, the Python and every artifact of the levels, one below the other."""
    console = console or Console()
    console.print(Rule(_heading(record)))
    console.print(_stack(list(_everything(record, levels, complete=True))))


def plain(record: Record, levels: Sequence[Level], *, complete: bool = False) -> str:
    """Lines without colour or wrapping: what `stacked` prints if complete, else `side_by_side`."""
    blocks = _everything(record, levels, complete)
    parts = [f"# {_heading(record)}", *(f"# -- {b.title}\n{b.text.rstrip()}" for b in blocks)]
    return "\n".join(parts) + "\n\n"


def _heading(record: Record) -> str:
    return f"{record.grammar} seed {record.seed} index {record.index}"


def _everything(record: Record, levels: Sequence[Level], complete: bool) -> Iterator[_Block]:
    if complete:
        yield _Block("program", record.program, "")
    yield from _sources(record)
    yield from _artifacts(record, levels, complete)


def _sources(record: Record) -> Iterator[_Block]:
    for source in record.sources:
        yield _Block(f"python ({source.backend})", source.python, "python")


def _artifacts(record: Record, levels: Sequence[Level], complete: bool) -> Iterator[_Block]:
    """Blocks in the order of the levels; whole modules repeat their units, so only if complete."""
    for level in levels:
        for artifact in record.artifacts:
            if artifact.level == level.name and (complete or artifact.direction != "module"):
                yield _artifact(artifact, level.syntax)


def _artifact(artifact: Artifact, syntax: str) -> _Block:
    title = " ".join(filter(None, (artifact.level, artifact.direction, artifact.unit)))
    if artifact.text is not None:
        return _Block(title, artifact.text, syntax)
    why = REASONS.get(artifact.reason, artifact.reason)
    detail = f" ({artifact.detail})" if artifact.detail else ""
    return _Block(title, f"{artifact.status}: {why}{detail}", "")


def _others(record: Record, levels: Sequence[Level]) -> str:
    """One line on what was captured and is not printed."""
    printed = {level.name for level in levels}
    names = dict.fromkeys(a.level for a in record.artifacts if a.level not in printed)
    return f"also captured: {', '.join(names)} (--level prints one)" if names else ""


def _stack(blocks: Sequence[_Block]) -> Group:
    parts: list[RenderableType] = []
    for block in blocks:
        parts.append(Text(block.title, style="bold cyan"))
        parts.append(_body(block))
    return Group(*parts)


def _body(block: _Block) -> RenderableType:
    if not block.syntax:
        return Text(block.text)
    text = block.text.rstrip()
    return Syntax(text, block.syntax, theme=_THEME, word_wrap=True, background_color="default")
