"""Verdicts: what the oracle says of one way to run a program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

Outcome = Literal["verified", "mismatch", "known_wrong", "not_comparable", "failed", "none"]

OUTCOMES: dict[Outcome, str] = {
    "verified": "every array compared on enough of its lanes, and none differs",
    "mismatch": "a lane differs by more than rounding can explain",
    "known_wrong": "a gradient differs where the backend is known to get it wrong",
    "not_comparable": "too few lanes of an array could be compared; the reasons say why",
    "failed": "it did not run; the reason says why",
    "none": "there is nothing to compare: no float goes in or none comes out",
}
"""What a verdict may say of values or of gradients."""


class Compared(msgspec.Struct, frozen=True):
    """One array, lane by lane; a lane is an element.

    `role` is "output" or "gradient", `position` that of the output or parameter. `exact` lanes
    equal the rounded reference, `within` differ by no more than the bound, `close` ones agree with
    the reference although their bound is too wide, or missing, to reject anything. `max_ulp` is the
    largest error in units in the last place and `max_share` the largest as a share of its bound,
    over compared lanes. `worst` is the index of the lane with the largest share.
    """

    role: Literal["output", "gradient"]
    position: int
    lanes: int
    exact: int
    within: int
    close: int
    mismatched: int
    not_comparable: int
    max_ulp: float
    max_share: float
    worst: list[int]


class Verdict(msgspec.Struct, frozen=True):
    """The outcome for values (`forward`) and for gradients (`gradient`) of one execution.

    `reasons` counts, by reason, the lanes of intermediate values at which certainty ended.
    `limitations` are names of the backend's `Limitation`s that the program runs into. `reason` and
    `detail` say why an outcome is "failed", `gradient_reason` likewise. `source_hash` is that of
    the recorded text that ran.
    """

    backend: str
    execution: str
    forward: Outcome
    gradient: Outcome
    compared: list[Compared] = []
    reasons: dict[str, int] = {}
    limitations: list[str] = []
    reason: str = ""
    detail: str = ""
    gradient_reason: str = ""
    gradient_detail: str = ""
    source_hash: str = ""

    @property
    def verified(self) -> bool:
        """Values and gradients agree, or there are none to differ."""
        return self.forward == "verified" and self.gradient in ("verified", "none")


def forward_verified(verdicts: Sequence[Verdict]) -> bool:
    """Whether an execution has verified the values, and none contradicts."""
    found = {verdict.forward for verdict in verdicts}
    return "verified" in found and "mismatch" not in found


def gradient_verified(verdicts: Sequence[Verdict]) -> bool:
    """Whether an execution has verified the gradients, or there are none, and none contradicts."""
    found = {verdict.gradient for verdict in verdicts}
    return bool(found & {"verified", "none"}) and not found & {"mismatch", "known_wrong"}


def lost(backend: str, execution: str, reason: str, detail: str) -> Verdict:
    """The verdict of an execution that ended its process."""
    return Verdict(
        backend=backend,
        execution=execution,
        forward="failed",
        gradient="failed",
        reason=reason,
        detail=detail,
        gradient_reason=reason,
        gradient_detail=detail,
    )
