"""Floats with error bounds: what a backend may hold, and how arithmetic spreads it.

With u half a unit in the last place of 1, |a| the magnitude and e the bound of an operand:

    add, sub   ea + eb                            + u (|v| + e)
    mul        |a| eb + |b| ea + ea eb            + u (|v| + e) + tiny
    div        (ea + |v| eb) / (|b| - eb)         + u (|v| + e) + tiny    unknown where |b| <= eb

A bound becomes infinite, and stays so, once |v| + e reaches the largest number. Exact operands of
an operation that rounds once, as IEEE 754 says, are computed in working precision and stay exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammar.bounds.format import Format
from grammar.bounds.known import known
from grammar.bounds.uncertain import Uncertain

_count = np.count_nonzero
_where: Any = np.where


class Bounded(Uncertain):
    """A value `v` in the wide type and a bound `e`: what is held lies in [v - e, v + e].

    `e` has the shape of `v`, or is None where every lane is exact; infinite where nothing is
    known. `mixed` is false where no lane is known to be exact. `working` may keep exact values in
    working precision. `format` says how results round. `sums` is kept by elements that are added
    up in place: sum of bounds, sum of magnitudes, number of terms.
    """

    __slots__ = ("e", "format", "mixed", "sums", "v", "working")

    def __init__(
        self, v: Any, e: Any, mixed: bool, format: Format, working: NDArray[Any] | None = None
    ) -> None:
        self.v, self.e, self.mixed, self.format, self.working = v, e, mixed, format, working
        self.sums: tuple[NDArray[Any], NDArray[Any], NDArray[Any]] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.v.shape

    @property
    def ndim(self) -> int:
        return self.v.ndim

    @property
    def bound(self) -> NDArray[Any]:
        """The bound as an array in any case."""
        made: Any = np.zeros(self.v.shape, self.v.dtype) if self.e is None else self.e
        return made

    def __repr__(self) -> str:
        return f"Bounded({self.v!r}, {self.e!r}, {self.format.scalar})"

    def __getitem__(self, at: Any) -> Bounded:
        e, working = self.e, self.working
        return Bounded(
            self.v[at],
            None if e is None else e[at],
            self.mixed,
            self.format,
            None if working is None else working[at],
        )

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> Any:
        rule = self.format.rules.get(ufunc)
        if rule is None or method != "__call__" or options:
            return NotImplemented
        return rule(*operands)

    def __add__(self, other: Any) -> Bounded:
        return add(np.add, self, other)

    def __radd__(self, other: Any) -> Bounded:
        return add(np.add, other, self)

    def __sub__(self, other: Any) -> Bounded:
        return add(np.subtract, self, other)

    def __rsub__(self, other: Any) -> Bounded:
        return add(np.subtract, other, self)

    def __mul__(self, other: Any) -> Bounded:
        return multiply(self, other)

    def __rmul__(self, other: Any) -> Bounded:
        return multiply(other, self)

    def __truediv__(self, other: Any) -> Bounded:
        return divide(self, other)

    def __rtruediv__(self, other: Any) -> Bounded:
        return divide(other, self)

    def __pow__(self, other: Any) -> Any:
        return self.format.rules[np.power](self, other)

    def __rpow__(self, other: Any) -> Any:
        return self.format.rules[np.power](other, self)

    def __floordiv__(self, other: Any) -> Any:
        return self.format.rules[np.floor_divide](self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self.format.rules[np.floor_divide](other, self)

    def __pos__(self) -> Bounded:
        return self

    def __neg__(self) -> Bounded:
        working = self.working
        return Bounded(
            -self.v, self.e, self.mixed, self.format, None if working is None else -working
        )

    def __abs__(self) -> Bounded:
        return absolute(self)

    def __lt__(self, other: Any) -> Any:
        return compare(np.less, self, other)

    def __le__(self, other: Any) -> Any:
        return compare(np.less_equal, self, other)

    def __gt__(self, other: Any) -> Any:
        return compare(np.greater, self, other)

    def __ge__(self, other: Any) -> Any:
        return compare(np.greater_equal, self, other)

    def __eq__(self, other: Any) -> Any:
        return compare(np.equal, self, other)

    def __ne__(self, other: Any) -> Any:
        return compare(np.not_equal, self, other)

    __hash__ = None  # type: ignore[assignment]


def exactly(value: Any, format: Format) -> Bounded:
    """A number or plain array as an exact value of the format."""
    if isinstance(value, (float, int)):
        wide, working = format.literal(float(value))
        return Bounded(wide, None, True, format, working)
    working = format.round(np.asarray(value))
    return Bounded(working.astype(format.wide), None, True, format, working)


def pair(a: Any, b: Any) -> tuple[Bounded, Bounded, Format]:
    """Both operands as values of one format: that of the one that is a value already; of two, the
    one of a gradient's step."""
    if not isinstance(a, Bounded):
        return exactly(a, b.format), b, b.format
    if not isinstance(b, Bounded):
        return a, exactly(b, a.format), a.format
    format = a.format
    if b.format is not format and (b.format.adjoint or not format.scalar.digits):
        format = format if format.sums_narrow else b.format
    return a, b, format


