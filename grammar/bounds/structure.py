"""Choice, sums and rearrangement of values with error bounds and of partly known integers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from grammar.bounds.bounded import Bounded, add, exactly
from grammar.bounds.format import Format
from grammar.bounds.known import Known, known, parts
from grammar.bounds.precision import Precision
from grammar.special import stack_arrays
from grammar.types import Scalar

_count = np.count_nonzero
_where: Any = np.where


class _Weak(Format):
    """The format of values chosen among Python numbers, whose type is not known yet."""

    def literal(self, value: float) -> tuple[Any, Any]:
        wide = np.array(value)
        return wide, wide


@lru_cache(maxsize=1)
def _weak() -> Format:
    scalar = Scalar("f64", "float", 64, "float64", 0)
    made = _Weak(scalar, Precision(), np.float64, adjoint=False, reasons={}, rules={})
    made.unit = made.units_add = made.units_mul = made.zero
    return made


def select(condition: Any, a: Any, b: Any) -> Any:
    """`a` where the condition holds, else `b`; where it is not known, what covers both."""
    if isinstance(a, Bounded) or isinstance(b, Bounded):
        return _select_bounded(condition, a, b)
    if isinstance(condition, Known) and not _integral(a, b):
        weak = _weak()
        return _select_bounded(condition, exactly(a, weak), exactly(b, weak))
    if not (isinstance(condition, Known) or isinstance(a, Known) or isinstance(b, Known)):
        return _where(condition, a, b)
    c, c_ok = parts(condition)
    (av, a_ok), (bv, b_ok) = parts(a), parts(b)
    v = _where(c, av, bv)
    if a_ok is True and b_ok is True:
        return known(v, c_ok | np.equal(av, bv))
    ok = _where(c, a_ok, b_ok)
    if c_ok is not True:
        ok = (c_ok & ok) | (a_ok & b_ok & np.equal(av, bv))
    return known(v, ok)


def _integral(*operands: Any) -> bool:
    """Whether the operands are integers or truth values, and not all Python's."""
    return any(
        isinstance(x, (Known, int, np.ndarray, np.generic))
        and np.asarray(_value(x)).dtype.kind in "biu"
        for x in operands
    )


def _value(x: Any) -> Any:
    return x.v if isinstance(x, Known) else x


def _select_bounded(condition: Any, a: Any, b: Any) -> Bounded:
    if not isinstance(a, Bounded):
        a = exactly(a, b.format)
    elif not isinstance(b, Bounded):
        b = exactly(b, a.format)
    format = a.format
    if isinstance(condition, Known):
        c, unsure = condition.v, ~condition.ok
    else:
        c, unsure = condition, None
    v = _where(c, a.v, b.v)
    if a.e is None and b.e is None:
        if unsure is None:
            return Bounded(v, None, True, format)
        e = np.zeros(v.shape, v.dtype)
    else:
        e = _where(c, format.zero if a.e is None else a.e, format.zero if b.e is None else b.e)
        if e.shape != v.shape:
            e = np.broadcast_to(e, v.shape)
    if unsure is not None:
        middle, half = cover(a, b)
        v, e = _where(unsure, middle, v), _where(unsure, half, e)
    return Bounded(v, e, a.mixed or b.mixed, format)


def cover(a: Bounded, b: Bounded) -> tuple[Any, Any]:
    """Middle and half the width of the intervals that cover both operands; a point stays one."""
    ea, eb = a.e, b.e
    low = np.minimum(a.v if ea is None else a.v - ea, b.v if eb is None else b.v - eb)
    high = np.maximum(a.v if ea is None else a.v + ea, b.v if eb is None else b.v + eb)
    middle = low + high
    middle *= a.format.half
    half = high - middle
    half *= a.format.wider
    ok = half < np.inf
    if _count(ok) != ok.size:
        middle, half = _where(ok, middle, a.v), _where(ok, half, np.inf)
    return middle, half


def stack(operands: Sequence[Any], axis: int) -> Bounded:
    """The parts along a new axis."""
    format = next(part.format for part in operands if isinstance(part, Bounded))
    made = [x if isinstance(x, Bounded) else exactly(x, format) for x in operands]
    v = stack_arrays(tuple(x.v for x in made), axis)
    if all(x.e is None for x in made):
        return Bounded(v, None, True, format)
    e = stack_arrays(tuple(format.zero if x.e is None else x.e for x in made), axis, v.shape)
    return Bounded(v, e, any(x.mixed for x in made), format)


