"""Types, literals and op spellings of JAX source."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from backends import surface as s
from backends.spelling import kept, spelled
from backends.template import OPERANDS, parse_template
from grammar.ops import OPS, Instance
from grammar.ops.array import ARRAY_OPS
from grammar.program import Attribute
from grammar.types import BOOL, I32, Array, Element, Scalar, Type, int_limits

JNP = s.Name("jnp")
LAX = s.Name("lax")
TRUE = s.Literal("True")
I32_TYPE = s.Attribute(JNP, "int32")


@cache
def jnp(name: str) -> s.Attribute:
    """`jnp.name`"""
    return s.Attribute(JNP, name)


@cache
def lax(name: str) -> s.Attribute:
    """`lax.name`"""
    return s.Attribute(LAX, name)


def dtype(scalar: Scalar) -> s.Expr:
    """The dtype as it is passed to a function: `jnp.float32`, or `bool`."""
    return s.Name("bool") if scalar.kind == "bool" else jnp(scalar.dtype)


def integer(number: int) -> s.Expr:
    """An integer literal."""
    return s.Unary("-", s.Literal(str(-number))) if number < 0 else s.Literal(str(number))


def number(scalar: Scalar, literal: bool | int | float) -> s.Expr:
    """The literal alone, which JAX takes as a weakly typed number."""
    if scalar.kind == "bool":
        return s.Literal("True" if literal else "False")
    if scalar.kind != "float":
        return integer(int(literal))
    value = float(literal)
    if math.isnan(value):
        return jnp("nan")
    size: s.Expr = (
        jnp("inf")
        if math.isinf(value)
        else s.Literal(_digits(scalar, abs(value)).replace("e+", "e"))
    )
    return s.Unary("-", size) if math.copysign(1.0, value) < 0 else size


@lru_cache(maxsize=4096)
def _digits(scalar: Scalar, value: float) -> str:
    """The fewest digits that read back as the same number of this type. `value` has no sign: a
    cache does not tell -0.0 from 0.0."""
    if scalar.dtype not in ("float32", "float16"):
        return repr(value)
    kind = np.dtype(scalar.dtype).type
    short = str(kind(value))
    return short if kind(float(short)) == kind(value) else repr(value)


@lru_cache(maxsize=4096)
def may_be_weak(scalar: Scalar, literal: bool | int | float) -> bool:
    """Whether a weakly typed literal keeps its value on the way to the type of its neighbour."""
    if scalar.kind == "float":
        if scalar.bits > 16 or not math.isfinite(literal):
            return scalar.bits > 16
        return float(np.float32(literal)) == literal
    low, high = int_limits(I32)
    return low <= literal <= high


def strong(scalar: Scalar, weak: s.Expr) -> s.Expr:
    """A Python number with its type: `jnp.float32(0.5)`."""
    return s.Call(jnp("bool_" if scalar == BOOL else scalar.dtype), (weak,))


@dataclass(frozen=True, slots=True)
class Operand:
    """An operand to put into a spelling. `weak` says that it is a Python number."""

    expr: s.Expr
    scalar: Scalar
    weak: bool = False


@dataclass(frozen=True, slots=True)
class Spelling:
    """One spelling of an op. `uses` counts how often each operand stands in it; `modules` are those
    of `jax` and `lax` that it names."""

    tree: s.Expr
    uses: tuple[int, ...]
    modules: tuple[str, ...]


_ARRAY_INTEGERS = re.compile(r"""\"[^"]*"|\b(?:[in]|s[012]?)\b""")
"""The integer holes of spellings; quoted text has none."""


