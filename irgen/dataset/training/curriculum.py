"""Rows of Parquet files put in order of difficulty, over all files, one file at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from irgen.dataset.extras import need

if TYPE_CHECKING:
    import pyarrow as pa

KEYS = ("difficulty", "id")
"""The columns that decide the order: the first ascending, ties by the second."""

AT_ONCE = 200
"""So many files are gathered in one pass: each keeps a file open."""

_RANK = "rank"


def reorder(paths: Sequence[Path], schema: pa.Schema, size: int) -> None:
    """Write the rows of files again, in ascending order of `KEYS` over all of them.

    All but the last file have `size` rows, before and after. Only keys are sorted; then rows are
    gathered by the file they go to, and one file at a time is put in order. OSError passes
    through, and leaves the files as they were or in order; callers write into a folder of their
    own.
    """
    rank = _ranks(paths)
    made: list[tuple[Path, Path]] = []
    for first in range(0, len(paths), AT_ONCE):
        goals = range(first, min(first + AT_ONCE, len(paths)))
        spilled = _spill(paths, schema, rank, size, goals)
        for goal in goals:
            ordered = paths[goal].with_suffix(".ordered")
            _write(spilled[goal - first], ordered, schema)
            spilled[goal - first].unlink()
            made.append((ordered, paths[goal]))
    for ordered, path in made:
        ordered.replace(path)


def _ranks(paths: Sequence[Path]) -> NDArray[np.int64]:
    """The place in the order of each row of all files."""
    arrow, parquet = need("pyarrow"), need("pyarrow.parquet")
    if not paths:
        return np.empty(0, np.int64)
    keys = arrow.concat_tables([parquet.read_table(path, columns=list(KEYS)) for path in paths])
    places = keys.append_column("at", arrow.array(np.arange(keys.num_rows)))
    order = places.sort_by([(key, "ascending") for key in KEYS]).column("at").to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _spill(
    paths: Sequence[Path], schema: pa.Schema, rank: NDArray[np.int64], size: int, goals: range
) -> list[Path]:
    """The rows that go to each of some files, with their ranks, in a file each."""
    arrow = need("pyarrow")
    given: Any = schema
    wide = given.append(arrow.field(_RANK, arrow.int64()))
    spilled = [paths[goal].with_suffix(".spilled") for goal in goals]
    with ExitStack() as stack:
        files = [stack.enter_context(open(path, "wb")) for path in spilled]
        writers = [stack.enter_context(arrow.ipc.new_stream(file, wide)) for file in files]
        at = 0
        for batch in _batches(paths):
            ranks = rank[at : at + batch.num_rows]
            at += batch.num_rows
            whole = arrow.RecordBatch.from_arrays([*batch.columns, arrow.array(ranks)], schema=wide)
            goal_of = ranks // size
            for goal in np.unique(goal_of).tolist():
                if goal in goals:
                    rows = arrow.array(np.flatnonzero(goal_of == goal))
                    writers[goal - goals.start].write_batch(whole.take(rows))
    return spilled


def _batches(paths: Sequence[Path]) -> Iterator[Any]:
    parquet = need("pyarrow.parquet")
    for path in paths:
        with parquet.ParquetFile(path) as file:
            yield from file.iter_batches()


def _write(spilled: Path, path: Path, schema: pa.Schema) -> None:
    """Write the rows of a spilled file in order of rank."""
    from irgen.dataset.arrow import write_parquet

    with open(spilled, "rb") as file, need("pyarrow").ipc.open_stream(file) as reader:
        table = reader.read_all()
    ordered = table.sort_by(_RANK).drop_columns([_RANK]).cast(schema)
    write_parquet(path, iter(ordered.combine_chunks().to_batches()), schema)
