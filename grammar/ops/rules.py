"""How ops move ranges: one rule per name in an op row's `range`.

A rule takes the operands' ranges, which satisfy the row's domains, the typing, and the attribute;
it returns a range that holds every result. A result that leaves its type shows as a range that no
longer fits; unsigned integers wrap, so theirs is then the whole type. Where a library function may
err by some units in the last place, the bounds leave a factor of 2.
"""

from __future__ import annotations

from collections.abc import Callable

from grammar.ops.base import Instance, size_of
from grammar.ops.integer_rules import INTEGER_RULES, integer, products, squares
from grammar.ops.interval import DOMINANT, TRUTH, ZERO, Range, full, join, real
from grammar.ops.uncommon import WIDE
from grammar.types import Scalar, scalar_of

Rule = Callable[[tuple[Range, ...], Instance, int], Range]


def _fixed(range_: Range) -> Rule:
    return lambda r, instance, attribute: range_


def _first(of: Callable[[Range], Range]) -> Rule:
    return lambda r, instance, attribute: of(r[0])


def _pair(of: Callable[[Range, Range], Range]) -> Rule:
    return lambda r, instance, attribute: of(r[0], r[1])


def _unary(integers: Callable[[Range], Range], floats: Callable[[Range], Range]) -> Rule:
    """A rule for rows of one number of any kind."""

    def rule(r: tuple[Range, ...], instance: Instance, attribute: int) -> Range:
        if len(r[0]) == 3:
            return floats(r[0])
        low, high = integers(r[0])
        return integer(low, high, scalar_of(instance.result))

    return rule


def _binary(
    integers: Callable[[Range, Range], Range], floats: Callable[[Range, Range], Range]
) -> Rule:
    """A rule for rows of two numbers of any kind."""

    def rule(r: tuple[Range, ...], instance: Instance, attribute: int) -> Range:
        if len(r[0]) == 3:
            return floats(r[0], r[1])
        low, high = integers(r[0], r[1])
        return integer(low, high, scalar_of(instance.result))

    return rule


def _both(a: Range, b: Range) -> int:
    return int(a[2] == 1 and b[2] == 1)


def _positive(a: Range) -> int:
    return int(a[2] == 1)


def add(a: Range, b: Range) -> Range:
    """The sum of two floats."""
    both = _both(a, b)
    low = max(a[0], b[0]) if both else _apart(a, b)
    return real(low, max(a[1], b[1]) + 1, both)


def _apart(a: Range, b: Range) -> int:
    if a[0] > b[1]:
        return a[0] - 1
    return b[0] - 1 if b[0] > a[1] else ZERO


def sub(a: Range, b: Range) -> Range:
    """The difference of two floats."""
    return real(_apart(a, b), max(a[1], b[1]) + 1, 0)


def mul(a: Range, b: Range) -> Range:
    """The product of two floats."""
    return real(a[0] + b[0], a[1] + b[1], _both(a, b))


def _div(a: Range, b: Range) -> Range:
    return real(a[0] - b[1], a[1] - b[0], _both(a, b))


def _square(a: Range) -> Range:
    return real(2 * a[0], 2 * a[1], 1)


def _absolute(a: Range) -> Range:
    return (a[0], a[1], 1)


def _lerp(a: Range, b: Range, c: Range) -> Range:
    return add(mul(a, sub((0, 0, 1), c)), mul(b, c))


def _midpoint(a: Range, b: Range) -> Range:
    low, high, sign = add(a, b)
    return real(low - 1, high - 1, sign)


def _terms(n: int) -> int:
    """n terms are at most 2**this times the largest."""
    return (n - 1).bit_length()


def _summed(a: Range, n: int) -> Range:
    sign = _positive(a)
    return real(a[0] if sign else ZERO, a[1] + _terms(n), sign)


def _dot(a: Range, b: Range, n: int) -> Range:
    return _summed(mul(a, b), n)


def _norm_squared(a: Range, n: int) -> Range:
    return _summed(_square(a), n)


def _root(a: Range) -> Range:
    """The square root."""
    return real(a[0] >> 1, -(-a[1] >> 1), 1)


def _norm(a: Range, n: int) -> Range:
    return _root(_norm_squared(a, n))


def _neg(a: Range) -> Range:
    return (a[0], a[1], 0)


def _min(a: Range, b: Range) -> Range:
    both = _both(a, b)
    return (min(a[0], b[0]), min(a[1], b[1]) if both else max(a[1], b[1]), both)


def _max(a: Range, b: Range) -> Range:
    known = [r[0] for r in (a, b) if r[2] == 1]
    low = max(known) if known else min(a[0], b[0])
    return (low, max(a[1], b[1]), int(bool(known)))


def _clamp(a: Range, b: Range, c: Range) -> Range:
    if len(a) == 2:
        return (min(max(a[0], b[0]), c[0]), min(max(a[1], b[1]), c[1]))
    sign = int(c[2] == 1 and (a[2] == 1 or b[2] == 1))
    low = min(b[0], c[0]) if b[2] == 1 and c[2] == 1 else min(a[0], b[0], c[0])
    return (low, max(b[1], c[1]), sign)


