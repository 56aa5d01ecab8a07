"""The processes of a pool, watched by one thread: it starts, feeds, times, measures and ends them.

The thread also outlives every process: the kernel ends a worker with the thread that started it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from selectors import EVENT_READ, DefaultSelector
from threading import Thread
from typing import Any

from irgen.pool.limits import Limits, Lost
from irgen.pool.wire import Kind, Reader, send

_TICK = 0.05
"""Seconds between two looks at the memory of busy workers."""

_STARTS = 3
"""So many workers in a row may die before their first task."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Job:
    """Tasks from position `start` on, pickled in `payload`; `alone` is the second try of one."""

    start: int
    tasks: tuple[Any, ...]
    payload: bytes
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The pickled results of a job."""

    job: Job
    payload: bytes


@dataclass(frozen=True, slots=True)
class Died:
    """A job whose process did not survive it."""

    job: Job
    lost: Lost


@dataclass(frozen=True, slots=True)
class Failed:
    """An exception in a worker, pickled, or what kept the crew from working.

    `job` is None where there was none yet.
    """

    job: Job | None
    payload: bytes
    message: str = ""


Event = Done | Died | Failed


@dataclass(slots=True, eq=False)
class _Worker:
    """A process; its limit is for its job, or for its start while it is not `ready`."""

    process: subprocess.Popen[bytes]
    commands: int
    reader: Reader
    folder: tempfile.TemporaryDirectory[str]
    seconds: float
    deadline: float
    job: Job | None
    ready: bool = False
    done: int = 0
    ended: Lost | None = None


class Crew:
    """Up to `size` processes that run jobs; what becomes of a job is an event.

    `setup` is the pickled pair of work and preparation. Events come in any order. With `loud`,
    what workers print goes to stderr, else nowhere.
    """

    def __init__(self, size: int, setup: bytes, limits: Limits, *, loud: bool) -> None:
        self.events: SimpleQueue[Event] = SimpleQueue()
        self._size = size
        self._setup = setup
        self._limits = limits
        self._loud = loud
        self._pending: deque[Job] = deque()
        self._workers: list[_Worker] = []
        self._died_starting = 0
        self._stopping = False
        self._selector = DefaultSelector()
        self._bell_in, self._bell_out = os.pipe()
        os.set_blocking(self._bell_in, False)
        self._selector.register(self._bell_in, EVENT_READ)
        self._thread = Thread(target=self._watch, name="irgen-pool", daemon=True)
        self._thread.start()

    def submit(self, *jobs: Job) -> None:
        """Run jobs after all others that wait."""
        self._pending.extend(jobs)
        self._ring()

    def urge(self, *jobs: Job) -> None:
        """Run jobs before all others that wait."""
        self._pending.extendleft(reversed(jobs))
        self._ring()

    def stop(self) -> None:
        """End every process at once, whatever it does."""
        self._stopping = True
        self._ring()
        self._thread.join()
        os.close(self._bell_out)

    def _ring(self) -> None:
        os.write(self._bell_out, b"\0")

    def _watch(self) -> None:
        try:
            while not self._stopping:
                self._assign()
                busy = any(worker.job is not None for worker in self._workers)
                for key, _ in self._selector.select(_TICK if busy else None):
                    if isinstance(key.data, _Worker):
                        self._hear(key.data)
                    else:
                        _empty(self._bell_in)
                self._measure()
        finally:
            # Nothing waits for ever on a crew that is gone, for whatever reason.
            self.events.put(Failed(None, b"", "the crew has left"))
            for worker in list(self._workers):
                self._end(worker)
            self._selector.close()
            os.close(self._bell_in)

    def _assign(self) -> None:
        """Give waiting jobs to idle workers, and start as many as jobs need."""
        while self._pending:
            idle = [one for one in self._workers if one.ready and one.job is None]
            if not idle and len(self._workers) == self._size:
                return
            job = self._pending.popleft()
            worker = min(idle, key=lambda one: one.done, default=None)
            if worker is not None and job.alone and worker.done:
                self._end(worker)
                worker = None
            if worker is None:
                self._start(job)
            else:
                worker.job = job
                self._hand_over(worker)

    def _start(self, job: Job) -> None:
        """Start a process for a job."""
        command_in, command_out = os.pipe()
        result_in, result_out = os.pipe()
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; from irgen.pool.worker import main; "
            f"main({command_in}, {result_out}, {os.getpid()})"
        )
        folder = tempfile.TemporaryDirectory(prefix="irgen-", ignore_cleanup_errors=True)
        output = sys.__stderr__ if self._loud else subprocess.DEVNULL
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "TMPDIR": folder.name},
                pass_fds=(command_in, result_out),
                start_new_session=True,  # Ctrl-C is for the pool; what a worker starts ends with it
            )
        except OSError as error:
            self.events.put(Failed(job, b"", f"cannot start a worker: {error.strerror}"))
            os.close(command_out)
            os.close(result_in)
            folder.cleanup()
            return
        finally:
            os.close(command_in)
            os.close(result_out)
        seconds = self._limits.start
        deadline = time.monotonic() + seconds
        worker = _Worker(process, command_out, Reader(result_in), folder, seconds, deadline, job)
        self._workers.append(worker)
        self._selector.register(result_in, EVENT_READ, worker)
        self._tell(worker, self._setup)

    def _hand_over(self, worker: _Worker) -> None:
        """Send a worker its job."""
        assert worker.job is not None
        worker.seconds = (self._limits.patience if worker.job.alone else 1) * self._limits.seconds
        worker.deadline = time.monotonic() + worker.seconds
        self._tell(worker, worker.job.payload)

    def _tell(self, worker: _Worker, payload: bytes) -> None:
        # One that died just now is heard of through its other pipe.
        with contextlib.suppress(BrokenPipeError):
            send(worker.commands, Kind.BATCH, payload)

    def _hear(self, worker: _Worker) -> None:
        for kind, payload in worker.reader.frames():
            match kind:
                case Kind.READY:
                    worker.ready = True
                    self._died_starting = 0
                    self._hand_over(worker)
                case Kind.DONE:
                    self._finished(worker, payload)
                case Kind.FAILED:
                    self.events.put(Failed(worker.job, payload))
                    worker.job = None
                case Kind.EXHAUSTED:
                    worker.ended = Lost("out_of_memory", "MemoryError")
                case Kind.BATCH:
                    raise AssertionError("a worker sends no batches")
        if worker.reader.ended and worker in self._workers:
            self._bury(worker)

    def _finished(self, worker: _Worker, payload: bytes) -> None:
        assert worker.job is not None
        self.events.put(Done(worker.job, payload))
        worker.done += len(worker.job.tasks)
        worker.job = None
        limits = self._limits
        if worker.done >= limits.recycle or _resident(worker) > limits.memory // 2:
            self._end(worker)

    def _measure(self) -> None:
        """End workers that use too much time or memory."""
        now = time.monotonic()
        for worker in [one for one in self._workers if one.job is not None]:
            if _resident(worker) > self._limits.memory:
                worker.ended = Lost("out_of_memory", f"more than {_in_words(self._limits.memory)}")
                self._bury(worker)
            elif now > worker.deadline:
                worker.ended = Lost("timed_out", f"{worker.seconds:g} s")
                self._bury(worker)

    def _bury(self, worker: _Worker) -> None:
        """Say what became of the job of a worker that is dead, or is to be."""
        status = self._end(worker)
        job = worker.job
        if job is None:
            return
        lost = worker.ended or Lost("crashed", _cause(status))
        if worker.ready:
            self.events.put(Died(job, lost))
            return
        self._died_starting += 1
        if self._died_starting < _STARTS:
            self._pending.appendleft(job)
        else:
            message = f"workers end before their first task: {lost.reason}, {lost.detail}"
            self.events.put(Failed(job, b"", message))

    def _end(self, worker: _Worker) -> int:
        """End a process and forget it; its exit status."""
        self._workers.remove(worker)
        self._selector.unregister(worker.reader.descriptor)
        # Where it is dead already, this changes nothing about its status.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.process.pid, signal.SIGKILL)
        status = worker.process.wait()
        os.close(worker.commands)
        os.close(worker.reader.descriptor)
        worker.folder.cleanup()
        return status


def _empty(descriptor: int) -> None:
    with contextlib.suppress(BlockingIOError):
        while os.read(descriptor, 4096):
            pass


def _resident(worker: _Worker) -> int:
    """Bytes of memory that a worker holds; none once it is gone."""
    try:
        pages = Path(f"/proc/{worker.process.pid}/statm").read_bytes().split()[1]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(pages) * _PAGE


def _cause(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    known = {one.value: one.name for one in signal.Signals}
    return known.get(-status, f"signal {-status}")


def _in_words(size: int) -> str:
    return f"{size / 2**30:g} GiB" if size >= 2**30 else f"{size / 2**20:g} MiB"
