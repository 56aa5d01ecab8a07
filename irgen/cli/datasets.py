"""The commands for data sets and their options. The work is in the modules they call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None)

FolderArgument = Annotated[Path, typer.Argument(metavar="OUT", help="The folder of a data set.")]


@app.command()
def stats(folder: FolderArgument) -> None:
    """Say what is in a data set."""
