"""The scene of a Warp repro: the source as rendered, launched as users do, under a tape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backends import surface as s
from backends.warp.driver_source import launch, zeros
from backends.warp.loops import may_not_end
from backends.warp.spell import Spelling
from grammar.passes.effects import written
from grammar.passes.kernels import to_kernels
from grammar.program import Program, Unit, Value
from grammar.types import Array, Element, Matrix, Scalar, Type, Vector, scalar_of
from irgen.fuzz.literals import extents, listed, nested, number, shortest
from irgen.fuzz.scene import (
    Fresh,
    Place,
    Request,
    Result,
    Scene,
    assign,
    call,
    dotted,
    recorded,
)

_TRUE = s.Literal("True")

SETTINGS: dict[str, tuple[s.Stmt, ...]] = {
    "O0": (s.Assign(dotted("wp.config.optimization_level"), s.Literal("0")),),
    "O2": (s.Assign(dotted("wp.config.optimization_level"), s.Literal("2")),),
}
"""What a way to run sets, where that is not the default."""


def scene(request: Request) -> Scene:
    """The statements that run a case with Warp. The entry is a kernel or a program."""
    case, rendered = request.case, request.rendered
    unit = to_kernels(case.program).entry
    fresh = Fresh(rendered.python)
    params = [argument.name for argument in rendered.arguments]
    maker = _Maker(request, Spelling(case.style))
    inputs = [
        maker.given(name, value, array)
        for name, value, array in zip(params, unit.parameters, case.inputs, strict=True)
    ]
    make = _kernel if unit.kind == "kernel" else _driver
    run, results = make(request, unit, rendered.entry, params, fresh)
    settings = (s.Do(call("wp.set_device", s.Literal('"cpu"'))), *SETTINGS.get(request.way, ()))
    return Scene(settings, (), tuple(inputs), tuple(run), results)


def may_hang(program: Program) -> bool:
    """Whether the adjoint of a program may never end."""
    return may_not_end(to_kernels(program))


class _Maker:
    """Makes values as Warp takes them."""

    def __init__(self, request: Request, spelling: Spelling) -> None:
        self.request = request
        self.spelling = spelling

    def given(self, name: str, value: Value, array: NDArray[Any]) -> s.Stmt:
        """The statement that makes a parameter."""
        if not isinstance(value.type, Array):
            return assign(name, self.element(value.type, array))
        floats = scalar_of(value.type).kind == "float"
        if not array.any() and not np.signbit(array).any():
            made = zeros(value.type, self.spelling)
            if floats and not self.request.gradients:
                assert isinstance(made, s.Call)
                made = s.Call(made.func, made.args, made.keywords[:1])
            return assign(name, made)
        made = self.array(value.type, array, tracked=floats and self.request.gradients)
        return assign(name, made)

    def array(self, type_: Type, array: NDArray[Any], *, tracked: bool = False) -> s.Call:
        """`wp.array` of numbers."""
        assert isinstance(type_, Array)
        keywords = {"dtype": self.spelling.type(type_.element)}
        if tracked:
            keywords["requires_grad"] = _TRUE
        return call("wp.array", listed(array, scalar_of(type_)), **keywords)

    def element(self, type_: Element, array: NDArray[Any]) -> s.Expr:
        """A parameter that is no array."""
        scalar = scalar_of(type_)
        numbers = [shortest(value, scalar) for value in array.ravel()]
        if isinstance(type_, Scalar):
            return number(numbers[0])
        parts = nested(numbers, (len(numbers),))
        assert isinstance(parts, s.List)
        return s.Call(self.spelling.type(type_), parts.items)


def _kernel(
    request: Request, unit: Unit, entry: str, params: Sequence[str], fresh: Fresh
) -> tuple[list[s.Stmt], dict[Place, Result]]:
    """Launch a kernel; its adjoint finds the cotangents in the gradients of what it writes."""
    effects = written(unit)
    run: list[s.Stmt] = [launch(unit, entry, [s.Name(name) for name in params])]
    results: dict[Place, Result] = {}
    seeds: list[s.Stmt] = []
    for at, (place, cotangent) in enumerate(
        zip(sorted(effects), request.case.cotangents, strict=True)
    ):
        name, type_ = params[place], unit.parameters[place].type
        results["output", at] = Result(name, _numbers(s.Name(name), type_))
        if cotangent is not None:
            seeds.append(s.Do(call(f"{name}.grad.assign", listed(cotangent, scalar_of(type_)))))
    if request.gradients:
        run = _taped(run, seeds, fresh)
        only_written = {at for at, how in effects.items() if how == "out"}
        results |= _gradients(unit, params, only_written)
    return run, results


def _driver(
    request: Request, unit: Unit, entry: str, params: Sequence[str], fresh: Fresh
) -> tuple[list[s.Stmt], dict[Place, Result]]:
    """Call a driver. It may return an array twice, or one that it was given: cotangents add up."""
    count = len(unit.results)
    names = [fresh("result" if count == 1 else f"result_{at}") for at in range(count)]
    targets = tuple([s.Name(name) for name in names])
    called = s.Call(s.Name(entry), tuple([s.Name(name) for name in params]))
    run: list[s.Stmt] = [s.Assign(targets[0] if count == 1 else s.Tuple(targets), called)]
    results: dict[Place, Result] = {}
    seeds: list[s.Stmt] = []
    for at, (name, type_, cotangent) in enumerate(
        zip(names, unit.results, request.case.cotangents, strict=True)
    ):
        results["output", at] = Result(name, _numbers(s.Name(name), type_))
        if cotangent is not None:
            seed = listed(cotangent, scalar_of(type_))
            if scalar_of(type_).name == "bf16":  # NumPy has none to add in
                seeds.append(s.Do(call(f"{name}.grad.assign", seed)))
            else:
                everywhere = s.Subscript(call(f"{name}.grad.numpy"), (s.Slice(),))
                seeds.append(s.AugAssign(everywhere, "+", seed))
    if request.gradients:
        run = _taped(run, seeds, fresh)
        results |= _gradients(unit, params, set())
    return run, results


def _taped(run: list[s.Stmt], seeds: list[s.Stmt], fresh: Fresh) -> list[s.Stmt]:
    """The statements under a tape, and then the tape backwards."""
    tape = fresh("tape")
    back: s.Stmt = s.Do(call(f"{tape}.backward"))
    return [assign(tape, call("wp.Tape")), recorded(tape, run), *seeds, back]


def _gradients(unit: Unit, params: Sequence[str], left_out: set[int]) -> dict[Place, Result]:
    """The gradients that a tape leaves with the parameters."""
    return {
        ("gradient", at): Result(
            f"gradient of {name}", _numbers(s.Attribute(s.Name(name), "grad"), value.type)
        )
        for at, (name, value) in enumerate(zip(params, unit.parameters, strict=True))
        if isinstance(value.type, Array)
        and scalar_of(value.type).kind == "float"
        and at not in left_out
    }


def _numbers(array: s.Expr, type_: Type) -> s.Expr:
    """A Warp array as NumPy; bfloat16, which that lacks, by its bits."""
    if scalar_of(type_).name != "bf16":
        return s.Call(s.Attribute(array, "numpy"), ())
    assert isinstance(type_, Array)
    bits = _as_bits(type_.element)
    return call(
        "widened", s.Call(s.Attribute(s.Call(s.Attribute(array, "view"), (bits,)), "numpy"), ())
    )


def _as_bits(element: Element) -> s.Expr:
    """The type of the bits of an element of bfloat16."""
    bits = dotted("wp.uint16")
    match element:
        case Scalar():
            return bits
        case Vector():
            return call("wp.types.vector", number(element.size), bits)
        case Matrix():
            return call("wp.types.matrix", extents((element.rows, element.columns)), bits)
