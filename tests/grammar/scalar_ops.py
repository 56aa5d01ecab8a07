"""More ops for the scalar interpreter, and a check that no value leaves its range."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from grammar.program import Statement
from grammar.types import F32, Scalar, Type, int_limits
from tests.grammar import evaluate

MORE: dict[str, Callable[..., Any]] = {
    "bit_and": lambda a, b: a & b,
    "clamp": lambda a, b, c: min(max(a, b), c),
    "cube": lambda a: a * a * a,
    "div": lambda a, b: a / b,
    "div_trunc": lambda a, b: int(a / b),
    "exp": math.exp,
    "fmod": math.fmod,
    "ge": lambda a, b: a >= b,
    "log": math.log,
    "multiply_add": lambda a, b, c: a * b + c,
    "relu": lambda a: max(a, 0.0),
    "rem": lambda a, b: int(math.fmod(a, b)),
    "rsqrt": lambda a: 1 / math.sqrt(a),
    "sigmoid": lambda a: 1 / (1 + math.exp(-a)),
    "sin": math.sin,
    "sqrt": math.sqrt,
    "square": lambda a: a * a,
    "tanh": math.tanh,
}
"""Meanings that `evaluate` lacks."""

FLOAT_OPS = {
    "add": 6,
    "sub": 4,
    "mul": 4,
    "max": 2,
    "min": 2,
    "select": 2,
    "square": 1,
    "div": 1,
    "sqrt": 1,
    "clamp": 1,
    "tanh": 2,
    "relu": 2,
    "sigmoid": 1,
}
"""Ops with a meaning for a grammar to draw from."""

LARGEST = 2.0**17
"""No f32 of a drawn program is larger."""


def _cast(lane: object, statement: Statement, value: Any) -> tuple[Any]:
    result = statement.results[0].type
    assert isinstance(result, Scalar)
    return (float(value) if result.kind == "float" else int(value),)


def representable(type_: Type, value: Any) -> Any:
    """The value, which must be representable as it is."""
    if isinstance(type_, Scalar) and type_.kind in ("int", "uint"):
        low, high = int_limits(type_)
        assert low <= value <= high, f"{value} overflows {type_}"
    assert type_ != F32 or abs(value) < 2.0**128, f"{value} overflows {type_}"
    return value


def in_range(type_: Type, value: Any) -> Any:
    """The value, which must be as small as what the generator draws."""
    assert type_ != F32 or abs(value) <= LARGEST, f"{value} is larger than drawn programs hold"
    return representable(type_, value)


@pytest.fixture
def scalar_ops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Teach the interpreter these ops for one test, and to refuse what overflows."""
    for name, meaning in MORE.items():
        monkeypatch.setitem(evaluate.OPERATIONS, name, meaning)
    monkeypatch.setattr(evaluate._Lane, "op_cast", _cast, raising=False)
    monkeypatch.setattr(evaluate, "wrap", representable)


@pytest.fixture
def drawn_ranges(scalar_ops: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse also what is larger than drawn programs hold."""
    monkeypatch.setattr(evaluate, "wrap", in_range)
