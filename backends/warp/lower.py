"""Lowering a program to Warp source: functions, kernels, and a driver for programs over buffers."""

from __future__ import annotations

from backends import surface as s
from backends.base import Argument, Rendered
from backends.base import Unit as RenderedUnit
from backends.cst import print_module
from backends.style import Names, Style
from backends.warp.device import device_unit
from backends.warp.driver_source import driver, filled, self_test
from backends.warp.spell import DEFINABLE, Spelling
from grammar.passes.kernels import to_kernels
from grammar.program import Program, statements
from grammar.types import Array, Element, Type, element_shape, scalar_of

_IMPORT_WARP = s.Import("warp", "wp")
_IMPORT_NUMPY = s.Import("numpy", "np")


def lower(program: Program, style: Style) -> s.Module:
    """The Warp source of a program. Ops on whole arrays become kernels."""
    return _lower(to_kernels(program), style, main=False)[0]


def render(
    program: Program,
    style: Style,
    *,
    main: bool = False,
    avoided: frozenset[str] = frozenset(),
) -> Rendered:
    """Print the Warp source of a program; with `main`, a file that makes inputs and runs itself.

    `avoided` are spellings of ops, and names of `spell.AVOIDABLE`, to do without.
    """
    program = to_kernels(program)
    module, definitions = _lower(program, style, main=main, avoided=avoided)
    entry = program.entry
    params = definitions[-1].params
    return Rendered(
        backend="warp",
        python=print_module(module),
        entry=definitions[-1].name,
        units=tuple(
            [
                RenderedUnit(definition.name, unit.kind)
                for definition, unit in zip(definitions, program.units, strict=True)
            ]
        ),
        arguments=tuple(
            [
                _argument(param.name, value.type)
                for param, value in zip(params, entry.parameters, strict=True)
            ]
        ),
        wide=_wide(program),
    )


def _lower(
    program: Program, style: Style, *, main: bool, avoided: frozenset[str] = frozenset()
) -> tuple[s.Module, list[s.FunctionDef]]:
    names = Names(style, DEFINABLE)
    spelling = Spelling(style, avoided)
    unit_names = [names.fresh("driver" if u.kind == "program" else u.kind) for u in program.units]
    definitions: list[s.FunctionDef] = []
    for number, unit in enumerate(program.units):
        make = driver if unit.kind == "program" else device_unit
        definitions.append(make(program, number, unit_names, names.scope(), spelling, style))
    body: list[s.Stmt] = [*definitions]
    imports = [_IMPORT_WARP]
    if main:
        body += self_test(program, definitions[-1], unit_names, names, spelling)
        if filled(program.entry):
            imports = [_IMPORT_NUMPY, _IMPORT_WARP]
    types = [s.Assign(s.Name(name), value) for name, value in spelling.defined.items()]
    return s.Module((*imports, *types, *body)), definitions


def _argument(name: str, type_: Type) -> Argument:
    """An argument as Warp takes it: vector and matrix axes trail those of the array."""
    element: Element = type_.element if isinstance(type_, Array) else type_
    shape = type_.shape if isinstance(type_, Array) else ()
    return Argument(name, scalar_of(type_).dtype, (*shape, *element_shape(element)))


def _wide(program: Program) -> bool:
    """Whether a 64-bit type occurs anywhere."""
    found = {value.type for unit in program.units for value in unit.body.params}
    for statement in statements(program):
        found.update([value.type for value in statement.results])
    return any(scalar_of(type_).bits == 64 for type_ in found)
