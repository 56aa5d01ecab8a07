"""Files of others read for what is in them: rows of ours by structure hash, all else as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from irgen.dataset.extras import need
from irgen.dataset.reading import open_lines
from irgen.errors import UserError

TEXT_COLUMNS = ("python", "code", "text", "prompt", "completion")
"""Columns whose strings are compared, and so is each that ends in "_python"."""

_STRUCTURE = "structure_hash"
_STRUCTURE_BYTES = 16
_BATCH = 256


class Text(NamedTuple):
    """A text to compare with."""

    text: str


def read_foreign(path: Path) -> Iterator[Text | bytes]:
    """What a file has to compare with: a structure hash (16 bytes) for each row that has one, all
    its texts for each other.

    By its name, a file holds rows (.parquet, .jsonl, .jsonl.zst, .json with a list or one object)
    or is one text (.py, .txt, .md). UserError where it cannot be read, or no row has a column to
    compare.
    """
    if path.suffix in (".py", ".txt", ".md"):
        yield Text(_decoded(path, _bytes(path)))
        return
    count = useful = 0
    for row in _rows(path):
        found = list(_of_row(row))
        count += 1
        useful += bool(found)
        yield from found
    if count and not useful:
        columns = ", ".join((_STRUCTURE, *TEXT_COLUMNS))
        raise UserError(f"{path} has nothing to compare with: no row has text in any of {columns}")


def _of_row(row: Mapping[str, Any]) -> Iterator[Text | bytes]:
    structure = row.get(_STRUCTURE)
    if isinstance(structure, str):
        try:
            known = bytes.fromhex(structure)
        except ValueError:
            known = b""
        if len(known) == _STRUCTURE_BYTES:
            yield known
            return
    for name, value in row.items():
        if _is_text(name) and isinstance(value, str):
            yield Text(value)


def _is_text(name: str) -> bool:
    return name in TEXT_COLUMNS or name.endswith("_python")


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    if path.suffix == ".parquet":
        return _parquet_rows(path)
    if path.name.endswith((".jsonl", ".jsonl.zst")):
        return _line_rows(path)
    if path.suffix == ".json":
        return _json_rows(path)
    raise UserError(
        f"{path} is of no kind that can be compared with: .parquet, .jsonl, .jsonl.zst, .json, "
        ".py, .txt or .md"
    )


def _parquet_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    pa, pq = need("pyarrow"), need("pyarrow.parquet")
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as table:
            names: list[str] = table.schema_arrow.names
            wanted = [name for name in names if name == _STRUCTURE or _is_text(name)]
            for batch in table.iter_batches(_BATCH, columns=wanted):
                yield from batch.to_pylist() if wanted else [{}] * batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"cannot read {path}: {' '.join(str(error).split())}") from None


def _line_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    number = 0
    try:
        with open_lines(path) as lines:
            for line in lines:
                number += 1
                if line.strip():
                    yield msgspec.json.decode(line, type=dict[str, Any])
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise UserError(f"{path}, line {number}: {error}") from None


def _json_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        found = msgspec.json.decode(_bytes(path), type=list[dict[str, Any]] | dict[str, Any])
    except (msgspec.DecodeError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    yield from [found] if isinstance(found, dict) else found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def _decoded(path: Path, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text: {error}") from None
