"""Candidates kept in files while a plan is made: planning goes on where it was killed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import numpy as np

from irgen.dataset.manifest import write_whole
from irgen.dataset.planning.drawing import Candidates, read_candidates

CHUNK = 1 << 16
"""Candidates of a file: half a minute of drawing on one core."""

_HASH = 16


class Drawn:
    """The candidates that were drawn so far, in order, in files of a folder.

    `key` names what they belong to; files with another key, or damaged ones, end what is taken
    over. OSError passes through.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        self._key = key.encode()
        self._files = 0
        self._open: list[Candidates] = []
        self._count = 0
        while self._read(self._files) is not None:
            self._files += 1

    def add(self, candidates: Candidates) -> None:
        """Keep candidates behind all others."""
        self._open.append(candidates)
        self._count += len(candidates)
        if self._count >= CHUNK:
            data = b"".join([one.tobytes() for one in self._open])
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._path(self._files), self._head(data) + data)
            self._files += 1
            self._open, self._count = [], 0

    def __iter__(self) -> Iterator[Candidates]:
        """All candidates, a file at a time, then those that are in none yet."""
        for number in range(self._files):
            found = self._read(number)
            if found is None:
                raise OSError(0, "damaged since it was written", str(self._path(number)))
            yield found
        if self._open:
            yield np.concatenate(self._open)

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.bin"

    def _head(self, data: bytes) -> bytes:
        return blake2b(data, digest_size=_HASH, key=self._key).digest()

    def _read(self, number: int) -> Candidates | None:
        try:
            whole = self._path(number).read_bytes()
        except FileNotFoundError:
            return None
        data = whole[_HASH:]
        return read_candidates(data) if whole[:_HASH] == self._head(data) else None
