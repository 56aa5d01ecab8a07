"""The inside of a worker process: prepare, then one batch after another until the pool is gone."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import pickle
import resource
import signal
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from backends.base import BackendError
from irgen.errors import UserError
from irgen.pool.wire import Kind, receive, send

Work = Callable[[Sequence[Any]], Sequence[Any]]
Prepare = Callable[[], object]

_SET_PARENT_DEATH_SIGNAL = 1
_FIRST_TO_GO = "1000"
_GONE = 1


def main(commands: int, results: int, parent: int) -> NoReturn:
    """Serve the pool at the other ends of two pipes; `parent` is its process."""
    _settle(parent)
    try:
        _serve(commands, results)
    # Reported whole to the pool, which raises it there: only it can end the run.
    except Exception as error:
        with contextlib.suppress(BrokenPipeError):
            send(results, Kind.FAILED, pickle.dumps(_told(error)))
    os._exit(_GONE)


def _settle(parent: int) -> None:
    """Leave with the parent, leave Ctrl-C to it, and leave no core dumps."""
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(_GONE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Where memory runs out, the kernel takes a worker before the pool or anything else.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)


def _serve(commands: int, results: int) -> None:
    work: Work
    prepare: Prepare | None
    work, prepare = pickle.loads(receive(commands))
    if prepare is not None:
        prepare()
    send(results, Kind.READY)
    while True:
        try:
            batch = receive(commands)
        except EOFError:
            return
        try:
            send(results, Kind.DONE, _answer(work, pickle.loads(batch)))
        except MemoryError:
            send(results, Kind.EXHAUSTED)
            return


def _answer(work: Work, tasks: Sequence[Any]) -> bytes:
    found = list(work(tasks))
    if len(found) != len(tasks):
        raise ValueError(f"the work gave {len(found)} results for {len(tasks)} tasks")
    return pickle.dumps(found, protocol=pickle.HIGHEST_PROTOCOL)


def _told(error: Exception) -> tuple[str, Exception | None]:
    """An exception as text, and itself where it is meant for users."""
    known = isinstance(error, BackendError | UserError)
    return "".join(traceback.format_exception(error)), error if known else None
