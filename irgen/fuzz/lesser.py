"""The order of cases, and what makes one less without another program: its style, its values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backends.style import Style
from grammar.passes.canonical import exact_hash
from grammar.plain import working
from grammar.program import Program, size
from grammar.reference import output_types
from grammar.shrinking import Cost, cost, literal_cost
from grammar.types import scalar_of
from irgen.fuzz.case import Case


def body_lines(program: Program) -> int:
    """The statements of all units, constants not counted."""
    return size(program)


def case_cost(case: Case) -> Cost:
    """The cost of the program, then of the style, then of what it is fed."""
    return (*cost(case.program), *_style_cost(case.style), _values_cost(case))


def key(case: Case) -> str:
    """A text that is equal for cases that are."""
    made = blake2b(digest_size=16)
    for array in (*case.inputs, *case.cotangents):
        made.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        made.update(b"." if array is None else str((array.shape, array.dtype.str)).encode())
    return f"{exact_hash(case.program)} {case.style} {made.hexdigest()}"


def _style_cost(style: Style) -> tuple[int, int]:
    fields = (style.salt, style.idiom, style.naming, style.inlining)
    return sum(map(bool, fields)), sum(fields)


def _values_cost(case: Case) -> int:
    """How simple all values are that the case is fed."""
    arrays = [*case.inputs, *[array for array in case.cotangents if array is not None]]
    return sum(_array_cost(array) for array in arrays)


def _array_cost(array: NDArray[Any]) -> int:
    """Small integers count as `literal_cost` has it, other numbers far more, by their digits."""
    if array.dtype.kind != "f":
        return sum(literal_cost(int(value)) for value in np.ravel(array).tolist())
    values, counts = np.unique(array, return_counts=True)
    signed = int((np.signbit(array) & (array == 0)).sum())
    pairs = zip(values.tolist(), counts.tolist(), strict=True)
    return sum(literal_cost(value) * count for value, count in pairs) + signed


def plainer(case: Case) -> Iterator[Case]:
    """The plain style, then each field of it."""
    style = case.style
    yield replace(case, style=Style())
    yield replace(case, style=replace(style, salt=0, idiom=0))
    yield replace(case, style=replace(style, salt=0))
    yield replace(case, style=replace(style, idiom=0))
    yield replace(case, style=replace(style, naming=0))
    yield replace(case, style=replace(style, inlining=0))
    for idiom in range(1, style.idiom):
        yield replace(case, style=replace(style, idiom=idiom))
    for salt in (1, 2, 3, style.salt // 2):
        yield replace(case, style=replace(style, salt=salt))


@dataclass(frozen=True, slots=True)
class _Slot:
    """An array of a case: an input or a cotangent, by position."""

    cotangent: bool
    at: int

    def array(self, case: Case) -> NDArray[Any] | None:
        return case.cotangents[self.at] if self.cotangent else case.inputs[self.at]

    def put(self, case: Case, array: NDArray[Any]) -> Case:
        entry = case.program.entry
        type_ = output_types(entry)[self.at] if self.cotangent else entry.parameters[self.at].type
        shape = np.shape(_of(self, case))
        array = np.reshape(working(array, scalar_of(type_)), shape)
        if self.cotangent:
            given = (*case.cotangents[: self.at], array, *case.cotangents[self.at + 1 :])
            return replace(case, cotangents=given)
        fed = (*case.inputs[: self.at], array, *case.inputs[self.at + 1 :])
        return replace(case, inputs=fed)


def _slots(case: Case) -> list[_Slot]:
    return [
        *[_Slot(False, at) for at in range(len(case.inputs))],
        *[_Slot(True, at) for at, array in enumerate(case.cotangents) if array is not None],
    ]


def simpler_values(case: Case) -> Iterator[Case]:
    """Simpler values everywhere, in each array, in halves of arrays, in single elements."""
    slots = _slots(case)
    for made in _WAYS:
        whole = case
        for slot in slots:
            whole = slot.put(whole, made(_of(slot, case)))
        yield whole
    for slot in slots:
        for made in _WAYS:
            yield slot.put(case, made(_of(slot, case)))
    for slot in slots:
        yield from _parts(case, slot)


def _of(slot: _Slot, case: Case) -> NDArray[Any]:
    array = slot.array(case)
    assert array is not None
    return array


def _zeros(array: NDArray[Any]) -> NDArray[Any]:
    return np.zeros_like(array)


def _ones(array: NDArray[Any]) -> NDArray[Any]:
    return np.ones_like(array)


def _twos(array: NDArray[Any]) -> NDArray[Any]:
    return np.ones_like(array) if array.dtype == np.bool_ else np.full_like(array, 2)


def _counted(array: NDArray[Any]) -> NDArray[Any]:
    """0, 1, 2, 3, and again."""
    return np.resize(np.arange(4), array.shape).astype(array.dtype)


def _rounded(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind != "f":
        return np.abs(array) if array.dtype.kind == "i" else array
    return np.rint(array) + 0.0


def _halves(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind != "f":
        return array // 2 if array.dtype.kind in "iu" else array
    return (np.rint(array * 2) / 2 + 0.0).astype(array.dtype)


_WAYS = (_zeros, _ones, _twos, _counted, _rounded, _halves)


def _parts(case: Case, slot: _Slot) -> Iterator[Case]:
    """Parts of an array made simple, in halves, quarters, down to elements."""
    array = _of(slot, case)
    count = array.size
    width = (count + 1) // 2
    while width and count > 1:
        for start in range(0, count, width):
            part = array.reshape(-1)[start : start + width]
            for made in (_zeros, _ones, _rounded, _halves):
                changed = array.copy()
                changed.reshape(-1)[start : start + width] = made(part)
                yield slot.put(case, changed)
        width = (width + 1) // 2 if width > 1 else 0
    if count == 1:
        value = array.reshape(-1)[0].item()
        for near in _nearer(value):
            if array.dtype.kind != "u" or near >= 0:
                yield slot.put(case, np.full_like(array, near))


def _nearer(value: bool | int | float) -> list[bool | int | float]:
    if isinstance(value, bool):
        return [False]
    if isinstance(value, int):
        return [3, value // 2, max(value - 1, -abs(value)), -value]
    short = [float(f"{value:.1g}"), float(f"{value:.2g}"), float(round(value))]
    return [3.0, -1.0, 0.5, -0.5, 1.5, 0.75, 0.25, *short, -value]
