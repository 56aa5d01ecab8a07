"""A connection: the worker of a target, fed one request at a time, replaced when it dies.

What ends a worker is told as the pool of processes tells it: a crash names the signal, a time-out
the limit. A request is tried again, alone in a fresh worker and with more time, before it is
blamed.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from types import TracebackType
from typing import Any

from numpy.typing import NDArray

from backends.base import BackendError
from irgen.pool.limits import Lost, WorkError
from irgen.targets import worker
from irgen.targets.target import Target

START = 300.0
"""Seconds that a worker has to import its backend."""

RECYCLED = 1000
"""Requests after which a worker is replaced: what the backend keeps of every source adds up."""

_TICK = 0.05
"""Seconds between two looks at the memory of the worker."""

_PAGE = os.sysconf("SC_PAGE_SIZE")

_LAST_WORDS = re.compile(
    r"(?:Check failed: |LLVM ERROR: |Assertion |terminate called |Fatal Python error: ).*"
)
_TRACEBACK = "Traceback (most recent call last)"
_UNSTABLE = re.compile(r"0x[0-9a-fA-F]+|/\S*/")
_DETAIL = 300


@dataclass(frozen=True, slots=True)
class Request:
    """The header and arrays of a request; its fields are in `docs/targets-protocol.md`."""

    header: dict[str, Any]
    arrays: tuple[NDArray[Any], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """The header and arrays of a reply."""

    header: dict[str, Any]
    arrays: tuple[NDArray[Any], ...]


@dataclass(frozen=True, slots=True)
class Hello:
    """What a worker says of itself: versions by distribution, and what each way to run a program
    sets (in `warp.config`, or as `compiler_options` of JAX)."""

    backend: str
    versions: dict[str, str]
    ways: dict[str, dict[str, Any]]


class Connection:
    """A context manager over at most one worker process, which is started when first needed.

    A request may take `seconds`, tried again alone `patience` times that; `memory` is the resident
    bytes that the worker may hold.
    """

    def __init__(
        self,
        target: Target,
        seconds: float = 20.0,
        memory: int = 4 << 30,
        patience: float = 10.0,
    ) -> None:
        self.target = target
        self._seconds = seconds
        self._memory = memory
        self._patience = patience
        self.worker: Worker | None = None
        self._hello: Hello | None = None

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker."""
        if self.worker is not None:
            self.worker.end()
            self.worker = None

    @property
    def hello(self) -> Hello:
        """What the worker says of itself; BackendError where it cannot run anything."""
        if self._hello is None:
            self._start()
        assert self._hello is not None
        return self._hello

    def run(self, requests: Sequence[Request]) -> list[Reply | Lost]:
        """The reply to each request, or what became of the worker that it killed, twice.

        Raises:
            BackendError: the worker does not start, or cannot use its backend.
            WorkError: the worker itself raised.
        """
        return [self._run(request) for request in requests]

    def _run(self, request: Request) -> Reply | Lost:
        first = self._try(request, self._seconds)
        if isinstance(first, Reply):
            return first
        return self._try(request, self._seconds * self._patience)

    def _try(self, request: Request, seconds: float) -> Reply | Lost:
        if self.worker is None:
            self._start()
        assert self.worker is not None
        header = {"kind": "run", **request.header}
        frame = worker.pack(header, request.arrays)
        try:
            found = self.worker.exchange(frame, seconds, self._memory)
        except WorkError:
            self.close()
            raise
        done = self.worker.served >= RECYCLED or self.worker.resident() > self._memory // 2
        if isinstance(found, Lost) or done:
            self.close()
        return found

    def _start(self) -> None:
        self.worker = Worker(self.target)
        try:
            first = self.worker.exchange(b"", START, self._memory)
        except WorkError as error:
            problem = str(error).splitlines()[-1]
        else:
            if isinstance(first, Reply) and not first.header["problem"]:
                header = first.header
                self._hello = Hello(header["backend"], header["versions"], header["ways"])
                return
            lost = isinstance(first, Lost)
            problem = f"{first.reason}, {first.detail}" if lost else first.header["problem"]
        self.close()
        raise BackendError(f"{self.target.name} cannot be used: {problem}")


