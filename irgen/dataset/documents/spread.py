"""How numbers are spread, in memory that does not grow with how many there are."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

_STEPS = 64
"""Buckets per doubling: a percentile is at most one part in 64 too low."""

_OCTAVES = 64


class Spread(msgspec.Struct, frozen=True):
    """Of `count` numbers: their sum, least and greatest, and percentiles.

    Percentiles are exact below 128 and up to 1.6% too low above it.
    """

    count: int = 0
    sum: int = 0
    least: int = 0
    p10: int = 0
    p50: int = 0
    p90: int = 0
    p99: int = 0
    greatest: int = 0

    @property
    def mean(self) -> float:
        """The arithmetic mean; 0 of nothing."""
        return self.sum / self.count if self.count else 0.0


class Spreading:
    """Collects integers of at least 0."""

    def __init__(self) -> None:
        self._buckets = np.zeros(_OCTAVES * _STEPS, np.int64)
        self._count = self._sum = self._greatest = 0
        self._least: int | None = None

    def add(self, numbers: NDArray[Any]) -> None:
        """Count these numbers too."""
        if not len(numbers):
            return
        whole = numbers.astype(np.int64)
        # The exponent is 0 as long as a number is its own bucket.
        exponent = np.maximum(np.frexp(whole.astype(np.float64))[1].astype(np.int64) - 7, 0)
        bucket = exponent * _STEPS + (whole >> exponent)
        self._buckets += np.bincount(bucket, minlength=len(self._buckets))
        self._count += len(whole)
        self._sum += int(whole.sum())
        least = int(whole.min())
        self._least = least if self._least is None else min(self._least, least)
        self._greatest = max(self._greatest, int(whole.max()))

    def spread(self) -> Spread:
        """What was collected."""
        if self._least is None:
            return Spread()
        return Spread(
            count=self._count,
            sum=self._sum,
            least=self._least,
            p10=self._percentile(10),
            p50=self._percentile(50),
            p90=self._percentile(90),
            p99=self._percentile(99),
            greatest=self._greatest,
        )

    def _percentile(self, share: int) -> int:
        """The number that so many percent of all are not above: that of the nearest rank."""
        rank = -(-share * self._count // 100)
        bucket = int(np.searchsorted(np.cumsum(self._buckets), rank))
        exponent = max(bucket // _STEPS - 1, 0)
        number = (bucket - exponent * _STEPS) << exponent
        return min(max(number, self._least or 0), self._greatest)
