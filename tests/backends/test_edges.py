"""Scalar ops at edge values: what JAX and Warp compute is what the rows mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grammar import numeric
from grammar.ops import Instance, Op
from grammar.ops.base import number_type
from grammar.ranges import DOMAINS
from grammar.types import (
    BF16,
    F16,
    F32,
    F64,
    I32,
    I64,
    U8,
    Element,
    Scalar,
    int_limits,
    scalar_of,
)
from tests.backends.audit import everything, range_of
from tests.spelling import LETTERS, fill, jax_holes, warp_holes, warp_type

ANYWHERE = {
    *("add", "sub", "mul", "neg", "abs", "select", "lt", "gt", "le", "ge", "eq", "ne", "is_nan"),
    *("is_inf", "is_finite", "floor", "ceil", "trunc", "rint", "round", "sign_not_zero", "step"),
    *("nonzero", "square", "absolute_difference"),
}
"""Ops defined for every float: infinities and NaN too, and overflow."""

EXACT = {
    *ANYWHERE,
    *(
        "div",
        "midpoint",
        "squared_difference",
        "multiply_add",
        "lerp",
        "min",
        "max",
        "clamp",
        "sign",
    ),
    *(
        "copysign",
        "fmod",
        "floor_divide",
        "frac",
        "cube",
        "reciprocal",
        "sqrt",
        "relu",
        "leaky_relu",
    ),
    *("hard_tanh", "relu6", "heaviside", "cast"),
}
"""Scalar ops of floats that round as IEEE arithmetic says, step by step."""


def edges(type_: Element, name: str, anywhere: bool) -> Any:
    """Edge values of a scalar type that lie in a domain."""
    scalar = scalar_of(type_)
    if scalar.kind == "bool":
        return np.array([False, True])
    if scalar.kind != "float":
        low, high = int_limits(scalar)
        kept = {low, low + 1, -2, -1, 0, 1, 2, 3, 7, high // 2, high - 1, high}
        found = sorted(x for x in kept if low <= x <= high)
    else:
        eps = 2.0 ** (1 - scalar.digits)
        found = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            1 + eps,
            1 - eps,
            0.5,
            -0.5,
            2.5,
            -1.5,
            3.0,
            1 / 3,
            0.0625,
            -100.0,
        ]
        if anywhere:
            made = np.finfo(number_type(scalar))
            found += [
                float(made.max),
                -float(made.max),
                float(made.tiny),
                float(made.smallest_subnormal),
            ]
            found += [np.inf, -np.inf, np.nan]
    array = np.array(found, number_type(scalar))
    if scalar.name == "bf16":
        array = numeric.cast(array, scalar)
    if not name:
        return array
    instance = Instance((type_,), type_)
    inside = [bool(DOMAINS[name].satisfied(range_of(type_, x), type_, instance)) for x in array]
    return array[inside]


def grid(op: Op, instance: Instance) -> list[Any]:
    """All combinations of edge values in the op's domain."""
    requires = op.requires or ("",) * op.arity
    kinds = {scalar_of(type_).kind for type_ in (*instance.operands, instance.result)}
    each = [
        edges(type_, name, op.name in ANYWHERE)
        for type_, name in zip(instance.operands, requires, strict=True)
    ]
    if op.name == "cast":
        each = [small_enough(each[0], scalar_of(instance.operands[0]), scalar_of(instance.result))]
    if op.arity == 3 and kinds != {"bool"}:
        each = [values[:12] for values in each]
    return [np.ravel(axis) for axis in np.meshgrid(*each, indexing="ij")]


def small_enough(values: Any, source: Scalar, target: Scalar) -> Any:
    """Values whose cast is defined: floats within the integer type."""
    if source.kind != "float" or target.kind not in ("int", "uint"):
        return values
    low, high = int_limits(target)
    whole = np.trunc(values.astype(np.longdouble))
    return values[(whole >= low) & (whole <= high)]


SCALAR_ROWS = [
    (op, instance)
    for op, instance in everything()
    if all(isinstance(type_, Scalar) for type_ in (*instance.operands, instance.result))
]


