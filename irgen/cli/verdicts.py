"""Verdicts in words: one line per execution."""

from __future__ import annotations

from collections.abc import Sequence

from backends.base import REASONS
from backends.registry import BACKENDS
from irgen.oracle import ENOUGH
from irgen.record import Record
from irgen.verdict import Compared, Outcome, Verdict

_SEVERITY: tuple[Outcome, ...] = ("mismatch", "failed", "not_comparable", "known_wrong")
_COUNTED = 4
"""So many limitations or reasons are named in a line."""


def verdict_lines(record: Record) -> list[tuple[str, Outcome]]:
    """The line of each verdict, and the outcome that decides its colour."""
    return [(verdict_line(verdict), worst_outcome(verdict)) for verdict in record.verdicts]


def worst_outcome(verdict: Verdict) -> Outcome:
    """The outcome of a verdict as a whole."""
    for outcome in _SEVERITY:
        if outcome in (verdict.forward, verdict.gradient):
            return outcome
    return verdict.forward


def verdict_line(verdict: Verdict) -> str:
    """What a verdict says, beginning with the execution."""
    outputs = [one for one in verdict.compared if one.role == "output"]
    gradients = [one for one in verdict.compared if one.role == "gradient"]
    if verdict.verified:
        parts = [f"verified: values {_share(outputs)} arrays"]
        if verdict.gradient == "none":
            parts.append(f"no gradients ({_why(verdict.gradient_reason, '')})")
        else:
            parts.append(f"gradients {_share(gradients)}")
        return f"{verdict.execution}: {', '.join([*parts, _largest(verdict.compared)])}"
    values = _side("values", verdict.forward, outputs, verdict)
    back = _side("gradient", verdict.gradient, gradients, verdict)
    return f"{verdict.execution}: {values}; {back}" if back else f"{verdict.execution}: {values}"


def _side(what: str, outcome: Outcome, arrays: Sequence[Compared], verdict: Verdict) -> str:
    """Values or gradients of a verdict that is not all verified; "" where there is no more to
    say."""
    match outcome:
        case "verified":
            return f"{what} verified {_share(arrays)}"
        case "mismatch":
            return f"{what} differ{'s' if what == 'gradient' else ''}: {_differing(arrays)}"
        case "known_wrong":
            return f"{what} known to be wrong: {_known(verdict)}"
        case "not_comparable":
            counted = sorted(verdict.reasons.items(), key=lambda item: -item[1])[:_COUNTED]
            words = ", ".join(f"{name} {count}" for name, count in counted)
            return f"{what} not comparable: {_vague(arrays)}{f' ({words})' if words else ''}"
        case "failed":
            if what == "gradient" and verdict.forward == "failed":
                return ""
            reason, detail = (
                (verdict.gradient_reason, verdict.gradient_detail)
                if what == "gradient"
                else (verdict.reason, verdict.detail)
            )
            return f"{what} failed: {_why(reason, detail)}"
        case "none":
            return f"no {what}: {_why(verdict.gradient_reason, '')}"


def _why(reason: str, detail: str) -> str:
    words = REASONS.get(reason, reason)
    return f"{words} ({detail})" if detail else words


def is_compared(array: Compared) -> bool:
    """Whether enough lanes of an array were compared and none differs."""
    return not array.mismatched and array.not_comparable <= (1 - ENOUGH) * array.lanes


def _share(arrays: Sequence[Compared]) -> str:
    return f"{sum(map(is_compared, arrays))}/{len(arrays)}"


def _largest(arrays: Sequence[Compared]) -> str:
    share = max((one.max_share for one in arrays), default=0.0)
    ulps = max((one.max_ulp for one in arrays), default=0.0)
    if not ulps:
        return "exact"
    return f"largest error {share:.2g} of its bound ({ulps:.2g} ulp)"


def _differing(arrays: Sequence[Compared]) -> str:
    words = [
        f"{one.role} {one.position} in {one.mismatched} of {one.lanes} lanes"
        + (f" by up to {one.max_ulp:.3g} ulp" if one.max_ulp else "")
        for one in arrays
        if one.mismatched
    ]
    return ", ".join(words)


def _vague(arrays: Sequence[Compared]) -> str:
    return ", ".join(
        [
            f"{one.role} {one.position} in {one.not_comparable} of {one.lanes} lanes"
            for one in arrays
            if not is_compared(one)
        ]
    )


def _known(verdict: Verdict) -> str:
    """The limitations, each with where it is written down."""
    known = BACKENDS[verdict.backend].known_limitations
    words = [
        f"{name}, {known[name].reference.split(', ')[0]}" if name in known else name
        for name in verdict.limitations[:_COUNTED]
    ]
    return "; ".join(words)