class Worker:
    """A process, its pipes, its temporary folder, and the file that holds what it prints."""

    def __init__(self, target: Target) -> None:
        self.served = 0
        self._name = target.name
        self._folder = tempfile.TemporaryDirectory(
            prefix="irgen-target-", ignore_cleanup_errors=True
        )
        self.folder = Path(self._folder.name)
        self._said = os.open(self.folder / "said", os.O_RDWR | os.O_CREAT | os.O_APPEND)
        script = Path(worker.__file__)
        command = [target.python, "-I", str(script), target.backend, str(os.getpid())]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env={**os.environ, "TMPDIR": self._folder.name},
                start_new_session=True,  # Ctrl-C is for irgen; what the worker starts ends with it
                bufsize=0,
            )
        except OSError as error:
            os.close(self._said)
            self._folder.cleanup()
            raise BackendError(
                f"{target.name}: cannot start {target.python}: {error.strerror}"
            ) from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to = self._process.stdin.fileno()
        self._from = self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)

    def exchange(self, frame: bytes, seconds: float, memory: int) -> Reply | Lost:
        """Send a frame and wait for the next one; what ended the worker if there is none."""
        self.served += 1
        deadline = time.monotonic() + seconds
        left = memoryview(frame)
        heard = bytearray()
        with DefaultSelector() as selector:
            selector.register(self._from, EVENT_READ)
            if left:
                selector.register(self._to, EVENT_WRITE)
            while (reply := _reply(heard)) is None:
                now = time.monotonic()
                if now > deadline:
                    return Lost("timed_out", f"{seconds:g} s")
                if self.resident() > memory:
                    return Lost("out_of_memory", f"more than {memory / 2**30:g} GiB")
                for key, _ in selector.select(min(_TICK, deadline - now)):
                    if key.fd == self._to:
                        left = left[self._write(left) :]
                        if not left:
                            selector.unregister(self._to)
                    elif not self._read(heard):
                        return Lost("crashed", self._cause())
        return reply

    def _write(self, data: memoryview) -> int:
        try:
            return os.write(self._to, data)
        except BrokenPipeError:
            return len(data)  # it died; the other pipe tells

    def _read(self, heard: bytearray) -> bool:
        """Whether the worker is still there."""
        piece = os.read(self._from, 1 << 20)
        heard += piece
        return bool(piece)

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def resident(self) -> int:
        """Bytes of memory that the process holds; none once it is gone."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_bytes().split()[1]
        except (FileNotFoundError, ProcessLookupError, IndexError):
            return 0
        return int(pages) * _PAGE

    def _cause(self) -> str:
        """How the process ended: the signal, and the last words of the code that gave up."""
        status = self._process.wait()
        heard = self._heard()
        if _TRACEBACK in heard:
            raise WorkError(f"the worker of {self._name} raised:\n{heard.strip()}")
        names = {-one.value: one.name for one in signal.Signals}
        name = names.get(status, f"exit status {status}" if status >= 0 else f"signal {-status}")
        words = _LAST_WORDS.search(heard)
        return f"{name}: {_UNSTABLE.sub('', words.group())}"[:_DETAIL] if words else name

    def _heard(self) -> str:
        return os.pread(self._said, 1 << 20, 0).decode("utf-8", errors="replace")

    def end(self) -> None:
        """End the process and remove what it left."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # Where it is dead already, there is nothing to kill.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        os.close(self._said)
        self._folder.cleanup()


def _reply(heard: bytearray) -> Reply | None:
    """The frame that has arrived, None while it is not complete."""
    size = worker.HEAD.size
    if len(heard) < size:
        return None
    text, body = worker.sizes(bytes(heard[:size]))
    if len(heard) < size + text + body:
        return None
    header, arrays = worker.unpack(
        bytes(heard[size : size + text]), bytes(heard[size + text : size + text + body])
    )
    return Reply(header, tuple(arrays))
