"""Runs Warp source as plain Python: `wp` is a stand-in for what i32 kernels use of it.

What the source says, apart from how Warp compiles it: lanes run one after the other, integers wrap
around at 32 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any


class Int32(int):
    """An int whose arithmetic wraps around."""

    def __neg__(self) -> Int32:
        return _wrap(-int(self))


def _wrap(value: int) -> Int32:
    return Int32((value + 2**31) % 2**32 - 2**31)


def _operator(name: str) -> Callable[..., Int32]:
    plain = getattr(int, name)
    return lambda *operands: _wrap(plain(*operands))


for _name in ("add", "sub", "mul", "floordiv", "mod"):
    setattr(Int32, f"__{_name}__", _operator(f"__{_name}__"))
    setattr(Int32, f"__r{_name}__", _operator(f"__r{_name}__"))


class _Annotation:
    def __call__(self, *arguments: object, **keywords: object) -> _Annotation:
        return self

    def __getitem__(self, item: object) -> _Annotation:
        return self


def _stand_in(lane: Sequence[int]) -> SimpleNamespace:
    def update(combine: Callable[[int, int], int]) -> Callable[[list[int], int, int], None]:
        def atomic(array: list[int], index: int, value: int) -> None:
            array[index] = combine(array[index], value)

        return atomic

    return SimpleNamespace(
        kernel=lambda function: function,
        func=lambda function: function,
        tid=lambda: lane[0],
        array=_Annotation(),
        int32=_wrap,
        bool=bool,
        min=min,
        max=max,
        add=lambda a, b: _wrap(a + b),
        sub=lambda a, b: _wrap(a - b),
        mul=lambda a, b: _wrap(a * b),
        neg=lambda a: _wrap(-a),
        where=lambda test, a, b: a if test else b,
        atomic_add=update(lambda a, b: _wrap(a + b)),
        atomic_sub=update(lambda a, b: _wrap(a - b)),
        atomic_min=update(min),
        atomic_max=update(max),
    )


def run_plain(source: str, entry: str, lanes: int, arguments: Sequence[Any]) -> list[Any]:
    """Call a function once, or a kernel for each lane of one axis; what each call returns."""
    lane = [Int32(0)]
    namespace: dict[str, Any] = {"int": _wrap, "wp": _stand_in(lane)}
    exec(source.replace("import warp as wp\n", "", 1), namespace)
    returned: list[Any] = []
    for number in range(lanes):
        lane[0] = Int32(number)
        returned.append(namespace[entry](*arguments))
    return returned
