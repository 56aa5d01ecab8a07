"""Where Warp is known to compute a wrong gradient, or none: named, with the upstream reference.

A limitation explains a gradient that differs, never a value. `limitations` looks at the program
alone, so it names what may be wrong in any spelling and for any input.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backends.base import Limitation
from backends.warp.reads import Reads, reads
from grammar.passes.kernels import to_kernels
from grammar.program import Region, Statement, Unit, Value
from grammar.types import Array

if TYPE_CHECKING:
    from grammar.program import Program

_ISSUES = "https://github.com/NVIDIA/warp/issues"
_GUIDE = "https://nvidia.github.io/warp/user_guide/differentiability.html"


def _row(name: str, doc: str, *references: str) -> Limitation:
    return Limitation(name, "warp", doc, ", ".join(references))


LIMITATIONS: dict[str, Limitation] = {
    limitation.name: limitation
    for limitation in (
        _row(
            "loop_value",
            "The adjoint of a dynamic loop reads what the loop carries. Warp runs the rounds again"
            " from where the loop started, in reverse order, so that is another value.",
            f"{_ISSUES}/729",
            f"{_ISSUES}/1552",
            f"{_GUIDE}#dynamic-loops",
        ),
        _row(
            "loop_result",
            "An adjoint reads what a dynamic loop of the same unit made. Warp does not run the loop"
            " again before the reverse half, so the value is that which the loop started from.",
            f"{_ISSUES}/729",
            f"{_ISSUES}/1694",
            f"{_ISSUES}/1740",
            f"{_GUIDE}#dynamic-loops",
        ),
        _row(
            "loop_start",
            "The adjoint of a statement before a dynamic loop reads the value that the loop starts"
            " from. The loop may live in the same variable, which its reverse half changes.",
            f"{_ISSUES}/174",
            f"{_ISSUES}/729",
        ),
        _row(
            "loop_exit",
            "A dynamic loop breaks, returns, or continues after it did something. The reverse half"
            " takes the exit in whichever round it meets first, and skips what that round did.",
            f"{_ISSUES}/1552",
            f"{_GUIDE}#dynamic-loops",
        ),
        _row(
            "while_loop",
            "A `while` does more than add to what it carries. Its reverse half runs the rounds in"
            " forward order.",
            f"{_ISSUES}/729",
            f"{_GUIDE}#dynamic-loops",
        ),
        _row(
            "overwritten_cell",
            "An adjoint reads an array element that the kernel overwrites later. The reverse half"
            " finds the last content there.",
            f"{_ISSUES}/947",
            f"{_GUIDE}#array-overwrite-tracking",
        ),
        _row(
            "overwritten_buffer",
            "The adjoint of a launch reads a buffer that a later launch overwrites.",
            f"{_ISSUES}/1350",
            f"{_GUIDE}#array-overwrite-tracking",
        ),
        _row(
            "atomic_extreme",
            "atomic_min and atomic_max pass the gradient of a cell to the lanes that hold its value"
            " and keep it besides, for what the cell held before.",
            f"{_ISSUES}/790",
            "warp/native/builtin.h: adj_atomic_minmax",
        ),
        _row(
            "fmod_operand",
            "The adjoint of the remainder passes nothing to the divisor.",
            f"{_ISSUES}/1466",
            "warp/native/builtin.h: adj_mod",
        ),
        _row(
            "overwritten_component",
            "A component of a vector that carries a gradient is overwritten. The old one keeps the"
            " gradient of the new one, unless `enable_vector_component_overwrites` is set.",
            f"{_ISSUES}/1697",
        ),
        _row(
            "frac_operand",
            "The adjoint of the fractional part passes nothing on.",
            f"{_ISSUES}/1466",
            "warp/native/builtin.h: adj_frac",
        ),
    )
}
"""Limitations by name. Each has a minimal program in `backends.warp.limit_examples`."""

_ROUNDS = 4
"""Rounds of a driver's loop that are looked at: buffers change places with a period of two."""


def limitations(program: Program) -> tuple[Limitation, ...]:
    """The limitations that may make a gradient of the program wrong, in the order of the table."""
    program = to_kernels(program)
    found = set[str]()
    units: dict[int, Reads] = {}
    for number, unit in enumerate(program.units):
        if unit.kind != "program":
            units[number] = reads(unit, units)
            found |= units[number].found
    entry = program.entry
    if entry.kind == "program":
        found |= _of_driver(entry, units)
    elif units[len(program.units) - 1].extremes:
        found.add("atomic_extreme")
    return tuple([row for name, row in LIMITATIONS.items() if name in found])


def _of_driver(entry: Unit, units: dict[int, Reads]) -> set[str]:
    driver = _Driver(units)
    for value in entry.parameters:
        if isinstance(value.type, Array):
            driver.buffers[value.id] = driver.new(filled=True)
    driver.run(entry.body)
    return driver.found


@dataclass(slots=True)
class _Driver:
    """Follows the buffers of a driver through its launches. `needed` are those whose content an
    adjoint reads as it was, `filled` those that were more than zeros before a launch."""

    units: dict[int, Reads]
    buffers: dict[int, int] = field(default_factory=dict[int, int])
    needed: set[int] = field(default_factory=set[int])
    filled: set[int] = field(default_factory=set[int])
    found: set[str] = field(default_factory=set[str])
    count: int = 0

    def new(self, *, filled: bool) -> int:
        self.count += 1
        if filled:
            self.filled.add(self.count)
        return self.count

    def run(self, region: Region) -> None:
        for statement in region.body:
            match statement.op:
                case "zeros" | "copy":
                    made = self.new(filled=statement.op == "copy")
                    self.buffers[statement.results[0].id] = made
                case "launch":
                    assert isinstance(statement.attribute, int)
                    self.launch(self.units[statement.attribute], statement.operands)
                case "for":
                    self.loop(statement)
                case _:
                    pass

    def loop(self, statement: Statement) -> None:
        assert isinstance(statement.attribute, tuple)
        region = statement.regions[0]
        carried = self.held(statement.operands[2:])
        for _ in range(min(_ROUNDS, statement.attribute[1])):
            self.bind(region.params[1:], carried)
            self.run(region)
            carried = self.held(region.end.values)
        self.bind(statement.results, carried)

    def held(self, values: Sequence[Value]) -> list[int | None]:
        return [self.buffers.get(value.id) for value in values]

    def bind(self, values: Sequence[Value], buffers: Sequence[int | None]) -> None:
        for value, buffer in zip(values, buffers, strict=True):
            if buffer is not None:
                self.buffers[value.id] = buffer

    def launch(self, kernel: Reads, operands: Sequence[Value]) -> None:
        passed = self.held(operands)
        written = {passed[k] for k in kernel.written} - {None}
        extremes = {passed[k] for k in kernel.extremes} - {None}
        if self.needed & written:
            self.found.add("overwritten_buffer")
        if self.filled & extremes:
            self.found.add("atomic_extreme")
        self.needed |= {b for k in kernel.parameters if (b := passed[k]) is not None}
        self.needed |= {b for b in extremes if b is not None}
        self.filled |= {b for b in written if b is not None}
