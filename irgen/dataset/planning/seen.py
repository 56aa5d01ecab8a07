"""A set of hashes for very many rows, at eight bytes each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]

_LONGEST = 1 << 24
"""Runs of this length are not merged any more, so a merge takes little memory beside them."""


def keys_of(digests: NDArray[np.void]) -> Keys:
    """The first 64 bits of digests of 16 bytes each."""
    return np.frombuffer(digests.tobytes(), "<u8")[::2]


class Seen:
    """The keys that were added, in sorted runs; a run at least doubles when it is merged.

    A key is the first 64 bits of a hash. Two programs that agree in these by chance count as the
    same: that may drop a program (one in 3,700 data sets of 100 million rows), and never lets a
    duplicate in.
    """

    def __init__(self) -> None:
        self._runs: list[Keys] = []
        self.count = 0

    def known(self, keys: Keys) -> NDArray[np.bool_]:
        """Which keys are in the set."""
        found = np.zeros(len(keys), np.bool_)
        for run in self._runs:
            at = np.searchsorted(run, keys)
            at[at == len(run)] = 0
            found |= run[at] == keys
        return found

    def add(self, keys: Keys) -> None:
        """Add keys, none of which is in the set or twice among them."""
        if not len(keys):
            return
        self.count += len(keys)
        merged = np.sort(keys)
        while self._runs and len(self._runs[-1]) < min(2 * len(merged), _LONGEST):
            # A stable sort of two sorted runs is a merge.
            merged = np.concatenate((self._runs.pop(), merged))
            merged.sort(kind="stable")
        self._runs.append(merged)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the keys take."""
        return sum(run.nbytes for run in self._runs)
