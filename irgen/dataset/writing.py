"""A shard written whole, in the format of its data set."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from irgen.dataset import layout
from irgen.dataset.columns import Row
from irgen.dataset.manifest import File, sha256
from irgen.dataset.settings import Settings

_BATCH = 250


def write_shard(
    folder: Path, settings: Settings, name: str, split: str, rows: Iterable[Row]
) -> File:
    """Write rows as the shard `name` of a data set, whole or not at all. OSError passes through."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = layout.partial(path)
    count = _write(partial, settings, rows)
    with open(partial, "rb+") as written:
        os.fsync(written.fileno())
    made = File(name, split, count, partial.stat().st_size, sha256(partial))
    partial.replace(path)
    return made


def _write(path: Path, settings: Settings, rows: Iterable[Row]) -> int:
    """Write rows to a file, whatever its name; the number of them."""
    import pyarrow as pa

    from irgen.dataset.arrow import batch_of, schema, write_parquet

    count = 0

    def counted() -> Iterator[list[Row]]:
        nonlocal count
        remaining = iter(rows)
        while found := list(islice(remaining, _BATCH)):
            count += len(found)
            yield found

    if settings.format == "parquet":
        of = schema(settings)
        write_parquet(path, (batch_of(found, of) for found in counted()), of)
        return count
    with open(path, "wb") as file:
        out = pa.CompressedOutputStream(file, "zstd") if settings.format == "jsonl.zst" else file
        with out:
            for found in counted():
                out.write(b"".join(msgspec.json.encode(row) + b"\n" for row in found))
    return count
