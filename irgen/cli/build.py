"""`irgen build`: a data set from options, live on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from irgen.cli.output import print_text
from irgen.cli.progress import share
from irgen.dataset.layout import MANIFEST
from irgen.errors import UserError, nearest

if TYPE_CHECKING:
    from rich.console import RenderableType

    from irgen.dataset.building.build import Built, Progress
    from irgen.dataset.building.request import BuildRequest
    from irgen.dataset.planning.plan import Plan

LOCAL, SLURM = "local", "slurm"
"""Executors that `irgen.dataset.building.executors` has no row for: this process, a script."""

_DRAWN_EVERY = 0.25
"""Seconds between two looks of the table."""

_PHASES = {
    "plan": "planning: which programs are in",
    "rows": "making rows",
    "documents": "clusters, statistics, card",
}

_SEEN = {"plan": "drawn", "documents": "looked at"}


@dataclass(frozen=True, slots=True)
class Options:
    """How to build, which decides nothing about what is built."""

    folder: Path
    workers: int
    plan_only: bool
    check: bool
    executor: str = LOCAL
    slurm: tuple[str, ...] = ()


def number(option: str, text: str) -> int:
    """A whole number such as 5000, 1_000_000 or 1,000,000; UserError for anything else."""
    if not re.fullmatch(r"\d+([_,]?\d+)*", text):
        raise UserError(f"{option} {text!r} is no number: write 5000 or 1_000_000")
    return int(text.replace(",", "").replace("_", ""))


def build(request: BuildRequest, options: Options) -> None:
    """Build a data set, or go on with it, and say what it came to."""
    from irgen.dataset.building.build import build, plan_only
    from irgen.dataset.building.request import settings_of

    if options.workers < 1:
        raise UserError(f"--workers {options.workers}: at least one is needed")
    _require_known(options)
    settings = settings_of(request)
    view = Live(options.folder) if sys.stderr.isatty() else Lines(options.folder)
    common = (options.folder, settings, options.workers, request.excluded)
    with view:
        if options.plan_only:
            view.planned(plan_only(*common, view.show))
        elif options.executor != LOCAL and not (options.folder / MANIFEST).exists():
            _elsewhere(plan_only(*common, view.show), options, view)
        else:
            view.end(build(*common, view.show, check=options.check))


def _require_known(options: Options) -> None:
    from irgen.dataset.building.executors import EXECUTORS

    known = (LOCAL, *EXECUTORS, SLURM)
    if options.executor not in known:
        hint = nearest(options.executor, known)
        raise UserError(f"unknown executor {options.executor!r}: {hint}")
    if options.slurm and options.executor != SLURM:
        raise UserError(f"--slurm {options.slurm[0]} is for --executor slurm")
    for text in options.slurm:
        if "=" not in text:
            raise UserError(f"--slurm {text}: write NAME=VALUE, such as time=24:00:00")


def _elsewhere(plan: Plan, options: Options, view: Lines | Live) -> None:
    """Have the shards of a plan made by an executor, or write what Slurm needs for it."""
    from irgen.dataset.building.build import Built, finish
    from irgen.dataset.building.executors import EXECUTORS, slurm_script

    if options.executor == SLURM:
        chosen = dict(text.split("=", 1) for text in options.slurm)
        view.script(slurm_script(options.folder, plan, options.workers, chosen))
        return
    view.planned(plan)
    EXECUTORS[options.executor](options.folder, plan, options.workers)
    rows = sum(shard.rows for shard in plan.shards)
    view.end(Built(finish(options.folder, view.show), len(plan.shards), rows))


class Lines:
    """A JSON line on stdout for each shard that becomes whole, and at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, progress: Progress) -> None:
        """Tell of a shard, where one has become whole."""
        file = progress.finished
        if file is not None:
            row = {"name": file.name, "rows": file.rows, "bytes": file.bytes}
            _print({"event": "shard", **row, **_figures(progress)})

    def planned(self, plan: Plan) -> None:
        """Tell what a plan came to."""
        import msgspec

        rows = sum(shard.rows for shard in plan.shards)
        drawing = msgspec.to_builtins(plan.drawing)
        figures = {"rows": rows, "shards": len(plan.shards), **drawing}
        _print({"event": "planned", "folder": str(self._folder), **figures})

    def script(self, path: Path) -> None:
        """Tell what is to be submitted."""
        _print({"event": "script", "folder": str(self._folder), "path": str(path)})

    def end(self, built: Built) -> None:
        """Tell how a build ended."""
        seconds = round(time.monotonic() - self._began, 1)
        _print({"event": "end", "folder": str(self._folder), **_summary(built), "seconds": seconds})


