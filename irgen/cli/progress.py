"""Progress of long runs: rows, rate and time left, on stderr when that is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

    from irgen.record import Record

_QUIET_SECONDS = 1.0


def watched(records: Iterator[Record], count: int) -> Iterator[Record]:
    """The records, unchanged; a bar appears once they have taken longer than a second."""
    if not sys.stderr.isatty():
        yield from records
        return
    started = time.monotonic()
    bar: Progress | None = None
    try:
        for done, record in enumerate(records, 1):
            yield record
            if bar is not None:
                bar.update(bar.task_ids[0], completed=done, rate=_rate(done, started))
            elif time.monotonic() - started > _QUIET_SECONDS:
                bar = _bar()
                bar.add_task("", total=count, completed=done, rate=_rate(done, started))
                bar.start()
    finally:
        if bar is not None:
            bar.stop()


def _rate(done: int, started: float) -> str:
    return f"{done / (time.monotonic() - started):.1f}/s"


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        refresh_per_second=4,
    )
