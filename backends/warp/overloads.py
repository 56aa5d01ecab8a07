"""Overload resolution that remembers (private API).

Most of the time of a build goes into matching argument types with the overloads of a builtin, which
depends on nothing but those types; and three small helpers test their argument against abstract
base classes, which is slow, before the common case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from warp._src import codegen
from warp._src import types as warp_types

from backends.warp.swapping import swapped

NAME = "overloads"

_LIMIT = 50_000  # entries of a table: a source may define vector types without end
_overloads: dict[Any, Any] = {}
_ctypes: dict[Any, str] = {}

_ARRAYS = (warp_types.array, warp_types._ArrayAnnotation)
_Reference = warp_types.Reference
_Var = codegen.Var


def _type_key(kind: Any) -> Any:
    """A hashable on which overload resolution depends as on `kind`, or None when unknown."""
    if isinstance(kind, type):
        return kind
    if type(kind) in _ARRAYS and isinstance(kind.dtype, type):
        return (kind.dtype, kind.ndim)
    return None


@contextmanager
def memoised() -> Iterator[None]:
    """Speed up the building of adjoints while this is open; every thread is served."""
    resolve = codegen.Adjoint.resolve_func
    type_to_ctype: Callable[..., str] = codegen.Var.type_to_ctype
    get_arg_type: Callable[..., Any] = codegen.get_arg_type
    strip_reference: Callable[..., Any] = codegen.strip_reference

    def fast_resolve(
        adj: Any, func: Any, arg_types: Any, kwarg_types: Any, min_outputs: int | None
    ) -> Any:
        if kwarg_types or not func.is_builtin():
            return resolve(adj, func, arg_types, kwarg_types, min_outputs)
        keys = tuple(map(_type_key, arg_types))
        if None in keys:
            return resolve(adj, func, arg_types, kwarg_types, min_outputs)
        # Overloads can be registered later, never withdrawn: their number tells versions apart.
        key = (func, len(func.overloads), keys, min_outputs)
        found = _overloads.get(key)
        if found is None:
            if len(_overloads) >= _LIMIT:
                _overloads.clear()
            found = _overloads[key] = resolve(adj, func, arg_types, kwarg_types, min_outputs)
        return found

    def fast_type_to_ctype(t: Any, value_type: bool = False) -> str:
        if isinstance(t, type):
            key = (t, value_type)
        elif type(t) in _ARRAYS and isinstance(t.dtype, type):
            key = (t.dtype, "array")
        else:
            return type_to_ctype(t, value_type)
        found = _ctypes.get(key)
        if found is None:
            if len(_ctypes) >= _LIMIT:
                _ctypes.clear()
            found = _ctypes[key] = type_to_ctype(t, value_type)
        return found

    def fast_get_arg_type(arg: Any) -> Any:
        kind = arg.type if type(arg) is _Var else arg
        if type(kind) is _Reference:
            kind = kind.value_type
        if isinstance(kind, type) or type(kind) in _ARRAYS:
            return kind
        return get_arg_type(arg)

    def fast_strip_reference(arg: Any) -> Any:
        if type(arg) is _Var or isinstance(arg, type):
            return arg
        if type(arg) is _Reference:
            return arg.value_type
        return strip_reference(arg)

    with (
        swapped(codegen.Adjoint, {"resolve_func": fast_resolve}),
        swapped(codegen.Var, {"type_to_ctype": staticmethod(fast_type_to_ctype)}),
        swapped(
            codegen, {"get_arg_type": fast_get_arg_type, "strip_reference": fast_strip_reference}
        ),
    ):
        yield
