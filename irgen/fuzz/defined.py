"""Whether a case is defined: what compiled code may do with it is what the program means.

Drawn programs are, on the inputs that follow from them. One that was changed, or is fed something
else, may overflow an integer or go on after the bound of a loop, of which working precision tells
nothing: integers wrap in it, and rounds end at the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import frexp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grammar.domain import Combine, Mask, Rows, Value
from grammar.interpret import UndefinedBehaviour, run
from grammar.interpret.frame import NOBODY, Context, Frame, Step, shape_of
from grammar.ops import OPS
from grammar.ops.base import Instance
from grammar.ops.interval import TINY, ZERO, Range
from grammar.passes.effects import constants
from grammar.plain import Plain
from grammar.program import Program, Region, Statement, Unit
from grammar.ranges import DOMAINS, RULES
from grammar.text import print_statement
from grammar.types import Scalar, int_limits, scalar_of
from grammar.verify import VerifyError, verify
from irgen.fuzz.case import Case


def undefined(case: Case) -> str:
    """Why a case is not defined, in one line; "" where it is.

    It is not where the program breaks a rule of the language, indexes out of bounds, divides an
    integer by zero, overflows a signed integer, shifts or casts out of range, or where a loop goes
    on past its bound.
    """
    try:
        verify(case.program)
        first = _ran(case.program, case.inputs)
        longer = _longer(case.program)
        second = first if longer is case.program else _ran(longer, case.inputs)
    except (VerifyError, UndefinedBehaviour, _Overflow) as error:
        return str(error)
    pairs = zip(first.outputs, second.outputs, strict=True)
    same = all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)
    return "" if same and first.steps == second.steps else "a loop goes on past its bound"


class _Overflow(Exception):
    """An operand leaves its domain, or an integer its type."""


@dataclass(frozen=True, slots=True)
class _Ran:
    """The outputs of a program, and how many ops ran in all lanes together."""

    outputs: list[NDArray[Any]]
    steps: int


def _ran(program: Program, inputs: Sequence[NDArray[Any]]) -> _Ran:
    watch = _Watch()
    outputs = run(program, inputs, _Checked(), watch=watch)
    return _Ran([np.asarray(value) for value in outputs], watch.count)


class _Checked(Plain):
    """Plain values, but sums that leave their type are told of."""

    __slots__ = ()

    def combine(self, kind: Combine, value: Value, rows: Rows, new: Value) -> None:
        exact = _wide(value)
        if exact is not None:
            super().combine(kind, exact, rows, new)
            _require(exact, value.dtype, f"atomic_{kind}")
        super().combine(kind, value, rows, new)

    def fold(self, kind: Combine, initial: Value, terms: Value, count: int) -> Value:
        exact = _wide(terms)
        if exact is not None:
            _require(super().fold(kind, initial, exact, count), terms.dtype, kind)
        return super().fold(kind, initial, terms, count)


def _wide(value: NDArray[Any]) -> NDArray[Any] | None:
    """A copy with room for sums of signed integers, which is exact as far as those of 64 bits."""
    return value.astype(np.longdouble) if value.dtype.kind == "i" else None


def _require(exact: NDArray[Any], dtype: np.dtype[Any], what: str) -> None:
    limits = np.iinfo(dtype)
    if exact.size and not (limits.min <= exact.min() and exact.max() <= limits.max):
        raise _Overflow(f"{what} of {dtype} overflows")


class _Watch:
    """Sees every op: whether its operands, as they are, keep its row's domains, and whether the
    row's rule says that the result fits. It counts lanes in which ops ran."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(
        self, context: Context, statement: Statement, step: Step, frame: Frame, mask: Mask | None
    ) -> Mask | None:
        if mask is not NOBODY:
            lanes = frame.lanes if mask is None or not mask.ndim else int(np.count_nonzero(mask))
            self.count += lanes
            result = statement.results[0].type
            # Floats may overflow, and leave domains: what comes of it is no number, but defined.
            if isinstance(result, Scalar) and result.kind in ("int", "uint") and lanes:
                _check(statement, frame, mask)
        return step(frame, mask)


def _check(statement: Statement, frame: Frame, mask: Mask | None) -> None:
    op = OPS[statement.op]
    operands = statement.operands
    result = statement.results[0].type
    assert isinstance(result, Scalar)
    instance = Instance(tuple([value.type for value in operands]), result)  # pyright: ignore
    ranges = tuple([_range(frame, value.id, value.type, mask) for value in operands])
    # The interpreter looks at divisors itself, one by one.
    for at, name in enumerate(op.requires):
        type_: Any = operands[at].type
        if name not in ("", "nonzero_integer") and not DOMAINS[name].satisfied(
            ranges[at], type_, instance
        ):
            raise _Overflow(f"{print_statement(statement)}: operand {at} is not {name}")
    attribute = statement.attribute if isinstance(statement.attribute, int) else 0
    low, high = RULES[op.range](ranges, instance, attribute)[:2]
    least, most = int_limits(result)
    if result.kind == "int" and not (least <= low and high <= most):
        raise _Overflow(f"{print_statement(statement)}: may leave {result}")


def _range(frame: Frame, id_: int, type_: Any, mask: Mask | None) -> Range:
    """The range of a value over the active lanes."""
    value = np.asarray(frame[id_])
    if mask is not None and mask.ndim and value.ndim > len(shape_of(type_)):
        value = np.broadcast_to(value, (mask.size, *value.shape[1:]))[mask]
    if scalar_of(type_).kind != "float":
        return int(value.min()), int(value.max())
    if not np.isfinite(value).all():
        raise _Overflow(f"an operand of type {type_} is no finite number")
    least, most = float(np.abs(value).min()), float(np.abs(value).max())
    sign = int(not (value < 0).any())
    return frexp(least)[1] - 1 if least else ZERO, frexp(most)[1] if most else TINY, sign


def _longer(program: Program) -> Program:
    """The program with one more round allowed to every `for` whose rounds are not known. The bound
    of a `while` stands in every source, but that of a `for` need not."""
    units = tuple([_longer_unit(unit) for unit in program.units])
    return program if units == program.units else Program(units)


def _longer_unit(unit: Unit) -> Unit:
    known = constants(unit)
    body = _longer_region(unit.body, known)
    return unit if body is unit.body else Unit(unit.kind, body, unit.results, unit.grid)


def _longer_region(region: Region, known: dict[int, Any]) -> Region:
    body = tuple([_longer_statement(one, known) for one in region.body])
    same = all(a is b for a, b in zip(body, region.body, strict=True))
    return region if same else region._replace(body=body)


def _longer_statement(statement: Statement, known: dict[int, Any]) -> Statement:
    regions = tuple([_longer_region(one, known) for one in statement.regions])
    attribute = statement.attribute
    if statement.op == "for" and not all(v.id in known for v in statement.operands[:2]):
        assert isinstance(attribute, tuple)
        attribute = (attribute[0], attribute[1] + 1)
    elif all(a is b for a, b in zip(regions, statement.regions, strict=True)):
        return statement
    return statement._replace(attribute=attribute, regions=regions)