def tolerance(op: Op, truth: Any, scalar: Scalar, given: list[Any]) -> Any:
    """What an op of which steps are functions may be off by: 8 units, relative to 1 where it takes
    differences; the tables of the backends are held to less elsewhere. Meanings of bf16 are
    computed in float32 and rounded once."""
    eps = 2.0 ** (1 - scalar.digits)
    ulps = {"erfc": 50.0, "sinh": 10.0, "erf": 10.0, "exp2": 16.0}.get(op.name, 8.0)
    floor = 1.0 if op.group in ("activation", "exponential") else 0.0
    if scalar == BF16:
        floor = 1.0 + np.maximum.reduce([np.abs(x).astype(np.longdouble) for x in given])
    return ulps * eps * np.maximum(np.abs(truth), floor) + np.finfo(number_type(scalar)).tiny


def wrong(op: Op, instance: Instance, found: Any, given: list[Any], exact: bool) -> Any:
    """Where a result is not the meaning."""
    expected = _means(op, instance, given)
    scalar = scalar_of(instance.result)
    if scalar.kind != "float":
        return found != expected
    if scalar == BF16:
        expected = numeric.cast(expected, scalar)
    expected, found = expected.astype(np.longdouble), np.asarray(found, np.longdouble)
    both_nan = np.isnan(expected) & np.isnan(found)
    if exact:
        return ~((expected == found) | both_nan)
    with np.errstate(all="ignore"):
        return ~(
            (np.abs(expected - found) <= tolerance(op, expected, scalar, given))
            | both_nan
            | (expected == found)
        )


def _means(op: Op, instance: Instance, given: Sequence[Any]) -> Any:
    with np.errstate(all="ignore"):
        return op.means(instance, 0)(*given)


@pytest.fixture
def wide_numbers() -> Iterator[None]:
    import jax

    with jax.enable_x64(True):
        yield


def _stepwise(op: Op, scalar: Scalar) -> bool:
    """Whether JAX's interpreter rounds the op step by step as the meaning does. Meanings of bf16
    are computed in float32 and rounded once."""
    return op.name in EXACT and scalar != BF16


@pytest.mark.parametrize("scalar", [F32, F64, F16, BF16, I32, U8, I64], ids=str)
@pytest.mark.usefixtures("wide_numbers")
def test_jax_means_the_same_at_edges(scalar: Scalar) -> None:
    """Every spelling of every scalar row, operation by operation."""
    import jax
    from jax import lax
    from jax import numpy as jnp

    from backends.jax import private

    names = {"jax": jax, "jnp": jnp, "lax": lax}
    rows = [
        (op, i)
        for op, i in SCALAR_ROWS
        if i.operands and scalar_of(i.operands[-1]) == scalar
        # The quotient is rounded to bf16 first, which arrays of float32 do not show.
        if (op.name, scalar) != ("floor_divide", BF16)
    ]
    functions: list[Any] = []
    tried: list[tuple[Op, Instance, str, list[Any]]] = []
    for op, instance in rows:
        given = grid(op, instance)
        letters = ", ".join(LETTERS[: op.arity])
        for text in op.spellings(instance, "jax"):
            filled = fill(text, jax_holes(op, instance, 0))
            functions.append(eval(f"lambda {letters}: {filled}", names))
            tried.append((op, instance, text, given))
    bad: list[str] = []
    for at in range(0, len(tried), 24):
        held = tried[at : at + 24]
        arrays = [
            [
                jnp.asarray(x, scalar_of(type_).dtype)
                for x, type_ in zip(given, instance.operands, strict=True)
            ]
            for _, instance, _, given in held
        ]

        def run(arrays: list[list[Any]], at: int = at) -> list[Any]:
            return [f(*x) for f, x in zip(functions[at : at + 24], arrays, strict=False)]

        text = str(jax.jit(run, keep_unused=True).lower(arrays).compiler_ir("stablehlo"))
        results = private.interpret(text, [x for _, _, _, given in held for x in given])
        for (op, instance, spelling, given), found in zip(held, results, strict=True):
            exact = _stepwise(op, scalar_of(instance.result))
            off = wrong(op, instance, np.asarray(found), given, exact)
            if off.any():
                lane = int(np.argmax(off))
                bad.append(
                    f"{op.name} {instance} {spelling}: {[x[lane] for x in given]} -> {found[lane]}"
                )
    assert len(tried) > 20
    assert bad == []


