"""The verifier: every rule a program keeps, checked in one sweep.

Typing is the business of the op tables (`grammar.structural.TABLES`); this file checks what depends
on the surroundings: visibility, exits, how kernels touch written arrays, who owns a buffer.
"""

from __future__ import annotations

from dataclasses import dataclass

from grammar.program import Program, Region, Statement, Terminator, Unit, Value
from grammar.structural import ATOMICS, effect_of, op_table
from grammar.structural_checks import Place, listed, types_of
from grammar.text import print_statement, print_terminator
from grammar.types import I32, Array, Type

_PASSED = "a kernel passes no arrays through a construct, but for local ones"


class VerifyError(ValueError):
    """A program that breaks a rule: the unit's number, the printed statement, and why."""

    def __init__(self, unit: int, statement: str, why: str) -> None:
        super().__init__(
            f"unit @{unit}: {statement}: {why}" if statement else f"unit @{unit}: {why}"
        )
        self.unit = unit
        self.statement = statement
        self.why = why


def verify(program: Program) -> None:
    """Check every rule. Raises VerifyError for the first that is broken."""
    units = program.units
    if not units:
        raise VerifyError(0, "", "a program has at least one unit")
    for number, unit in enumerate(units):
        if unit.kind == "program" and number != len(units) - 1:
            raise VerifyError(number, "", "only the last unit may be a program")
        _Checker(number, unit, units[:number]).unit_rules()


def written_parameters(unit: Unit) -> frozenset[int]:
    """The positions, among the parameters a caller passes, of the arrays a kernel writes."""
    position = {value.id: at for at, value in enumerate(unit.parameters)}
    found: set[int] = set()
    _collect_written(unit.body, position, found)
    return frozenset(found)


def _collect_written(region: Region, position: dict[int, int], found: set[int]) -> None:
    for statement in region.body:
        if statement.op == "store" or statement.op in ATOMICS:
            found.add(position[statement.operands[0].id])
        for inner in statement.regions:
            _collect_written(inner, position, found)


@dataclass(frozen=True, slots=True)
class _Scope:
    """What an exit may reach from here. `carried`: the types the nearest loop carries, None outside
    loops; `returns`: what `return` takes, None where an exit of that kind would leave a condition;
    `branch`: whether the region belongs to an `if`; `top`: whether it is the body of the unit."""

    carried: tuple[Type, ...] | None
    returns: tuple[Type, ...] | None
    branch: bool = False
    top: bool = False
    condition: bool = False


