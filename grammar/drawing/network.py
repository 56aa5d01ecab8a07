"""Drawing over whole arrays: values with ranges, parameters made on demand, ops applied to arrays.

It is the scalar `Body` with one difference: a value may be an array, and an elementwise op over
arrays gives an array of their shape.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from grammar import guards, ranges
from grammar.config import Grammar
from grammar.drawing.body import Body, Library, Signature
from grammar.drawing.operands import literal
from grammar.drawing.tables import Choice, Entry, choice, entry, tables
from grammar.ops.array import ARRAY_OPS, result_type
from grammar.ops.array_rules import ARRAY_RULES
from grammar.ops.expression import Typed, elaborate, parse
from grammar.program import Attribute, Value
from grammar.ranges import Range
from grammar.source import Source
from grammar.types import BOOL, F32, Array, Element, Scalar, Type

LARGEST = 16
"""No axis is longer, so that loops along it stay short."""


@dataclass(slots=True)
class Network(Body):
    """The state of an array program while it is drawn: `arrays` are the float arrays in scope,
    `params` its parameters, and `scalar` the type of its numbers."""

    scalar: Scalar = F32
    arrays: list[Value] = field(default_factory=list[Value])
    params: list[Value] = field(default_factory=list[Value])

    # The scalar body's steps, for arrays

    def emit(
        self, op: str, operands: tuple[Value, ...], type_: Type, range_: Range, attribute: Attribute
    ) -> Value:
        for operand in operands:
            if isinstance(operand.type, Array) and not isinstance(type_, Array):
                type_ = Array(type_, operand.type.shape)
        return Body.emit(self, op, operands, type_, range_, attribute)

    def guard(self, guards: tuple[str, ...], value: Value) -> Value:
        text = guards[self.source.below(len(guards)) if len(guards) > 1 else 0]
        return self.typed(_elaborated(text, element_of(value)), value)

    def tame(self, value: Value) -> Value:
        element = element_of(value)
        if ranges.is_tame(element, self.ranges[value.id]):
            return value
        return self.guard(ranges.tame(element), value)

    # Ops

    def row(self, name: str, *operands: Value) -> Value:
        """Apply an elementwise op."""
        types = tuple([element_of(value) for value in operands])
        return self.apply(entry(name, types), list(operands))

    def array(self, name: str, *operands: Value, attribute: Attribute = None) -> Value:
        """Apply an array op, its operands tamed where the result would not fit."""
        types = tuple([value.type for value in operands if isinstance(value.type, Array)])
        rule = ARRAY_RULES[ARRAY_OPS[name].range]
        made = result_type(name, types, attribute)
        known = rule(tuple([self.ranges[value.id] for value in operands]), types, attribute)
        if not ranges.fits(made.element, known):
            floats = [element_of(value) == self.scalar for value in operands]
            operands = tuple(
                [
                    self.tame(v) if is_float else v
                    for v, is_float in zip(operands, floats, strict=True)
                ]
            )
            known = rule(tuple([self.ranges[value.id] for value in operands]), types, attribute)
        return self.emit(name, operands, made, known, attribute)

    def number(self, value: float) -> Value:
        """A constant of the program's scalar type."""
        return self.constant(self.scalar, value)

    def drawn(self) -> Value:
        """A constant as people write them."""
        return literal(self, self.scalar)

    # Values

    def param(self, type_: Type) -> Value:
        """A parameter: mostly a new one, sometimes one of this type that is there already."""
        found = [value for value in self.params if value.type == type_]
        if found and self.source.below(8) == 7:
            return found[-1]
        value = self.new(type_, guards.inputs(element_type(type_)))
        self.params.append(value)
        return value

    def weights(self, *shape: int) -> Value:
        """A parameter array of floats."""
        return self.param(Array(self.scalar, shape))

    def keep(self, value: Value) -> Value:
        """Bring a float array into scope."""
        self.arrays.append(value)
        return value

    def like(self, value: Value) -> list[Value]:
        """The arrays in scope of the same type as a value, but that value."""
        return [other for other in self.arrays if other.type == value.type and other is not value]

    def spread(self, value: Value, to: Value) -> Value:
        """An array broadcast to the shape of another."""
        return (
            value
            if value.type == to.type
            else self.array("broadcast", value, attribute=shape_of(to))
        )

    def extent(self) -> int:
        """The extent of a new axis."""
        extents = self.tables.grammar.extents
        return min(LARGEST, extents[self.source.below(len(extents))])


def shape_of(value: Value) -> tuple[int, ...]:
    """The shape of an array."""
    assert isinstance(value.type, Array)
    return value.type.shape


def element_type(type_: Type) -> Element:
    """The element type of an array, or the type itself."""
    return type_.element if isinstance(type_, Array) else type_


def element_of(value: Value) -> Element:
    """The type of a value, or of its elements."""
    return element_type(value.type)


@lru_cache(maxsize=4096)
def _elaborated(text: str, type_: Element) -> Typed:
    return elaborate(parse(text), {"a": type_}, type_)


def no_functions() -> Library:
    """A library that stays empty: array programs call no functions."""

    def define(source: Source, library: Library) -> Signature:
        raise ValueError("this library takes no functions")

    return Library(define, 0, 0, complete=True)


@lru_cache(maxsize=64)
def elementwise(grammar: Grammar, scalar: Scalar) -> Choice[Entry] | None:
    """The ops of the grammar over floats of one type (and truth values), with their weights."""
    found = tables(grammar).by_anchor.get(scalar)
    if found is None:
        return None
    before = (0, *found.cumulative)
    return choice(
        (made, after - start)
        for made, start, after in zip(found.items, before, found.cumulative, strict=False)
        if made.instance.result == scalar
        and not made.attributes
        and all(type_ in (scalar, BOOL) for type_ in made.instance.operands)
    )


@lru_cache(maxsize=64)
def activations(grammar: Grammar, scalar: Scalar) -> Choice[str]:
    """Activation functions: those of the grammar if it weighs any, else the usual ones but for
    those that it switches off."""
    weighed = [(name, grammar.ops.get(name, 0)) for name in ACTIVATIONS]
    usual = [(name, weight * (grammar.ops.get(name) != 0)) for name, weight in ACTIVATIONS.items()]
    found = choice(weighed) or choice(usual) or choice(ACTIVATIONS.items())
    assert found is not None
    return found


ACTIVATIONS: dict[str, int] = {
    "relu": 6,
    "tanh": 4,
    "sigmoid": 4,
    "gelu": 5,
    "silu": 4,
    "softplus": 2,
    "leaky_relu": 2,
    "elu": 2,
    "gelu_erf": 1,
    "softsign": 1,
    "relu6": 1,
    "hard_tanh": 1,
    "square": 1,
    "exp": 1,
    "sin": 1,
}
"""Activation functions and how often they are drawn where a grammar does not say."""
