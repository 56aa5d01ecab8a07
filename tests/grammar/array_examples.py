"""Typings of every array op with its meaning in NumPy, and an interpreter for array programs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from grammar.ops.array_base import EPSILON
from grammar.program import Attribute, Program
from grammar.types import F32, Array, Scalar, parse_type
from tests.grammar.evaluate import OPERATIONS, Buffer, evaluate

Meaning = Callable[..., Any]


def types(text: str) -> tuple[Array, ...]:
    """`f32[2,3] i32[4]` as types."""
    found = [parse_type(word) for word in text.split()]
    assert all(isinstance(type_, Array) for type_ in found)
    return tuple(found)  # type: ignore[arg-type]


EXAMPLES: dict[str, list[tuple[str, Attribute]]] = {
    "matmul": [
        ("f32[3,4] f32[4,2]", None),
        ("f32[3,4] f32[4]", None),
        ("f32[2,3,4] f32[2,4,2]", None),
        ("f32[2,3,4] f32[4,5]", None),
        ("f64[2,3] f64[3,2]", None),
    ],
    "reduce_var_keep": [("f32[3,4]", 0), ("f32[5]", 0), ("f32[2,3,4]", 1)],
    "reduce_argmax": [("f32[3,4]", 1), ("f32[3,4]", 0), ("f32[2,3,4]", 1)],
    "cumsum": [("f32[5]", 0), ("f32[3,4]", 1), ("f32[2,3,4]", 0)],
    "outer": [("f32[3] f32[4]", None)],
    "segment_sum": [("f32[5,3] i32[5]", 4), ("f32[6] i32[6]", 3)],
    "transpose": [("f32[3,4]", (1, 0)), ("f32[2,3,4]", (1, 2, 0)), ("i32[2,3,4]", (0, 2, 1))],
    "broadcast": [("f32[4]", (3, 4)), ("f32[3,1]", (2, 3, 4)), ("f32[1]", (2, 2))],
    "reshape": [("f32[3,4]", (2, 6)), ("f32[12]", (2, 3, 2)), ("f32[2,3,4]", (24,))],
    "expand_dims": [("f32[3]", 0), ("f32[3]", 1), ("f32[3,4]", 1)],
    "squeeze": [("f32[3,1]", 1), ("f32[1,4]", 0), ("f32[2,1,4]", 1)],
    "slice": [("f32[5]", (0, 1, 4)), ("f32[3,4]", (1, 0, 2))],
    "flip": [("f32[5]", 0), ("f32[3,4]", 1)],
    "roll": [("f32[5]", (0, 2)), ("f32[3,4]", (1, 3))],
    "concat": [("f32[2,3] f32[2,2]", 1), ("f32[3] f32[2]", 0), ("f32[2,3] f32[1,3]", 0)],
    "tril": [("f32[3,4]", None), ("f32[2,3,3]", None)],
    "triu": [("f32[4,3]", None), ("i32[3,3]", None)],
    "take": [("f32[4,3] i32[5]", None), ("f32[6] i32[3]", None)],
    "one_hot": [("i32[6]", 4), ("i32[2,3]", 5)],
    "softmax": [("f32[3,4]", 1), ("f32[3,4]", 0), ("f32[5]", 0), ("f64[2,3,4]", 2)],
    "log_softmax": [("f32[3,4]", 1), ("f32[2,3,4]", 1)],
    "logsumexp": [("f32[3,4]", 1), ("f32[3,4]", 0), ("f32[2,3,4]", 1)],
    "layernorm": [("f32[3,4] f32[4] f32[4]", None), ("f32[2,3,4] f32[4] f32[4]", None)],
    "rmsnorm": [("f32[3,4] f32[4]", None), ("f32[6] f32[6]", None)],
    "attention": [
        ("f32[3,4] f32[5,4] f32[5,2]", None),
        ("f32[2,3,4] f32[2,3,4] f32[2,3,4]", None),
    ],
    "causal_attention": [
        ("f32[4,3] f32[4,3] f32[4,2]", None),
        ("f32[2,3,4] f32[2,3,4] f32[2,3,4]", None),
    ],
    "conv1d": [
        ("f32[6,2] f32[3,2,4]", None),
        ("f32[5,2] f32[2,2,3]", None),
        ("f32[2,5,3] f32[4,3,2]", None),
        ("f32[3,1] f32[5,1,1]", None),
    ],
    "cross_entropy": [("f32[5,3] i32[5]", None)],
    "squared_error": [("f32[3,4] f32[3,4]", None), ("f32[2,3,4] f32[2,3,4]", None)],
}
for _name in ("sum", "mean", "max", "min", "prod"):
    EXAMPLES[f"reduce_{_name}"] = [("f32[3,4]", 1), ("f32[3,4]", 0), ("f32[2,3,4]", 1)]
    EXAMPLES[f"reduce_{_name}_keep"] = [("f32[3,4]", 1), ("f32[5]", 0), ("f64[2,3,4]", 2)]

CASES = [
    (name, operands, attribute)
    for name, listed in sorted(EXAMPLES.items())
    for operands, attribute in listed
]


def _softmax(a, axis):
    e = np.exp(a - a.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def _logsumexp(a, axis):
    return np.log(np.exp(a).sum(axis))


def _layernorm(a, b, c):
    mean, var = a.mean(-1, keepdims=True), a.var(-1, keepdims=True)
    return (a - mean) / np.sqrt(var + EPSILON) * b + c


def _attention(q, k, v, causal=False):
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    if causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    return _softmax(scores, -1) @ v


def _conv1d(x, w):
    width = w.shape[0]
    low = (width - 1) // 2
    pads = [(0, 0)] * (x.ndim - 2) + [(low, width - 1 - low), (0, 0)]
    padded = np.pad(x, pads)
    length = x.shape[-2]
    return sum(padded[..., k : k + length, :] @ w[k] for k in range(width))


def _cross_entropy(a, b):
    label = np.clip(b, 0, a.shape[1] - 1)
    return _logsumexp(a, 1) - a[np.arange(len(b)), label]


def _segment_sum(a, b, count):
    out = np.zeros((count, *a.shape[1:]))
    for row, s in zip(a, b, strict=True):
        if 0 <= s < count:
            out[s] += row
    return out


def _slice(a, s):
    axis, start, stop = s
    return a[tuple([slice(None)] * axis + [slice(start, stop)])]


NUMPY: dict[str, Meaning] = {
    "matmul": lambda s, a, b: a @ b,
    "reduce_var_keep": lambda s, a: a.var(s, keepdims=True),
    "reduce_argmax": lambda s, a: a.argmax(s),
    "cumsum": lambda s, a: a.cumsum(s),
    "outer": lambda s, a, b: np.outer(a, b),
    "segment_sum": lambda s, a, b: _segment_sum(a, b, s),
    "transpose": lambda s, a: a.transpose(s),
    "broadcast": lambda s, a: np.broadcast_to(a, s),
    "reshape": lambda s, a: a.reshape(s),
    "expand_dims": lambda s, a: np.expand_dims(a, s),
    "squeeze": lambda s, a: np.squeeze(a, s),
    "slice": lambda s, a: _slice(a, s),
    "flip": lambda s, a: np.flip(a, s),
    "roll": lambda s, a: np.roll(a, s[1], s[0]),
    "concat": lambda s, a, b: np.concatenate((a, b), s),
    "tril": lambda s, a: np.tril(a),
    "triu": lambda s, a: np.triu(a),
    "take": lambda s, a, b: a[np.clip(b, 0, len(a) - 1)],
    "one_hot": lambda s, a: (a[..., None] == np.arange(s)).astype(float),
    "softmax": lambda s, a: _softmax(a, s),
    "log_softmax": lambda s, a: np.log(_softmax(a, s)),
    "logsumexp": lambda s, a: _logsumexp(a, s),
    "layernorm": lambda s, a, b, c: _layernorm(a, b, c),
    "rmsnorm": lambda s, a, b: a / np.sqrt((a * a).mean(-1, keepdims=True) + EPSILON) * b,
    "attention": lambda s, q, k, v: _attention(q, k, v),
    "causal_attention": lambda s, q, k, v: _attention(q, k, v, causal=True),
    "conv1d": lambda s, x, w: _conv1d(x, w),
    "cross_entropy": lambda s, a, b: _cross_entropy(a, b),
    "squared_error": lambda s, a, b: ((a - b) ** 2).mean(-1),
}
for _name in ("sum", "mean", "max", "min", "prod"):
    NUMPY[f"reduce_{_name}"] = lambda s, a, _f=_name: getattr(a, _f)(axis=s)
    NUMPY[f"reduce_{_name}_keep"] = lambda s, a, _f=_name: getattr(a, _f)(axis=s, keepdims=True)


def sample(type_: Array, seed: int) -> np.ndarray:
    """Inputs as programs get them: floats and integers around zero."""
    rng = np.random.default_rng(seed)
    assert isinstance(type_.element, Scalar)
    if type_.element.kind == "float":
        return rng.uniform(-2, 2, type_.shape)
    return rng.integers(-2, 7, type_.shape)


def expected(name: str, operands: tuple[Array, ...], attribute: Attribute) -> np.ndarray:
    """What an op gives for its sample inputs."""
    inputs = [sample(type_, seed) for seed, type_ in enumerate(operands)]
    return np.asarray(NUMPY[name](attribute, *inputs))


def run(program: Program, arguments: list[Any]) -> list[np.ndarray]:
    """What a program without array ops returns, by the scalar interpreter."""
    given = [to_buffer(a) if isinstance(a, np.ndarray) else a for a in arguments]
    return [from_buffer(buffer) for buffer in evaluate(program, program.entry, given)]


def to_buffer(array: np.ndarray) -> Buffer:
    cells = {at: array[at].item() for at in itertools.product(*map(range, array.shape))}
    return Buffer(array.shape, cells)


def from_buffer(buffer: Buffer) -> np.ndarray:
    out = np.zeros(buffer.shape)
    for at in itertools.product(*map(range, buffer.shape)):
        out[at] = buffer.get(at)
    return out


ROWS = Array(F32, (4, 6))


def interpret(program: Program, arguments: list[Any]) -> list[np.ndarray]:
    """What a program of array ops and elementwise ops returns, by NumPy."""
    entry = program.entry
    env = {value.id: given for value, given in zip(entry.parameters, arguments, strict=True)}
    for statement in entry.body.body:
        given = [env[value.id] for value in statement.operands]
        if statement.op == "const":
            found: Any = statement.attribute
        elif statement.op in NUMPY:
            found = np.asarray(NUMPY[statement.op](statement.attribute, *given))
        else:
            found = np.vectorize(OPERATIONS[statement.op], otypes=[object])(*given)
            found = found.astype(float if found.dtype == object else found.dtype)
        env[statement.results[0].id] = found
    return [env[value.id] for value in entry.body.end.values]
