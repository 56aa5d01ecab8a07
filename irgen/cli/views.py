"""`irgen views`: training data of a data set, task by task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from irgen.cli.progress import watched
from irgen.cli.tables import print_table
from irgen.dataset.columns import Row
from irgen.dataset.extras import need
from irgen.dataset.reading import Dataset, open_dataset
from irgen.dataset.training.tasks import TASKS, choose, lacking
from irgen.dataset.training.tokens import DEFAULT
from irgen.dataset.training.views import Empty, Form, Options, Order, View, write_about, write_view
from irgen.errors import UserError


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for, as it was typed."""

    folder: Path | None
    tasks: tuple[str, ...]
    form: str
    order: str
    tokenizer: str | None
    max_tokens: int | None
    min_difficulty: float
    max_difficulty: float
    include_unverified: bool
    name: str


def list_tasks(folder: Path | None) -> None:
    """Print one row per task; with a data set, whether it has what the task takes."""
    names = ["task", "prompt", "completion", "backends"]
    rows = [
        [task.name, task.given, task.wanted, ", ".join(task.backends)] for task in TASKS.values()
    ]
    if folder is not None:
        settings = _opened(folder).manifest.settings
        names.append("rows")
        for row, task in zip(rows, TASKS.values(), strict=True):
            row.append("no" if lacking(task, settings) else "yes")
    print_table(names, rows, note="All of a task's texts are columns of the data set.")


def views(request: Request) -> None:
    """Write the views asked for, then the card again; print what each one has."""
    if request.folder is None:
        raise UserError("name a data set: irgen views OUT --task NAME; or list tasks with --list")
    if not request.tasks:
        raise UserError("name a task: --task NAME, or --task all; irgen views --list lists them")
    dataset = _opened(request.folder)
    tasks = choose(request.tasks, dataset.manifest.settings)
    if request.name and len(tasks) > 1:
        raise UserError(f"--name names one view, and {len(tasks)} tasks are asked for")
    options = Options(
        form=cast("Form", request.form),
        order=cast("Order", request.order),
        tokenizer=request.tokenizer or DEFAULT,
        max_tokens=request.max_tokens,
        min_difficulty=request.min_difficulty,
        max_difficulty=request.max_difficulty,
        include_unverified=request.include_unverified,
        name=request.name,
    )

    def watch(rows: Iterator[tuple[str, Row]]) -> Iterator[tuple[str, Row]]:
        return watched(rows, dataset.count)

    written: list[View] = []
    for task in tasks:
        try:
            written.append(write_view(dataset, task.name, options, watch))
        except Empty as error:
            if "all" not in request.tasks:
                raise
            written.append(error.about)
    carded = write_about(dataset)
    _show(dataset, written, carded)


def _opened(folder: Path) -> Dataset:
    if folder.is_file():
        raise UserError(f"{folder} is a file: irgen views reads a folder that irgen build has made")
    need("pyarrow")
    return open_dataset(folder)


def _show(dataset: Dataset, written: list[View], carded: bool) -> None:
    splits = dataset.splits
    names = ("view", "form", *splits, "prompt tokens", "completion tokens", "left out")
    rows = [
        (
            view.name,
            view.form,
            *[f"{view.rows.get(split, 0):,}" for split in splits],
            *[f"{view.tokens[part]:,}" for part in ("prompt", "completion")],
            ", ".join([f"{many:,} {why}" for why, many in view.dropped.items()]) or "none",
        )
        for view in written
    ]
    note = "The card names them." if carded else "There is no card yet: irgen stats makes one."
    print_table(names, rows, note=note)
