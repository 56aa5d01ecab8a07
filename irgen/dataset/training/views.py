"""Views: the rows of a data set as prompts and completions of one task, ready for training.

A view lies in `views/NAME/`: Parquet files by split, and `view.json`, which says how it was made.
It appears whole or not at all. Its bytes depend on the data set and the options alone.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from irgen.dataset import layout
from irgen.dataset.building.lock import held
from irgen.dataset.columns import Row
from irgen.dataset.documents.configs import DEFAULT as ROWS_CONFIG
from irgen.dataset.manifest import sha256, write_whole
from irgen.dataset.reading import Dataset
from irgen.dataset.settings import Format
from irgen.dataset.training.examples import (
    BATCH,
    FORMS,
    ORDERS,
    Form,
    Making,
    Options,
    Order,
    View,
    view_schema,
)
from irgen.dataset.training.tasks import Task, find_task, lacking
from irgen.dataset.writing import lines, write_lines
from irgen.errors import UserError, nearest

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ABOUT = "view.json"
"""What says how a view was made, beside its files."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class Empty(UserError):
    """No row is left for a view, which was not written."""

    def __init__(self, about: View) -> None:
        reasons = [f"{many} {reason}" for reason, many in about.dropped.items()]
        super().__init__(f"no row is left for {about.name}: {', '.join(reasons) or 'no rows'}")
        self.about = about


Watch = Callable[[Iterator[tuple[str, Row]]], Iterator[tuple[str, Row]]]


def write_view(
    dataset: Dataset, task: str, options: Options | None = None, watch: Watch | None = None
) -> View:
    """Write the view of a task into the folder of its data set, over the one of that name.

    `watch` may look at the rows as they are read, and passes them on unchanged. Memory does not
    grow with the data set in its own order; in curriculum order it does. UserError
    where there is no such task, the data set cannot serve it, no row is left, or nothing can be
    written.
    """
    chosen = find_task(task)
    given = options or Options()
    _check(dataset, chosen, given)
    name = given.name or task
    folder = dataset.folder / layout.VIEWS / name
    making = Making(chosen, given)
    source = _source(dataset, chosen)
    with _whole(dataset, folder) as partial:
        for split, rows in groupby(watch(source) if watch else source, key=itemgetter(0)):
            wanted = making.rows(map(itemgetter(1), rows))
            making.counts[split] = _write_split(dataset, given, partial, split, wanted)
        about = making.view(name, sha256(dataset.folder / layout.MANIFEST))
        if not about.count:
            raise Empty(about)
        text = msgspec.json.format(msgspec.json.encode(about), indent=1)
        write_whole(partial / ABOUT, text + b"\n")
    return about


def read_view(folder: Path) -> View:
    """What the `view.json` of a view says. UserError where it cannot be read."""
    path = folder / ABOUT
    try:
        return msgspec.json.decode(path.read_bytes(), type=View)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def write_about(dataset: Dataset) -> bool:
    """Write the card and the Croissant file again, which name the views there are.

    False where the data set has no statistics yet, and so no card.
    """
    from irgen.dataset.documents.card import write_card
    from irgen.dataset.documents.croissant import write_croissant
    from irgen.dataset.documents.stats import read_stats

    stats = read_stats(dataset)
    if stats is None:
        return False
    with _named_errors(dataset.folder):
        write_croissant(dataset)
        write_card(dataset, stats)
    return True