def settle(v: Any, e: Any, format: Format, units: NDArray[Any], tiny: bool = True) -> Bounded:
    """Add the rounding of one operation to a bound that was spread (0-d zero: of exact operands),
    and give up where the largest number may be passed."""
    bound = np.abs(v)
    bound += e
    ok = bound < format.huge  # false for NaN
    bound *= units
    bound += e
    if tiny:
        bound += format.tiny
    if _count(ok) != ok.size:
        format.note("overflow", ~ok & np.isfinite(e))
        bound = _where(ok, bound, np.inf)
    return Bounded(v, bound, False, format)


def in_working(a: Bounded, format: Format) -> NDArray[Any]:
    """The values in working precision: exact ones lose nothing."""
    working = a.working
    if working is None:
        working = a.v.astype(format.working)
        if a.e is None:
            a.working = working
    return working


def exact_lanes(*operands: Bounded) -> Any:
    """Where all operands are exact: None for everywhere, False for nowhere."""
    sure: Any = None
    for a in operands:
        if a.e is not None:
            if not a.mixed:
                return False
            sure = (a.e == 0) if sure is None else sure & (a.e == 0)
    return sure if sure is None or _count(sure) else False


def computed(
    function: Any, operands: tuple[Bounded, ...], format: Format, sure: Any, rough: Bounded | None
) -> Bounded:
    """The result of a correctly rounded operation: exact where `sure` (None: everywhere), else
    the `rough` bound."""
    made = function(*[in_working(a, format) for a in operands])
    if format.scalar.name == "bf16":
        made = format.round(made)
    v = made.astype(format.wide)
    size = np.abs(v)
    ok = size < format.huge
    if format.flush:  # a denormal, or zero instead
        e = _where((size >= format.normal) | (size == 0), 0.0, size)
        if rough is None and _count(e) == 0 and _count(ok) == ok.size:
            return Bounded(v, None, True, format, made)
    else:
        if rough is None and _count(ok) == ok.size:
            return Bounded(v, None, True, format, made)
        e = format.zero
    if _count(ok) != ok.size:
        lost = ~ok if sure is None else ~ok & sure
        format.note("overflow", lost)
        e = _where(ok, e, np.inf)
    if rough is not None:
        v, e = _where(sure, v, rough.v), _where(sure, e, rough.e)
    return Bounded(v, np.broadcast_to(e, v.shape), True, format)


def add(ufunc: np.ufunc, a: Any, b: Any) -> Bounded:
    """Sum or difference."""
    a, b, format = pair(a, b)
    ea, eb = a.e, b.e
    if ea is None and eb is None and format.exact_add:
        return computed(ufunc, (a, b), format, None, None)
    v = ufunc(a.v, b.v)
    e = (format.zero if eb is None else eb) if ea is None else ea if eb is None else ea + eb
    if format.adjoint:
        return contribution(v, e, np.abs(a.v) + np.abs(b.v), format)
    # The sum of two floats is exact where it is denormal.
    made = settle(v, e, format, format.units_add, format.flush)
    if format.exact_add and a.mixed and b.mixed:
        sure = exact_lanes(a, b)
        if sure is not False:
            return computed(ufunc, (a, b), format, sure, made)
    return made