class _Checker:
    """Checks one unit. `visible` maps the ids in scope to their values, `seen` has all ids, `own`
    the grid indices. Of a program, `owned` maps the ids of writable buffers to the depth of the
    region that made them, and `moved` has those given away. `arrays` has the array parameters of a
    kernel: every other array in it is a local one."""

    def __init__(self, number: int, unit: Unit, before: tuple[Unit, ...]) -> None:
        self.number = number
        self.unit = unit
        self.place = Place(unit.kind, before)
        self.visible: dict[int, Value] = {}
        self.seen: set[int] = set()
        self.constants: dict[int, object] = {}
        self.own = tuple([value.id for value in unit.body.params[: len(unit.grid)]])
        self.loads: dict[int, list[Statement]] = {}
        self.stores: dict[int, Statement] = {}
        self.atomics: dict[int, Statement] = {}
        self.depth = 0
        self.owned: dict[int, int] = {}
        self.moved: set[int] = set()
        self.arrays: frozenset[int] = frozenset()
        if unit.kind == "kernel":
            self.arrays = frozenset([v.id for v in unit.parameters if isinstance(v.type, Array)])

    def fail(self, at: Statement | Terminator | None, why: str) -> VerifyError:
        if at is None:
            text = ""
        else:
            text = print_statement(at) if isinstance(at, Statement) else print_terminator(at)
        return VerifyError(self.number, text, why)

    # Units ----------------------------------------------------------------------------------

    def unit_rules(self) -> None:
        unit = self.unit
        why = _signature(unit)
        if why:
            raise self.fail(None, why)
        wanted = "yield" if unit.kind == "kernel" else "return"
        if unit.body.end.kind != wanted:
            raise self.fail(unit.body.end, f"the body of a {unit.kind} ends with {wanted}")
        self.region(unit.body, _Scope(None, unit.results, top=True), None)
        if unit.kind == "kernel":
            self.cells()

    # Regions --------------------------------------------------------------------------------

    def define(self, values: tuple[Value, ...], at: Statement | None) -> None:
        for value in values:
            if value.id in self.seen:
                raise self.fail(at, f"%{value.id} is defined twice")
            self.seen.add(value.id)
            self.visible[value.id] = value

    def use(self, values: tuple[Value, ...], at: Statement | Terminator) -> None:
        visible = self.visible
        for value in values:
            known = visible.get(value.id)
            if known is not value and known != value:
                if known is None:
                    raise self.fail(at, f"%{value.id} is not visible here")
                raise self.fail(at, f"%{value.id} is {known.type}, used as {value.type}")
            if value.id in self.moved:
                raise self.fail(at, f"%{value.id} was carried into a loop that owns it now")

    def region(self, region: Region, scope: _Scope, holder: Statement | None) -> None:
        before = len(self.visible)
        self.depth += 1
        self.define(region.params, holder)
        for statement in region.body:
            self.statement(statement, scope)
        self.use(region.end.values, region.end)
        self.terminator(region.end, scope)
        self.depth -= 1
        while len(self.visible) > before:
            self.visible.popitem()

    def terminator(self, end: Terminator, scope: _Scope) -> None:
        if any(value.id in self.arrays for value in end.values):
            raise self.fail(end, _PASSED)
        if end.kind == "yield" or (scope.top and end.kind == "return"):
            wanted = self.unit.results if end.kind == "return" else ()
            if scope.top and types_of(end.values) != wanted:
                raise self.fail(end, f"the unit ends with values of types {listed(wanted)}")
            return
        if not scope.branch:
            raise self.fail(end, f"only a region of an if may end with {end.kind}")
        target = scope.returns if end.kind == "return" else scope.carried
        if target is None:
            where = "a condition" if scope.condition else "no loop"
            raise self.fail(end, f"{end.kind} stands in {where}")
        if types_of(end.values) != target:
            raise self.fail(end, f"{end.kind} takes values of types {listed(target)} here")

    def statement(self, statement: Statement, scope: _Scope) -> None:
        op = statement.op
        table = op_table(op)
        if table is None:
            raise self.fail(statement, "unknown op")
        self.use(statement.operands, statement)
        why = table.check(statement, self.place)
        if why:
            raise self.fail(statement, why)
        if table.kind == "structural":
            if statement.regions:
                self.structured(statement, scope)
            else:
                self.memory(statement, scope)
        elif statement.regions:
            raise self.fail(statement, f"{op} has no regions")
        self.define(statement.results, statement)

    def structured(self, statement: Statement, scope: _Scope) -> None:
        kind = self.unit.kind
        if any(value.id in self.arrays for value in statement.operands):
            raise self.fail(statement, _PASSED)
        if statement.op == "if":
            if all(region.end.kind != "yield" for region in statement.regions):
                raise self.fail(statement, "not both regions of an if may exit")
            inner = _Scope(scope.carried, scope.returns, True, False, scope.condition)
            for region in statement.regions:
                self.region(region, inner, statement)
            return
        if statement.op == "for":
            self.trips(statement)
        if kind == "program":
            self.carried_buffers(statement)
        *conditions, body = statement.regions
        for condition in conditions:
            self.no_writes(condition, statement)
            self.region(condition, _Scope(None, None, condition=True), statement)
        carried = types_of(statement.results)
        self.region(body, _Scope(carried, scope.returns, condition=scope.condition), statement)
        if kind == "program":
            self.yielded_buffers(statement)

    def no_writes(self, condition: Region, holder: Statement) -> None:
        for statement in condition.body:
            if effect_of(statement.op) == "write":
                raise self.fail(holder, f"{statement.op} stands in a condition")
            for inner in statement.regions:
                self.no_writes(inner, holder)

    def trips(self, statement: Statement) -> None:
        start, stop = (self.constants.get(value.id) for value in statement.operands[:2])
        attribute = statement.attribute
        assert isinstance(attribute, tuple)
        step, bound = attribute
        if isinstance(start, int) and isinstance(stop, int):
            count = max(0, -((start - stop) // step))
            if count > bound:
                raise self.fail(statement, f"{count} rounds exceed the bound {bound}")

    # Memory ---------------------------------------------------------------------------------

    def memory(self, statement: Statement, scope: _Scope) -> None:
        op = statement.op
        if op == "const":
            self.constants[statement.results[0].id] = statement.attribute
        elif op in ("get", "put"):
            self.local(statement)
        elif op == "load":
            self.parameter(statement)
            self.loads.setdefault(statement.operands[0].id, []).append(statement)
            self.in_range(statement, statement.operands[1:])
        elif op == "store":
            self.parameter(statement)
            self.stores[statement.operands[0].id] = statement
            self.own_cell(statement, statement.operands[1:-1])
        elif op in ATOMICS:
            self.atomic(statement)
        elif op == "launch":
            self.launch(statement)
        elif op in ("zeros", "copy"):
            self.owned[statement.results[0].id] = self.depth

    def parameter(self, statement: Statement) -> None:
        if statement.operands[0].id not in self.arrays:
            raise self.fail(
                statement, f"{statement.op} takes an array parameter, not a local array"
            )

    def local(self, statement: Statement) -> None:
        if statement.operands[0].id in self.arrays:
            raise self.fail(statement, f"{statement.op} takes a local array, not a parameter")
        array = statement.operands[0].type
        assert isinstance(array, Array)
        self.in_range(statement, statement.operands[1 : 1 + len(array.shape)])

    def in_range(self, statement: Statement, indices: tuple[Value, ...]) -> None:
        array = statement.operands[0].type
        assert isinstance(array, Array)
        for index, extent in zip(indices, array.shape, strict=True):
            known = self.constants.get(index.id)
            if isinstance(known, int) and not 0 <= known < extent:
                raise self.fail(statement, f"index {known} is outside 0 to {extent - 1}")

    def own_cell(self, statement: Statement, indices: tuple[Value, ...]) -> None:
        array = statement.operands[0].type
        assert isinstance(array, Array)
        if tuple([index.id for index in indices]) != self.own:
            raise self.fail(statement, "a written array is touched only at the lane's own index")
        if array.shape != self.unit.grid:
            raise self.fail(statement, f"a written array has the shape {list(self.unit.grid)}")

    def atomic(self, statement: Statement) -> None:
        array, *indices, _ = statement.operands
        self.parameter(statement)
        self.in_range(statement, tuple(indices))
        other = self.atomics.setdefault(array.id, statement)
        if _family(other.op) != _family(statement.op):
            raise self.fail(statement, f"%{array.id} is also written by {other.op}")

    def cells(self) -> None:
        """The discipline of written arrays, once all accesses are known."""
        for array, statement in self.stores.items():
            if array in self.atomics:
                raise self.fail(statement, f"%{array} is also written by atomics")
            for load in self.loads.get(array, ()):
                self.own_cell(load, load.operands[1:])
        for array in self.atomics:
            for load in self.loads.get(array, ()):
                raise self.fail(load, f"%{array} is written by atomics")

    # Buffers of programs --------------------------------------------------------------------

    def launch(self, statement: Statement) -> None:
        number = statement.attribute
        assert isinstance(number, int)
        ids = [value.id for value in statement.operands]
        for at in sorted(written_parameters(self.place.units[number])):
            if ids[at] not in self.owned:
                raise self.fail(statement, f"%{ids[at]} is written, not made by zeros or copy")
            if ids.count(ids[at]) > 1:
                raise self.fail(statement, f"%{ids[at]} is written and passed twice")

    def carried_buffers(self, statement: Statement) -> None:
        """A buffer carried into a loop belongs to the loop from then on."""
        inits = statement.operands[2:]
        for init, param in zip(inits, statement.regions[0].params[1:], strict=True):
            if init.id not in self.owned:
                continue
            if init.id in self.moved:
                raise self.fail(statement, f"%{init.id} is carried twice")
            if self.owned[init.id] != self.depth:
                raise self.fail(statement, f"%{init.id} belongs to an outer region")
            self.moved.add(init.id)
            self.owned[param.id] = self.depth + 1

    def yielded_buffers(self, statement: Statement) -> None:
        """The body gives back buffers of its own, each once, for exactly the buffers it took."""
        region = statement.regions[0]
        given: set[int] = set()
        for value, param, result in zip(
            region.end.values, region.params[1:], statement.results, strict=True
        ):
            owner = self.owned.get(value.id)
            if (param.id in self.owned) != (owner is not None):
                raise self.fail(region.end, f"%{value.id} and %{param.id}: only one is a buffer")
            if owner is None:
                continue
            if owner != self.depth + 1 or value.id in given:
                raise self.fail(region.end, f"%{value.id} is not a buffer of this loop, given once")
            given.add(value.id)
            self.owned[result.id] = self.depth


def _family(op: str) -> str:
    return "sum" if op in ("atomic_add", "atomic_sub") else op


def _signature(unit: Unit) -> str:
    """Why the header of a unit is wrong, or ""."""
    axes = len(unit.grid)
    if types_of(unit.body.params[:axes]) != (I32,) * axes:
        return "a kernel's first parameters are its i32 grid indices"
    if unit.kind == "kernel":
        if not unit.grid or min(unit.grid) < 1 or unit.results:
            return "a kernel has a grid of positive extents and no results"
        return ""
    if unit.grid:
        return f"a {unit.kind} has no grid"
    is_function = unit.kind == "function"
    if is_function and any(isinstance(v.type, Array) for v in unit.body.params):
        return "a function takes no arrays"
    wrong = [type_ for type_ in unit.results if isinstance(type_, Array) == is_function]
    return f"a {unit.kind} does not return {wrong[0]}" if wrong else ""