@lru_cache(maxsize=1 << 14)
def spellings(
    op: str,
    operands: tuple[Element, ...],
    result: Element,
    attribute: Attribute,
    lane: bool,
    avoided: frozenset[str] = frozenset(),
) -> tuple[Spelling, ...]:
    """The spellings of a row at a typing, simplest first, without those to avoid; `lane` where no
    value has lane axes."""
    instance = Instance(operands, result)
    texts = spelled(op, instance, attribute, "jax", lane=lane)
    found = kept(op, OPS[op].spellings(instance, "jax", lane=lane), avoided)
    return tuple([template(texts[at]) for at in found])


@lru_cache(maxsize=1 << 12)
def array_spellings(
    op: str,
    operands: tuple[Type, ...],
    attribute: Attribute,
    avoided: frozenset[str] = frozenset(),
) -> tuple[Spelling, ...]:
    """The spellings of an op on whole arrays, simplest first, without those to avoid."""
    holes = {"i": str(attribute)}
    if isinstance(attribute, tuple):
        inside = ", ".join(map(str, attribute)) + "," * (len(attribute) == 1)
        holes = {"s": f"({inside})"} | {f"s{at}": str(n) for at, n in enumerate(attribute)}
    listed = ARRAY_OPS[op].spellings(operands, "jax")
    texts = [listed[at] for at in kept(op, listed, avoided)]
    return tuple([template(_ARRAY_INTEGERS.sub(lambda m: holes.get(m[0], m[0]), t)) for t in texts])


@lru_cache(maxsize=1 << 12)
def template(text: str) -> Spelling:
    """A spelling from its text."""
    parsed = parse_template(text)
    modules = tuple([module for module in ("jax", "lax") if f"{module}." in text])
    return Spelling(parsed.expr, parsed.uses, modules)


ARITHMETIC = frozenset({"+", "-", "*", "/", "//", "%", "**", "@", "&", "|", "^", "<<", ">>"})
_ELEMENTWISE = """
    add arctan2 clip copysign divide floor_divide fmod hypot left_shift maximum minimum mod multiply
    power remainder right_shift subtract bitwise_and bitwise_or bitwise_xor
"""
_ONE_TYPE = """
    abs arccos arcsin arctan cbrt ceil cos cosh exp exp2 expm1 floor log log10 log1p log2 max min
    negative positive reciprocal rint round rsqrt sign sin sinh sqrt square sum tan tanh trunc
"""
_TESTS = "equal greater greater_equal heaviside less less_equal not_equal where"
KEEPING = frozenset(f"{_ELEMENTWISE} {_ONE_TYPE}".split())
"""Functions whose result has the type of their operands."""
PROMOTING = frozenset(f"{_ELEMENTWISE} {_TESTS}".split())
"""Functions of jnp whose operands are brought to one type, so that a Python number may stand."""


@dataclass(frozen=True, slots=True)
class Filling:
    """What fills the holes of a spelling."""

    operands: dict[str, Operand]
    types: dict[str, Scalar]
    strict: bool


def fill(
    spelling: Spelling,
    operands: Sequence[Operand],
    result: Scalar,
    strict: bool = False,
) -> s.Expr:
    """The spelling over its operands. `strict` gives every literal its type."""
    first = operands[0].scalar if operands else result
    holes = Filling(
        dict(zip(OPERANDS, operands, strict=False)),
        {"T": first, "S": result, "R": result},
        strict,
    )
    return _fill(spelling.tree, holes, False)


def _weak(node: s.Expr, holes: Filling) -> Scalar | None:
    """The type of a Python number that stands here, if one does."""
    match node:
        case s.Name(id=name) if name in holes.operands:
            operand = holes.operands[name]
            return operand.scalar if operand.weak else None
        case s.Call(func=s.Name(id=name)) if name in holes.types:
            return holes.types[name]
        case _:
            return None


