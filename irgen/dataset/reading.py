"""Data sets read back, split by split, shard by shard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec

from irgen.dataset import layout
from irgen.dataset.columns import Row
from irgen.dataset.manifest import File, Manifest, read_manifest
from irgen.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 256
"""Rows read together."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A finished data set: its folder and its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have rows, in order."""
        present = {file.split for file in self.manifest.files}
        return tuple([split for split in layout.SPLITS if split in present])

    @property
    def count(self) -> int:
        """The number of rows."""
        return sum(file.rows for file in self.manifest.files)

    def rows(self, columns: Sequence[str] | None = None, split: str | None = None) -> Iterator[Row]:
        """The rows, of one split or of all in order, with all columns or those named.

        UserError names a shard that is missing or cannot be read.
        """
        for file in self.manifest.files:
            if split is None or file.split == split:
                yield from self.rows_of(file, columns)

    def rows_of(self, file: File, columns: Sequence[str] | None = None) -> Iterator[Row]:
        """The rows of one shard."""
        for batch in self.batches(file, columns):
            yield from batch.to_pylist()

    def batches(self, file: File, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows of one shard as Arrow batches of at most `BATCH` rows."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.folder / file.name
        named = None if columns is None else list(columns)
        try:
            if self.manifest.settings.format == "parquet":
                with pq.ParquetFile(path, page_checksum_verification=True) as table:
                    yield from table.iter_batches(BATCH, columns=named)  # pyright: ignore[reportUnknownMemberType]
            else:
                yield from self._lines(path, named)
        except FileNotFoundError:
            raise UserError(f"{path} is missing: run the same irgen build again") from None
        except (pa.ArrowInvalid, pa.ArrowException, OSError, msgspec.DecodeError) as error:
            words = " ".join(str(error).split())
            raise UserError(f"{path} cannot be read: {words}") from None

    def _lines(self, path: Path, named: list[str] | None) -> Iterator[pa.RecordBatch]:
        from irgen.dataset.arrow import batch_of, schema

        wanted = schema(self.manifest.settings, named)
        held: list[Row] = []
        with open_lines(path) as lines:
            for line in lines:
                row = msgspec.json.decode(line, type=Row)
                held.append({name: row.get(name) for name in wanted.names})
                if len(held) == BATCH:
                    yield batch_of(held, wanted)
                    held = []
        if held:
            yield batch_of(held, wanted)


def open_lines(path: Path) -> BufferedIOBase:
    """A file of lines, unpacked where its name ends in .zst."""
    if path.suffix != ".zst":
        return cast("BufferedIOBase", open(path, "rb"))
    import io

    import pyarrow as pa

    return io.BufferedReader(cast("io.RawIOBase", pa.CompressedInputStream(str(path), "zstd")))


def open_dataset(folder: Path) -> Dataset:
    """The data set in a folder; UserError where there is none that is finished."""
    return Dataset(folder, read_manifest(folder))