def _joined(r: tuple[Range, ...], instance: Instance, attribute: int) -> Range:
    out = r[0]
    for other in r[1:]:
        out = join(out, other)
    return out


def _same(a: Range) -> Range:
    return a if len(a) == 2 or a[2] != DOMINANT else (a[0], a[1], 0)


def _exponent(high: int) -> int:
    """k with exp(2**high) < 2**k, and room for some units in the last place."""
    return ((3 << high) >> 1) + 1 if high >= 0 else 2


def _exp(a: Range) -> Range:
    k = _exponent(a[1])
    return real(-k, k, 1)


def _sinh(a: Range) -> Range:
    return real(a[0] - 1, _exponent(a[1]), _positive(a))


def _log(a: Range) -> Range:
    return real(ZERO, max(abs(a[0]), abs(a[1])).bit_length(), int(a[0] >= 1))


def _pow(a: Range, b: Range) -> Range:
    most = max(abs(a[0]), abs(a[1]))
    k = (most << b[1] if b[1] >= 0 else -(-most >> -b[1])) + 1
    return real(-k, k, 1)


def _cube_root(a: Range) -> Range:
    low = a[0] // 3 - 1 if a[0] != ZERO else ZERO
    return real(low, -(-a[1] // 3) + 1, _positive(a))


def _logaddexp(a: Range, b: Range) -> Range:
    return real(ZERO, max(a[1], b[1], 0) + 1, _both(a, b))


def _rounding(a: Range) -> Range:
    return real(ZERO, max(a[1], 0), _positive(a))


def _copysign(a: Range, b: Range) -> Range:
    return (a[0], a[1], _positive(b))


def _fmod(a: Range, b: Range) -> Range:
    return real(ZERO, min(a[1], b[1]), _positive(a))


def _floor_divide(a: Range, b: Range) -> Range:
    return _rounding(_div(a, b))


def _normalize(a: Range) -> Range:
    return real(a[0] - a[1] - 2, 0, _positive(a))


def _project(a: Range, b: Range) -> Range:
    return real(ZERO, a[1] + 2, _both(a, b))


def _reflect(r: tuple[Range, ...], instance: Instance, attribute: int) -> Range:
    low, high, sign = _dot(r[0], r[1], size_of(instance))
    return sub(r[0], mul((low + 1, high + 1, sign), r[1]))


def _triple(a: Range, b: Range, c: Range) -> Range:
    return _dot(a, sub(mul(b, c), mul(b, c)), 3)


def _add_diagonal(a: Range, b: Range) -> Range:
    dominant = b[2] == 1 and b[0] >= max(a[1] + 3, 1)
    return real(ZERO, max(a[1], b[1]) + 1, DOMINANT if dominant else 0)


def _determinant(r: tuple[Range, ...], instance: Instance, attribute: int) -> Range:
    n = size_of(instance)
    return real(ZERO, n * r[0][1] + {2: 1, 3: 3, 4: 5}[n], 0)


def _quadratic(r: tuple[Range, ...], instance: Instance, attribute: int) -> Range:
    n = size_of(instance)
    return _dot(r[0], _dot(r[1], r[0], n), n)


def cast(r: tuple[Range, ...], instance: Instance, attribute: int) -> Range:
    """A conversion between any two scalar types; it may give a range that does not fit."""
    (a,), result = r, instance.result
    assert isinstance(result, Scalar)
    if result.kind == "bool":
        return TRUTH
    if result.kind == "float":
        if len(a) == 3:
            return a
        most = max(abs(a[0]), abs(a[1]))
        least = a[0] if a[0] > 0 else -a[1]
        return real(
            least.bit_length() - 1 if least > 0 else ZERO, most.bit_length(), int(a[0] >= 0)
        )
    if len(a) == 2:
        return a
    most = 1 << a[1] if a[1] >= 0 else 0
    return (0 if a[2] == 1 else -most, most)


RULES: dict[str, Rule] = {
    **INTEGER_RULES,
    "any": lambda r, instance, attribute: full(instance.result),
    "truth": _fixed(TRUTH),
    "same": _first(_same),
    "transpose": _first(lambda a: a),
    "join": _joined,
    "cast": cast,
    "add": _binary(lambda a, b: (a[0] + b[0], a[1] + b[1]), add),
    "sub": _binary(lambda a, b: (a[0] - b[1], a[1] - b[0]), sub),
    "mul": _binary(products, mul),
    "wide_offset": _unary(lambda a: (a[0] + WIDE, a[1] + WIDE), lambda a: a),
    "neg": _unary(lambda a: (-a[1], -a[0]), _neg),
    "square": _unary(lambda a: squares(a), _square),
    "abs": _unary(lambda a: (max(a[0], -a[1], 0), max(-a[0], a[1])), _absolute),
    "absolute_difference": _binary(
        lambda a, b: (max(a[0] - b[1], b[0] - a[1], 0), max(a[1] - b[0], b[1] - a[0])),
        lambda a, b: _absolute(sub(a, b)),
    ),
    "sign": _unary(lambda a: (-1, 1), lambda a: (ZERO, 0, _positive(a))),
    "min": _binary(lambda a, b: (min(a[0], b[0]), min(a[1], b[1])), _min),
    "max": _binary(lambda a, b: (max(a[0], b[0]), max(a[1], b[1])), _max),
    "clamp": lambda r, instance, attribute: _clamp(*r),
    "select": lambda r, instance, attribute: join(r[1], r[2]),
    "div": _pair(_div),
    "cube": _first(lambda a: real(3 * a[0], 3 * a[1], _positive(a))),
    "reciprocal": _first(lambda a: real(-a[1], -a[0], _positive(a))),
    "midpoint": _pair(_midpoint),
    "squared_difference": _pair(lambda a, b: _square(sub(a, b))),
    "multiply_add": lambda r, instance, attribute: add(mul(r[0], r[1]), r[2]),
    "lerp": lambda r, instance, attribute: _lerp(*r),
    "fmod": _pair(_fmod),
    "floor_divide": _pair(_floor_divide),
    "unit_sign": _first(lambda a: (0, 0, _positive(a))),
    "copysign": _pair(_copysign),
    "zero_one": _fixed((ZERO, 0, 1)),
    "zero_two": _fixed((ZERO, 1, 1)),
    "rounding": _first(_rounding),
    "frac": _first(lambda a: real(ZERO, min(a[1], 0), _positive(a))),
    "sqrt": _first(_root),
    "rsqrt": _first(lambda a: real((-a[1] >> 1) - 1, -(a[0] >> 1) + 1, 1)),
    "cbrt": _first(_cube_root),
    "pow": _pair(_pow),
    "hypot": _pair(lambda a, b: _root(add(_square(a), _square(b)))),
    "exp": _first(_exp),
    "expm1": _first(lambda a: real(ZERO, _exponent(a[1]), 0)),
    "log": _first(_log),
    "sinh": _first(_sinh),
    "cosh": _first(lambda a: real(-1, _exponent(a[1]), 1)),
    "logaddexp": _pair(_logaddexp),
    "unit": _fixed((ZERO, 0, 0)),
    "two": _first(lambda a: (ZERO, 1, _positive(a))),
    "four": _fixed((ZERO, 2, 0)),
    "acos": _fixed((0, 2, 1)),
    "degrees": _first(lambda a: real(a[0] + 5, a[1] + 6, _positive(a))),
    "radians": _first(lambda a: real(a[0] - 6, a[1] - 5, _positive(a))),
    "relu": _first(lambda a: (a[0] if a[2] == 1 else ZERO, a[1], 1)),
    "leaky_relu": _first(lambda a: real(a[0] - 7, a[1], _positive(a))),
    "sigmoid": _first(lambda a: real(-_exponent(a[1]) - 1, 0, 1)),
    "softplus": _first(lambda a: real(ZERO, max(a[1], 0) + 1, 1)),
    "log_sigmoid": _first(lambda a: real(ZERO, max(a[1], 0) + 1, 0)),
    "shrink": _first(lambda a: real(ZERO, a[1], _positive(a))),
    "shrink_to_unit": _first(
        lambda a: real(min(a[0], 0) - 1, min(a[1] + 1, 0), _positive(a)),
    ),
    "elu": _first(lambda a: real(ZERO, max(a[1], 0), _positive(a))),
    "relu6": _first(lambda a: real(ZERO, min(a[1], 3), 1)),
    "with_zero": _first(lambda a: real(ZERO, a[1], _positive(a))),
    "dot": lambda r, instance, attribute: _dot(r[0], r[1], size_of(instance)),
    "cross": _pair(lambda a, b: sub(mul(a, b), mul(a, b))),
    "triple": lambda r, instance, attribute: _triple(*r),
    "reflect": _reflect,
    "project": _pair(_project),
    "length": lambda r, instance, attribute: _norm(r[0], size_of(instance)),
    "length_squared": lambda r, instance, attribute: _norm_squared(r[0], size_of(instance)),
    "normalize": _first(_normalize),
    "squash": _first(lambda a: real(ZERO, min(a[1], -1), _positive(a))),
    "distance": lambda r, instance, attribute: _norm(sub(r[0], r[1]), size_of(instance)),
    "distance_squared": lambda r, instance, attribute: _norm_squared(
        sub(r[0], r[1]), size_of(instance)
    ),
    "sum": lambda r, instance, attribute: _summed(r[0], size_of(instance) ** 2),
    "trace": lambda r, instance, attribute: _summed(r[0], size_of(instance)),
    "place": lambda r, instance, attribute: (0, size_of(instance) - 1),
    "identity": _fixed((ZERO, 0, DOMINANT)),
    "skew": _first(lambda a: real(ZERO, a[1], 0)),
    "quadratic": _quadratic,
    "ddot": lambda r, instance, attribute: _dot(r[0], r[1], size_of(instance) ** 2),
    "symmetrize": _first(lambda a: _same(_midpoint(a, a))),
    "add_diagonal": _pair(_add_diagonal),
    "frobenius": lambda r, instance, attribute: _norm(r[0], size_of(instance) ** 2),
    "determinant": _determinant,
    "inverse": _fixed((ZERO, 1, 0)),
}