class Live:
    """A table on stderr that changes as rows are made; the outcome goes to stdout."""

    def __init__(self, folder: Path) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self._folder = folder
        self._live = RichLive(console=Console(stderr=True), transient=True, auto_refresh=False)
        self._began: float | None = None
        self._drawn = 0.0
        self._phase = ""

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, progress: Progress) -> None:
        """Draw the table anew, a few times a second."""
        now = time.monotonic()
        if progress.phase != self._phase:
            self._phase, self._began = progress.phase, None
        elif now - self._drawn < _DRAWN_EVERY:
            return
        if self._began is None and (progress.seen or progress.counts.rows > progress.earlier):
            self._began = now
        self._drawn = now
        self._live.update(self._table(progress, now), refresh=True)

    def planned(self, plan: Plan) -> None:
        """Print what a plan came to."""
        drawing = plan.drawing
        rows = sum(shard.rows for shard in plan.shards)
        self._live.stop()
        print_text(
            f"{self._folder}: {rows:,} rows planned in {len(plan.shards):,} shards, "
            f"of {drawing.drawn:,} drawn, {drawing.duplicates:,} duplicates\n"
        )

    def script(self, path: Path) -> None:
        """Print what is to be submitted."""
        self._live.stop()
        print_text(f"sbatch {path}\nthen the same command with --executor local\n")

    def end(self, built: Built) -> None:
        """Print the outcome."""
        self._live.stop()
        manifest = built.manifest
        rows = sum(file.rows for file in manifest.files)
        size = sum(file.bytes for file in manifest.files)
        done = "whole already" if not built.made else f"{built.made:,} shards made"
        print_text(f"{self._folder}: {rows:,} rows, {size / 1e6:,.1f} MB, {done}\n")
        for backend, ways in manifest.outcomes.items():
            told = [f"{way} {_verified(found)} verified" for way, found in ways.items()]
            print_text(f"  {backend}: {', '.join(told)}\n")
        if manifest.lost:
            lost = ", ".join(f"{reason} {count:,}" for reason, count in manifest.lost.items())
            print_text(f"  lost: {lost}\n")

    def _table(self, progress: Progress, now: float) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        making = progress.phase == "rows"
        done = progress.counts.rows if making else progress.seen
        fresh = done - (progress.earlier if making else 0)
        spent = 0.0 if self._began is None else now - self._began
        rate = fresh / spent if spent > 1 else 0.0
        rows = {
            "phase": _PHASES[progress.phase],
            _SEEN.get(progress.phase, "rows"): f"{done:,} of {progress.rows:,}"
            + (f"   {rate:,.1f}/s" if rate else ""),
        }
        if progress.shards:
            if progress.counts.outcomes:
                rows["verified"] = share(progress.counts.verified, progress.counts.rows)
            rows["shards"] = f"{progress.whole:,} of {progress.shards:,}"
        if progress.drawing is not None:
            drawing = progress.drawing
            rows["duplicates"] = f"{drawing.duplicates:,} of {drawing.drawn:,} drawn"
        if progress.counts.lost:
            rows["lost"] = f"{sum(progress.counts.lost.values()):,}"
        if rate and done < progress.rows:
            rows["left"] = _span((progress.rows - done) / rate)
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(style="dim")
        table.add_column(overflow="fold")
        for name, text in rows.items():
            table.add_row(name, Text(text))
        # A bar ends no line, so it is the last one.
        return Group(table, ProgressBar(total=progress.rows, completed=done, width=60))


def _verified(found: dict[str, int]) -> str:
    """The share that is verified of what there is to verify."""
    of = sum(count for outcome, count in found.items() if outcome != "none")
    return share(found.get("verified", 0), of) if of else "nothing to be"


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _figures(progress: Progress) -> dict[str, object]:
    counts = progress.counts
    return {
        "done": counts.rows,
        "of": progress.rows,
        "verified": counts.verified,
        "shards": progress.whole,
    }


def _summary(built: Built) -> dict[str, object]:
    import msgspec

    manifest = built.manifest
    return {
        "rows": sum(file.rows for file in manifest.files),
        "bytes": sum(file.bytes for file in manifest.files),
        "shards": len(manifest.files),
        "made": built.made,
        **msgspec.to_builtins(manifest.drawing),
        "outcomes": manifest.outcomes,
        "missing": manifest.missing,
        "lost": manifest.lost,
    }


def _print(row: dict[str, object]) -> None:
    import msgspec

    print_text(msgspec.json.encode(row).decode() + "\n")