def total(a: Bounded, axes: int) -> Bounded:
    """The sum over trailing axes, in any order."""
    format, v, e = a.format, a.v, a.e
    over = -1 if axes == 1 else tuple(range(-axes, 0))
    count = prod(v.shape[-axes:])
    if axes == 1 and count <= 2:
        return a[..., 0] if count == 1 else add(np.add, a[..., 0], a[..., 1])
    size = np.add.reduce(np.abs(v), axis=over)
    spread = format.zero if e is None else np.add.reduce(e, axis=over)
    return summed(np.add.reduce(v, axis=over), spread, size, count - 1, format)


def summed(v: Any, spread: Any, size: Any, additions: Any, format: Format) -> Bounded:
    """The bound of a sum of terms: `spread` sums their bounds, `size` their magnitudes."""
    bound = size + spread
    ok = bound < format.huge
    bound *= additions * format.units_add
    bound += spread
    if format.flush:
        bound += additions * format.tiny
    if _count(ok) != ok.size:
        format.note("overflow", ~ok & np.isfinite(spread))
        bound = _where(ok, bound, np.inf)
    return Bounded(v, bound, False, format)


def matmul(a: Any, b: Any) -> Bounded:
    """The product of trailing matrices."""
    if not isinstance(a, Bounded):
        a = exactly(a, b.format)
    elif not isinstance(b, Bounded):
        b = exactly(b, a.format)
    format, count = a.format, a.v.shape[-1]
    size_a, size_b = np.abs(a.v), np.abs(b.v)
    size = np.matmul(size_a, size_b)
    if a.e is None and b.e is None:
        most, spread = size, format.zero
    else:
        most = np.matmul(
            size_a if a.e is None else size_a + a.e, size_b if b.e is None else size_b + b.e
        )
        spread = most - size
    ok = most < format.huge
    bound = most * (format.units_mul + (count - 1) * format.units_add) + spread
    bound += count * format.tiny
    if _count(ok) != ok.size:
        format.note("overflow", ~ok & np.isfinite(most))
        bound = _where(ok, bound, np.inf)
    return Bounded(np.matmul(a.v, b.v), bound, False, format)


def extreme(a: Bounded, largest: bool) -> Bounded:
    """The largest, or smallest, along the last axis."""
    reduce = (np.maximum if largest else np.minimum).reduce
    v = reduce(a.v, axis=-1)
    if a.e is None:
        ok = v == v
        e = None if _count(ok) == ok.size else _where(ok, 0.0, np.inf)
        return Bounded(v, e, True, a.format)
    gap = np.abs(v[..., None] - a.v)
    e = np.maximum(np.maximum.reduce(a.e - gap, axis=-1), np.minimum.reduce(a.e + gap, axis=-1))
    ok = e < np.inf
    if _count(ok) != ok.size:
        e = _where(ok, e, np.inf)
    return Bounded(v, e, True, a.format)


def arg_extreme(a: Bounded, largest: bool) -> Any:
    """The first place of the largest, or smallest; certain where no other comes near. In a gradient
    equal ones leave the place open."""
    place = (np.argmax if largest else np.argmin)(a.v, axis=-1)
    made = np.asarray(place, np.int32)
    adjoint = a.format.adjoint
    if a.e is None and not adjoint:
        return known(made, ~np.isnan(a.v).any(axis=-1))
    every = np.logical_and.reduce
    e = a.bound
    at: Any = np.expand_dims(place, -1)
    best: Any = np.take_along_axis(a.v, at, -1)
    best_e: Any = np.take_along_axis(e, at, -1)
    far: Any = np.greater(np.abs(a.v - best), e + best_e)
    np.put_along_axis(far, at, True, -1)
    ok: Any = every(far, axis=-1)
    if not adjoint:
        exact: Any = e == 0
        ok = ok | every(exact, axis=-1)
    a.format.note("kink" if adjoint else "comparison", ~ok & np.isfinite(best_e[..., 0]))
    return known(made, ok)


def transpose(a: Bounded) -> Bounded:
    """The last two axes exchanged."""
    return Bounded(
        np.swapaxes(a.v, -1, -2),
        None if a.e is None else np.swapaxes(a.e, -1, -2),
        a.mixed,
        a.format,
    )


def fill(a: Bounded, shape: tuple[int, ...]) -> Bounded:
    """Elements of this shape whose components all are `a`."""
    at, whole = (..., *(None,) * len(shape)), (*a.shape, *shape)
    return Bounded(
        np.broadcast_to(a.v[at], whole),
        None if a.e is None else np.broadcast_to(a.e[at], whole),
        a.mixed,
        a.format,
    )
