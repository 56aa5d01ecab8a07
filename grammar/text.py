"""The text form of programs. `grammar.parse` reads it back exactly.

irgen 1
function @0(%0: f32) -> f32 {
  %1: f32 = const 0.5
  %2: f32 = mul %0, %1
  return %2
}
"""

from __future__ import annotations

from grammar.program import Attribute, Program, Region, Statement, Terminator, Unit, Value
from grammar.structural import STRUCTURAL
from grammar.types import Type

HEADER = "irgen 1"


def print_program(program: Program) -> str:
    """The text of a program, one statement per line, ending in a newline."""
    printer = _Printer()
    printer.lines.append(HEADER)
    for number, unit in enumerate(program.units):
        printer.unit(unit, number)
    return "\n".join(printer.lines) + "\n"


def print_unit(unit: Unit, number: int = 0) -> str:
    """The text of one unit, without the header."""
    printer = _Printer()
    printer.unit(unit, number)
    return "\n".join(printer.lines) + "\n"


def print_statement(statement: Statement) -> str:
    """The first line of a statement: all of it but its regions."""
    return _Printer().head(statement)


def print_terminator(end: Terminator) -> str:
    """The line of a terminator."""
    return _end(end)


def print_literal(literal: bool | int | float) -> str:
    """A literal that reads back as the same value: `true`, `-7`, `0.5`, `1e-05`, `-inf`, `nan`."""
    if isinstance(literal, bool):
        return "true" if literal else "false"
    return repr(literal)


def _attribute(attribute: Attribute) -> str:
    if isinstance(attribute, tuple):
        inner = ", ".join(map(str, attribute))
        return f"{{{inner}}}" if len(attribute) > 1 else f"{{{inner},}}"
    assert attribute is not None
    return f"{{{print_literal(attribute)}}}"


def _end(end: Terminator) -> str:
    if not end.values:
        return end.kind
    return f"{end.kind} {', '.join([f'%{value.id}' for value in end.values])}"


class _Printer:
    """Collects lines. Type names are looked up by object, which outlives the printing."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._names: dict[int, str] = {}

    def typed(self, values: tuple[Value, ...]) -> str:
        names = self._names
        parts: list[str] = []
        for value in values:
            name = names.get(id(value.type))
            if name is None:
                name = names[id(value.type)] = str(value.type)
            parts.append(f"%{value.id}: {name}")
        return ", ".join(parts)

    def head(self, statement: Statement) -> str:
        op, operands, attribute = statement.op, statement.operands, statement.attribute
        text = f"{self.typed(statement.results)} = {op}" if statement.results else op
        if op == "const":
            assert attribute is not None
            assert not isinstance(attribute, tuple)
            return f"{text} {print_literal(attribute)}"
        if operands:
            text += " " + ", ".join([f"%{operand.id}" for operand in operands])
        return text if attribute is None else f"{text} {_attribute(attribute)}"

    def region(self, region: Region, indent: str) -> None:
        lines = self.lines
        for statement in region.body:
            head = indent + self.head(statement)
            if statement.regions:
                self.structured(head, statement, indent)
            else:
                lines.append(head)
        lines.append(indent + _end(region.end))

    def structured(self, head: str, statement: Statement, indent: str) -> None:
        row = STRUCTURAL[statement.op]
        opening = head
        for region in statement.regions:
            params = f" ({self.typed(region.params)})" if row.loop else ""
            self.lines.append(f"{opening}{params} {{")
            self.region(region, indent + "  ")
            opening = f"{indent}}} {row.between}"
        self.lines.append(indent + "}")

    def unit(self, unit: Unit, number: int) -> None:
        grid = f" [{','.join(map(str, unit.grid))}] " if unit.grid else ""
        results = f" -> {_types(unit.results)}" if unit.results else ""
        params = self.typed(unit.body.params)
        self.lines.append(f"{unit.kind} @{number}{grid}({params}){results} {{")
        self.region(unit.body, "  ")
        self.lines.append("}")


def _types(types: tuple[Type, ...]) -> str:
    return ", ".join(map(str, types))
