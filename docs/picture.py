"""The picture of the README: a program as Warp and JAX source, and the C++ below it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import count as counting
from pathlib import Path

from rich.console import Console, Group
from rich.syntax import Syntax
from rich.table import Table
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from backends.base import Direction, Rendered
from backends.registry import BACKENDS
from grammar.presets import GRAMMARS
from grammar.program import statements
from irgen.checking import check
from irgen.cli.excerpt import excerpt
from irgen.cli.verdicts import verdict_line
from irgen.service import Drawn, draw

PICTURE = Path(__file__).parent / "images" / "sample.svg"

COLUMNS, LINES = 57, 21
"""The program is the first with a branch that fits, in both languages."""

WIDTH = 132

_THEME = "friendly"

# The third colour is that of verdicts, the others are those of the titles; the syntax theme brings
# its own.
_COLOURS = [(40, 80, 170)] * 2 + [(20, 120, 60)] + [(40, 80, 170)] * 5
_PAPER = TerminalTheme((250, 250, 248), (40, 44, 52), _COLOURS)

# Without the window, the fonts from elsewhere and the clipping that rich would add.
_SVG = """<svg viewBox="0 0 {terminal_width} {terminal_height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<rect width="100%" height="100%" rx="8" fill="#fafaf8"/>
<g transform="translate(9, 9)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def picture() -> str:
    """The picture as SVG text; the same for equal versions of Warp and rich."""
    drawn, rendered = next(_fitting())
    (captured,) = BACKENDS["warp"].capture([rendered["warp"]], frozenset({"cpp"}))
    texts = {artifact.direction: artifact.text or "" for artifact in captured.artifacts}

    grid = Table.grid(expand=True, padding=(0, 2, 0, 0))
    grid.add_column(ratio=30)
    grid.add_column(ratio=36)
    grid.add_row(
        Group(
            *_block("python (warp)", rendered["warp"].python, "python"),
            _verdict(drawn, "warp"),
            *_block("python (jax), the same program", rendered["jax"].python, "python"),
            _verdict(drawn, "jax"),
        ),
        Group(
            *_block("cpp forward, its body", _body(texts["forward"], "forward"), "cpp"),
            *_block("cpp backward, its reverse part", _body(texts["backward"], "backward"), "cpp"),
        ),
    )
    console = Console(record=True, width=WIDTH, file=io.StringIO(), color_system="truecolor")
    console.print(grid)
    text = console.export_svg(theme=_PAPER, code_format=_SVG, unique_id="irgen")
    text = re.sub(r' clip-path="[^"]*"', "", text)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _verdict(drawn: Drawn, backend: str) -> Text:
    """The line of a verdict, without figures that differ between machines."""
    verdict = check(drawn.program, BACKENDS[backend], None, drawn.style)
    return Text(re.sub(", (exact|largest .*)$", "", verdict_line(verdict)) + "\n", style="green")


def _fitting() -> Iterator[tuple[Drawn, dict[str, Rendered]]]:
    """Short programs with a branch and several ops, by backend, in order of index."""
    for index in counting():
        drawn = draw(GRAMMARS["branch"], 0, index)
        ops = [statement.op for statement in statements(drawn.program)]
        if "if" not in ops or ops.count("store") > 1 or not 9 <= len(set(ops)) <= 12:
            continue
        made = {b.name: b.render(drawn.program, drawn.style) for b in BACKENDS.values()}
        lines = [rendered.python.splitlines() for rendered in made.values()]
        if all(len(part) <= LINES and max(map(len, part)) <= COLUMNS for part in lines):
            yield drawn, made


def _block(title: str, text: str, syntax: str) -> tuple[Text, Syntax]:
    body = Syntax(
        text.strip("\n") + "\n", syntax, theme=_THEME, background_color="default", word_wrap=True
    )
    return Text(title, style="bold blue"), body


def _body(text: str, direction: Direction) -> str:
    """The statements of a C++ text, without the source lines that Warp quotes."""
    lines = excerpt(text, "cpp", direction).text.splitlines()
    kept = [line for line in lines if not line.lstrip().startswith("// ")]
    return "\n".join(line for line in kept if line.strip() not in ("", "return;"))
