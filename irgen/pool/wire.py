"""Frames between the pool and its workers, over pipes."""

from __future__ import annotations

import os
import struct
from enum import IntEnum

_HEADER = struct.Struct("<BQ")
_PIECE = 1 << 20


class Kind(IntEnum):
    """What a frame says. `BATCH` goes to a worker, the others come from one."""

    BATCH = 0
    READY = 1
    DONE = 2
    FAILED = 3
    EXHAUSTED = 4


def send(descriptor: int, kind: Kind, payload: bytes = b"") -> None:
    """Write one frame, all of it. BrokenPipeError where nobody reads any more."""
    frame = memoryview(_HEADER.pack(kind, len(payload)) + payload)
    while frame:
        frame = frame[os.write(descriptor, frame) :]


def receive(descriptor: int) -> bytes:
    """Wait for one frame and return its payload. EOFError where the other side is gone."""
    _, size = _HEADER.unpack(_exactly(descriptor, _HEADER.size))
    return _exactly(descriptor, size)


def _exactly(descriptor: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = os.read(descriptor, min(_PIECE, size - len(data)))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


class Reader:
    """Frames from a pipe, without ever waiting: a writer may die in the middle of one."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.ended = False
        self._data = bytearray()

    def frames(self) -> list[tuple[Kind, bytes]]:
        """The frames that are complete by now; `ended` tells that no more can come."""
        while not self.ended:
            try:
                piece = os.read(self.descriptor, _PIECE)
            except BlockingIOError:
                break
            self.ended = not piece
            self._data += piece
        found: list[tuple[Kind, bytes]] = []
        at = 0
        while len(self._data) >= at + _HEADER.size:
            kind, size = _HEADER.unpack_from(self._data, at)
            end = at + _HEADER.size + size
            if len(self._data) < end:
                break
            found.append((Kind(kind), bytes(self._data[at + _HEADER.size : end])))
            at = end
        del self._data[:at]
        return found
