"""The oracle: what a program means, with bounds, against what came back, lane by lane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backends.base import Execution, Limitation
from grammar.bounds.bounded import Bounded
from grammar.bounds.domain import Bounds
from grammar.bounds.known import Known
from grammar.bounds.precision import Precision
from grammar.gradient import Gradient
from grammar.interpret import run
from grammar.passes.effects import written
from grammar.passes.kernels import to_kernels
from grammar.program import Program, Unit, statements
from grammar.types import Scalar, Type, scalar_of
from irgen.vectors import Arrays, Optionals, output_types
from irgen.verdict import Compared, Outcome, Verdict

LOOSE = 1e-2
"""A bound wider than this share of the value says too little to reject a lane by."""

LOOSE_NORM = 1e-3
"""But one below this share of the array's largest value, or of `SMALLEST`, says enough."""

SMALLEST = 1e-2
"""An array whose values are all closer to zero counts as this large."""

CLOSE = {"f64": 2.0**-30, "f32": 2.0**-10, "f16": 2.0**-6, "bf16": 2.0**-4}
"""Without a bound that says enough, a float lane still agrees when it is this close to the
reference, relative to the value or to a tenth of the array's largest."""

ENOUGH = 0.9
"""The share of an array's lanes that must be compared."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a backend may give: a value with bounds per output, and per gradient (None where a
    parameter carries none). `reasons` counts the lanes at which certainty ended."""

    outputs: tuple[Any, ...]
    gradients: tuple[Any, ...]
    reasons: dict[str, int]


def expect(
    program: Program,
    gradient: Gradient | None,
    inputs: Arrays,
    cotangents: Optionals,
    precision: Precision,
) -> Expected:
    """Run a program and its gradient on values with bounds.

    `gradient` is None where there is nothing to differentiate.
    """
    if not precision.ordered and to_kernels(program) is not program:
        precision = _unordered(precision)
    domain = _domain(precision, wide(program))
    domain.reasons.clear()
    outputs = run(program, inputs, domain)
    entry = program.entry
    gradients: list[Any] = [None] * len(entry.parameters)
    if gradient is not None:
        given = [*inputs, *[cotangent for cotangent in cotangents if cotangent is not None]]
        found = run(gradient.program, given, domain, gradient.replayed)
        places = carrying(entry)
        for at, value in zip(places, found, strict=True):
            gradients[at] = value
    return Expected(tuple(outputs), tuple(gradients), dict(domain.reasons))


@cache
def _unordered(precision: Precision) -> Precision:
    """The precision of kernels that stand for array-level ops: another order of a reduction rounds
    otherwise, so nothing is exact."""
    return replace(precision, exact=frozenset[str]())


@cache
def _domain(precision: Precision, wide: type[np.floating[Any]]) -> Bounds:
    """One domain per way to round: compiled programs and the rules of ops are kept with it."""
    return Bounds(precision, wide)


def wide(program: Program) -> type[np.floating[Any]]:
    """The type in which reference values are computed: more digits than any in the program."""
    types = [value.type for value in program.entry.parameters]
    types += [value.type for statement in statements(program) for value in statement.results]
    return np.longdouble if any(scalar_of(type_).bits == 64 for type_ in types) else np.float64


def carrying(unit: Unit) -> tuple[int, ...]:
    """The positions of the parameters that carry a gradient."""
    effects = written(unit) if unit.kind == "kernel" else {}
    return tuple(
        [
            at
            for at, value in enumerate(unit.parameters)
            if scalar_of(value.type).kind == "float" and effects.get(at) != "out"
        ]
    )


def differentiable(program: Program) -> bool:
    """Whether a float goes in and a float comes out."""
    entry = program.entry
    comes_out = any(scalar_of(type_).kind == "float" for type_ in output_types(entry))
    return comes_out and bool(carrying(entry))


def judge(
    program: Program,
    backend: str,
    expected: Expected,
    got: Execution,
    limitations: Sequence[Limitation] = (),
) -> Verdict:
    """Compare what came back with what may come back."""
    entry = program.entry
    compared: list[Compared] = []
    forward: Outcome = "failed"
    gradient: Outcome = "failed"
    if got.outputs is not None:
        found = [
            compare("output", at, value, array, type_)
            for at, (value, array, type_) in enumerate(
                zip(expected.outputs, got.outputs, output_types(entry), strict=True)
            )
        ]
        forward = _outcome(found)
        compared += found
    if got.gradients is not None:
        found = [
            compare("gradient", at, value, array, parameter.type)
            for at, (value, array, parameter) in enumerate(
                zip(expected.gradients, got.gradients, entry.parameters, strict=True)
            )
            if value is not None and array is not None
        ]
        gradient = _outcome(found)
        if gradient == "mismatch" and limitations:
            gradient = "known_wrong"
        compared += found
    elif got.gradient_reason in ("no_float_inputs", "no_float_outputs"):
        gradient = "none"
    elif got.gradient_reason == "unending_adjoint":
        gradient = "known_wrong"
    return Verdict(
        backend=backend,
        execution=got.name,
        forward=forward,
        gradient=gradient,
        compared=compared,
        reasons=expected.reasons,
        limitations=[limitation.name for limitation in limitations],
        reason=got.reason,
        detail=got.detail,
        gradient_reason=got.gradient_reason,
        gradient_detail=got.gradient_detail,
        source_hash=got.source_hash,
    )


