"""Runs spellings of op rows on seeded operands in their domains, in Warp and in JAX, forward and
backward."""

from __future__ import annotations

import importlib.util
import itertools
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grammar.ops import OPS, Instance, Op
from grammar.ops.interval import Range, constant, join
from grammar.ranges import DOMAINS, RULES, fits
from grammar.types import Element, element_shape, scalar_of
from tests.spelling import LETTERS, fill, jax_holes, warp_holes, warp_type

LANES = 24


@dataclass(frozen=True)
class Case:
    """One spelling of one op at one typing and attribute; `lane` for forms without batch axes.
    Each `round` has operands of its own."""

    op: Op
    instance: Instance
    attribute: int
    spelling: str
    lane: bool = False
    round: int = 0

    def __str__(self) -> str:
        operands = ", ".join(map(str, self.instance.operands))
        at = f"[{self.attribute}]" if self.op.attributes(self.instance) else ""
        return f"{self.op.name}{at}({operands}) -> {self.instance.result}: {self.spelling}"


@dataclass(frozen=True)
class Ran:
    """What came back of one case: the result, and per operand its share of the cotangent, None
    where it has none."""

    case: Case
    result: Any
    pulled: tuple[Any, ...] | None = None


def cases(backend: str, instances: Iterable[tuple[Op, Instance]], every: bool) -> list[Case]:
    """All spellings the backend supports; `every` attribute, or only the first and the last."""
    out: list[Case] = []
    for op, instance in instances:
        if not op.supported(instance, backend):
            continue
        count = op.attributes(instance)
        attributes = range(count) if every else sorted({0, max(count - 1, 0)})
        for attribute in attributes or (0,):
            batch = op.spellings(instance, backend)
            lane = op.spellings(instance, backend, lane=True) if backend == "jax" else ()
            out += [Case(op, instance, attribute, text) for text in batch]
            out += [Case(op, instance, attribute, text, lane=True) for text in lane]
    return out


def host_dtype(type_: Element) -> Any:
    """The NumPy dtype of an element's scalar."""
    import ml_dtypes

    name = scalar_of(type_).dtype
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


def samples(op: Op, instance: Instance, round: int = 0) -> list[Any]:
    """Operands for `LANES` lanes, each within its domain; the same for every spelling."""
    text = f"{op.name} {instance.operands} {instance.result}"
    seed = zlib.crc32(f"{text} {round}".encode() if round else text.encode())
    random = np.random.default_rng(seed)
    lanes = [_lane(random, op, instance) for _ in range(LANES)]
    return [np.stack([lane[place] for lane in lanes]) for place in range(op.arity)]


def _lane(random: np.random.Generator, op: Op, instance: Instance) -> list[Any]:
    """Operands for one lane; those of integer ops do not overflow."""
    requires = op.requires or ("",) * op.arity
    while True:
        values = [
            _sample(random, type_, name, instance)
            for type_, name in zip(instance.operands, requires, strict=True)
        ]
        if scalar_of(instance.result).kind == "float":
            return values
        known = tuple(map(range_of, instance.operands, values))
        if fits(instance.result, RULES[op.range](known, instance, 0)):
            return values


_EDGES = (0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -2.5, 3.0)


def _draw(random: np.random.Generator, type_: Element, width: float) -> Any:
    scalar, shape = scalar_of(type_), element_shape(type_)
    if scalar.kind == "bool":
        return np.asarray(random.random() < 0.5)
    if scalar.kind == "float":
        if not shape and width >= 4 and random.random() < 0.25:
            return np.asarray(random.choice(_EDGES)).astype(host_dtype(type_))
        return random.uniform(-width, width, shape).astype(host_dtype(type_))
    low = 0 if scalar.kind == "uint" else -int(3 * width)
    return np.asarray(random.integers(low, int(3 * width) + 1)).astype(host_dtype(type_))


def cotangents(case: Case) -> Any:
    """A seeded cotangent of the result, for `LANES` lanes."""
    seed = zlib.crc32(f"cotangent {case.op.name} {case.instance.result}".encode())
    shape = (LANES, *element_shape(case.instance.result))
    drawn = np.random.default_rng(seed).uniform(0.5, 2.0, shape)
    return drawn.astype(host_dtype(case.instance.result))


def differentiable(case: Case) -> bool:
    """Whether the op declares how its floats move."""
    floats = [scalar_of(type_).kind == "float" for type_ in case.instance.operands]
    return (
        bool(case.op.partials) and any(floats) and scalar_of(case.instance.result).kind == "float"
    )


