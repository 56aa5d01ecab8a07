"""More ops for the scalar interpreter, as the kernels of array ops use them."""

from __future__ import annotations

import math

import pytest

from tests.grammar import evaluate

MORE = {
    "clamp": lambda a, b, c: min(max(a, b), c),
    "cube": lambda a: a * a * a,
    "div": lambda a, b: a / b,
    "div_trunc": lambda a, b: int(a / b),
    "exp": math.exp,
    "ge": lambda a, b: a >= b,
    "log": math.log,
    "multiply_add": lambda a, b, c: a * b + c,
    "relu": lambda a: max(a, 0.0),
    "rem": lambda a, b: int(math.fmod(a, b)),
    "rsqrt": lambda a: 1 / math.sqrt(a),
    "sigmoid": lambda a: 1 / (1 + math.exp(-a)),
    "sqrt": math.sqrt,
    "square": lambda a: a * a,
    "tanh": math.tanh,
}


@pytest.fixture
def scalar_ops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Teach the interpreter these ops for one test."""
    for name, meaning in MORE.items():
        monkeypatch.setitem(evaluate.OPERATIONS, name, meaning)
