"""Data sets as Arrow tables and Parquet files, always written the same way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from irgen.dataset.columns import Kind, Row, columns
from irgen.dataset.settings import Settings

ROW_GROUP = 500
"""Rows of a row group: what a reader must take at once."""

_COMPRESSION = "zstd"
_LEVEL = 3


def _struct(**fields: pa.DataType) -> pa.DataType:
    return pa.struct([pa.field(name, kind) for name, kind in fields.items()])


_VECTOR = _struct(dtype=pa.string(), shape=pa.list_(pa.int64()), data=pa.string())

_COMPARED = _struct(
    role=pa.string(),
    position=pa.int32(),
    lanes=pa.int64(),
    exact=pa.int64(),
    within=pa.int64(),
    close=pa.int64(),
    mismatched=pa.int64(),
    not_comparable=pa.int64(),
    max_ulp=pa.float64(),
    max_share=pa.float64(),
    worst=pa.list_(pa.int64()),
)

_VERDICT = _struct(
    backend=pa.string(),
    execution=pa.string(),
    forward=pa.string(),
    gradient=pa.string(),
    compared=pa.list_(_COMPARED),
    reasons=pa.list_(_struct(name=pa.string(), lanes=pa.int64())),
    limitations=pa.list_(pa.string()),
    reason=pa.string(),
    detail=pa.string(),
    gradient_reason=pa.string(),
    gradient_detail=pa.string(),
    source_hash=pa.string(),
)

_ARTIFACT = _struct(
    unit=pa.string(),
    level=pa.string(),
    direction=pa.string(),
    status=pa.string(),
    reason=pa.string(),
    detail=pa.string(),
    characters=pa.int64(),
)

TYPES: Mapping[Kind, pa.DataType] = {
    "text": pa.string(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "flag": pa.bool_(),
    "texts": pa.list_(pa.string()),
    "integers": pa.list_(pa.int64()),
    "style": _struct(salt=pa.int32(), idiom=pa.int32(), naming=pa.int32(), inlining=pa.int32()),
    "versions": pa.list_(_struct(name=pa.string(), version=pa.string())),
    "vectors": pa.list_(_VECTOR),
    "artifacts": pa.list_(_ARTIFACT),
    "cost": pa.list_(_struct(direction=pa.string(), quantity=pa.string(), value=pa.float64())),
    "verdicts": pa.list_(_VERDICT),
}
"""The Arrow type of each kind of column."""


def schema(settings: Settings, names: Sequence[str] | None = None) -> pa.Schema:
    """The schema of the rows of a data set, of all columns or those named."""
    return pa.schema(
        [
            pa.field(column.name, TYPES[column.kind], nullable=not column.required)
            for column in columns(settings)
            if names is None or column.name in names
        ]
    )


def batch_of(rows: Sequence[Row], of: pa.Schema) -> pa.RecordBatch:
    """Rows as one record batch."""
    return pa.RecordBatch.from_pylist(list(rows), schema=of)


def write_parquet(path: Path, batches: Iterator[pa.RecordBatch], of: pa.Schema) -> None:
    """Write batches as one Parquet file, in row groups of `ROW_GROUP` whatever the batches are.

    The file at `path` is not whole until this returns. OSError passes through.
    """
    writer = pq.ParquetWriter(
        path,
        of,
        compression=_COMPRESSION,
        compression_level=_LEVEL,
        write_page_index=True,
        write_page_checksum=True,
        use_dictionary=True,
    )
    with writer:
        held: list[pa.RecordBatch] = []
        count = 0
        for batch in batches:
            held.append(batch)
            count += batch.num_rows
            while count >= ROW_GROUP:
                table = pa.Table.from_batches(held, of)
                _write_group(writer, table.slice(0, ROW_GROUP))
                rest = table.slice(ROW_GROUP)
                held, count = rest.to_batches(), rest.num_rows
        if count:
            _write_group(writer, pa.Table.from_batches(held, of))


def _write_group(writer: pq.ParquetWriter, rows: pa.Table) -> None:
    # The writer ends pages where chunks end: with one chunk, bytes do not depend on the batches.
    writer.write_table(rows.combine_chunks(), row_group_size=ROW_GROUP)
