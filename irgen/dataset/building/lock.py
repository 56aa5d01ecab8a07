"""One build on a folder at a time. The system lets a folder go with the process that held it."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from irgen.errors import UserError

_WITHOUT = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
"""What file systems answer that know no locks; there a user must take care."""


@contextmanager
def held(path: Path, what: Path, *, shared: bool = False) -> Generator[None]:
    """Keep a folder or file from other processes; with `shared`, from those that want it alone.

    UserError names `what` where another process has it. OSError passes through.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{what} is in use by another irgen build") from None
        except OSError as error:
            if error.errno not in _WITHOUT:
                raise
        yield
    finally:
        os.close(descriptor)
