"""Spellings of op rows, filled in and run: as JAX, as Warp, and as plain NumPy in float64."""

from __future__ import annotations

import ast
import math
from functools import cache
from statistics import NormalDist
from types import SimpleNamespace
from typing import Any

import numpy as np

from grammar.ops import Instance, Op
from grammar.ops.base import size_of
from grammar.types import Element, Scalar, element_shape, scalar_of

LETTERS = "abcdef"


class _Filled(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        text = self.names.get(node.id)
        return node if text is None else ast.parse(text, mode="eval").body


def fill(spelling: str, names: dict[str, str]) -> str:
    """The spelling with its holes replaced by expressions."""
    return ast.unparse(_Filled(names).visit(ast.parse(spelling, mode="eval")))


def integers(op: Op, instance: Instance, attribute: int) -> dict[str, str]:
    """The integer holes of one typing."""
    held = dict(zip("ij", map(str, op.indices(instance, attribute)), strict=False))
    return {"n": str(size_of(instance)), **held}


def warp_type(type_: Element) -> str:
    """A type's name in Warp; bfloat16 vectors and matrices are named `bf16x3`."""
    if isinstance(type_, Scalar):
        return f"wp.{type_.dtype}"
    if type_.scalar.name == "bf16":
        return str(type_)
    form = "vec" if len(element_shape(type_)) == 1 else "mat"
    size = "".join(map(str, element_shape(type_)))
    return f"wp.{form}{size}{ {'f16': 'h', 'f32': 'f', 'f64': 'd'}[type_.scalar.name] }"


def warp_holes(op: Op, instance: Instance, attribute: int) -> dict[str, str]:
    """What `T`, `S`, `R` and the integers stand for in a Warp spelling."""
    first = instance.operands[0] if instance.operands else instance.result
    return {
        "T": warp_type(scalar_of(first)),
        "S": warp_type(scalar_of(instance.result)),
        "R": warp_type(instance.result),
        **integers(op, instance, attribute),
    }


def jax_holes(op: Op, instance: Instance, attribute: int) -> dict[str, str]:
    """What `T`, `S`, `R` and the integers stand for in a JAX spelling."""
    first = scalar_of(instance.operands[0] if instance.operands else instance.result)
    result = scalar_of(instance.result)

    def name(scalar: Scalar) -> str:
        return "jnp.bool_" if scalar.kind == "bool" else f"jnp.{scalar.dtype}"

    return {
        "T": name(first),
        "S": name(result),
        "R": name(result),
        **integers(op, instance, attribute),
    }


def _erfinv(x: float) -> float:
    return NormalDist().inv_cdf((x + 1) / 2) / math.sqrt(2)


def _float_lax() -> dict[str, Any]:
    vectorize = np.vectorize
    return {
        "rem": np.fmod,
        "round": lambda a: np.copysign(np.floor(np.abs(a) + 0.5), a),
        "rsqrt": lambda a: 1 / np.sqrt(a),
        "erf": vectorize(math.erf, otypes=[float]),
        "erfc": vectorize(math.erfc, otypes=[float]),
        "erf_inv": vectorize(_erfinv, otypes=[float]),
    }


def _integer_lax() -> dict[str, Any]:
    def div(a: int, b: int) -> int:
        return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)

    vectorized = np.vectorize(div, otypes=[object])
    return {"div": vectorized, "rem": lambda a, b: a - vectorized(a, b) * b}


def _sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


_NN = SimpleNamespace(
    relu=lambda a: np.maximum(a, 0),
    leaky_relu=lambda a: np.where(a >= 0, a, 0.01 * a),
    sigmoid=_sigmoid,
    softplus=lambda a: np.log1p(np.exp(a)),
    log_sigmoid=lambda a: -np.log1p(np.exp(-a)),
    silu=lambda a: a * _sigmoid(a),
    gelu=lambda a: 0.5 * a * (1 + np.tanh(math.sqrt(2 / math.pi) * (a + 0.044715 * a**3))),
    relu6=lambda a: np.clip(a, 0, 6),
)


@cache
def _numpy_names(float_operands: bool, integer: bool) -> dict[str, Any]:
    numbers = int if integer else np.float64
    lax = _float_lax() if float_operands else _integer_lax()
    return {
        "jnp": np,
        "lax": SimpleNamespace(**lax),
        "jax": SimpleNamespace(nn=_NN),
        "T": np.float64 if float_operands else (lambda x: int(x)),
        "S": numbers,
        "R": numbers,
    }


def evaluate(op: Op, instance: Instance, operands: list[Any], attribute: int = 0) -> Any:
    """The mathematical result: the simplest JAX spelling in float64, or in unbounded integers.

    Operands are arrays of float64, of Python integers (dtype object), or of bool. Unsigned
    results wrap; conversions truncate.
    """
    text = fill(op.spellings(instance, "jax")[0], integers(op, instance, attribute))
    result = scalar_of(instance.result)
    if op.name == "cast":
        return _cast(operands[0], result)
    first = scalar_of(instance.operands[0]) if instance.operands else result
    names = _numpy_names(first.kind == "float", result.kind in ("int", "uint"))
    if op.name == "sign":
        return np.where(operands[0] > 0, 1, np.where(operands[0] < 0, -1, 0))
    found = eval(text, names, dict(zip(LETTERS, operands, strict=False)))
    return found % (1 << result.bits) if result.kind == "uint" else found


def _cast(a: Any, result: Scalar) -> Any:
    if result.kind == "bool":
        return a != 0
    if result.kind == "float":
        return a.astype(np.float64)
    return np.vectorize(int, otypes=[object])(a)
