"""The domain of values with error bounds: what a program may give under one precision."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammar.bounds import structure
from grammar.bounds.bounded import Bounded, exactly, settle
from grammar.bounds.casts import cast
from grammar.bounds.cells import combine, fold, put
from grammar.bounds.format import Format, Wide
from grammar.bounds.known import Known, known, parts
from grammar.bounds.precision import Precision
from grammar.bounds.rules import FUNCTIONS, RULES
from grammar.domain import Combine, Mask, Rows, Value
from grammar.ops.base import Instance, Op
from grammar.types import FLOATS, Scalar, scalar_of

_count = np.count_nonzero
_where: Any = np.where


class Bounds:
    """Values with error bounds under a precision; `wide` is np.float64, or np.longdouble where
    float64 occurs in the program.

    Floats are `Bounded`. Integers and truth values are plain arrays where they are certain, or
    `Known`; those that may be written in place (of `copy` and `zeros`) are `Known` in any case.
    `reasons` counts the lanes that became unknown, by reason: "comparison", "kink" (a comparison
    or sign in a gradient), "step", "pole", "domain", "overflow".

    NumPy warns of what happens in lanes that are not known: run it under `np.errstate`.
    """

    __slots__ = ("_formats", "_meanings", "precision", "reasons", "wide")

    def __init__(self, precision: Precision, wide: Wide) -> None:
        self.precision, self.wide = precision, wide
        self.reasons: dict[str, int] = {}
        self._meanings: dict[tuple[str, Instance, int, bool], Callable[..., Value]] = {}
        self._formats: dict[str, Format] = {}
        for scalar in FLOATS:
            forward, adjoint = (
                Format(scalar, precision, wide, adjoint=gradient, reasons=self.reasons, rules=RULES)
                for gradient in (False, True)
            )
            forward.other = adjoint
            self._formats[scalar.name] = forward

    def format(self, scalar: Scalar, adjoint: bool = False) -> Format:
        """How a float type rounds here."""
        found = self._formats[scalar.name]
        return found.other if adjoint else found

    def lift(self, array: NDArray[Any], scalar: Scalar) -> Value:
        array = np.asarray(array)
        if scalar.kind != "float":
            return array
        format = self._formats[scalar.name]
        if array.dtype != format.working:
            array = array.astype(format.working)
        v = array.astype(self.wide)
        e: Any = None
        if format.flush:
            lost = (np.abs(v) < format.normal) & (v != 0)
            if _count(lost):
                e = _where(lost, np.abs(v), 0.0)
        return Bounded(v, e, True, format, array if e is None else None)

    def lower(self, value: Value, scalar: Scalar) -> NDArray[Any]:
        if isinstance(value, Bounded):
            return self._formats[scalar.name].round(value.v)
        return np.asarray(parts(value)[0], scalar.dtype)

    def meaning(
        self, op: Op, instance: Instance, attribute: int, adjoint: bool
    ) -> Callable[..., Value]:
        key = (op.name, instance, attribute, adjoint)
        found = self._meanings.get(key)
        if found is None:
            found = self._meanings[key] = self._make(op, instance, attribute, adjoint)
        return found

    def _make(
        self, op: Op, instance: Instance, attribute: int, adjoint: bool
    ) -> Callable[..., Value]:
        scalar = scalar_of(instance.result)
        target = self.format(scalar, adjoint) if scalar.kind == "float" else None
        if op.name == "cast":
            source = scalar_of(instance.operands[0])
            if adjoint and target is not None and 0 < source.digits < scalar.digits:
                target = target.summed_before(self.format(source, True))
            return partial(_cast, adjoint, scalar, target)
        means = op.means(instance, attribute)
        if target is None:
            made = _typed(means, np.dtype(scalar.dtype))
        else:
            made = _floating(means, target)
            extra = self._extra(op.name, target)
            if extra is not None:
                made = _rougher(made, *extra)
        if not adjoint:
            return made
        return lambda *operands: made(*map(_adjoint, operands))

    def _extra(self, name: str, format: Format) -> tuple[Any, Any] | None:
        """Relative and absolute error of an op on top of its formula's."""
        ulps, absolute = self.precision.ulps.get(name), format.off_zero(name)
        if name in FUNCTIONS or (ulps is None and absolute is None):
            return None
        return (
            format.zero if ulps is None else format.ulps(ulps),
            format.zero if absolute is None else absolute,
        )

    def exact(self, value: Value) -> tuple[NDArray[Any], Mask | None]:
        if isinstance(value, Known):
            certain = _count(value.ok) == value.ok.size
            return value.v, None if certain else ~value.ok
        return value, None

    def select(self, mask: Mask, a: Value, b: Value) -> Value:
        return structure.select(mask, a, b)

    def hull(self, mask: Mask, a: Value, b: Value) -> Value:
        if not _count(mask):
            return a
        if isinstance(a, Bounded):
            middle, half = structure.cover(a, b)
            v = _where(mask, middle, a.v)
            e = _where(mask, half, a.bound)
            return Bounded(v, e, a.mixed or b.mixed, a.format)
        (av, a_ok), (bv, b_ok) = parts(a), parts(b)
        return known(np.broadcast_arrays(av, mask)[0], a_ok & (~mask | (b_ok & np.equal(av, bv))))

    def blind(self, mask: Mask, value: Value) -> Value:
        if not _count(mask):
            return value
        if isinstance(value, Bounded):
            e = _where(mask, np.inf, value.bound)
            v = value.v if e.shape == value.v.shape else np.broadcast_to(value.v, e.shape)
            return Bounded(v, e, value.mixed, value.format)
        v, ok = parts(value)
        ok = ok & ~mask
        return known(v if ok.shape == np.shape(v) else np.broadcast_to(v, ok.shape), ok)

    def zeros(self, scalar: Scalar, shape: tuple[int, ...]) -> Value:
        if scalar.kind == "float":
            return Bounded(np.zeros(shape, self.wide), None, True, self._formats[scalar.name])
        return Known(np.zeros(shape, scalar.dtype), np.ones(shape, np.bool_))

    def copy(self, value: Value) -> Value:
        if isinstance(value, Bounded):
            e = None if value.e is None else np.array(value.e)
            return Bounded(np.array(value.v), e, value.mixed, value.format)
        if isinstance(value, Known):
            return Known(np.array(value.v), np.array(value.ok))
        return Known(np.array(value), np.ones(np.shape(value), np.bool_))

    def reshape(self, value: Value, shape: tuple[int, ...]) -> Value:
        if isinstance(value, Bounded):
            e, working = value.e, value.working
            return Bounded(
                value.v.reshape(shape),
                None if e is None else e.reshape(shape),
                value.mixed,
                value.format,
                None if working is None else working.reshape(shape),
            )
        if isinstance(value, Known):
            return Known(value.v.reshape(shape), value.ok.reshape(shape))
        return value.reshape(shape)

    def broadcast(self, value: Value, shape: tuple[int, ...]) -> Value:
        if isinstance(value, Bounded):
            e, working = value.e, value.working
            return Bounded(
                np.broadcast_to(value.v, shape),
                None if e is None else np.broadcast_to(e, shape),
                value.mixed,
                value.format,
                None if working is None else np.broadcast_to(working, shape),
            )
        if isinstance(value, Known):
            return Known(np.broadcast_to(value.v, shape), np.broadcast_to(value.ok, shape))
        return np.broadcast_to(value, shape)

    def take(self, value: Value, rows: Rows) -> Value:
        if isinstance(value, Bounded):
            e, working = value.e, value.working
            return Bounded(
                value.v[rows],
                None if e is None else e[rows],
                value.mixed,
                value.format,
                None if working is None else working[rows],
            )
        if isinstance(value, Known):
            return known(value.v[rows], value.ok[rows])
        return value[rows]

    def put(self, value: Value, rows: Rows, new: Value) -> None:
        put(value, rows, new)

    def combine(self, kind: Combine, value: Value, rows: Rows, new: Value) -> None:
        combine(kind, value, rows, new)

    def repeat(self, value: Value, count: int) -> Value:
        if isinstance(value, Bounded):
            e = None if value.e is None else value.e.repeat(count, 0)
            return Bounded(value.v.repeat(count, 0), e, value.mixed, value.format)
        if isinstance(value, Known):
            return Known(value.v.repeat(count, 0), value.ok.repeat(count, 0))
        return value.repeat(count, 0)

    def fold(self, kind: Combine, initial: Value, terms: Value, count: int) -> Value:
        return fold(kind, initial, terms, count)


