"""A pool that survives what it runs: an ordered map over tasks in worker processes.

A worker may crash, hang or run out of memory; the task that caused it becomes a `Lost`, and every
other result is what an undisturbed run gives.
"""

from irgen.pool.limits import Limits, Lost, WorkError
from irgen.pool.ordered import Session, run

__all__ = ["Limits", "Lost", "Session", "WorkError", "run"]
