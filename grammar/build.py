"""A builder for programs written by hand, by tests and by passes.

    units = ProgramBuilder()
    double = units.function((F32,), lambda b, x: b.op("add", x, x))
    units.kernel((16,), (Array(F32, (16,)),), lambda b, i, a: b.store(a, i, b.call(double, ...)))
    program = units.finish()

A region is a callable. It emits through the builder and returns what the region yields: nothing, a
value, a sequence of values, or an exit made by `break_`, `continue_` or `return_`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from grammar.program import Attribute, Program, Region, Statement, Terminator, Unit, UnitKind, Value
from grammar.structural import op_table
from grammar.types import BOOL, I32, Array, Element, Scalar, Type, scalar_of

Yielded = Terminator | Value | Sequence[Value] | None


def _values(yielded: Value | Sequence[Value] | None) -> tuple[Value, ...]:
    if yielded is None:
        return ()
    return (yielded,) if isinstance(yielded, Value) else tuple(yielded)


def break_(*values: Value) -> Terminator:
    """Leave the nearest loop with its carried values."""
    return Terminator("break", values)


def continue_(*values: Value) -> Terminator:
    """Start the next round of the nearest loop with its carried values."""
    return Terminator("continue", values)


def return_(*values: Value) -> Terminator:
    """Leave the unit: a function with its results, a kernel with nothing."""
    return Terminator("return", values)


class Builder:
    """Emits statements into the innermost open region; ids count up from `first`."""

    def __init__(self, units: Sequence[Unit] = (), first: int = 0) -> None:
        self.units = tuple(units)
        self.next_id = first
        self._open: list[list[Statement]] = []

    # Values and regions ---------------------------------------------------------------------

    def fresh(self, type_: Type) -> Value:
        """A new value, not yet defined by anything."""
        self.next_id += 1
        return Value(self.next_id - 1, type_)

    def region(self, params: Sequence[Value], body: Callable[[], Yielded]) -> Region:
        """The region that `body` emits, closed by what it returns."""
        self._open.append([])
        end = body()
        if not isinstance(end, Terminator):
            end = Terminator("yield", _values(end))
        return Region(tuple(params), tuple(self._open.pop()), end)

    def append(self, statement: Statement) -> None:
        """Add a finished statement to the innermost open region."""
        self._open[-1].append(statement)

    def emit(
        self,
        op: str,
        operands: Iterable[Value],
        results: Iterable[Type] = (),
        attribute: Attribute = None,
        regions: Iterable[Region] = (),
    ) -> tuple[Value, ...]:
        """Add a statement with new results of the given types; returns the results."""
        made = tuple([self.fresh(type_) for type_ in results])
        self.append(Statement(op, tuple(operands), made, attribute, tuple(regions)))
        return made

    # Pure ops -------------------------------------------------------------------------------

    def op(
        self,
        name: str,
        *operands: Value,
        attribute: Attribute = None,
        result: Type | None = None,
    ) -> Value:
        """Apply an op with one result. Its type follows from the operands; where several are
        possible (conversions), `result` says which. ValueError where none is."""
        if result is None:
            table = op_table(name)
            if table is None:
                raise ValueError(f"unknown op {name!r}")
            types = tuple([operand.type for operand in operands])
            found = table.results(name, types, attribute)
            if len(found) != 1:
                kinds = ", ".join(map(str, found)) or "none"
                raise ValueError(f"{name} of {[*map(str, types)]}: name one result type of {kinds}")
            result = found[0]
        return self.emit(name, operands, (result,), attribute)[0]

    def const(self, type_: Scalar, literal: bool | int | float) -> Value:
        """A literal; an int is taken as a float where the type is one."""
        if type_.kind == "float":
            literal = float(literal)
        return self.emit("const", (), (type_,), literal)[0]

    def fill(self, type_: Element, literal: bool | int | float) -> Value:
        """An element all of whose components are one literal."""
        number = self.const(scalar_of(type_), literal)
        return number if isinstance(type_, Scalar) else self.op("fill", number, result=type_)

    def zero(self, type_: Type) -> Value:
        """Zero (false) of any element type, or a new array of zeros."""
        if isinstance(type_, Array):
            return self.zeros(type_)
        return self.fill(type_, False if type_ == BOOL else 0)

    # Memory ---------------------------------------------------------------------------------

    def load(self, array: Value, *indices: Value) -> Value:
        """The element of an array at i32 indices."""
        assert isinstance(array.type, Array)
        return self.emit("load", (array, *indices), (array.type.element,))[0]

    def store(self, array: Value, *indices_and_value: Value) -> None:
        """Write the last operand to the element at the indices before it."""
        self.emit("store", (array, *indices_and_value))

    def atomic(self, what: str, array: Value, *indices_and_value: Value) -> None:
        """`what` is add, sub, min or max."""
        self.emit(f"atomic_{what}", (array, *indices_and_value))

    # Control flow ---------------------------------------------------------------------------

    def if_(
        self,
        condition: Value,
        then: Callable[[], Yielded],
        otherwise: Callable[[], Yielded] = lambda: None,
    ) -> tuple[Value, ...]:
        """`if`; the results have the types of what the first non-exiting region yields."""
        regions = (self.region((), then), self.region((), otherwise))
        yields = [region.end.values for region in regions if region.end.kind == "yield"]
        types = [value.type for value in yields[0]] if yields else []
        return self.emit("if", (condition,), types, None, regions)

    def for_(
        self,
        start: Value | int,
        stop: Value | int,
        inits: Sequence[Value],
        body: Callable[..., Yielded],
        step: int = 1,
        bound: int | None = None,
    ) -> tuple[Value, ...]:
        """`for`; `body(index, *carried)`. Integers become constants; with two of them the bound
        defaults to the trip count."""
        if bound is None:
            if isinstance(start, Value) or isinstance(stop, Value):
                raise ValueError("for: a loop between values needs a bound")
            bound = max(1, -((start - stop) // step))
        first = self.const(I32, start) if isinstance(start, int) else start
        last = self.const(I32, stop) if isinstance(stop, int) else stop
        types = [value.type for value in inits]
        params = [self.fresh(I32), *map(self.fresh, types)]
        region = self.region(params, lambda: body(*params))
        return self.emit("for", (first, last, *inits), types, (step, bound), (region,))

    def while_(
        self,
        inits: Sequence[Value],
        condition: Callable[..., Yielded],
        body: Callable[..., Yielded],
        bound: int,
    ) -> tuple[Value, ...]:
        """`while`; both callables take (iteration, *carried)."""
        types = [value.type for value in inits]
        tested = [self.fresh(I32), *map(self.fresh, types)]
        test = self.region(tested, lambda: condition(*tested))
        params = [self.fresh(I32), *map(self.fresh, types)]
        region = self.region(params, lambda: body(*params))
        return self.emit("while", inits, types, bound, (test, region))

    # Other units ----------------------------------------------------------------------------

    def call(self, unit: int, *arguments: Value) -> tuple[Value, ...]:
        """Apply the function with that number; returns all its results."""
        return self.emit("call", arguments, self.units[unit].results, unit)

    def launch(self, unit: int, *arguments: Value) -> None:
        """Run the kernel with that number."""
        self.emit("launch", arguments, (), unit)

    def zeros(self, type_: Array) -> Value:
        """A new array of zeros."""
        return self.emit("zeros", (), (type_,))[0]

    def copy(self, array: Value) -> Value:
        """A new array with the contents of another."""
        return self.emit("copy", (array,), (array.type,))[0]


class ProgramBuilder:
    """Collects units; each method adds one and returns its number."""

    def __init__(self) -> None:
        self.units: list[Unit] = []

    def function(self, params: Sequence[Type], body: Callable[..., Yielded]) -> int:
        """A function; `body(builder, *parameters)` gives its results."""
        return self._unit("function", (), params, body)

    def kernel(
        self, grid: Sequence[int], params: Sequence[Type], body: Callable[..., Yielded]
    ) -> int:
        """A kernel; `body(builder, *indices, *parameters)` gives nothing."""
        return self._unit("kernel", tuple(grid), params, body)

    def program(self, params: Sequence[Type], body: Callable[..., Yielded]) -> int:
        """A program over buffers; `body(builder, *parameters)` gives the arrays it returns."""
        return self._unit("program", (), params, body)

    def finish(self) -> Program:
        """The program of all units added; the last is its entry."""
        return Program(tuple(self.units))

    def _unit(
        self,
        kind: UnitKind,
        grid: tuple[int, ...],
        types: Sequence[Type],
        body: Callable[..., Any],
    ) -> int:
        b = Builder(self.units)
        params = [b.fresh(type_) for type_ in (*[I32] * len(grid), *types)]

        def end() -> Yielded:
            given: Yielded = body(b, *params)
            if kind == "kernel" or isinstance(given, Terminator):
                return given
            return Terminator("return", _values(given))

        region = b.region(params, end)
        results = () if kind == "kernel" else tuple([value.type for value in region.end.values])
        self.units.append(Unit(kind, region, results, grid))
        return len(self.units) - 1
