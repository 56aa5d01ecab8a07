"""The map itself: tasks in, results out in the same order, and the guilty told from the others."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Generic, NoReturn, Self, TypeVar, assert_never

from irgen.pool.crew import Crew, Died, Done, Event, Failed, Job
from irgen.pool.limits import Limits, Lost, WorkError

Task = TypeVar("Task")
Result = TypeVar("Result")

_PARTS = 4
"""A batch that ended its process is split in so many: fewer processes die than by halves."""

_QUEUED = 2
"""Batches per worker that are handed out: one at work, one waiting."""

_AHEAD = 8
"""Batches per worker that may be finished before the first result of the oldest is taken."""


def run(
    work: Callable[[Sequence[Task]], Sequence[Result]],
    tasks: Iterable[Task],
    *,
    workers: int,
    limits: Limits | None = None,
    prepare: Callable[[], object] | None = None,
    loud: bool = False,
) -> Generator[Result | Lost]:
    """The result of each task, in order, as soon as it is known; `Lost` for one that has none.

    `work` takes a batch and returns as many results; `prepare` is called once in each worker,
    which does not count against a task's limit. Both travel by pickle, as tasks and results do, so
    they are importable by name. Batches grow from one task on, and tasks are taken only a bounded
    number ahead of the results.

    A batch whose process ends is split until the tasks that end one alone are known. Each of those
    is tried a second time, alone in a fresh process with ten times the limit on time, before it is
    lost. What workers print goes nowhere, or to stderr with `loud`.

    The processes live until the iterator ends or is closed, and never longer than this process.

    Raises:
        WorkError: the work or the preparation raised, or no worker starts.
        UserError, BackendError: as the work or the preparation raised them.
    """
    if workers < 1:
        raise ValueError(f"{workers} workers: at least one is needed")
    return _run(work, tasks, workers, limits or Limits(), prepare, loud)


def _run(
    work: Callable[[Sequence[Task]], Sequence[Result]],
    tasks: Iterable[Task],
    workers: int,
    limits: Limits,
    prepare: Callable[[], object] | None,
    loud: bool,
) -> Generator[Result | Lost]:
    crew = Crew(workers, pickle.dumps((work, prepare)), limits, loud=loud)
    try:
        course: _Course[Task, Result] = _Course(crew, iter(tasks), workers, 1, limits.batch)
        yield from course.results()
    finally:
        crew.stop()


class Session(Generic[Task, Result]):
    """Workers that stay for one list of tasks after another; a context manager.

    The parameters are those of `run`. Unlike there, all of a list is known at once, so batches are
    as large as shares alike allow.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Task]], Sequence[Result]],
        *,
        workers: int,
        limits: Limits | None = None,
        prepare: Callable[[], object] | None = None,
        loud: bool = False,
    ) -> None:
        if workers < 1:
            raise ValueError(f"{workers} workers: at least one is needed")
        self._workers = workers
        self._limits = limits or Limits()
        self._crew = Crew(workers, pickle.dumps((work, prepare)), self._limits, loud=loud)

    def map(self, tasks: Sequence[Task]) -> list[Result | Lost]:
        """The result of each task, in order; `Lost` for one that has none. What `run` raises ends
        the session too."""
        batch = min(self._limits.batch, max(1, -(-len(tasks) // self._workers)))
        course: _Course[Task, Result] = _Course(
            self._crew, iter(tasks), self._workers, batch, batch
        )
        return list(course.results())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._crew.stop()


@dataclass(slots=True)
class _Course(Generic[Task, Result]):
    """How far a run is: `taken` tasks of `source`, results `known` by position and not given yet.

    Batches grow from `smallest` to `largest` tasks; `batches` were made; `open` of them, or of
    their parts, are with the crew. `failed` is the failure that the run ends with, and the position
    where it does.
    """

    crew: Crew
    source: Iterator[Task]
    workers: int
    smallest: int
    largest: int
    taken: int = 0
    batches: int = 0
    open: int = 0
    exhausted: bool = False
    failed: tuple[int, Failed] | None = None
    known: dict[int, Result | Lost] = field(default_factory=dict[int, Result | Lost])

    def results(self) -> Iterator[Result | Lost]:
        given = 0
        while True:
            self._take(given)
            while given not in self.known:
                if self.failed is not None and given >= self.failed[0]:
                    _raise(self.failed[1])
                if given == self.taken:
                    return
                self._note(self.crew.events.get())
                self._take(given)
            yield self.known.pop(given)
            given += 1
            while not self.crew.events.empty():
                self._note(self.crew.events.get())

    def _take(self, given: int) -> None:
        """Hand out more batches, where there is room."""
        while (
            not self.exhausted
            and self.failed is None
            and self.open < _QUEUED * self.workers
            and self.taken - given < _AHEAD * self.workers * self.largest
        ):
            size = min(self.largest, self.smallest << min(self.batches // self.workers, 30))
            batch = tuple(islice(self.source, size))
            self.exhausted = len(batch) < size
            if batch:
                self.crew.submit(_job(self.taken, batch))
                self.taken += len(batch)
                self.batches += 1
                self.open += 1

    def _note(self, event: Event) -> None:
        self.open -= 1
        match event:
            case Done(job, payload):
                found: list[Result] = pickle.loads(payload)
                self.known.update(enumerate(found, job.start))
            case Died(job, lost):
                self._suspect(job, lost)
            case Failed(job):
                at = 0 if job is None else job.start
                if self.failed is None or at < self.failed[0]:
                    self.failed = at, event
            case _:
                assert_never(event)

    def _suspect(self, job: Job, lost: Lost) -> None:
        """Find out which tasks of a job end a process."""
        if job.alone:
            self.known[job.start] = lost
            return
        step = -(-len(job.tasks) // _PARTS)
        parts = [
            _job(job.start + at, job.tasks[at : at + step], alone=len(job.tasks) == 1)
            for at in range(0, len(job.tasks), step)
        ]
        self.crew.urge(*parts)
        self.open += len(parts)


def _job(start: int, tasks: tuple[Any, ...], *, alone: bool = False) -> Job:
    return Job(start, tasks, pickle.dumps(tasks, protocol=pickle.HIGHEST_PROTOCOL), alone)


def _raise(failed: Failed) -> NoReturn:
    if not failed.payload:
        raise WorkError(failed.message)
    message: str
    error: Exception | None
    message, error = pickle.loads(failed.payload)
    if error is None:
        raise WorkError(message)
    raise error from WorkError(message)
