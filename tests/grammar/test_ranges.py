"""Ranges: rules are sound, guards establish their domains, and tamed operands always fit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.ops import OPS, Instance, Op
from grammar.ops.expression import Apply, Literal, Operand, Typed, elaborate, parse, type_of
from grammar.ranges import (
    DOMAINS,
    DOMINANT,
    FLOOR,
    RULES,
    TAME,
    TINY,
    ZERO,
    Range,
    constant,
    fits,
    full,
    inside,
    is_tame,
    join,
    tame,
)
from grammar.types import (
    BOOL,
    F16,
    F32,
    FLOATS,
    I8,
    I32,
    I64,
    SCALARS,
    SIGNED,
    SIZES,
    U8,
    U32,
    Element,
    Matrix,
    Scalar,
    Vector,
    element_shape,
    int_limits,
    scalar_of,
)
from tests.spelling import evaluate

Random = np.random.Generator

ELEMENTS: tuple[Element, ...] = (
    *SCALARS,
    *(Vector(scalar, size) for scalar in FLOATS for size in SIZES),
    *(Matrix(scalar, size, size) for scalar in FLOATS for size in SIZES),
)
ROWS = pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))


def _integer(random: Random, low: int, high: int) -> int:
    return low + int.from_bytes(random.bytes(9), "little") % (high - low + 1)


def _float_range(random: Random, type_: Element) -> Range:
    top = full(type_)[1]
    high = int(random.integers(FLOOR, top + 1))
    low = ZERO if random.random() < 0.4 else int(random.integers(FLOOR, high + 1))
    return (low, high, int(random.random() < 0.5))


def _range(random: Random, type_: Element) -> Range:
    """A random range within the full one, wide or narrow."""
    scalar = scalar_of(type_)
    if random.random() < 0.1:
        return full(type_)
    if scalar.kind == "float":
        return _float_range(random, type_)
    low, high = full(type_)
    bits = int(random.integers(1, high.bit_length() + 1))
    limit = min(high, (1 << bits) - 1)
    ends = [_integer(random, max(low, -limit), limit) for _ in range(2)]
    return (min(ends), max(ends))


def _values(random: Random, type_: Element, known: Range, count: int) -> Any:
    """Lanes of values within a range, its corners among them."""
    scalar, shape = scalar_of(type_), (count, *element_shape(type_))
    if scalar.kind == "bool":
        return random.integers(known[0], known[1] + 1, shape) != 0
    if scalar.kind != "float":
        drawn = [
            (known[0], known[1], _integer(random, known[0], known[1]))[k % 3]
            for k in random.integers(0, 6, count)
        ]
        return np.array(drawn, dtype=object)
    low, high, sign = known
    if sign == DOMINANT:
        small = random.uniform(-1, 1, shape) / 4
        return (small + 2 * np.eye(shape[-1])) * 2.0 ** (high - 2)
    least = max(low, -40)
    exponents = random.uniform(least, high, shape)
    corner = random.integers(0, 4, shape)
    exponents = np.where(corner == 0, least, np.where(corner == 1, high, exponents))
    values = np.where(random.random(shape) < 0.5, 1.0, -1.0 if sign == 0 else 1.0)
    values = values * 2.0**exponents
    return np.where((low == ZERO) & (random.random(shape) < 0.1), 0.0, values)


def _holds(known: Range, type_: Element, values: Any) -> bool:
    """Whether all values are in the range; a factor of 1 + 1e-9 is left for rounding."""
    scalar = scalar_of(type_)
    if scalar.kind != "float":
        return all(known[0] <= int(value) <= known[1] for value in np.ravel(values))
    values = np.asarray(values, dtype=np.float64)
    low, high, sign = known
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        most = 2.0 ** min(high, 1000) * (1 + 1e-9)
    least = 0.0 if low == ZERO else 2.0**low * (1 - 1e-9)
    tiny = 2.0**TINY
    magnitudes = np.abs(values)
    if not ((magnitudes <= max(most, tiny)) & (magnitudes >= least)).all():
        return False
    if sign == DOMINANT:
        return all(_dominant(matrix) for matrix in values)
    return sign == 0 or bool((values >= 0).all())


def _dominant(matrix: Any) -> bool:
    diagonal = np.abs(np.diag(matrix))
    sizes = np.abs(matrix)
    return any(bool((2 * diagonal - sizes.sum(axis=axis) >= 1 - 1e-9).all()) for axis in (0, 1))


def _in_domain(random: Random, op: Op, instance: Instance) -> tuple[Range, ...]:
    """Random ranges of the operands that satisfy the row's domains."""
    out: list[Range] = []
    for place, type_ in enumerate(instance.operands):
        name = op.requires[place] if op.requires else ""
        while True:
            known = _range(random, type_)
            if name == "dominant":
                known = (ZERO, int(random.integers(2, 6)), DOMINANT)
            if not name or DOMAINS[name].satisfied(known, type_, instance):
                break
        out.append(known)
    return tuple(out)