def contribution(v: Any, e: Any, size: Any, format: Format) -> Bounded:
    """The bound of a sum in a gradient, whose terms `size` adds up the magnitudes of. A third term
    may come between the two, so they round as large as they are even where they cancel."""
    bound = size + e
    ok = bound < format.huge
    bound *= format.units_add
    bound += e
    if format.flush:
        bound += format.tiny
    if _count(ok) != ok.size:
        format.note("overflow", ~ok & np.isfinite(e))
        bound = _where(ok, bound, np.inf)
    return Bounded(v, bound, False, format)


def spread_product(a: Bounded, b: Bounded, format: Format) -> Any:
    """The bound of a product, but for its rounding."""
    ea, eb = a.e, b.e
    if ea is None:
        return format.zero if eb is None else np.abs(a.v) * eb
    if eb is None:
        return np.abs(b.v) * ea
    e: Any = np.abs(b.v)
    e += eb
    return e * ea + np.abs(a.v) * eb


def multiply(a: Any, b: Any) -> Bounded:
    """Product."""
    a, b, format = pair(a, b)
    if a.e is None and b.e is None and format.exact_mul:
        return computed(np.multiply, (a, b), format, None, None)
    v = a.v * b.v
    made = settle(v, spread_product(a, b, format), format, format.units_mul)
    if a.mixed and b.mixed and (format.exact_mul or format.narrow):
        sure = exact_lanes(a, b)
        if sure is not False:
            if format.exact_mul:
                return computed(np.multiply, (a, b), format, sure, made)
            return narrow_product(a, b, made, sure)
    return made


def narrow_product(a: Bounded, b: Bounded, rough: Bounded, sure: Any) -> Bounded:
    """A product of exact factors, exact where it needs no rounding, so that it does not matter
    whether it is rounded before it is added to something."""
    format, v = rough.format, rough.v
    if format.products:
        fits = v.astype(format.working) == v
        if format.scalar.name == "bf16":
            fits = format.round(v) == v
    else:
        fits = (a.v.astype(np.float32) == a.v) & (b.v.astype(np.float32) == b.v)
    fits = fits & ((np.abs(v) >= format.normal) | (v == 0)) & np.isfinite(rough.e)
    if sure is not None:
        fits = fits & sure
    if not _count(fits):
        return rough
    return Bounded(v, _where(fits, 0.0, rough.e), True, format)


def divide(a: Any, b: Any) -> Bounded:
    """Quotient."""
    a, b, format = pair(a, b)
    ea, eb = a.e, b.e
    if ea is None and eb is None and format.exact_div:
        return computed(np.divide, (a, b), format, None, None)
    v = a.v / b.v
    gap = np.abs(b.v)
    if eb is None:
        e = format.zero if ea is None else ea / gap
        clear = None
    else:
        gap -= eb
        e = np.abs(v)
        e *= eb
        if ea is not None:
            e += ea
        e /= gap
        clear = gap > 0
        if _count(clear) == clear.size:
            clear = None
        else:
            format.note("pole", ~clear & np.isfinite(eb))
            e = _where(clear, e, np.inf)
    made = settle(v, e, format, format.units_div)
    if format.exact_div and a.mixed and b.mixed:
        sure = exact_lanes(a, b)
        if sure is not False:
            return computed(np.divide, (a, b), format, sure, made)
    return made


def absolute(a: Bounded) -> Bounded:
    """Magnitude."""
    return Bounded(np.abs(a.v), a.e, a.mixed, a.format)


def compare(ufunc: np.ufunc, a: Any, b: Any) -> Any:
    """A comparison, certain where the operands are further apart than their bounds, or exact."""
    a, b, format = pair(a, b)
    ea, eb = a.e, b.e
    v = ufunc(a.v, b.v)
    adjoint = format.adjoint
    if ea is None:
        if eb is None:
            if not adjoint:
                return v
            room = format.zero
        else:
            room = eb
    else:
        room = ea if eb is None else ea + eb
    gap = a.v - b.v
    gap = np.abs(gap)
    ok = gap > room
    if _count(ok) == ok.size:
        return v
    if not adjoint and a.mixed and b.mixed:
        ok = ok | (room == 0)
    format.note("kink" if adjoint else "comparison", ~ok & np.isfinite(room))
    return known(v, ok)
