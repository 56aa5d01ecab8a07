"""What a task may use, and what is said of one that used more or took its process with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Limits:
    """What workers may use; no result depends on it, except through the tasks that are lost.

    `seconds` hold for one call of the work, whether on a batch or on a task alone; `memory` is
    resident bytes of a worker. `batch` is the largest number of tasks in a call. After `recycle`
    tasks, or past half of its memory, a worker is replaced. `start` is the time in seconds that a
    worker has to prepare itself. A task that is tried again, alone, has `patience` times `seconds`.
    """

    seconds: float = 20.0
    memory: int = 4 << 30
    batch: int = 32
    recycle: int = 20_000
    start: float = 300.0
    patience: int = 10


@dataclass(frozen=True, slots=True)
class Lost:
    """A task that ends the process which works on it, in a batch and again alone.

    `reason` is a key of `backends.base.REASONS`; `detail` names the signal, the exit status or the
    limit.
    """

    reason: Literal["crashed", "timed_out", "out_of_memory"]
    detail: str


class WorkError(Exception):
    """The work itself raised, or the workers cannot start; the message holds the traceback."""
