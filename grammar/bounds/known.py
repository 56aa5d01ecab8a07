"""Integers and truth values that are not certain in every lane."""

from __future__ import annotations

from typing import Any

import numpy as np

from grammar.bounds.uncertain import Uncertain


class Known(Uncertain):
    """Values in their own dtype; where `ok` is false nothing is known of them. Both arrays have
    one shape. Where every lane is certain a plain array stands instead."""

    __slots__ = ("ok", "v")

    def __init__(self, v: Any, ok: Any) -> None:
        self.v, self.ok = v, ok

    @property
    def shape(self) -> tuple[int, ...]:
        return self.v.shape

    @property
    def ndim(self) -> int:
        return self.v.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.v.dtype

    def __repr__(self) -> str:
        return f"Known({self.v!r}, ok={self.ok!r})"

    def __getitem__(self, at: Any) -> Known:
        return Known(self.v[at], self.ok[at])

    def astype(self, dtype: Any) -> Known:
        """The same in another dtype."""
        return Known(self.v.astype(dtype), self.ok)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> Any:
        if method != "__call__" or options:
            return NotImplemented
        return apply(ufunc, *operands)

    def __add__(self, other: Any) -> Any:
        return apply(np.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return apply(np.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return apply(np.subtract, self, other)

    def __rsub__(self, other: Any) -> Any:
        return apply(np.subtract, other, self)

    def __mul__(self, other: Any) -> Any:
        return apply(np.multiply, self, other)

    def __rmul__(self, other: Any) -> Any:
        return apply(np.multiply, other, self)

    def __floordiv__(self, other: Any) -> Any:
        return apply(np.floor_divide, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return apply(np.floor_divide, other, self)

    def __mod__(self, other: Any) -> Any:
        return apply(np.remainder, self, other)

    def __rmod__(self, other: Any) -> Any:
        return apply(np.remainder, other, self)

    def __and__(self, other: Any) -> Any:
        return apply(np.bitwise_and, self, other)

    def __rand__(self, other: Any) -> Any:
        return apply(np.bitwise_and, other, self)

    def __or__(self, other: Any) -> Any:
        return apply(np.bitwise_or, self, other)

    def __ror__(self, other: Any) -> Any:
        return apply(np.bitwise_or, other, self)

    def __xor__(self, other: Any) -> Any:
        return apply(np.bitwise_xor, self, other)

    def __rxor__(self, other: Any) -> Any:
        return apply(np.bitwise_xor, other, self)

    def __lshift__(self, other: Any) -> Any:
        return apply(np.left_shift, self, other)

    def __rlshift__(self, other: Any) -> Any:
        return apply(np.left_shift, other, self)

    def __rshift__(self, other: Any) -> Any:
        return apply(np.right_shift, self, other)

    def __rrshift__(self, other: Any) -> Any:
        return apply(np.right_shift, other, self)

    def __invert__(self) -> Any:
        return apply(np.invert, self)

    def __neg__(self) -> Any:
        return apply(np.negative, self)

    def __abs__(self) -> Any:
        return apply(np.absolute, self)

    def __lt__(self, other: Any) -> Any:
        return apply(np.less, self, other)

    def __le__(self, other: Any) -> Any:
        return apply(np.less_equal, self, other)

    def __gt__(self, other: Any) -> Any:
        return apply(np.greater, self, other)

    def __ge__(self, other: Any) -> Any:
        return apply(np.greater_equal, self, other)

    def __eq__(self, other: Any) -> Any:
        return apply(np.equal, self, other)

    def __ne__(self, other: Any) -> Any:
        return apply(np.not_equal, self, other)

    __hash__ = None  # type: ignore[assignment]


_SETTLED_BY_FALSE = frozenset({np.logical_and, np.bitwise_and})
_SETTLED_BY_TRUE = frozenset({np.logical_or, np.bitwise_or})


def known(v: Any, ok: Any) -> Any:
    """A value of which `ok` says where it is certain: a plain array where it is everywhere."""
    if ok is True or np.count_nonzero(ok) == ok.size:
        return v
    return Known(v, np.broadcast_to(ok, v.shape) if ok.shape != v.shape else ok)


def parts(x: Any) -> tuple[Any, Any]:
    """Value, and where it is certain (True: everywhere)."""
    return (x.v, x.ok) if isinstance(x, Known) else (x, True)


def apply(ufunc: np.ufunc, *operands: Any) -> Any:
    """Any function of integers and truth values: certain where all operands are, or where one
    truth value settles the result."""
    if len(operands) == 1:
        (only,) = operands
        return Known(ufunc(only.v), only.ok)
    (a, a_ok), (b, b_ok) = map(parts, operands)
    v = ufunc(a, b)
    ok = a_ok & b_ok
    if v.dtype == np.bool_:
        if ufunc in _SETTLED_BY_FALSE:
            ok = ok | (a_ok & ~a) | (b_ok & ~b)
        elif ufunc in _SETTLED_BY_TRUE:
            ok = ok | (a_ok & a) | (b_ok & b)
    return known(v, ok)