def _cast(adjoint: bool, scalar: Scalar, target: Format | None, a: Value) -> Value:
    return cast(_adjoint(a) if adjoint else a, scalar, target)


def _adjoint(value: Value) -> Value:
    """The value as the operand of a gradient's step."""
    if isinstance(value, Bounded) and not value.format.adjoint:
        return Bounded(value.v, value.e, value.mixed, value.format.other, value.working)
    return value


def _typed(means: Callable[..., Value], dtype: np.dtype[Any]) -> Callable[..., Value]:
    """The meaning with integers or truth values of a dtype as results."""

    def typed(*operands: Value) -> Value:
        result = means(*operands)
        return result if result.dtype == dtype else result.astype(dtype)

    return typed


def _floating(means: Callable[..., Value], format: Format) -> Callable[..., Value]:
    """The meaning with floats of a format as results."""

    def floating(*operands: Value) -> Value:
        result = means(*operands)
        if not isinstance(result, Bounded):
            return exactly(result, format)
        if result.format is not format and result.format.scalar is not format.scalar:
            return (
                settle(result.v, result.bound, format, format.units_cast)
                if _count(format.round(result.v) != result.v)
                else Bounded(result.v.astype(format.wide), result.e, result.mixed, format)
            )
        return result

    return floating


def _rougher(means: Callable[..., Value], relative: Any, absolute: Any) -> Callable[..., Value]:
    """The meaning with more error."""

    def rougher(*operands: Value) -> Value:
        made = means(*operands)
        e = made.bound
        return Bounded(made.v, e + (np.abs(made.v) + e) * relative + absolute, False, made.format)

    return rougher
