"""What arrays should be, and by how much they may differ before that is no rounding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammar.bounds.bounded import Bounded
from grammar.bounds.known import Known
from grammar.gradient import gradient
from grammar.reference import output_types, shape_of
from irgen import oracle
from irgen.fuzz.agreement import APART, SAME
from irgen.fuzz.case import Case, Symptom
from irgen.fuzz.differences import FIRM, FIRM_LOOSE
from irgen.fuzz.scene import Place, Role
from irgen.fuzz.shaken import shaken
from irgen.fuzz.trial import precision_of
from irgen.oracle import LOOSE, LOOSE_NORM, SMALLEST
from irgen.verdict import Verdict

Allowed = tuple[NDArray[Any], NDArray[Any]]
"""The values of an array, and by how much each may differ: infinite where nothing is known."""


def wanted(
    backend: str, case: Case, symptom: Symptom, way: str, verdicts: Sequence[Verdict]
) -> dict[Place, Allowed]:
    """The arrays that a symptom is of, by place. `verdicts` tell which are wrong: all of them count
    where these do not."""
    program = case.program
    role: Role = "gradient" if symptom.kind == "wrong_gradient" else "output"
    back = gradient(program) if role == "gradient" else None
    precision = precision_of(backend, way)
    expected = oracle.expect(program, back, case.inputs, case.cotangents, precision)
    arrays = expected.outputs if role == "output" else expected.gradients
    wrong = {
        one.position
        for verdict in verdicts
        for one in verdict.compared
        if one.role == role and one.mismatched
    }
    shapes = _shapes(case, role)
    found: dict[Place, Allowed] = {
        (role, at): _allowed(array, shapes[at])
        for at, array in enumerate(arrays)
        if array is not None and (not wrong or at in wrong)
    }
    return _settled(case, found) if symptom.oracle == "backends" else found


def _settled(case: Case, found: dict[Place, Allowed]) -> dict[Place, Allowed]:
    """The same, where nothing is known of an element but that no rounding changes it much: then it
    should not be far from what the program gives."""
    runs = shaken(case.program, case.inputs)
    settled: dict[Place, Allowed] = {}
    for (role, at), (value, bound) in found.items():
        if role == "gradient" or value.dtype.kind != "f":
            settled[role, at] = value, bound
            continue
        samples = np.reshape(runs[at], (-1, *value.shape)).astype(np.float64)
        first = samples[0]
        size = np.maximum(np.abs(samples).max(0), 1e-3)
        firm = (np.abs(samples - first) <= SAME * size).all(0) & ~np.isfinite(bound)
        near = np.where(firm, APART * size, bound)
        settled[role, at] = np.where(firm, first, value), near
    return settled


def _shapes(case: Case, role: str) -> list[tuple[int, ...]]:
    entry = case.program.entry
    if role == "gradient":
        return [shape_of(value.type) for value in entry.parameters]
    return [shape_of(type_) for type_ in output_types(entry)]


def _allowed(wanted: Any, shape: tuple[int, ...]) -> Allowed:
    """Values, and by how much they may differ: far enough that another library which rounds
    otherwise does not count."""
    if not isinstance(wanted, Bounded):
        known = isinstance(wanted, Known)
        certain = _shaped(wanted.ok if known else np.True_, shape)
        return _shaped(wanted.v if known else wanted, shape), np.where(certain, 0.0, np.inf)
    value, bound = _shaped(wanted.v, shape), _shaped(wanted.bound, shape)
    size, finite = np.abs(value), np.isfinite(bound)
    norm = max(SMALLEST, float(np.max(size, where=finite, initial=0.0)))
    tight = bound <= np.maximum(LOOSE * size, LOOSE_NORM * norm)
    return value, np.where(tight, FIRM, FIRM_LOOSE) * bound


def _shaped(array: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    same = np.size(array) == int(np.prod(shape))
    return np.broadcast_to(np.reshape(array, shape) if same else array, shape)
