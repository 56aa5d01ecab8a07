"""Values written in place: overwriting and combining elements, and folding loops in one go."""

from __future__ import annotations

from typing import Any

import numpy as np

from grammar.bounds.bounded import Bounded, exactly, multiply
from grammar.bounds.format import Format
from grammar.bounds.known import Known, known, parts
from grammar.bounds.rules import RULES
from grammar.bounds.structure import extreme, summed
from grammar.domain import Combine, Rows, Value

_count = np.count_nonzero
_where: Any = np.where

_UFUNCS: dict[Combine, Any] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
}


def put(value: Value, rows: Rows, new: Value) -> None:
    """Overwrite elements at distinct rows, in place."""
    if isinstance(value, Bounded):
        value.v[rows] = new.v
        value.working = value.sums = None
        if new.e is None:
            if value.e is not None:
                value.e[rows] = 0.0
                value.mixed = True
            return
        if value.e is None:
            value.e = np.zeros(value.v.shape, value.v.dtype)
        value.e[rows] = new.e
        value.mixed = value.mixed or new.mixed
        if new.format.adjoint:
            value.format = new.format
        return
    v, ok = parts(new)
    if isinstance(value, Known):
        value.v[rows], value.ok[rows] = v, ok
        return
    if ok is not True:
        raise TypeError("a plain array cannot hold uncertain integers: write into a copy")
    value[rows] = v


def combine(kind: Combine, value: Value, rows: Rows, new: Value) -> None:
    """Combine into elements at rows that may repeat, in any order, in place."""
    if not len(rows):
        return
    ufunc = _UFUNCS[kind]
    if not isinstance(value, Bounded):
        _combine_integers(ufunc, value, rows, new)
        return
    format = new.format if new.format.adjoint else value.format
    if kind in ("add", "sub"):
        _add_up(value, rows, -new if kind == "sub" else new, format)
        return
    times = np.bincount(rows, minlength=value.v.shape[0])
    if times.max() <= 1:
        old = Bounded(
            value.v[rows], None if value.e is None else value.e[rows], value.mixed, format
        )
        put(value, rows, _apply(kind, old, new))
        value.format = format
        return
    shape = (len(rows), *value.v.shape[1:])
    times = times.reshape((-1,) + (1,) * (value.v.ndim - 1)).astype(format.wide)
    new_v, new_e = np.broadcast_to(new.v, shape), np.broadcast_to(new.bound, shape)
    v, e = value.v, np.array(value.bound)
    if kind == "mul":
        least = np.abs(v)
        most = least + e
        reach = np.maximum(most, 1.0)
        np.multiply.at(v, rows, new_v)
        np.multiply.at(least, rows, np.abs(new_v))
        np.multiply.at(most, rows, np.abs(new_v) + new_e)
        np.multiply.at(reach, rows, np.maximum(np.abs(new_v) + new_e, 1.0))
        made = _product(v, _where(times > 0, most - least, e), most, reach, times, format)
    else:
        low, high = v - e, v + e
        ufunc.at(v, rows, new_v)
        ufunc.at(low, rows, new_v - new_e)
        ufunc.at(high, rows, new_v + new_e)
        e = np.maximum(high - v, v - low) * format.wider
        made = Bounded(v, _where(e < np.inf, e, np.inf), True, format)
    value.v, value.e, value.mixed, value.format = made.v, made.e, True, format
    value.working = None


def _add_up(value: Bounded, rows: Rows, new: Bounded, format: Format) -> None:
    """Add to elements. Whoever adds up may do so in any order, and start from nothing, over all
    that is ever added: so the sums of bounds and magnitudes are kept, and the terms counted."""
    v = value.v
    if value.sums is None:
        spread, size = np.array(value.bound), np.abs(v)
        value.sums = (spread, size, ((size != 0) | (spread != 0)).astype(v.dtype))
    spread, size, terms = value.sums
    np.add.at(v, rows, new.v)
    np.add.at(size, rows, np.abs(new.v))
    if new.e is not None:
        np.add.at(spread, rows, new.e)
    terms += np.bincount(rows, minlength=len(v)).reshape((-1,) + (1,) * (v.ndim - 1))
    made = summed(v, spread, size, np.maximum(terms - 1, 0), format)
    value.v, value.e, value.mixed, value.format = made.v, made.e, True, format
    value.working = None