def range_of(type_: Element, value: Any) -> Range:
    """The smallest range that holds all components of a value."""
    numbers = [constant(scalar_of(type_), float(x)) for x in np.asarray(value).ravel()]
    out = numbers[0]
    for other in numbers[1:]:
        out = join(out, other)
    return out


def _sample(random: np.random.Generator, type_: Element, name: str, instance: Instance) -> Any:
    if name == "dominant":
        small = random.uniform(-0.5, 0.5, element_shape(type_))
        return (small + 4 * np.eye(len(small))).astype(host_dtype(type_))
    for attempt in itertools.count():
        value = _draw(random, type_, (8.0, 4.0, 1.0, 0.5)[attempt % 4])
        if not name or DOMAINS[name].satisfied(range_of(type_, value), type_, instance):
            return value


def grouped(found: Sequence[Case], size: int) -> list[tuple[Instance, list[Case]]]:
    """Cases of the same typing together, at most `size` in a group."""
    by: dict[Instance, list[Case]] = {}
    for case in found:
        by.setdefault(case.instance, []).append(case)
    return [
        (instance, held[k : k + size])
        for instance, held in by.items()
        for k in range(0, len(held), size)
    ]


# Warp -------------------------------------------------------------------------------------------

_HEADER = "import warp as wp\n\n" + "".join(
    [f"bf16x{n} = wp.types.vector(length={n}, dtype=wp.bfloat16)\n" for n in (2, 3, 4)]
    + [f"bf16x{n}x{n} = wp.types.matrix(shape=({n}, {n}), dtype=wp.bfloat16)\n" for n in (2, 3, 4)]
)


def _warp_kernel(number: int, instance: Instance, held: Sequence[Case]) -> str:
    letters = LETTERS[: len(instance.operands)]
    parameters = [
        f"{letter}_in: wp.array2d(dtype={warp_type(type_)})"
        for letter, type_ in zip(letters, instance.operands, strict=True)
    ]
    parameters.append(f"out: wp.array2d(dtype={warp_type(instance.result)})")
    lines = ["@wp.kernel", f"def kernel{number}({', '.join(parameters)}):", "    lane = wp.tid()"]
    for k, case in enumerate(held):
        names = {letter: f"{letter}{k}" for letter in letters}
        lines += [f"    {letter}{k} = {letter}_in[{k}, lane]" for letter in letters]
        holes = warp_holes(case.op, instance, case.attribute)
        lines.append(f"    out[{k}, lane] = {fill(case.spelling, names | holes)}")
    return "\n".join(lines)


def run_warp(
    found: Sequence[Case], folder: Path, name: str, *, backward: bool = False
) -> list[Ran]:
    """The results of Warp spellings on the CPU, unoptimized; one module for all of them. With
    `backward`, their adjoints too."""
    import warp as wp

    groups = grouped(found, 48)
    kernels = [_warp_kernel(k, instance, held) for k, (instance, held) in enumerate(groups)]
    path = folder / f"{name}.py"
    options = f'wp.set_module_options({{"enable_backward": {backward}}})'
    path.write_text("\n\n".join([_HEADER, options, *kernels]) + "\n")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    out: list[Ran] = []
    for k, (instance, held) in enumerate(groups):
        types = (*instance.operands, instance.result)
        operands = [samples(case.op, instance, case.round) for case in held]
        hosts = [
            np.ascontiguousarray([values[place] for values in operands])
            for place in range(len(instance.operands))
        ]
        shape = (len(held), LANES, *element_shape(instance.result))
        hosts.append(np.zeros(shape, host_dtype(instance.result)))

        def arrays(hosts: list[Any], types: Sequence[Element] = types) -> list[Any]:
            return [
                wp.array(
                    ptr=host.ctypes.data,
                    dtype=eval(warp_type(type_), vars(module)),
                    shape=host.shape[:2],
                    device="cpu",
                )
                for host, type_ in zip(hosts, types, strict=True)
            ]

        kernel = getattr(module, f"kernel{k}")
        given = arrays(hosts)
        wp.launch(kernel, dim=LANES, inputs=given, device="cpu")
        pulled: list[tuple[Any, ...] | None] = [None] * len(held)
        if backward and differentiable(held[0]):
            adjoints = [np.zeros_like(host) for host in hosts]
            adjoints[-1][...] = [cotangents(case) for case in held]
            wp.launch(
                kernel,
                dim=LANES,
                inputs=given,
                adj_inputs=arrays(adjoints),
                adjoint=True,
                device="cpu",
            )
            pulled = [
                tuple(
                    adjoint[place] if scalar_of(type_).kind == "float" else None
                    for adjoint, type_ in zip(adjoints, instance.operands, strict=False)
                )
                for place in range(len(held))
            ]
        results = hosts[-1]
        out += [Ran(case, results[place], pulled[place]) for place, case in enumerate(held)]
    return out