def _check(dataset: Dataset, task: Task, options: Options) -> None:
    """UserError where the options are wrong, or the data set cannot serve the task."""
    settings = dataset.manifest.settings
    for what, word, words in (("form", options.form, FORMS), ("order", options.order, ORDERS)):
        if word not in words:
            raise UserError(f"unknown {what} {word!r}: {nearest(word, words)}")
    name = options.name or task.name
    if not _NAME.fullmatch(name) or name == ROWS_CONFIG:
        raise UserError(f"a view cannot be named {name!r}: use letters, digits, _ and -")
    reason = lacking(task, settings)
    if reason:
        raise UserError(reason)
    if not settings.verify and not options.include_unverified:
        raise UserError("the data set was built without verification: pass --include-unverified")
    if not 0 <= options.min_difficulty <= options.max_difficulty <= 1:
        low, high = options.min_difficulty, options.max_difficulty
        raise UserError(f"difficulty is from 0 to 1, lowest first, not from {low} to {high}")
    if options.max_tokens is not None and options.max_tokens < 1:
        raise UserError(f"--max-tokens is at least 1, not {options.max_tokens}")


def _source(dataset: Dataset, task: Task) -> Iterator[tuple[str, Row]]:
    """Every row of the data set with its split: the columns that a task looks at."""
    named = ["id", "program", task.given, task.wanted]
    for backend, judged in task.judged:
        named += [f"{backend}_artifacts", f"{backend}_{judged}_verified"]
    for split in dataset.splits:
        for row in dataset.rows(list(dict.fromkeys(named)), split):
            yield split, row


def _write_split(
    dataset: Dataset, options: Options, folder: Path, split: str, rows: Iterator[Row]
) -> int:
    """Write a split as files of as many rows as a shard has; the number of rows."""
    from irgen.dataset.arrow import batch_of, write_parquet
    from irgen.dataset.training.curriculum import reorder

    schema = view_schema(options.form)
    size = dataset.manifest.settings.shard_size
    written: list[Path] = []
    count = 0

    def batches(part: Iterator[Row]) -> Iterator[pa.RecordBatch]:
        nonlocal count
        while found := list(islice(part, BATCH)):
            count += len(found)
            yield batch_of(found, schema)

    while (first := next(rows, None)) is not None:
        path = folder / f"{split}-{len(written):05d}.parquet"
        write_parquet(path, batches(chain([first], islice(rows, size - 1))), schema)
        written.append(path)
    if options.order == "curriculum":
        reorder(written, schema, size)
    format = dataset.manifest.settings.format
    for number, path in enumerate(written):
        name = layout.view_name("_", split, number, len(written), format)
        made = path if format == "parquet" else _as_lines(path, format)
        with open(made, "rb+") as file:
            os.fsync(file.fileno())
        made.replace(folder / Path(name).name)
    return count


def _as_lines(path: Path, format: Format) -> Path:
    """A Parquet file as JSON lines in its place: all of a data set is read in one way."""
    import pyarrow.parquet as pq

    made = path.with_suffix(".lines")
    with pq.ParquetFile(path) as table:
        write_lines(made, format, (lines(batch.to_pylist()) for batch in _batches(table)))
    path.unlink()
    return made


def _batches(table: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    return table.iter_batches(BATCH)  # pyright: ignore[reportUnknownMemberType]


@contextmanager
def _whole(dataset: Dataset, folder: Path) -> Generator[Path]:
    """A folder to write into, which takes the place of `folder` at the end, or vanishes.

    Nobody builds or writes views in the data set meanwhile.
    """
    partial = layout.partial(folder)
    before = folder.with_name(f".{folder.name}.before")
    with _named_errors(folder), held(dataset.folder, dataset.folder):
        if before.exists() and not folder.exists():
            before.replace(folder)  # a run was killed between the two renames
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            yield partial
            if folder.exists():
                folder.replace(before)
            partial.replace(folder)
        finally:
            for path in (partial, before):
                shutil.rmtree(path, ignore_errors=True)
            with suppress(OSError):
                folder.parent.rmdir()  # where it has no view


@contextmanager
def _named_errors(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise UserError(f"cannot write {path}: {why}") from None


__all__ = [
    "ABOUT",
    "FORMS",
    "ORDERS",
    "Empty",
    "Form",
    "Options",
    "Order",
    "View",
    "Watch",
    "read_view",
    "view_schema",
    "write_about",
    "write_view",
]
