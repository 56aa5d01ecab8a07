"""What each oracle says of a trial: the symptoms that it sees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from irgen.fuzz import cost
from irgen.fuzz.case import Direction, Symptom
from irgen.fuzz.differences import in_gradients, in_outputs
from irgen.fuzz.setup import ORACLES
from irgen.fuzz.trial import DEFAULT, Trial

FAILURES = frozenset(
    ("source_error", "compile_error", "execution_error", "crashed", "timed_out", "out_of_memory")
)
"""Reasons for no outputs or gradients that are symptoms, of the same names. Others say that there
is nothing to run, or that it is not run."""

_SLOW = frozenset(("eager", "forward_mode"))
"""Ways that may take far longer, or more memory, than compiled code in reverse."""


def wrong_values(trial: Trial, way: str, oracle: str) -> list[Symptom]:
    """The symptom that outputs differ from what they may be."""
    found = in_outputs(trial.expected(way), trial.runs[way])
    return [Symptom("wrong_value", oracle, "forward", way, str(found[0]))] if found else []


def wrong_gradients(trial: Trial, way: str, oracle: str) -> list[Symptom]:
    """The symptom that gradients differ; limitations of the program explain it where they count."""
    found = in_gradients(trial.expected(way), trial.runs[way])
    text = str(found[0]) if found else ""
    known = trial.excuse
    return [Symptom("wrong_gradient", oracle, "gradient", way, text, known)] if found else []


def failures(trial: Trial, way: str, oracle: str) -> list[Symptom]:
    """The symptoms that it does not compile, run or end."""
    run = trial.runs[way]
    found: list[Symptom] = []
    if _counts(run.reason, way):
        both = run.gradient_reason == run.reason
        direction = "" if both else "forward"
        found.append(Symptom(run.reason, oracle, direction, way, run.detail))
    if run.gradient_reason != run.reason and _counts(run.gradient_reason, way):
        found.append(Symptom(run.gradient_reason, oracle, "gradient", way, run.gradient_detail))
    return found


def _counts(reason: str, way: str) -> bool:
    return reason in FAILURES and not (way in _SLOW and reason in ("timed_out", "out_of_memory"))


def _values(trial: Trial) -> list[Symptom]:
    return wrong_values(trial, trial.base, "values")


def _gradients(trial: Trial) -> list[Symptom]:
    return wrong_gradients(trial, trial.base, "gradients")


def _failures(trial: Trial) -> list[Symptom]:
    return failures(trial, trial.base, "failures")


def _ways(oracle: str) -> Callable[[Trial], list[Symptom]]:
    """An oracle that judges more ways to run a program. What is wrong in the base way too is the
    business of others."""

    def judged(trial: Trial) -> list[Symptom]:
        base = {(one.kind, one.direction) for one in _at(trial, trial.base, oracle)}
        ways = ORACLES[oracle].ways[trial.setup.backend]
        found = [one for way in ways for one in _at(trial, way, oracle)]
        return [one for one in found if (one.kind, one.direction) not in base]

    return judged


def _at(trial: Trial, way: str, oracle: str) -> list[Symptom]:
    return [
        *wrong_values(trial, way, oracle),
        *wrong_gradients(trial, way, oracle),
        *failures(trial, way, oracle),
    ]


def _repeat(trial: Trial) -> list[Symptom]:
    """Whether a second run of the same code gives other bits, or another failure."""
    first, second = trial.runs[DEFAULT], trial.runs["again"]
    before, after = first.gradient_reason, second.gradient_reason
    return [
        *_other(
            "forward", _changed(first.outputs, second.outputs), first.reason, second.reason, ""
        ),
        *_other(
            "gradient", _changed(first.gradients, second.gradients), before, after, trial.excuse
        ),
    ]


def _other(
    direction: Direction, changed: str, before: str, after: str, known: str
) -> list[Symptom]:
    if not changed and before == after:
        return []
    detail = changed or f"{before or 'ok'}, then {after or 'ok'}"
    return [Symptom("nondeterministic", "repeat", direction, "again", detail, known)]


def _changed(first: Sequence[Any] | None, second: Sequence[Any] | None) -> str:
    """The first element that has other bits, in words; any two that are no numbers are alike."""
    for at, (a, b) in enumerate(zip(first or (), second or (), strict=False)):
        if a is None or b is None:
            continue
        left, right = np.ravel(a), np.ravel(b)
        same = left == right
        if left.dtype.kind == "f":
            same &= np.signbit(left) == np.signbit(right)
            same |= np.isnan(left) & np.isnan(right)
        if not same.all():
            place = int(same.argmin())
            return f"array {at} element {place}: {left[place]!s}, then {right[place]!s}"
    return ""


def _cost(trial: Trial) -> list[Symptom]:
    backend, program, found = trial.setup.backend, trial.case.program, trial.measured[DEFAULT]
    return [
        *cost.size_symptoms(backend, program, found[0]),
        *cost.time_symptoms(backend, program, found),
    ]


EACH: Mapping[str, Callable[[Trial], list[Symptom]]] = {
    "values": _values,
    "gradients": _gradients,
    "failures": _failures,
    "modes": _ways("modes"),
    "levels": _ways("levels"),
    "repeat": _repeat,
    "cost": _cost,
}
"""The oracles that need no more than a trial."""


def told(trial: Trial, names: Iterable[str]) -> list[Symptom]:
    """What these oracles say of a trial."""
    return [one for name in names if name in EACH for one in EACH[name](trial)]
