"""Rows of a data set by their ids, in whatever order they are asked for, in bounded memory."""

from __future__ import annotations

import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from irgen.dataset.columns import Row
from irgen.dataset.manifest import File
from irgen.dataset.reading import Dataset, open_lines
from irgen.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

Lookup = Callable[[str], Row | None]

_GROUPS = 2
"""Row groups of Parquet that are kept: rows mostly come in order."""


@contextmanager
def lookup(dataset: Dataset, columns: Sequence[str]) -> Generator[tuple[Lookup, set[bytes]]]:
    """What gives the row of an id, with some of its columns, or None; and all ids.

    An id takes some 200 bytes of memory. UserError where a shard cannot be read, or an id is there
    twice.
    """
    opened = _tables if dataset.manifest.settings.format == "parquet" else _lines
    with opened(dataset, columns) as (found, ids):
        yield found, ids


def _key(id: str) -> bytes:
    return bytes.fromhex(id)


def _noted(index: dict[bytes, Any], id: str, file: File, place: Any) -> None:
    key = _key(id)
    if key in index:
        raise UserError(f"{file.name}: row {id} is there twice")
    index[key] = place


@contextmanager
def _tables(dataset: Dataset, columns: Sequence[str]) -> Generator[tuple[Lookup, set[bytes]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    index: dict[bytes, tuple[int, int]] = {}
    for number, file in enumerate(dataset.manifest.files):
        for at, row in enumerate(dataset.rows_of(file, ["id"])):
            _noted(index, row["id"], file, (number, at))
    kept: OrderedDict[tuple[int, int], pa.Table] = OrderedDict()

    def group(number: int, at: int) -> tuple[pa.Table, int]:
        path = dataset.folder / dataset.manifest.files[number].name
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as table:
                start = 0
                for place in range(table.num_row_groups):
                    size = table.metadata.row_group(place).num_rows
                    if at < start + size:
                        found: pa.Table = table.read_row_group(place, columns=list(columns))  # pyright: ignore[reportUnknownMemberType]
                        kept[number, start] = found
                        return found, start
                    start += size
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
        raise UserError(f"{path} has fewer rows than before")

    def found(id: str) -> Row | None:
        place = index.get(_key(id))
        if place is None:
            return None
        number, at = place
        for (other, start), table in kept.items():
            if other == number and start <= at < start + table.num_rows:
                break
        else:
            if len(kept) == _GROUPS:
                kept.popitem(last=False)
            table, start = group(number, at)
        return table.slice(at - start, 1).to_pylist()[0]

    yield found, set(index)


@contextmanager
def _lines(dataset: Dataset, columns: Sequence[str]) -> Generator[tuple[Lookup, set[bytes]]]:
    index: dict[bytes, tuple[int, int]] = {}
    with tempfile.TemporaryDirectory(prefix="irgen-") as folder:
        opened = [_plain(dataset, file, Path(folder)) for file in dataset.manifest.files]
        try:
            for number, (file, lines) in enumerate(
                zip(dataset.manifest.files, opened, strict=True)
            ):
                start = 0
                for line in lines:
                    _noted(index, _decoded(file, line)["id"], file, (number, start))
                    start += len(line)

            def found(id: str) -> Row | None:
                place = index.get(_key(id))
                if place is None:
                    return None
                number, start = place
                opened[number].seek(start)
                line = opened[number].readline()
                row = _decoded(dataset.manifest.files[number], line)
                return {name: row.get(name) for name in columns}

            yield found, set(index)
        finally:
            for lines in opened:
                lines.close()


def _plain(dataset: Dataset, file: File, folder: Path) -> IO[bytes]:
    """A file of lines in which places can be looked up; one that is packed is unpacked first."""
    path = dataset.folder / file.name
    try:
        if path.suffix != ".zst":
            return open(path, "rb")
        target = folder / path.stem
        with open_lines(path) as packed, open(target, "wb") as out:
            shutil.copyfileobj(packed, out)
        return open(target, "rb")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def _decoded(file: File, line: bytes) -> Row:
    try:
        return msgspec.json.decode(line, type=Row)
    except msgspec.DecodeError as error:
        raise UserError(f"{file.name} cannot be read: {error}") from None
