"""A shard before it is whole: rows go to the end of one file, and a kill costs only the last.

A frame holds the counts and the encoded rows of one part. A part goes on where the one before it
ended, so what a journal holds is always the first rows of its shard.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from irgen.dataset.building.counts import Counts

_MAGIC = b"irgen journal 1\n"
_HEADER = struct.Struct("<IIII")
"""The first row of a part, the length of its counts, the length of its rows, and a CRC-32."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows in a row, encoded as `irgen.dataset.writing.encode` does, and their counts."""

    counts: Counts
    data: bytes


class Journal:
    """The journal of a shard, open for more; what is cut off or damaged at its end is dropped.

    `key` names what the rows belong to: a journal with another one is started anew. `counts` is of
    all rows that it holds. OSError passes through.
    """

    def __init__(self, path: Path, key: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        start = _MAGIC + key.encode()
        self.counts = Counts()
        end = 0
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        if self._file.read(len(start)) == start:
            end = len(start)
            for behind, part in _frames(self._file, end):
                end = behind
                self.counts.add(part.counts)
        self._file.seek(end)
        self._file.truncate()
        if not end:
            self._write(start)

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return self.counts.rows

    def append(self, part: Part) -> None:
        """Add a part; after an error the journal is as it was before."""
        counts = msgspec.msgpack.encode(part.counts)
        check = zlib.crc32(part.data, zlib.crc32(counts))
        header = _HEADER.pack(self.rows, len(counts), len(part.data), check)
        end = self._file.tell()
        try:
            self._write(header + counts + part.data)
        except OSError:
            self._file.seek(end)
            self._file.truncate()
            raise
        self.counts.add(part.counts)

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]

    def close(self) -> None:
        """Let the file go; the rows stay in it."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()


def parts(path: Path, key: str) -> Iterator[Part]:
    """The parts that a journal holds, one after another."""
    with open(path, "rb") as file:
        start = _MAGIC + key.encode()
        if file.read(len(start)) == start:
            for _, part in _frames(file, len(start)):
                yield part


def _frames(file: BinaryIO, start: int) -> Iterator[tuple[int, Part]]:
    """Whole parts from a position on, each with the position behind it."""
    size = os.fstat(file.fileno()).st_size
    rows = 0
    at = start
    while size - at >= _HEADER.size:
        file.seek(at)
        first, long, longer, check = _HEADER.unpack(file.read(_HEADER.size))
        at += _HEADER.size + long + longer
        if first != rows or at > size:
            return
        counts, data = file.read(long), file.read(longer)
        if zlib.crc32(data, zlib.crc32(counts)) != check:
            return
        part = Part(msgspec.msgpack.decode(counts, type=Counts), data)
        rows += part.counts.rows
        yield at, part
