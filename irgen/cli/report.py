"""`irgen report`: one page that shows a data set."""

from __future__ import annotations

from pathlib import Path

from irgen.cli.output import print_text
from irgen.cli.progress import watched
from irgen.report.page import report as write


def report(folder: Path, output: Path | None, samples: int, workers: int) -> None:
    """Write the report and say where it is."""
    path = write(folder, output, count=samples, workers=workers, watch=watched)
    print_text(f"{path}\n")
