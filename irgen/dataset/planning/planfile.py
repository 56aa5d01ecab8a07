"""The file of a plan: a row per program, a row group per shard, and what the planning came to."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from irgen.dataset import layout
from irgen.dataset.extras import need
from irgen.dataset.manifest import Drawing
from irgen.dataset.planning.drawing import CANDIDATE, Candidates, Recipe
from irgen.dataset.planning.drawn import Drawn
from irgen.dataset.planning.sifting import Fates, Point
from irgen.errors import UserError
from irgen.record import record_id

_KEY = b"irgen"


class Summary(msgspec.Struct, frozen=True):
    """What a planning came to.

    `settings` is their digest. `rows` are by split and `families` by grammar. `passed` candidates
    were not drawn, as their families were full. `structures` are different ones among the rows, and
    `saturation` says how these grew with the rows. `heldout_pairs` are the pairs of ops of the
    split "heldout_ops".
    """

    settings: str
    drawing: Drawing
    passed: int
    rows: dict[str, int]
    families: dict[str, int]
    structures: int
    saturation: list[Point]
    heldout_pairs: list[tuple[str, str]]


def _schema() -> Any:
    pa = need("pyarrow")
    types = {
        "number": pa.int64(),
        "split": pa.string(),
        "shard": pa.int32(),
        "grammar": pa.string(),
        "index": pa.int64(),
        "id": pa.string(),
        "exact_hash": pa.string(),
        "structure_hash": pa.string(),
        "statements": pa.int32(),
    }
    return pa.schema([pa.field(name, type_, nullable=False) for name, type_ in types.items()])


def write_plan(
    path: Path,
    summary: Summary,
    recipe: Recipe,
    kept: Drawn,
    fates: Sequence[Fates],
    shard_size: int,
) -> None:
    """Write the file whole or not at all, split by split in the order of candidates."""
    pa, pq = need("pyarrow"), need("pyarrow.parquet")
    schema = _schema().with_metadata({_KEY: msgspec.json.encode(summary)})
    partial = layout.partial(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    all_fates = np.concatenate(fates)
    with open(partial, "wb") as file:
        with pq.ParquetWriter(
            file,
            schema,
            compression="zstd",
            compression_level=3,
            use_dictionary=["split", "grammar", "shard"],
            write_page_checksum=True,
        ) as writer:
            for split in summary.rows:
                chosen = _chosen(kept, all_fates, 1 + layout.SPLITS.index(split))
                for shard, rows in enumerate(_cut(chosen, shard_size)):
                    columns = _columns(recipe, rows, split, shard)
                    writer.write_table(
                        pa.table(columns, schema=schema), row_group_size=max(1, len(rows))
                    )
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _chosen(kept: Drawn, fates: Fates, fate: int) -> Iterator[Candidates]:
    at = 0
    for candidates in kept:
        known = fates[at : at + len(candidates)]
        at += len(candidates)
        yield candidates[: len(known)][known == fate]


def _cut(parts: Iterator[Candidates], size: int) -> Iterator[Candidates]:
    """The same rows, `size` at a time."""
    held = np.zeros(0, CANDIDATE)
    for part in parts:
        held = np.concatenate((held, part))
        while len(held) >= size:
            yield held[:size]
            held = held[size:]
    if len(held):
        yield held


def _columns(recipe: Recipe, rows: Candidates, split: str, shard: int) -> dict[str, Any]:
    numbers: list[int] = rows["number"].tolist()
    addresses = [recipe.address(number) for number in numbers]
    return {
        "number": numbers,
        "split": [split] * len(rows),
        "shard": [shard] * len(rows),
        "grammar": [grammar.name for grammar, _ in addresses],
        "index": [index for _, index in addresses],
        "id": [record_id(grammar, recipe.seed, index) for grammar, index in addresses],
        "exact_hash": [digest.hex() for digest in rows["exact"].tolist()],
        "structure_hash": [digest.hex() for digest in rows["structure"].tolist()],
        "statements": rows["size"],
    }


@contextmanager
def reading(path: Path) -> Generator[Any]:
    """The file of a plan, open as a `pyarrow.parquet.ParquetFile`.

    UserError where it is missing or damaged.
    """
    pa, pq = need("pyarrow"), need("pyarrow.parquet")
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as table:
            yield table
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run the same irgen build again") from None
    except (pa.ArrowException, OSError) as error:
        words = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read: {words}: remove it and build again") from None


def read_summary(path: Path) -> Summary:
    """What the planning came to; UserError where the file is missing, damaged or none of ours."""
    with reading(path) as table:
        names: list[str] = table.schema_arrow.names
        metadata: dict[bytes, bytes] = table.schema_arrow.metadata or {}
        rows: int = table.metadata.num_rows
    try:
        summary = msgspec.json.decode(metadata.get(_KEY, b""), type=Summary)
    except msgspec.DecodeError:
        raise UserError(f"{path} is no plan: remove it and build again") from None
    if names != _schema().names or rows != sum(summary.rows.values()):
        raise UserError(f"{path} is no plan: remove it and build again")
    return summary
