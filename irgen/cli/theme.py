"""Colours of highlighted text: those of the terminal itself, chosen for dark and light ones."""

from __future__ import annotations

from pygments.token import Comment, Keyword, Literal, Name, Operator
from rich.style import Style
from rich.syntax import ANSISyntaxTheme

from irgen.verdict import Outcome

# Blue is hard to read on dark backgrounds, yellow on light ones, the bright colours on either.
THEME = ANSISyntaxTheme(
    {
        Comment: Style(dim=True),
        Keyword: Style(color="magenta"),
        Keyword.Type: Style(color="cyan"),
        Literal.Number: Style(color="green"),
        Literal.String: Style(color="green"),
        Name.Builtin: Style(color="cyan"),
        Name.Class: Style(bold=True),
        Name.Decorator: Style(color="cyan"),
        Name.Function: Style(bold=True),
        Operator.Word: Style(color="magenta"),
    }
)

OUTCOMES: dict[Outcome, str] = {
    "verified": "green",
    "mismatch": "bold red",
    "known_wrong": "magenta",
    "not_comparable": "dim",
    "failed": "red",
    "none": "",
}
"""Colours of verdicts."""