def _apply(kind: Combine, a: Bounded, b: Bounded) -> Bounded:
    return multiply(a, b) if kind == "mul" else RULES[_UFUNCS[kind]](a, b)


def _combine_integers(ufunc: Any, value: Value, rows: Rows, new: Value) -> None:
    v, ok = parts(new)
    if isinstance(value, Known):
        ufunc.at(value.v, rows, v)
        if ok is not True:
            np.logical_and.at(value.ok, rows, ok)
        return
    if ok is not True:
        raise TypeError("a plain array cannot hold uncertain integers: write into a copy")
    ufunc.at(value, rows, v)


def _product(v: Any, spread: Any, most: Any, reach: Any, times: Any, format: Format) -> Bounded:
    """The bound of a product of factors: `most` is the product of the largest magnitudes, `reach`
    that of those above 1, by which a loss to underflow may grow."""
    ok = most < format.huge
    bound = spread + times * (format.units_mul * most * (1 + times * format.units_mul))
    bound = bound + times * (format.tiny * reach)
    if _count(ok) != ok.size:
        format.note("overflow", ~ok & np.isfinite(spread))
        bound = _where(ok, bound, np.inf)
    return Bounded(v, bound, True, format)


def fold(kind: Combine, initial: Value, terms: Value, count: int) -> Value:
    """Combine consecutive terms of each lane with its initial value, in any order."""
    if not isinstance(initial, Bounded) or not isinstance(terms, Bounded):
        if isinstance(initial, Bounded):
            return fold(kind, initial, exactly(terms, initial.format), count)
        return _fold_integers(_UFUNCS[kind], initial, terms, count)
    format = terms.format if terms.format.adjoint else initial.format
    if kind == "sub":
        kind, terms = "add", -terms
    if count == 1:
        return _apply(kind, initial, terms)
    lanes = initial.v.shape[0]
    shape = (lanes, count, *terms.v.shape[1:])
    rows = terms.v.reshape(shape)
    e = None if terms.e is None else terms.e.reshape(shape)
    if kind == "add":
        size = np.abs(initial.v) + np.add.reduce(np.abs(rows), axis=1)
        spread = format.zero if e is None else np.add.reduce(e, axis=1)
        if initial.e is not None:
            spread = spread + initial.e
        zero = initial.e is None and not _count(initial.v)
        v = initial.v + np.add.reduce(rows, axis=1)
        return summed(v, spread, size, count - 1 if zero else count, format)
    if kind == "mul":
        size, first = np.abs(rows), np.abs(initial.v)
        least = first * np.multiply.reduce(size, axis=1)
        largest = size if e is None else size + e
        first_most = first + initial.bound
        most = first_most * np.multiply.reduce(largest, axis=1)
        reach = np.maximum(first_most, 1.0) * np.multiply.reduce(np.maximum(largest, 1.0), axis=1)
        v = initial.v * np.multiply.reduce(rows, axis=1)
        return _product(v, most - least, most, reach, np.asarray(float(count)), format)
    best = extreme(
        Bounded(
            np.moveaxis(rows, 1, -1), None if e is None else np.moveaxis(e, 1, -1), True, format
        ),
        kind == "max",
    )
    return _apply(kind, initial, best)


def _fold_integers(ufunc: Any, initial: Value, terms: Value, count: int) -> Value:
    (first, first_ok), (v, ok) = parts(initial), parts(terms)
    rows = v.reshape((first.shape[0], count, *v.shape[1:]))
    inner = np.add if ufunc is np.subtract else ufunc
    made = ufunc(first, inner.reduce(rows, axis=1, dtype=first.dtype))
    if ok is not True:
        ok = np.logical_and.reduce(ok.reshape(rows.shape), axis=1)
    both = first_ok & ok
    return made if both is True else known(made, both)
