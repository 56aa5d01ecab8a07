"""What is counted of rows while they are made: outcomes, what is missing, rows that were lost."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from irgen.record import Record
from irgen.verdict import Outcome, Verdict, forward_verified, gradient_verified

_ORDER: tuple[Outcome, ...] = (
    "mismatch",
    "known_wrong",
    "verified",
    "none",
    "not_comparable",
    "failed",
)
"""Where executions of a row differ, the first of these that occurs is its outcome."""

_DIRECTIONS = ("forward", "gradient")


class Counts(msgspec.Struct):
    """Counts of rows. `verified` are rows that every backend verifies, values and gradients; the
    others are those of `irgen.dataset.manifest.Manifest`."""

    rows: int = 0
    verified: int = 0
    outcomes: dict[str, dict[str, dict[str, int]]] = {}
    missing: dict[str, dict[str, int]] = {}
    lost: dict[str, int] = {}

    def add(self, other: Counts) -> None:
        """Count what another one has counted too."""
        self.rows += other.rows
        self.verified += other.verified
        for backend, ways in other.outcomes.items():
            own = self.outcomes.setdefault(backend, {})
            for way, found in ways.items():
                _add(own.setdefault(way, {}), found)
        for backend, found in other.missing.items():
            _add(self.missing.setdefault(backend, {}), found)
        _add(self.lost, other.lost)

    def count(self, records: Sequence[Record], lost: str = "") -> None:
        """Count a row, made of a record of each backend; `lost` is why it was, if it was."""
        self.rows += 1
        judged = [record.verdicts for record in records]
        self.verified += all(judged) and all(
            forward_verified(found) and gradient_verified(found) for found in judged
        )
        for record in records:
            backend = record.sources[0].backend
            if record.verdicts:
                own = self.outcomes.setdefault(backend, {})
                for way in _DIRECTIONS:
                    _add(own.setdefault(way, {}), {outcome(record.verdicts, way): 1})
            for artifact in record.artifacts:
                if artifact.status != "ok":
                    _add(self.missing.setdefault(backend, {}), {artifact.reason: 1})
        if lost:
            _add(self.lost, {lost: 1})


def outcome(verdicts: Sequence[Verdict], way: str) -> Outcome:
    """The outcome of a row that was executed, for "forward" or "gradient"."""
    found = {getattr(verdict, way) for verdict in verdicts}
    return next(one for one in _ORDER if one in found)


def _add(counted: dict[str, int], more: dict[str, int]) -> None:
    for key, number in more.items():
        counted[key] = counted.get(key, 0) + number
