"""Programs as text: Python beside its IR on a terminal, plain blocks elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rich.console import Console, Group, RenderableType
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from backends.base import REASONS, Artifact, Level
from irgen.cli.excerpt import excerpt
from irgen.cli.theme import OUTCOMES, THEME
from irgen.cli.verdicts import verdict_lines
from irgen.record import Record
from irgen.verdict import forward_verified, gradient_verified

_NARROW = 110
_IR_COLUMNS = 40
"""The IR goes below the Python on narrower terminals, and where it would have fewer columns."""

_GAP = 2


@dataclass(frozen=True, slots=True)
class _Block:
    """One titled text and the syntax it is highlighted in; an empty syntax is prose.

    `above` lines of the text were left out before the first.
    """

    title: str
    text: str
    syntax: str
    above: int = 0


def side_by_side(
    record: Record, levels: Sequence[Level], address: str, console: Console | None = None
) -> None:
    """Print the Python on the left and the statements at the levels on the right.

    `address` is what tells the commands which program it is.
    """
    console = console or Console()
    console.print(Rule(_heading(record)))
    python = list(_sources(record))
    ir = [
        _statements(artifact, level.syntax)
        for artifact, level in _artifacts(record, levels, complete=False)
    ]
    left = max((len(line) for block in python for line in block.text.splitlines()), default=0)
    right = console.width - left - _GAP
    if not ir or console.width < _NARROW or right < _IR_COLUMNS:
        console.print(_stack([*python, *ir]))
    else:
        table = Table.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
        table.add_column(width=left)
        table.add_column(width=right)
        table.add_row(_stack(python), _stack(ir))
        console.print(table)
    _print_verdicts(record, console)
    notes = _others(record, levels)
    if any(block.above for block in ir):
        notes.append(f"every line: irgen show {address}")
    verdicts = record.verdicts
    if verdicts and not (forward_verified(verdicts) and gradient_verified(verdicts)):
        notes.append(f"why: irgen explain {address}")
    for note in notes:
        console.print(Text(note, style="dim"))


def stacked(record: Record, levels: Sequence[Level], console: Console | None = None) -> None:
    """Print the program text, the Python and every artifact of the levels, one below the other."""
    console = console or Console()
    console.print(Rule(_heading(record)))
    console.print(_stack(list(_everything(record, levels, complete=True))))
    _print_verdicts(record, console)


def _print_verdicts(record: Record, console: Console) -> None:
    found = verdict_lines(record)
    if found:
        console.print()
    for line, outcome in found:
        console.print(Text(line, style=OUTCOMES[outcome]))


def plain(record: Record, levels: Sequence[Level], *, complete: bool = False) -> str:
    """Every line, without colour or wrapping; program text and whole modules only if complete."""
    blocks = _everything(record, levels, complete)
    parts = [f"# {_heading(record)}", *(f"# {line}" for line, _ in verdict_lines(record))]
    parts += [f"# -- {b.title}\n{b.text.rstrip()}" for b in blocks]
    return "\n".join(parts) + "\n\n"


def _heading(record: Record) -> str:
    return f"{record.grammar} seed {record.seed} index {record.index}"


def _everything(record: Record, levels: Sequence[Level], complete: bool) -> Iterator[_Block]:
    if complete:
        yield _Block("program", record.program, "")
    yield from _sources(record)
    for artifact, level in _artifacts(record, levels, complete):
        yield _artifact(artifact, level.syntax)


def _sources(record: Record) -> Iterator[_Block]:
    for source in record.sources:
        yield _Block(f"python ({source.backend})", source.python, "python")


def _artifacts(
    record: Record, levels: Sequence[Level], complete: bool
) -> Iterator[tuple[Artifact, Level]]:
    """In the order of the levels; whole modules repeat their units, so they come if complete."""
    for level in levels:
        for artifact in record.artifacts:
            if artifact.level == level.name and (complete or artifact.direction != "module"):
                yield artifact, level


def _statements(artifact: Artifact, syntax: str) -> _Block:
    """The block of an artifact without declarations."""
    block = _artifact(artifact, syntax)
    if artifact.text is None:
        return block
    found = excerpt(artifact.text, artifact.level, artifact.direction)
    return replace(block, text=found.text, above=found.above)


def _artifact(artifact: Artifact, syntax: str) -> _Block:
    title = " ".join(filter(None, (artifact.level, artifact.direction, artifact.unit)))
    if artifact.text is not None:
        return _Block(title, artifact.text, syntax)
    why = REASONS.get(artifact.reason, artifact.reason)
    detail = f" ({artifact.detail})" if artifact.detail else ""
    return _Block(title, f"{artifact.status}: {why}{detail}", "")


def _others(record: Record, levels: Sequence[Level]) -> list[str]:
    """A note on what was captured and is not printed, if anything."""
    printed = {level.name for level in levels}
    names = dict.fromkeys(a.level for a in record.artifacts if a.level not in printed)
    return [f"also captured: {', '.join(names)} (--level prints one)"] if names else []


def _stack(blocks: Sequence[_Block]) -> Group:
    parts: list[RenderableType] = []
    for block in blocks:
        if parts:
            parts.append(Text())
        parts.append(Text(block.title, style="bold cyan"))
        if block.above:
            lines = "line" if block.above == 1 else "lines"
            parts.append(Text(f"{block.above} {lines} above", style="dim"))
        parts.append(_body(block))
    return Group(*parts)


def _body(block: _Block) -> RenderableType:
    if not block.syntax:
        return Text(block.text)
    return Syntax(block.text.rstrip(), block.syntax, theme=THEME, word_wrap=True)
