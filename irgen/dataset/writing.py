"""A shard written whole, in the format of its data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from irgen.dataset import layout
from irgen.dataset.columns import Row
from irgen.dataset.manifest import File, sha256
from irgen.dataset.settings import Format, Settings

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 250

_PACKING = 1
"""The zstd level of parts: they are written once and read once."""


def encode(settings: Settings, rows: Sequence[Row]) -> bytes:
    """Rows as a part of a shard: ready to be written in the format of the data set, and packed."""
    import pyarrow as pa

    from irgen.dataset.arrow import batch_of, schema

    if settings.format == "parquet":
        plain = batch_of(rows, schema(settings)).serialize()
    else:
        plain = pa.py_buffer(lines(rows))
    packed = pa.Codec("zstd", _PACKING).compress(plain)
    return plain.size.to_bytes(8, "little") + packed.to_pybytes()


def write_shard(
    folder: Path, settings: Settings, name: str, split: str, rows: Iterable[Row]
) -> File:
    """Write rows as the shard `name` of a data set, whole or not at all. OSError passes through."""
    remaining = iter(rows)
    batches = iter(lambda: list(islice(remaining, _BATCH)), [])
    return write_parts(
        folder, settings, name, split, ((len(found), encode(settings, found)) for found in batches)
    )


def write_parts(
    folder: Path, settings: Settings, name: str, split: str, parts: Iterable[tuple[int, bytes]]
) -> File:
    """Write parts, each with the number of its rows, as the shard `name` of a data set, whole or
    not at all. Its bytes do not depend on how the rows are parted. OSError passes through."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = layout.partial(path)
    count = 0

    def counted() -> Iterator[bytes]:
        nonlocal count
        for rows, data in parts:
            count += rows
            yield data

    try:
        _WRITERS[settings.format](partial, settings, counted())
        with open(partial, "rb+") as written:
            os.fsync(written.fileno())
        made = File(name, split, count, partial.stat().st_size, sha256(partial))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return made


def _write_parquet(path: Path, settings: Settings, parts: Iterator[bytes]) -> None:
    import pyarrow as pa

    from irgen.dataset.arrow import schema, write_parquet

    of = schema(settings)
    write_parquet(path, (pa.ipc.read_record_batch(_unpacked(part), of) for part in parts), of)


def _write_lines(path: Path, settings: Settings, parts: Iterator[bytes]) -> None:
    write_lines(path, settings.format, map(_unpacked, parts))


def write_lines(path: Path, format: Format, texts: Iterable[bytes | pa.Buffer]) -> None:
    """Write texts of whole lines as one file, packed where the format says so."""
    import pyarrow as pa

    with open(path, "wb") as file:
        out = pa.CompressedOutputStream(file, "zstd") if format == "jsonl.zst" else file
        with out:
            for text in texts:
                out.write(text)


_WRITERS: dict[Format, Callable[[Path, Settings, Iterator[bytes]], None]] = {
    "parquet": _write_parquet,
    "jsonl": _write_lines,
    "jsonl.zst": _write_lines,
}


def lines(rows: Sequence[Row]) -> bytes:
    """Rows as JSON, a line each."""
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def _unpacked(part: bytes) -> pa.Buffer:
    import pyarrow as pa

    size = int.from_bytes(part[:8], "little")
    return pa.Codec("zstd").decompress(memoryview(part)[8:], size)
