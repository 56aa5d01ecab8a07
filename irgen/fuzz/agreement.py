"""Two backends on the same case: what one says of the other.

Where the reference is certain, a backend that differs from it is wrong, and the other one tells
how likely it is that the reference is. Where it is not certain, rounding may decide, differently in
each backend; so there only outputs count that no shaken run changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from irgen.fuzz.case import Case, Symptom
from irgen.fuzz.differences import firmly
from irgen.fuzz.setup import Setup
from irgen.fuzz.shaken import shaken
from irgen.fuzz.trial import Trial, begin

OTHER = {"warp": "jax", "jax": "warp"}

SAME = 2.0**-6
"""Shaken runs and the other backend agree within this share of a value."""

APART = 0.25
"""A backend departs from all of them by more than this share."""

_DECISIONS = frozenset(("comparison", "kink", "step"))
"""Reasons of uncertainty that shaking settles. Others let compilers reorder what overflows."""


def others(setup: Setup, cases: Sequence[Case]) -> list[Trial]:
    """The trials of the same cases on the other backend, the installed one."""
    return begin(Setup(OTHER[setup.backend], limitations=setup.limitations), cases)


def confirmed(trial: Trial, other: Trial, symptoms: Sequence[Symptom]) -> list[Symptom]:
    """The symptoms, told what the other backend gives there."""
    return [_confirmed(trial, other, one) for one in symptoms]


def _confirmed(trial: Trial, other: Trial, symptom: Symptom) -> Symptom:
    role = {"wrong_value": "outputs", "wrong_gradient": "gradients"}.get(symptom.kind)
    if role is None or symptom.way not in trial.runs:
        return symptom
    wanted = getattr(trial.expected(symptom.way), role)
    mine = getattr(trial.runs[symptom.way], role)
    theirs = getattr(other.runs[other.base], role)
    name = other.setup.backend
    if theirs is None:
        return symptom
    told = f"{name} agrees with the reference there"
    for value, a, b in zip(wanted, mine, theirs, strict=True):
        if value is None or a is None or b is None:
            continue
        wrong = firmly(value, np.asarray(a))[2]
        if (wrong & firmly(value, np.asarray(b))[2]).any():
            told = f"{name} differs from the reference there too"
    return msgspec.structs.replace(symptom, detail=f"{symptom.detail}; {told}")


@dataclass(frozen=True, slots=True)
class _Suspect:
    """An output, where nothing firm is known and the two backends are far apart."""

    position: int
    mine: NDArray[Any]
    theirs: NDArray[Any]
    where: NDArray[np.bool_]


def against(trial: Trial, other: Trial) -> list[Symptom]:
    """The symptom that outputs differ between backends where the reference is not certain, but
    rounding does not decide."""
    mine, theirs = trial.runs[trial.base].outputs, other.runs[other.base].outputs
    if mine is None or theirs is None:
        return []
    expected = trial.expected(trial.base), other.expected(other.base)
    if not all(_DECISIONS.issuperset(one.reasons) for one in expected):
        return []
    suspects: list[_Suspect] = []
    for at, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        unsure = _unsure(expected[0].outputs[at], a) & _unsure(expected[1].outputs[at], b)
        where = unsure & ~_near(a, b, APART)
        if where.any():
            suspects.append(_Suspect(at, np.asarray(a), np.asarray(b), where))
    if not suspects:
        return []
    runs = shaken(trial.case.program, trial.case.inputs)
    for one in suspects:
        samples = np.reshape(runs[one.position], (-1, *one.mine.shape))
        settled = _near(samples, samples[:1], SAME).all(0) & _near(one.theirs, samples[0], SAME)
        guilty = one.where & settled & ~_near(one.mine, samples[0], APART)
        if guilty.any():
            return [_symptom(trial, other, one, guilty)]
    return []


def _symptom(trial: Trial, other: Trial, one: _Suspect, guilty: NDArray[np.bool_]) -> Symptom:
    at = int(guilty.argmax())
    index = [int(i) for i in np.unravel_index(at, guilty.shape)]
    way = f"{trial.base} against {other.setup.backend} {other.base}"
    detail = (
        f"output {one.position} {index}: got {one.mine.flat[at]!s}, {other.setup.backend} gives"
        f" {one.theirs.flat[at]!s}; {int(guilty.sum())} of {guilty.size} elements differ"
    )
    return Symptom("wrong_value", "backends", "forward", way, detail)


def _unsure(wanted: Any, got: NDArray[Any]) -> NDArray[np.bool_]:
    """The elements of which the reference knows nothing, or too little."""
    value, bound, _ = firmly(wanted, np.asarray(got))
    if value.dtype.kind != "f":
        return ~np.isfinite(bound)
    with np.errstate(all="ignore"):
        return ~(bound <= SAME * np.abs(value))


def _near(a: NDArray[Any], b: NDArray[Any], share: float) -> NDArray[np.bool_]:
    """Where two arrays are within a share of the larger of two values; integers where equal."""
    if np.asarray(a).dtype.kind != "f":
        return np.equal(a, b)
    left, right = np.asarray(a, np.float64), np.asarray(b, np.float64)
    with np.errstate(all="ignore"):
        size = np.maximum(np.maximum(np.abs(left), np.abs(right)), 1e-3)
        near: NDArray[np.bool_] = (np.abs(left - right) <= share * size) | (left == right)
    return near
