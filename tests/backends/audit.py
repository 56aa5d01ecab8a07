"""Runs spellings of op rows on seeded operands in their domains, in Warp and in JAX."""

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
    """One spelling of one op at one typing and attribute; `lane` for forms without batch axes."""

    op: Op
    instance: Instance
    attribute: int
    spelling: str
    lane: bool = False

    def __str__(self) -> str:
        operands = ", ".join(map(str, self.instance.operands))
        at = f"[{self.attribute}]" if self.op.attributes(self.instance) else ""
        return f"{self.op.name}{at}({operands}) -> {self.instance.result}: {self.spelling}"


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


def samples(op: Op, instance: Instance) -> list[Any]:
    """Operands for `LANES` lanes, each within its domain; the same for every spelling."""
    seed = zlib.crc32(f"{op.name} {instance.operands} {instance.result}".encode())
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

_HEADER = """import warp as wp

wp.set_module_options({"enable_backward": False})
""" + "".join(
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


def run_warp(found: Sequence[Case], folder: Path, name: str) -> list[tuple[Case, Any]]:
    """The results of Warp spellings on the CPU, unoptimized; one module for all of them."""
    import warp as wp

    groups = grouped(found, 48)
    kernels = [_warp_kernel(k, instance, held) for k, (instance, held) in enumerate(groups)]
    path = folder / f"{name}.py"
    path.write_text("\n\n".join([_HEADER, *kernels]) + "\n")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    out: list[tuple[Case, Any]] = []
    for k, (instance, held) in enumerate(groups):
        operands = [samples(case.op, instance) for case in held]
        hosts = [
            np.ascontiguousarray([values[place] for values in operands])
            for place in range(len(instance.operands))
        ]
        result = np.zeros(
            (len(held), LANES, *element_shape(instance.result)), host_dtype(instance.result)
        )
        types = (*instance.operands, instance.result)
        arrays = [
            wp.array(
                ptr=host.ctypes.data,
                dtype=eval(warp_type(type_), vars(module)),
                shape=(len(held), LANES),
                device="cpu",
            )
            for host, type_ in zip((*hosts, result), types, strict=True)
        ]
        wp.launch(getattr(module, f"kernel{k}"), dim=LANES, inputs=arrays, device="cpu")
        out += [(case, result[place]) for place, case in enumerate(held)]
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


def run_jax(found: Sequence[Case]) -> list[tuple[Case, Any]]:
    """The results of JAX spellings over a batch, or, of lane forms, under vmap."""
    import jax

    out: list[tuple[Case, Any]] = []
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

        results = jax.jit(chunk)([samples(case.op, case.instance) for case in held])
        out += zip(held, results, strict=True)
    return out


def everything() -> list[tuple[Op, Instance]]:
    """Every op at every typing."""
    return [(op, instance) for op in OPS.values() for instance in op.instances]
