"""Meanings of ops: on plain arrays they keep dtypes and axes, broadcast, and are what JAX and Warp
compute; partials are the slopes of meanings."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grammar import numeric
from grammar.ops import OPS, Instance, Op
from grammar.ops.base import number_type, size_of
from grammar.ops.expression import Apply, Expression, Literal, Operand, Typed, elaborate, parse
from grammar.ranges import DOMAINS
from grammar.types import (
    BF16,
    BOOL,
    F16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U32,
    Element,
    Scalar,
    Vector,
    element_shape,
    int_limits,
    scalar_of,
)
from tests.backends.audit import everything, range_of, samples
from tests.spelling import LETTERS, fill, jax_holes, warp_holes, warp_type

EVERY = everything()


def operands_of(op: Op, instance: Instance) -> list[Any]:
    """Seeded operands as plain arrays."""
    return [
        np.asarray(values).astype(number_type(scalar_of(type_)))
        for values, type_ in zip(samples(op, instance), instance.operands, strict=True)
    ]


def attributes(op: Op, instance: Instance) -> Sequence[int]:
    return range(max(1, op.attributes(instance)))


def means(op: Op, instance: Instance, attribute: int, operands: Sequence[Any]) -> Any:
    with np.errstate(all="ignore"):
        return op.means(instance, attribute)(*operands)


def alike(a: Any, b: Any) -> bool:
    """The same numbers, of the same dtype and axes; NaN equals NaN."""
    return (
        a.dtype == b.dtype
        and a.shape == b.shape
        and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    )


@pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))
def test_meanings_keep_types_and_axes(op: Op) -> None:
    for instance in op.instances:
        given = operands_of(op, instance)
        for attribute in attributes(op, instance):
            whole = means(op, instance, attribute, given)
            lanes = (len(given[0]),) if given else ()
            assert whole.shape == (*lanes, *element_shape(instance.result))
            assert whole.dtype == number_type(scalar_of(instance.result))


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.arity], ids=lambda op: op.name)
def test_meanings_take_one_lane_and_mixtures(op: Op) -> None:
    """An operand without the axis of lanes is the same in all of them. Sums of half precision may
    be added in another order when there is one lane."""
    for instance in op.instances:
        given = operands_of(op, instance)
        attribute = op.attributes(instance) and op.attributes(instance) - 1
        alone = np.stack([means(op, instance, attribute, [x[k] for x in given]) for k in range(4)])
        assert close(alone, means(op, instance, attribute, given)[:4])
        for at in range(op.arity):
            mixed = [x[0] if k == at else x[:4] for k, x in enumerate(given)]
            spread = [
                np.broadcast_to(x[0], x[:4].shape) if k == at else x[:4]
                for k, x in enumerate(given)
            ]
            found = means(op, instance, attribute, mixed)
            expected = means(op, instance, attribute, spread)
            assert close(np.broadcast_to(found, expected.shape), expected)


def close(a: Any, b: Any) -> bool:
    """Equal, or for floats within 8 units of the largest magnitude."""
    if a.dtype.kind != "f":
        return alike(a, b)
    size = np.max(np.abs(b.astype(np.float64)), initial=0.0)
    near = 8 * np.finfo(a.dtype).eps * max(1.0, size)
    return a.dtype == b.dtype and bool(np.allclose(a, b, rtol=0, atol=near, equal_nan=True))


I8_PAIRS = [
    np.array(x, np.int8) for x in zip(*itertools.product(range(-128, 128), repeat=2), strict=True)
]


@pytest.mark.parametrize(
    ("name", "exact", "needs"),
    [
        ("add", lambda a, b: a + b, lambda b: True),
        ("sub", lambda a, b: a - b, lambda b: True),
        ("mul", lambda a, b: a * b, lambda b: True),
        (
            "div_trunc",
            lambda a, b: abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1),
            lambda b: b != 0,
        ),
        ("rem", lambda a, b: abs(a) % abs(b) * (-1 if a < 0 else 1), lambda b: b != 0),
        ("div_floor", lambda a, b: a // b, lambda b: b != 0),
        ("modulo", lambda a, b: a % b, lambda b: b != 0),
        ("bit_and", lambda a, b: a & b, lambda b: True),
        ("bit_or", lambda a, b: a | b, lambda b: True),
        ("bit_xor", lambda a, b: a ^ b, lambda b: True),
        ("shift_left", lambda a, b: a << b, lambda b: 0 <= b < 8),
        ("shift_right", lambda a, b: a >> b, lambda b: 0 <= b < 8),
        ("min", min, lambda b: True),
        ("max", max, lambda b: True),
        ("absolute_difference", None, lambda b: True),
    ],
)
def test_integers_wrap_and_round_as_stated(name: str, exact: Any, needs: Any) -> None:
    """Over all pairs of i8."""
    a, b = I8_PAIRS
    keep = np.array([needs(int(y)) for y in b])
    found = means(OPS[name], Instance((I8, I8), I8), 0, (a[keep], b[keep]))
    pairs = zip(a[keep].tolist(), b[keep].tolist(), strict=True)
    if exact is None:
        wanted = [abs((x - y + 128) % 256 - 128) for x, y in pairs]
    else:
        wanted = [exact(x, y) for x, y in pairs]
    assert found.dtype == np.int8
    assert np.array_equal(found.astype(int), (np.array(wanted) + 128) % 256 - 128)


@pytest.mark.parametrize("scalar", [I8, U8, I16, I32, I64, U32], ids=str)
def test_integer_unaries(scalar: Scalar) -> None:
    low, high = int_limits(scalar)
    a = np.array([low, low + 1, 0, 1, 2, 77, high - 1, high], scalar.dtype)
    one = Instance((scalar,), scalar)
    assert np.array_equal(means(OPS["bit_not"], one, 0, [a]), ~a)
    truth = Instance((scalar,), BOOL)
    assert means(OPS["is_odd"], truth, 0, [a]).tolist() == [int(x) % 2 == 1 for x in a]
    if scalar.kind == "int":
        assert np.array_equal(means(OPS["neg"], one, 0, [a]), -a)
        assert means(OPS["abs"], one, 0, [a])[0] == low  # it has no positive counterpart
        assert means(OPS["sign"], one, 0, [a]).tolist() == [-1, -1, 0, 1, 1, 1, 1, 1]


def test_casts() -> None:
    def cast(values: list[float], source: Scalar, target: Scalar) -> Any:
        array = np.array(values, number_type(source))
        return means(OPS["cast"], Instance((source,), target), 0, [array])

    assert cast([-2.9, -0.5, 0.5, 2.9], F32, I32).tolist() == [-2, 0, 0, 2]
    assert cast([-0.0, 0.0, 1e-40, -3.0, np.nan], F32, BOOL).tolist() == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert cast([0, 1, 256, -1], I32, BOOL).tolist() == [False, True, True, True]
    assert cast([300, -1, 127, 128], I32, I8).tolist() == [44, -1, 127, -128]
    assert cast([-1, 200], I16, U8).tolist() == [255, 200]
    assert cast([True, False], BOOL, F16).dtype == np.float16
    assert cast([2**24 + 1], I32, F32).tolist() == [2.0**24]
    assert cast([2049.0, 2051.0], F32, F16).tolist() == [2048.0, 2052.0]  # ties to even
    assert cast([1.00390625, 1.01171875, 3.39e38], F32, BF16).tolist() == [
        1.0,
        1.015625,
        3.3895313892515355e38,
    ]
    assert cast([1.0 + 2.0**-8 + 2.0**-30], F64, BF16).tolist() == [1.0078125]  # rounded once


@pytest.mark.parametrize("scalar", [F16, F32, F64], ids=str)
def test_roundings_and_signs(scalar: Scalar) -> None:
    one = Instance((scalar,), scalar)
    largest_half = float(np.nextafter(number_type(scalar)(0.5), number_type(scalar)(0)))
    values = [
        -2.5,
        -1.5,
        -0.5,
        -largest_half,
        -0.0,
        0.0,
        largest_half,
        0.5,
        1.5,
        2.5,
        np.inf,
        -np.inf,
        np.nan,
    ]
    a = np.array(values, scalar.dtype)

    def found(name: str) -> list[float]:
        return means(OPS[name], one, 0, [a]).tolist()

    def same(name: str, wanted: list[float]) -> None:
        made = np.array(found(name))
        assert np.array_equal(made, wanted, equal_nan=True), name
        signs = ~np.isnan(np.array(wanted))
        assert np.array_equal(np.signbit(made)[signs], np.signbit(wanted)[signs]), name

    inf, nan = np.inf, np.nan
    same("round", [-3.0, -2.0, -1.0, -0.0, -0.0, 0.0, 0.0, 1.0, 2.0, 3.0, inf, -inf, nan])
    same("rint", [-2.0, -2.0, -0.0, -0.0, -0.0, 0.0, 0.0, 0.0, 2.0, 2.0, inf, -inf, nan])
    same("trunc", [-2.0, -1.0, -0.0, -0.0, -0.0, 0.0, 0.0, 0.0, 1.0, 2.0, inf, -inf, nan])
    same("floor", [-3.0, -2.0, -1.0, -1.0, -0.0, 0.0, 0.0, 0.0, 1.0, 2.0, inf, -inf, nan])
    same("ceil", [-2.0, -1.0, -0.0, -0.0, -0.0, 0.0, 1.0, 1.0, 2.0, 3.0, inf, -inf, nan])
    assert found("sign_not_zero") == [-1.0] * 4 + [1.0] * 7 + [-1.0, 1.0]
    assert found("step") == [1.0] * 4 + [0.0] * 7 + [1.0, 0.0]
    assert found("heaviside") == [0.0] * 4 + [1.0] * 7 + [0.0, 1.0]
    assert found("nonzero") == [1.0] * 4 + [0.0, 0.0] + [1.0] * 7
    assert found("sign")[:-1] == [-1.0] * 4 + [0.0, 0.0] + [1.0] * 5 + [-1.0]


# The same on backends --------------------------------------------------------------------------

ANYWHERE = {
    *("add", "sub", "mul", "neg", "abs", "select", "lt", "gt", "le", "ge", "eq", "ne", "is_nan"),
    *("is_inf", "is_finite", "floor", "ceil", "trunc", "rint", "round", "sign_not_zero", "step"),
    *("heaviside", "nonzero", "square", "absolute_difference"),
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
    *("hard_tanh", "relu6", "cast"),
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
    whole = np.trunc(values)
    return values[(whole >= low) & (whole <= high)]


SCALAR_ROWS = [
    (op, instance)
    for op, instance in EVERY
    if all(isinstance(type_, Scalar) for type_ in (*instance.operands, instance.result))
]


def tolerance(op: Op, truth: Any, scalar: Scalar) -> Any:
    """What an op of which steps are functions may be off by: 8 units, relative to 1 where it takes
    differences; the tables of the backends are held to less elsewhere."""
    eps = 2.0 ** (1 - scalar.digits)
    ulps = {"erfc": 50.0, "sinh": 10.0, "erf": 10.0, "exp2": 16.0}.get(op.name, 8.0)
    floor = 1.0 if op.group in ("activation", "exponential") else 0.0
    return ulps * eps * np.maximum(np.abs(truth), floor) + np.finfo(number_type(scalar)).tiny


def wrong(op: Op, instance: Instance, found: Any, given: list[Any], exact: bool) -> Any:
    """Where a result is not the meaning."""
    expected = means(op, instance, 0, given)
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
            (np.abs(expected - found) <= tolerance(op, expected, scalar))
            | both_nan
            | (expected == found)
        )


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
    rows = [(op, i) for op, i in SCALAR_ROWS if i.operands and scalar_of(i.operands[-1]) == scalar]
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
            [jnp.asarray(x, type_.dtype) for x, type_ in zip(given, instance.operands, strict=True)]
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


WARP_DIFFERS = {"round": "loses the sign of zero", "sign": "NaN is no number"}


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


# Partials are slopes -----------------------------------------------------------------------------

SMOOTH = [
    (op, instance)
    for op, instance in EVERY
    if op.partials and instance.operands and scalar_of(instance.result) == F64
    if all(scalar_of(type_) in (F64, BOOL) for type_ in instance.operands)
    if size_of(instance) in (0, 3) or not any(size_of(i) == 3 for i in op.instances)
]


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
    given = [
        x.astype(np.longdouble) if x.dtype != np.bool_ else x for x in operands_of(op, instance)
    ]
    attribute = max(op.attributes(instance) - 1, 0)
    result = means(op, instance, attribute, given)
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
        assert np.mean(same) >= (1.0 if op.smoothness == "smooth" else 0.6)


def test_vectors_are_meant_componentwise() -> None:
    vector = Vector(F64, 3)
    a, b = np.array([[1.0, 2.0, 3.0]]), np.array([[-1.0, 0.5, 2.0]])
    assert means(OPS["cross"], Instance((vector, vector), vector), 0, [a, b]).tolist() == [
        [2.5, -5.0, 2.5]
    ]