def _outcome(found: Sequence[Compared]) -> Outcome:
    if not found:
        return "none"
    if any(one.mismatched for one in found):
        return "mismatch"
    if any(one.not_comparable > (1 - ENOUGH) * one.lanes for one in found):
        return "not_comparable"
    return "verified"


def compare(role: Any, position: int, expected: Any, got: NDArray[Any], type_: Type) -> Compared:
    """Judge one array. Integers and truth values agree exactly or not at all."""
    scalar = scalar_of(type_)
    if isinstance(expected, Bounded):
        return _floats(role, position, expected, got, scalar)
    known = expected.v if isinstance(expected, Known) else expected
    certain = expected.ok if isinstance(expected, Known) else np.ones(np.shape(known), np.bool_)
    known, certain, got = _aligned(known, certain, got)
    equal: NDArray[np.bool_] = known == got
    wrong = certain & ~equal
    return _summary(
        role,
        position,
        certain,
        exact=int((certain & equal).sum()),
        close=0,
        wrong=wrong,
        ulps=np.zeros(certain.shape),
        share=wrong.astype(np.float64),
    )


def _aligned(*arrays: Any) -> tuple[NDArray[Any], ...]:
    """The arrays in the shape of the last; one without an axis for a single element gains it."""
    shape = np.shape(arrays[-1])
    return tuple(
        [
            np.broadcast_to(np.reshape(a, shape) if np.size(a) == int(np.prod(shape)) else a, shape)
            for a in arrays
        ]
    )


def _floats(
    role: Any, position: int, expected: Bounded, got: NDArray[Any], scalar: Scalar
) -> Compared:
    v, e, got = _aligned(expected.v, expected.bound, got)
    with np.errstate(all="ignore"):
        held = got.astype(v.dtype)
        error = np.where((held == v) | (np.isnan(held) & np.isnan(v)), 0, np.abs(held - v))
        size = np.abs(v)
        finite = np.isfinite(e)
        norm = max(SMALLEST, float(np.max(size, where=finite, initial=0.0)))
        tight = finite & (e <= np.maximum(LOOSE * size, LOOSE_NORM * norm))
        within = error <= e  # false for NaN
        wrong = finite & ~within
        near = error <= CLOSE[scalar.name] * np.maximum(size, norm / 10)
        close = ~tight & ~wrong & near
        certain = tight | wrong | close
        # The spacing of the type at the value; that of its normal numbers at zero.
        spacing = np.exp2(np.floor(np.log2(np.maximum(size, _tiny(scalar)))) + 1 - scalar.digits)
        ulps = np.where(certain, error / spacing, 0)
        share = np.where(e > 0, error / e, np.where(error > 0, np.inf, 0))
        share = np.where(tight | wrong, share, 0)
    return _summary(
        role,
        position,
        certain,
        exact=int((tight & within & (ulps <= 0.5)).sum()),
        close=int(close.sum()),
        wrong=wrong,
        ulps=ulps,
        share=share,
    )


def _tiny(scalar: Scalar) -> float:
    """The smallest normal number."""
    return 2.0 ** (-14 if scalar.name == "f16" else -1022 if scalar.bits == 64 else -126)


def _summary(
    role: Any,
    position: int,
    certain: NDArray[np.bool_],
    *,
    exact: int,
    close: int,
    wrong: NDArray[np.bool_],
    ulps: NDArray[Any],
    share: NDArray[Any],
) -> Compared:
    lanes, compared, mismatched = certain.size, int(certain.sum()), int(wrong.sum())
    worst = int(np.nan_to_num(share, nan=np.inf).argmax())
    return Compared(
        role=role,
        position=position,
        lanes=lanes,
        exact=exact,
        within=compared - mismatched - exact - close,
        close=close,
        mismatched=mismatched,
        not_comparable=lanes - compared,
        max_ulp=_number(ulps.max()),
        max_share=_number(share.max()),
        worst=[int(i) for i in np.unravel_index(worst, certain.shape)],
    )


def _number(value: Any) -> float:
    """A float that JSON holds: three digits, at most 1e300."""
    found = float(value)
    return 1e300 if not found < 1e300 else float(f"{found:.3g}")
