"""Rendered sources as Python modules, by what Python, Warp and JAX offer everyone.

A module is in no file: its loader has the text, from which tracebacks, `inspect` and Warp read it.
Modules take turns in a fixed number of names, so that thousands of them leave nothing behind.
"""

from __future__ import annotations

import importlib
import importlib.util
import linecache
import sys
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from itertools import count
from types import ModuleType
from typing import Any

from numpy.typing import NDArray

from backends.base import Rendered
from grammar.program import Program
from grammar.reference import check_inputs
from grammar.types import Array, Scalar, Type, element_shape, scalar_of
from irgen.vectors import Arrays

SLOTS = 64
"""A Warp kernel can be launched until so many sources have been loaded after its own."""

_numbers = count()


class SourceLoader(InspectLoader):
    """The loader of one text. Warp drops what a module name held before when its loader is new."""

    def __init__(self, text: str, origin: str) -> None:
        self._text = text
        self.origin = origin

    def get_source(self, fullname: str) -> str:
        return self._text

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._text, self.origin, "exec", dont_inherit=True), module.__dict__)


def load(rendered: Rendered) -> Any:
    """The entry of a source: a `warp.Kernel`, or a Python function for a JAX source, a driver, or a
    Warp function. Whatever the source raises is raised from here.

    A new module is made each time. The one loaded `SLOTS` sources ago gives its name back: what was
    compiled of it for Warp is dropped, and a JAX function of it lives on.
    """
    number = next(_numbers)
    name = f"irgen_source_{number % SLOTS}"
    old = sys.modules.get(name)
    if old is not None and isinstance(old.__loader__, SourceLoader):
        linecache.cache.pop(old.__loader__.origin, None)
    loader = SourceLoader(rendered.python, f"irgen_source_{number}.py")
    spec = ModuleSpec(name, loader, origin=loader.origin)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return getattr(module, rendered.entry)


def arguments(program: Program, backend: str, inputs: Arrays) -> list[Any]:
    """Inputs as the entry of a loaded source takes them; ValueError unless they fit the parameters.

    For Warp: new arrays on the CPU, gradients and all, and values. For JAX: arrays in the dtypes of
    the program, without those that a kernel overwrites and never looks at.
    """
    check_inputs(program.entry, inputs)
    types = [value.type for value in program.entry.parameters]
    if backend == "warp":
        return [_for_warp(array, type_) for array, type_ in zip(inputs, types, strict=True)]
    from backends.jax.run import taken_parameters

    return [_for_jax(inputs[at], scalar_of(types[at])) for at in taken_parameters(program.entry)]


def _for_jax(array: NDArray[Any], scalar: Scalar) -> NDArray[Any]:
    if scalar.name != "bf16":
        return array
    import jax.numpy

    return array.astype(jax.numpy.bfloat16)


def _for_warp(array: NDArray[Any], type_: Type) -> Any:
    wp: Any = importlib.import_module("warp")
    scalar = scalar_of(type_)
    single = getattr(wp, scalar.dtype)
    shape = element_shape(type_.element if isinstance(type_, Array) else type_)
    element = {
        0: lambda: single,
        1: lambda: wp.types.vector(shape[0], single),
        2: lambda: wp.types.matrix(shape, single),
    }[len(shape)]()
    if isinstance(type_, Array):
        gradient = scalar.kind == "float"
        return wp.array(array, dtype=element, device="cpu", requires_grad=gradient)
    return array.item() if isinstance(type_, Scalar) else element(*array.ravel().tolist())
