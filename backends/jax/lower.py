"""Lowering a program to JAX source."""

from __future__ import annotations

from backends import surface as s
from backends.base import Argument, Rendered
from backends.base import Unit as RenderedUnit
from backends.cst import print_module
from backends.jax.axes import Summary
from backends.jax.frame import IDIOMS, Sheet
from backends.jax.loops import CLOSURES
from backends.jax.main_source import run_itself
from backends.jax.program_source import write_program
from backends.jax.shapes import trailing
from backends.jax.spell import element_scalar
from backends.jax.units import Made, write_function, write_kernel
from backends.style import Names, Style
from grammar.program import Program, Value, statements
from grammar.types import Array

_ROLES = {"function": "function", "kernel": "kernel", "program": "driver"}


def lower(program: Program, style: Style) -> s.Module:
    """The JAX source of a program.

    A kernel becomes a function of the arrays it reads and the scalars, which returns the arrays it
    writes: one array, or a tuple in the order of its parameters.
    """
    return _lower(program, style, main=False)[0]


def render(
    program: Program,
    style: Style,
    *,
    main: bool = False,
    avoided: frozenset[str] = frozenset(),
) -> Rendered:
    """Print the JAX source of a program; with `main`, a file that makes inputs and runs itself.

    `avoided` are spellings of ops to do without.
    """
    module, made, arguments = _lower(program, style, main=main, avoided=avoided)
    units = [
        RenderedUnit(each.definition.name, unit.kind)
        for each, unit in zip(made, program.units, strict=True)
    ]
    return Rendered(
        backend="jax",
        python=print_module(module),
        entry=made[-1].definition.name,
        units=tuple(units),
        arguments=arguments,
        wide=is_wide(program),
    )


def is_wide(program: Program) -> bool:
    """Whether a 64-bit type occurs anywhere."""
    values: list[Value] = [param for unit in program.units for param in unit.body.params]
    for statement in statements(program):
        values += statement.results
    return any(element_scalar(value.type).bits == 64 for value in values)


def _lower(
    program: Program, style: Style, *, main: bool, avoided: frozenset[str] = frozenset()
) -> tuple[s.Module, list[Made], tuple[Argument, ...]]:
    names = Names(style, CLOSURES)
    wide = is_wide(program)
    sheet = Sheet(style, IDIOMS[style.idiom % len(IDIOMS)], wide, names, avoided)
    made: list[Made] = []
    summaries: dict[int, Summary] = {}
    for number, unit in enumerate(program.units):
        sheet.called[number] = names.fresh(_ROLES[unit.kind])
    for number, unit in enumerate(program.units):
        scope = names.scope()
        if unit.kind == "program":
            made.append(write_program(sheet, number, unit, scope, dict(enumerate(made))))
        elif unit.kind == "kernel":
            made.append(write_kernel(sheet, number, unit, scope, summaries))
        else:
            made.append(write_function(sheet, number, unit, scope, summaries))
            summaries[number] = made[-1].summary
    entry = made[-1]
    parameters = program.entry.parameters
    arguments = tuple(
        [
            _argument(param.name, parameters[position])
            for param, position in zip(entry.definition.params, entry.takes, strict=True)
        ]
    )
    body: list[s.Stmt] = [each.definition for each in made]
    if main:
        sheet.modules.add("jax")
        body.append(run_itself(entry.definition.name, arguments, wide))
    return s.Module((*_imports(sheet, body), *body)), made, arguments


def _argument(name: str, value: Value) -> Argument:
    type_ = value.type
    lead = type_.shape if isinstance(type_, Array) else ()
    return Argument(name, element_scalar(type_).dtype, (*lead, *trailing(type_)))


def _imports(sheet: Sheet, body: list[s.Stmt]) -> list[s.Stmt]:
    """The imports of the modules that the body names."""
    found: list[s.Stmt] = []
    if "jax" in sheet.modules:
        found.append(s.Import("jax"))
    found.append(s.Import("jax.numpy", "jnp"))
    if "lax" in sheet.modules:
        found.append(s.Import("lax", package="jax"))
    return found