def _typed(node: s.Expr, holes: Filling) -> Scalar | None:
    """The type of a strongly typed expression; None where it is weak or not known."""
    match node:
        case s.Name(id=name) if name in holes.operands:
            operand = holes.operands[name]
            return None if operand.weak else operand.scalar
        case s.Binary(op=op, left=left, right=right) if op in ARITHMETIC:
            return _typed(left, holes) or _typed(right, holes)
        case s.Unary(operand=operand):
            return _typed(operand, holes)
        case s.Subscript(value=value):
            return _typed(value, holes)
        case s.Call(func=s.Attribute(attr=attr), args=args) if attr in KEEPING:
            return next((found for arg in args if (found := _typed(arg, holes))), None)
        case _:
            return None


def _fill(node: s.Expr | s.Slice, holes: Filling, weak: bool) -> s.Expr:
    match node:
        case s.Name(id=name):
            operand = holes.operands.get(name)
            if operand is not None:
                keep = weak or not operand.weak
                return operand.expr if keep else strong(operand.scalar, operand.expr)
            scalar = holes.types.get(name)
            if scalar is not None:
                return dtype(scalar)
            return node
        case s.Call(func=s.Name(id=name), args=(literal,)) if name in holes.types:
            scalar = holes.types[name]
            value = _value(literal)
            plain = number(scalar, value)
            return plain if weak and may_be_weak(scalar, value) else strong(scalar, plain)
        case s.Binary(op=op, left=left, right=right):
            weak_left, weak_right = _weak(left, holes), _weak(right, holes)
            left_ok = weak_left is not None and _typed(right, holes) == weak_left
            given = weak_left or _typed(left, holes)
            right_ok = weak_right is not None and given == weak_right and not left_ok
            if holes.strict:
                left_ok = right_ok = False
            return s.Binary(op, _fill(left, holes, left_ok), _fill(right, holes, right_ok))
        case s.Unary(op=op, operand=operand):
            return s.Unary(op, _fill(operand, holes, False))
        case s.Attribute(value=value, attr=attr):
            return node if value in (JNP, LAX) else s.Attribute(_fill(value, holes, False), attr)
        case s.Call(func=func, args=args, keywords=keywords):
            allowed = _promoted(func, args, holes)
            return s.Call(
                _fill(func, holes, False),
                tuple([_fill(arg, holes, ok) for arg, ok in zip(args, allowed, strict=True)]),
                tuple([(key, _fill(value, holes, False)) for key, value in keywords]),
            )
        case s.Subscript(value=value, indices=indices):
            return s.Subscript(
                _fill(value, holes, False), tuple([_index(index, holes) for index in indices])
            )
        case s.Tuple(items=items):
            return s.Tuple(tuple([_fill(item, holes, False) for item in items]))
        case s.List(items=items):
            return s.List(tuple([_fill(item, holes, False) for item in items]))
        case _:
            assert not isinstance(node, s.Slice)
            return node


def _index(node: s.Expr | s.Slice, holes: Filling) -> s.Expr | s.Slice:
    return node if isinstance(node, s.Slice) else _fill(node, holes, True)


def _promoted(func: s.Expr, args: tuple[s.Expr, ...], holes: Filling) -> list[bool]:
    """Per argument, whether a Python number may stand there."""
    if holes.strict or not (
        isinstance(func, s.Attribute) and func.value == JNP and func.attr in PROMOTING
    ):
        return [False] * len(args)
    skipped = 1 if func.attr == "where" else 0
    scalars = [_typed(arg, holes) if k >= skipped else None for k, arg in enumerate(args)]
    return [_weak(arg, holes) in scalars and _weak(arg, holes) is not None for arg in args]


def _value(node: s.Expr) -> int | float:
    match node:
        case s.Literal(text=text):
            return float(text) if any(c in text for c in ".en") else int(text)
        case s.Unary(op="-", operand=operand):
            return -_value(operand)
        case _:
            raise ValueError(f"not a number in a spelling: {node}")


def element_scalar(type_: Type) -> Scalar:
    """The scalar at the bottom of a type."""
    while isinstance(type_, Array):
        type_ = type_.element
    return type_ if isinstance(type_, Scalar) else type_.scalar
