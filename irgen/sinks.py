"""Sinks: where rows go. A row is written whole or not at all."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from types import TracebackType


class LineSink:
    """Writes whole lines to a file descriptor; what a failed write left of a line is cut off.

    OSError passes through: a full disk, a closed pipe.
    """

    def __init__(self, descriptor: int, *, owned: bool) -> None:
        self._descriptor = descriptor
        self._owned = owned

    def write(self, line: bytes) -> None:
        """Write one line, its newline included."""
        done = 0
        try:
            while done < len(line):
                done += os.write(self._descriptor, line[done:])
        except OSError:
            if done and self._owned and stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                start = os.lseek(self._descriptor, -done, os.SEEK_CUR)
                os.ftruncate(self._descriptor, start)
            raise

    def __enter__(self) -> LineSink:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._owned:
            os.close(self._descriptor)


def open_output(path: Path | None) -> LineSink:
    """A sink over a new or emptied file, or over standard output where `path` is None."""
    if path is None:
        sys.stdout.flush()
        return LineSink(sys.stdout.fileno(), owned=False)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    return LineSink(os.open(path, flags, 0o666), owned=True)
