"""Partials are the slopes of meanings, by central differences in long double."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from grammar.ops import OPS, Instance, Op
from grammar.ops.base import size_of
from grammar.ops.expression import Apply, Expression, Literal, Operand, Typed, elaborate, parse
from grammar.types import BOOL, F64, Element, element_shape, scalar_of
from tests.backends.audit import everything, samples
from tests.spelling import LETTERS

SMOOTH = [
    (op, instance)
    for op, instance in everything()
    if op.partials and instance.operands and scalar_of(instance.result) == F64
    if all(scalar_of(type_) in (F64, BOOL) for type_ in instance.operands)
    if size_of(instance) in (0, 3) or not any(size_of(i) == 3 for i in op.instances)
]


def _operands(op: Op, instance: Instance) -> list[Any]:
    """Seeded operands in long double."""
    return [x if x.dtype == np.bool_ else x.astype(np.longdouble) for x in samples(op, instance)]


def _means(op: Op, instance: Instance, attribute: int, given: list[Any]) -> Any:
    with np.errstate(all="ignore"):
        return op.means(instance, attribute)(*given)


def _letters(tree: Expression) -> set[str]:
    match tree:
        case str():
            return {tree}
        case int() | float():
            return set()
        case _:
            return {letter for part in tree[1:] for letter in _letters(part)}


def _value(tree: Typed, letters: dict[str, Any]) -> Any:
    match tree:
        case Operand(name=name):
            return letters[name]
        case Literal(value=value, type=scalar):
            return (
                np.longdouble(value) if scalar.kind == "float" else np.asarray(value, scalar.dtype)
            )
        case Apply(op=name, attribute=attribute, arguments=arguments, type=type_):
            instance = Instance(tuple(argument.type for argument in arguments), type_)
            values = [np.asarray(_value(argument, letters)) for argument in arguments]
            return OPS[name].means(instance, attribute or 0)(*values)


def slopes(
    op: Op, instance: Instance, attribute: int, given: list[Any], seed: Any, place: int
) -> Any:
    """The operand's cotangent by central differences in long double, of fourth order."""
    f = op.means(instance, attribute)
    out = np.zeros(given[place].shape, np.longdouble)
    axes = tuple(range(1, 1 + len(element_shape(instance.result))))
    for at in itertools.product(*map(range, element_shape(instance.operands[place]))):
        step = np.longdouble(2.0) ** -11

        def moved(by: Any, at: Any = at) -> Any:
            changed = [x.copy() for x in given]
            changed[place][(slice(None), *at)] += by
            return f(*changed)

        slope = (8 * (moved(step) - moved(-step)) - (moved(2 * step) - moved(-2 * step))) / (
            12 * step
        )
        out[(slice(None), *at)] = np.sum(slope * seed, axis=axes)
    return out


@pytest.mark.parametrize(("op", "instance"), SMOOTH, ids=lambda x: getattr(x, "name", ""))
def test_partials_are_slopes_of_meanings(op: Op, instance: Instance) -> None:
    """Everywhere but where a kink or step is within reach of the differences."""
    assert op.partials is not None
    given = _operands(op, instance)
    attribute = max(op.attributes(instance) - 1, 0)
    result = _means(op, instance, attribute, given)
    seed = np.random.default_rng(5).uniform(0.5, 2.0, result.shape).astype(np.longdouble)
    letters = dict(zip(LETTERS, given, strict=False)) | {"y": result, "g": seed}
    types: dict[str, Element] = dict(zip(LETTERS, instance.operands, strict=False))
    types |= {"y": instance.result, "g": instance.result}
    for place, (type_, text) in enumerate(zip(instance.operands, op.partials, strict=True)):
        if scalar_of(type_).kind != "float":
            continue
        numeric_slope = slopes(op, instance, attribute, given, seed, place)
        declared = np.zeros_like(numeric_slope)
        if text:
            tree = parse(text)
            typed = elaborate(tree, types, type_, op.indices(instance, attribute))
            with np.errstate(all="ignore"):
                declared = np.broadcast_to(_value(typed, letters), given[place].shape)
                declared = declared if "g" in _letters(tree) else declared * seed
        size = np.maximum(1.0, np.abs(declared))
        same = np.abs(declared - numeric_slope) <= 1e-7 * size
        if op.name == "softsign":  # the slope itself has a kink at 0
            same |= given[place] == 0
        assert np.mean(same) >= (1.0 if op.smoothness == "smooth" else 0.6)
