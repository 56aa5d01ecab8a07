"""Work for pools under test: tasks that compute, and tasks that end their process."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from backends.base import BackendError

PREPARED: list[float] = []


class Task(NamedTuple):
    """A number to work on and what else happens; `place` is a file some fates leave marks in."""

    number: int
    fate: str = ""
    place: str = ""


def work(tasks: Sequence[Task]) -> list[tuple[int, str]]:
    """What `answer` gives for each task, after its fate."""
    found: list[tuple[int, str]] = []
    for task in tasks:
        if task.fate:
            FATES[task.fate](task)
        found.append(answer(task))
    return found


def answer(task: Task) -> tuple[int, str]:
    """The result of a task that is left in peace."""
    return task.number**2, f"{task.number:x}"


def read_null(task: Task) -> None:
    ctypes.string_at(0)


def signalled(number: int) -> Callable[[Task], None]:
    return lambda task: os.kill(os.getpid(), number)


def hang(task: Task) -> None:
    time.sleep(3600)


def hang_in_native_code(task: Task) -> None:
    """Sleep with the interpreter locked, deaf to everything but SIGKILL."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
    ctypes.PyDLL(None).sleep(3600)


def hang_once(task: Task) -> None:
    """Take longer than the usual limit, but not ten times as long; mark every try."""
    with Path(task.place).open("a") as file:
        file.write("x")
    time.sleep(0.7)


def crash_once(task: Task) -> None:
    if not Path(task.place).exists():
        Path(task.place).touch()
        os.abort()


def eat(task: Task) -> None:
    """Fill memory for ever, in steps that are quick to fill."""
    eaten: list[bytearray] = []
    while True:
        eaten.append(bytearray(b"\1") * (1 << 24))


def claim(task: Task) -> None:
    """Ask for more memory than any machine has."""
    bytearray(1 << 60)


def leave(task: Task) -> None:
    os._exit(7)


def leave_properly(task: Task) -> None:
    sys.exit(0)


def fail(task: Task) -> None:
    raise ZeroDivisionError(f"task {task.number}")


def refuse(task: Task) -> None:
    raise BackendError("this machine has no such device")


def shout(task: Task) -> None:
    """Print through the interpreter and past it."""
    print("printed by a worker")
    sys.stdout.flush()
    os.write(1, b"written by a worker\n")
    os.write(2, b"complained by a worker\n")


def die_sending(task: Task) -> None:
    """Be killed when half of the result is on its way."""
    whole = os.write

    def half(descriptor: int, data: memoryview) -> int:
        whole(descriptor, data[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    os.write = half


FATES: dict[str, Callable[[Task], None]] = {
    "SIGSEGV": read_null,
    "SIGFPE": signalled(signal.SIGFPE),
    "SIGABRT": lambda task: os.abort(),
    "SIGKILL": signalled(signal.SIGKILL),
    "SIGTERM": signalled(signal.SIGTERM),
    "hang": hang,
    "hang_in_native_code": hang_in_native_code,
    "hang_once": hang_once,
    "crash_once": crash_once,
    "eat": eat,
    "claim": claim,
    "leave": leave,
    "leave_properly": leave_properly,
    "fail": fail,
    "refuse": refuse,
    "shout": shout,
}


def process(tasks: Sequence[Task]) -> list[int]:
    """The process that each task ran in."""
    return [os.getpid()] * len(tasks)


def batch_sizes(tasks: Sequence[Task]) -> list[int]:
    return [len(tasks)] * len(tasks)


def one_short(tasks: Sequence[Task]) -> list[int]:
    return [0] * (len(tasks) - 1)


def unpicklable(tasks: Sequence[Task]) -> list[Callable[[], None]]:
    return [lambda: None for _ in tasks]


def large(tasks: Sequence[Task]) -> list[bytes]:
    """Results of a mebibyte; a fated task is killed while they are on their way."""
    for task in tasks:
        if task.fate:
            die_sending(task)
    return [bytes(1 << 20)] * len(tasks)


def burn(tasks: Sequence[int]) -> list[int]:
    """20 ms of computing for each task."""
    for _ in tasks:
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass
    return list(tasks)


def settings(tasks: Sequence[Task]) -> list[tuple[bool, bool, bool, int]]:
    """Whether Ctrl-C is ignored, faults are explained, warp or jax are loaded; preparations."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    loaded = "warp" in sys.modules or "jax" in sys.modules
    return [(ignored, faulthandler.is_enabled(), loaded, len(PREPARED))] * len(tasks)


def prepare() -> None:
    """Take longer than a task may, once in each process."""
    time.sleep(0.6)
    PREPARED.append(time.monotonic())


def prepare_badly() -> None:
    raise LookupError("nothing to prepare with")


def prepare_to_die() -> None:
    os.abort()


def remember_fault() -> None:
    raise BackendError("install the backend first")
