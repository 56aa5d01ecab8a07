"""Standard output whose reader may leave and whose disk may fill, and Ctrl-C between rows."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from irgen.errors import UserError


class ReaderGone(Exception):
    """Whoever read standard output closed it, as `head` does: nothing is left to do."""


@contextmanager
def writing(path: Path | None = None) -> Generator[None]:
    """Turns a failed write to the file, or to standard output, into UserError or ReaderGone."""
    try:
        yield
    except OSError as error:
        if path is None:
            discard_output()
            if isinstance(error, BrokenPipeError):
                raise ReaderGone from None
        raise UserError(f"cannot write {path or 'standard output'}: {error.strerror}") from None


def print_text(text: str) -> None:
    """Print text on standard output, all of it before returning."""
    with writing():
        sys.stdout.write(text)
        sys.stdout.flush()


def flush_output() -> None:
    """Write what is still buffered, while a failure can still be reported."""
    with writing():
        sys.stdout.flush()


def discard_output() -> None:
    """Send what is still buffered nowhere: the interpreter would fail on it again at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


class Interrupts:
    """While entered, Ctrl-C waits for the end of a `whole()` block; a second one does not wait."""

    def __init__(self) -> None:
        self._inside = False
        self._pending = False

    def __enter__(self) -> Interrupts:
        self._previous = signal.getsignal(signal.SIGINT)
        if self._previous is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._previous)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._inside and not self._pending:
            self._pending = True
            return
        raise KeyboardInterrupt

    @contextmanager
    def whole(self) -> Generator[None]:
        """A block that the first Ctrl-C does not cut: KeyboardInterrupt comes after it."""
        self._inside = True
        try:
            yield
        finally:
            self._inside = False
        if self._pending:
            raise KeyboardInterrupt
