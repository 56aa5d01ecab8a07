"""Jobs over a few fresh processes; results come in the order of the jobs, whoever did them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

J = TypeVar("J")
T = TypeVar("T")


def over(work: Callable[[J], T], jobs: Sequence[J], workers: int) -> Iterator[T]:
    """`work` on each job; in this process where there is one worker."""
    if workers == 1:
        yield from map(work, jobs)
        return
    # JAX starts threads, so a forked worker could hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(work, jobs)
