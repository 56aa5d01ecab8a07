"""The row of an array-level op, and how kernels compute its elements.

An array op is pure: arrays go in, one new array comes out. A backend that has no such op runs its
`stages`, each of which computes every element of one array on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from grammar.program import Attribute, Value
from grammar.types import I32, Array, Scalar, Type

EPSILON = 1e-5
"""Added to the variance by norms."""

ZERO: dict[str, bool | int | float] = {"bool": False, "int": 0, "uint": 0, "float": 0.0}
"""Zero of each kind of scalar."""


class Cell(Protocol):
    """Emits the computation of one element into the body of a kernel."""

    def load(self, source: int, *indices: Value) -> Value:
        """An element of an operand, or of an earlier stage (numbered after the operands)."""
        ...

    def const(self, scalar: Scalar, literal: bool | int | float) -> Value:
        """A literal."""
        ...

    def op(self, name: str, *operands: Value, result: Type | None = None) -> Value:
        """An op of `grammar.ops.OPS`; `result` names the type where several are possible."""
        ...

    def fold(
        self, start: int, stop: int, init: Value, step: Callable[[Value, Value], Value]
    ) -> Value:
        """A constant loop; `step(index, carried)` gives the next carried value."""
        ...


Indices = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """One kernel: the array it makes, and its element at given indices."""

    type: Array
    cell: Callable[[Cell, Indices], Value]


Stages = Callable[[tuple[Array, ...], Attribute], tuple[Stage, ...]]
Result = Callable[[tuple[Array, ...], Attribute], Array]
View = Callable[[tuple[Array, ...], Attribute, Cell, Indices], Indices]


@dataclass(frozen=True, kw_only=True)
class ArrayOp:
    """One array-level op.

    - `arity`: how many arrays it takes.
    - `attribute`: what the attribute holds, in words; "" where there is none. An integer in a
      spelling is `i`, a tuple `s`, its first integers `s0`, `s1` and `s2`.
    - `result`: the type of the result. ValueError says why operands or attribute do not fit.
    - `spell`: backend name -> alternative spellings over the operands `a`, `b`, ..., simplest
      first, with the holes of `grammar.ops.base.Op`. A key that ends in `_rank2` and the like
      replaces the plain one where the first operand has that rank.
    - `stages`: the kernels that compute it, the last of which makes the result. Loops only add up,
      or run over at most the extent of one axis, and stages nest none but short ones.
    - `range`: the name of the rule in `grammar.ops.array_rules` that bounds the result's elements.
    - `view`: for ops that only move elements, where an element comes from.
    """

    name: str
    doc: str
    arity: int
    result: Result
    spell: Mapping[str, tuple[str, ...]]
    stages: Stages
    attribute: str = ""
    range: str = "same"
    view: View | None = None

    def spellings(self, operands: Sequence[Type], backend: str) -> tuple[str, ...]:
        """The spellings for operands of these types, simplest first."""
        first = operands[0]
        assert isinstance(first, Array)
        ranked = self.spell.get(f"{backend}_rank{len(first.shape)}")
        return self.spell[backend] if ranked is None else ranked


def view_op(
    name: str,
    doc: str,
    attribute: str,
    result: Result,
    view: View,
    **spell: tuple[str, ...],
) -> ArrayOp:
    """A row that only moves the elements of one array."""

    def stages(types: tuple[Array, ...], given: Attribute) -> tuple[Stage, ...]:
        made = result(types, given)
        return (Stage(made, lambda c, at: c.load(0, *view(types, given, c, at))),)

    return ArrayOp(
        name=name,
        doc=doc,
        arity=1,
        result=result,
        spell=spell,
        stages=stages,
        attribute=attribute,
        view=view,
    )


def axis_of(type_: Array, attribute: Attribute) -> int:
    """The attribute as an axis of the array."""
    if type(attribute) is not int or not 0 <= attribute < len(type_.shape):
        raise ValueError(f"the attribute is an axis of {type_}, not {attribute!r}")
    return attribute


def integers(attribute: Attribute, count: int | None = None) -> tuple[int, ...]:
    """The attribute as a tuple of integers, of `count` if given."""
    if not isinstance(attribute, tuple) or count not in (None, len(attribute)):
        many = "" if count is None else f"{count} "
        raise ValueError(f"the attribute is a tuple of {many}integers, not {attribute!r}")
    return attribute


def no_attribute(attribute: Attribute) -> None:
    """Refuse an attribute."""
    if attribute is not None:
        raise ValueError(f"there is no attribute, not {attribute!r}")


def scalar_element(type_: Array) -> Scalar:
    """The element type, which must be a scalar."""
    if not isinstance(type_.element, Scalar):
        raise ValueError(f"the elements are scalars, not those of {type_}")
    return type_.element


def float_element(*types: Array, bits: int = 16) -> Scalar:
    """The float element type that all arrays share, of at least so many bits."""
    first = scalar_element(types[0])
    if first.kind != "float" or first.bits < bits:
        raise ValueError(
            f"the elements are floats of at least {bits} bits, not those of {types[0]}"
        )
    for other in types[1:]:
        if other.element != first:
            raise ValueError(f"{other} has other elements than {types[0]}")
    return first


def of_rank(type_: Array, *ranks: int) -> tuple[int, ...]:
    """The shape of an array of one of the ranks."""
    if len(type_.shape) not in ranks:
        wanted = " or ".join(map(str, ranks))
        raise ValueError(f"{type_} has rank {len(type_.shape)}, not {wanted}")
    return type_.shape


def same(left: int, right: int, what: str) -> None:
    """Refuse extents that should agree."""
    if left != right:
        raise ValueError(f"{what} differ: {left} and {right}")


def without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """The shape without an axis."""
    return (*shape[:axis], *shape[axis + 1 :])


def with_extent(shape: tuple[int, ...], axis: int, extent: int) -> tuple[int, ...]:
    """The shape with another extent of an axis."""
    return (*shape[:axis], extent, *shape[axis + 1 :])


def index(c: Cell, number: int) -> Value:
    """An i32 literal."""
    return c.const(I32, number)


def place(at: Indices, axis: int, value: Value) -> Indices:
    """The indices with another one for an axis."""
    return (*at[:axis], value, *at[axis + 1 :])


def insert(at: Indices, axis: int, value: Value) -> Indices:
    """The indices with one more for an axis."""
    return (*at[:axis], value, *at[axis:])


def total(c: Cell, extent: int, scalar: Scalar, term: Callable[[Value], Value]) -> Value:
    """The sum of `term(k)` for k below an extent."""
    return c.fold(0, extent, c.const(scalar, 0.0), lambda k, so_far: c.op("add", so_far, term(k)))


def largest(c: Cell, extent: int, term: Callable[[Value], Value], op: str = "max") -> Value:
    """The largest of `term(k)` for k below an extent; by another op, the smallest or product."""
    first = term(index(c, 0))
    return c.fold(1, extent, first, lambda k, so_far: c.op(op, so_far, term(k)))


def clipped(c: Cell, value: Value, extent: int) -> Value:
    """An i32 brought into [0, extent)."""
    return c.op("clamp", value, index(c, 0), index(c, extent - 1))