@pytest.mark.parametrize("scalar", [F32, F64, F16, I32, U8], ids=str)
def test_warp_means_the_same_at_edges(
    scalar: Scalar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every spelling of every scalar row, in one module."""
    import importlib.util

    import warp as wp

    monkeypatch.setattr(wp.config, "log_level", wp.LOG_ERROR)
    monkeypatch.setattr(wp.config, "optimization_level", 0)
    monkeypatch.setattr(wp.config, "kernel_cache_dir", str(tmp_path / "cache"))
    rows = [
        (op, i)
        for op, i in SCALAR_ROWS
        if i.operands and scalar_of(i.operands[-1]) == scalar and op.supported(i, "warp")
        if BF16 not in (*i.operands, i.result)
    ]
    tried = [(op, i, text, grid(op, i)) for op, i in rows for text in op.spellings(i, "warp")]
    lines = ["import warp as wp", 'wp.set_module_options({"enable_backward": False})']
    for k, (op, instance, text, _) in enumerate(tried):
        letters = LETTERS[: op.arity]
        arrays = [
            f"{x}_in: wp.array(dtype={warp_type(t)})"
            for x, t in zip(letters, instance.operands, strict=True)
        ]
        arrays.append(f"out: wp.array(dtype={warp_type(instance.result)})")
        lines += ["@wp.kernel", f"def kernel{k}({', '.join(arrays)}):", "    lane = wp.tid()"]
        lines += [f"    {x} = {x}_in[lane]" for x in letters]
        lines.append(f"    out[lane] = {fill(text, warp_holes(op, instance, 0))}")
    path = tmp_path / f"meanings_{scalar}.py"
    path.write_text("\n".join(lines) + "\n")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    bad: list[str] = []
    for k, (op, instance, text, given) in enumerate(tried):
        keep = _defined(op, instance, given)
        given = [x[keep] for x in given]
        result = wp.zeros(
            len(given[0]), dtype=getattr(wp, scalar_of(instance.result).dtype), device="cpu"
        )
        arrays = [
            wp.array(x, dtype=getattr(wp, scalar_of(type_).dtype), device="cpu")
            for x, type_ in zip(given, instance.operands, strict=True)
        ]
        wp.launch(
            getattr(module, f"kernel{k}"), dim=len(given[0]), inputs=[*arrays, result], device="cpu"
        )
        off = wrong(op, instance, result.numpy(), given, op.name in EXACT)
        if off.any():
            lane = int(np.argmax(off))
            bad.append(
                f"{op.name} {instance} {text}: {[x[lane] for x in given]} -> {result.numpy()[lane]}"
            )
    assert len(tried) > 20
    assert bad == []


def _defined(op: Op, instance: Instance, given: list[Any]) -> Any:
    """Lanes that Warp defines: signed integers do not overflow."""
    scalar = scalar_of(instance.result)
    if scalar.kind != "int" or scalar_of(instance.operands[0]).kind != "int":
        return np.ones(len(given[0]), bool)
    exact = [x.astype(object) for x in given]
    wide: dict[str, Any] = {
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "square": lambda a: a * a,
        "neg": lambda a: -a,
        "abs": lambda a: abs(a),
        "absolute_difference": lambda a, b: a - b,
        "shift_left": lambda a, b: np.where(a < 0, 1 << 70, a << b),
        "div_trunc": lambda a, b: np.where(b == -1, -a, 0),
        "rem": lambda a, b: np.where(b == -1, -a, 0),
        "div_floor": lambda a, b: np.where(b == -1, -a, 0),
        "modulo": lambda a, b: np.where(b == -1, -a, 0),
    }
    if op.name not in wide:
        return np.ones(len(given[0]), bool)
    low, high = int_limits(scalar)
    result = wide[op.name](*exact)
    return np.array([low < int(x) <= high for x in result])