# JAX --------------------------------------------------------------------------------------------


def jax_names() -> dict[str, Any]:
    """The names that JAX spellings use."""
    import jax
    from jax import lax
    from jax import numpy as jnp

    return {"jax": jax, "jnp": jnp, "lax": lax}


def jax_function(case: Case) -> Any:
    """The spelling as a function of its operands."""
    letters = ", ".join(LETTERS[: len(case.instance.operands)])
    holes = jax_holes(case.op, case.instance, case.attribute)
    return eval(f"lambda {letters}: {fill(case.spelling, holes)}", jax_names())


def run_jax(found: Sequence[Case]) -> list[Ran]:
    """The results of JAX spellings over a batch, or, of lane forms, under vmap."""
    import jax

    out: list[Ran] = []
    for k in range(0, len(found), 64):
        held = found[k : k + 64]
        functions = [jax_function(case) for case in held]
        wrapped = [
            jax.vmap(function, axis_size=LANES)
            if case.lane and case.instance.operands
            else function
            for function, case in zip(functions, held, strict=True)
        ]

        def chunk(operands: list[list[Any]], wrapped: list[Any] = wrapped) -> list[Any]:
            return [f(*args) for f, args in zip(wrapped, operands, strict=True)]

        results = jax.jit(chunk)([samples(case.op, case.instance, case.round) for case in held])
        out += map(Ran, held, results)
    return out


def _stablehlo(held: Sequence[Case], backward: bool) -> tuple[str, list[Any]]:
    """One text that runs cases, and its arguments."""
    import jax

    functions = [jax_function(case) for case in held]
    operands = [samples(case.op, case.instance, case.round) for case in held]
    seeds = [cotangents(case) if backward and differentiable(case) else None for case in held]

    def run(operands: list[list[Any]], seeds: list[Any]) -> list[Any]:
        out: list[Any] = []
        for case, function, given, seed in zip(held, functions, operands, seeds, strict=True):
            lane = jax.vmap(function) if case.lane and given else function
            if seed is None:
                out.append((lane(*given), ()))
                continue
            floats = [scalar_of(type_).kind == "float" for type_ in case.instance.operands]

            def smooth(
                *moving: Any, given: Any = given, floats: Any = floats, f: Any = lane
            ) -> Any:
                rest = iter(moving)
                return f(
                    *(
                        next(rest) if is_float else x
                        for x, is_float in zip(given, floats, strict=True)
                    )
                )

            moving = [x for x, is_float in zip(given, floats, strict=True) if is_float]
            result, pull = jax.vjp(smooth, *moving)
            out.append((result, pull(seed)))
        return out

    text = str(jax.jit(run, keep_unused=True).lower(operands, seeds).compiler_ir("stablehlo"))
    given = [np.asarray(value) for value in jax.tree.leaves((operands, seeds))]
    return text, [x.astype(np.float32) if x.dtype.name == "bfloat16" else x for x in given]


def run_stablehlo(
    found: Sequence[Case], way: str, *, backward: bool = False, chunk: int = 32
) -> list[Ran]:
    """The results of JAX spellings, by the interpreter of StableHLO or compiled by XLA. Cases that
    the interpreter cannot run are left out."""
    from backends.jax import private
    from backends.jax.interpretable import missing_operation

    out: list[Ran] = []
    for k in range(0, len(found), chunk):
        held = list(found[k : k + chunk])
        text, given = _stablehlo(held, backward)
        if way == "interpreter" and missing_operation(text):
            if chunk > 1:
                out += run_stablehlo(held, way, backward=backward, chunk=1)
            continue
        if way == "interpreter":
            results = iter(private.interpret(text, given))
        else:
            results = iter(private.call(private.compile_text(text, given)))
        for case in held:
            result = next(results)
            if not (backward and differentiable(case)):
                out.append(Ran(case, result))
                continue
            pulled = tuple(
                next(results) if scalar_of(type_).kind == "float" else None
                for type_ in case.instance.operands
            )
            out.append(Ran(case, result, pulled))
    return out


def everything() -> list[tuple[Op, Instance]]:
    """Every op at every typing."""
    return [(op, instance) for op in OPS.values() for instance in op.instances]