@ROWS
def test_rules_are_sound(op: Op) -> None:
    random = np.random.default_rng(11)
    typings = op.instances if len(op.instances) <= 40 else op.instances[::5]
    for instance in typings:
        if not instance.operands:
            continue
        for _ in range(max(4, 60 // len(typings))):
            known = _in_domain(random, op, instance)
            operands = [
                _values(random, type_, range_, 12)
                for type_, range_ in zip(instance.operands, known, strict=True)
            ]
            attribute = int(random.integers(0, max(op.attributes(instance), 1)))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = evaluate(op, instance, operands, attribute)
            ruled = RULES[op.range](known, instance, attribute)
            assert len(ruled) == (3 if scalar_of(instance.result).kind == "float" else 2)
            if scalar_of(instance.result).kind == "float" and ruled[1] > 900:
                continue
            assert _holds(ruled, instance.result, found), (instance, known, ruled, found)


def test_identity_is_dominant() -> None:
    (instance, *_) = OPS["identity"].instances
    assert RULES["identity"]((), instance, 0) == (ZERO, 0, DOMINANT)
    assert _dominant(np.eye(3))


def apply(op: Op, instance: Instance, known: list[Range], attribute: int, pick: int) -> Range:
    """What the generator does: guard operands into their domains, and tame them if need be."""
    _guard(op, instance, known, pick)
    ruled = RULES[op.range](tuple(known), instance, attribute)
    if fits(instance.result, ruled):
        return ruled
    for place, type_ in enumerate(instance.operands):
        if not is_tame(type_, known[place]):
            guards = tame(type_)
            known[place] = guarded(guards[pick % len(guards)], type_, known[place], pick)
            assert is_tame(type_, known[place]), (type_, guards[pick % len(guards)])
    _guard(op, instance, known, pick)
    ruled = RULES[op.range](tuple(known), instance, attribute)
    assert fits(instance.result, ruled), (op.name, instance, known, ruled)
    return ruled


def _guard(op: Op, instance: Instance, known: list[Range], pick: int) -> None:
    for place, name in enumerate(op.requires):
        type_ = instance.operands[place]
        if name and not DOMAINS[name].satisfied(known[place], type_, instance):
            guards = DOMAINS[name].guards
            text = guards[pick % len(guards)]
            known[place] = guarded(text, type_, known[place], pick)
            assert DOMAINS[name].satisfied(known[place], type_, instance), (name, text, type_)


def guarded(text: str, type_: Element, known: Range, pick: int) -> Range:
    """The range after a guard."""
    return _ranged(elaborate(parse(text), {"a": type_}, type_), known, pick)


def _ranged(tree: Typed, known: Range, pick: int) -> Range:
    match tree:
        case Operand():
            return known
        case Literal(value=value, type=type_):
            return constant(type_, value)
        case Apply(op=name, arguments=arguments, type=type_):
            instance = Instance(tuple(argument.type for argument in arguments), type_)
            ranges = [_ranged(argument, known, pick) for argument in arguments]
            return apply(OPS[name], instance, ranges, 0, pick)


def _users() -> Iterator[tuple[str, Element, Instance]]:
    """Every domain at every operand type and typing that requires it."""
    for op in OPS.values():
        for instance in op.instances:
            for name, type_ in zip(op.requires, instance.operands, strict=False):
                if name:
                    yield name, type_, instance


@pytest.mark.parametrize("name", DOMAINS)
def test_guards_establish_their_domain(name: str) -> None:
    random = np.random.default_rng(5)
    users = {(type_, instance) for used, type_, instance in _users() if used == name}
    assert users
    for type_, instance in users:
        if type_ == BOOL:
            assert DOMAINS[name].satisfied((0, 1), type_, instance)
            continue
        for text in DOMAINS[name].guards:
            assert type_of(parse(text), {"a": type_}) == type_
            for known in (full(type_), *(_range(random, type_) for _ in range(6))):
                for pick in range(3):
                    after = guarded(text, type_, known, pick)
                    assert DOMAINS[name].satisfied(after, type_, instance), (text, type_, after)


@ROWS
def test_results_fit_once_operands_are_tamed(op: Op) -> None:
    random = np.random.default_rng(9)
    for instance in op.instances:
        for pick in range(4):
            for known in (
                [full(type_) for type_ in instance.operands],
                [_range(random, type_) for type_ in instance.operands],
            ):
                apply(op, instance, known, 0, pick)


@pytest.mark.parametrize("type_", ELEMENTS, ids=str)
def test_taming_works_on_any_value(type_: Element) -> None:
    if type_ == BOOL:
        assert is_tame(type_, full(type_))
        return
    for pick, text in enumerate(tame(type_)):
        after = guarded(text, type_, full(type_), pick)
        assert is_tame(type_, after)
        assert fits(type_, after)


def test_guards_and_taming_start_simple() -> None:
    assert DOMAINS["positive"].guards[0] == "abs(a) + 0.25"
    assert TAME["float"][0] == "clamp(a, -2.0, 2.0)"


@pytest.mark.parametrize("scalar", FLOATS)
def test_full_floats(scalar: Scalar) -> None:
    assert full(scalar) == (ZERO, 11 if scalar.bits == 16 else 17, 0)
    assert full(Vector(scalar, 3)) == full(scalar)


def test_full_integers() -> None:
    assert full(I8) == (-127, 127)
    assert full(I32) == (-(1 << 24), 1 << 24)
    assert full(I64) == (-(1 << 40), 1 << 40)
    assert full(U8) == (0, 255)
    assert full(BOOL) == (0, 1)
    for scalar in SIGNED:
        low, high = full(scalar)
        assert low == -high
        assert int_limits(scalar)[0] < low


@given(st.floats(-(2.0**17), 2.0**17))
def test_constants_hold_their_value(value: float) -> None:
    known = constant(F32, value)
    assert fits(F32, known)
    assert _holds(known, F32, [value])
    assert known[1] - max(known[0], FLOOR) <= 1 or known[0] == ZERO


def test_constants() -> None:
    assert constant(F32, 4.0) == (2, 2, 1)
    assert constant(F32, -3.0) == (1, 2, 0)
    assert constant(F16, 0.0) == (ZERO, TINY, 1)
    assert constant(I32, 7) == (7, 7)
    assert constant(BOOL, True) == (1, 1)


def test_join_and_inside() -> None:
    a, b = constant(F32, 0.5), constant(F32, -8.0)
    assert join(a, b) == (-1, 3, 0)
    assert inside(a, join(a, b))
    assert inside(b, join(a, b))
    assert not inside(join(a, b), a)
    assert not inside(b, (-1, 3, 1))
    assert join((1, 2), (-3, 1)) == (-3, 2)
    assert inside((ZERO, 1, DOMINANT), (ZERO, 2, 0))
    assert not inside((ZERO, 1, 0), (ZERO, 2, DOMINANT))
    assert join((ZERO, 1, DOMINANT), (0, 1, 1))[2] == 0


def test_unsigned_results_wrap() -> None:
    instance = Instance((U32, U32), U32)
    assert RULES["sub"](((0, 5), (0, 5)), instance, 0) == int_limits(U32)
    assert RULES["sub"](((5, 9), (0, 5)), instance, 0) == (0, 9)
    signed = Instance((I8, I8), I8)
    assert not fits(I8, RULES["add"](((0, 127), (0, 1)), signed, 0))
