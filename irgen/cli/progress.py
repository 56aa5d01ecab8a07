"""Progress of long runs: rows, rate, share that is fine and time left, on a terminal's stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")

_QUIET_SECONDS = 1.0


def watched(
    items: Iterator[T],
    count: int | None,
    fine: Callable[[T], bool] | None = None,
    word: str = "",
) -> Iterator[T]:
    """The items, unchanged; a bar appears once they have taken longer than a second.

    With `fine` the bar shows the share of the items for which it holds, named by `word`. `count`
    is None where nobody knows how many there are.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    started = time.monotonic()
    bar: Progress | None = None
    good = 0
    try:
        for done, item in enumerate(items, 1):
            good += fine is not None and fine(item)
            yield item
            rate = _rate(done, started)
            if fine is not None:
                rate = f"{rate}  {share(good, done)} {word}"
            if bar is not None:
                bar.update(bar.task_ids[0], completed=done, rate=rate)
            elif time.monotonic() - started > _QUIET_SECONDS:
                bar = _bar()
                bar.add_task("", total=count, completed=done, rate=rate)
                bar.start()
    finally:
        if bar is not None:
            bar.stop()


def share(good: int, done: int) -> str:
    """A share in percent that says 100 only of all and 0 only of none."""
    tenths = min(1000 * good // done, 999) if good < done else 1000
    return f"{max(tenths, 1 if good else 0) / 10:.1f}%"


def awaited(items: Iterator[T], what: str) -> Iterator[T]:
    """The items, unchanged; until the first one comes, a line says what is going on."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        first = next(items, None)
    if first is not None:
        yield first
        yield from items


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
