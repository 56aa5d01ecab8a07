"""Lowering a function or a kernel to statements.

The SSA values of the unit become expressions or variables as its plan says. What is emitted keeps
to what Warp compiles faithfully: a variable that a dynamic loop assigns starts as a copy or in a
constructor, values that exchange variables go through a temporary, and no conditional expression
tests a constant (Warp would alias its result).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from backends import surface as s
from backends.style import Names, Style
from backends.warp.frame import Frame, Loop, names_in
from backends.warp.plan import Variable
from backends.warp.roles import parameter_role, role
from backends.warp.rows import fill, spellings
from backends.warp.spell import Spelling, is_number, wp
from grammar.program import Program, Region, Statement, Terminator, Unit, Value, walk
from grammar.types import BOOL, I32, SIZES, Array, Scalar, Type, scalar_of

INDICES = ("index", "index2", "index3", "index4")
"""Roles of the indices of a lane, by axis."""

_SUMMED = frozenset(("f32", "f64", "i32", "i64", "u32", "u64"))
_ZERO = s.Literal("0")
_ONE = s.Literal("1")


def written(unit: Unit) -> frozenset[int]:
    """The ids of the arrays that a kernel stores to or updates."""
    return frozenset(
        [
            statement.operands[0].id
            for statement in walk(unit.body)
            if statement.op == "store" or statement.op.startswith("atomic_")
        ]
    )


def device_unit(
    program: Program,
    number: int,
    unit_names: Sequence[str],
    names: Names,
    spelling: Spelling,
    style: Style,
) -> s.FunctionDef:
    """The definition of a function or a kernel."""
    unit = program.units[number]
    return _Lowering(unit, number, unit_names, names, spelling, style).definition()


class _Lowering(Frame):
    # The definition

    def definition(self) -> s.FunctionDef:
        unit = self.unit
        is_kernel = unit.kind == "kernel"
        out: list[s.Stmt] = []
        if is_kernel:
            out.append(self.lane(unit.body.params[: len(unit.grid)]))
        changed = written(unit) if is_kernel else frozenset[int]()
        params: list[s.Param] = []
        for value in unit.parameters:
            kind = (
                parameter_role(value.type, value.id in changed) if is_kernel else role(value.type)
            )
            name = self.names.fresh(kind)
            self.bound[value.id] = s.Name(name)
            params.append(s.Param(name, self.spelling.type(value.type)))
        self.region(self.plan.body, (), out)
        decorator = wp("kernel" if is_kernel else "func")
        return s.FunctionDef(self.name, tuple(params), tuple(out) or (s.Pass(),), (decorator,))

    def lane(self, indices: tuple[Value, ...]) -> s.Stmt:
        targets: list[s.Expr] = []
        for kind, value in zip(INDICES, indices, strict=False):
            target = s.Name(self.names.fresh(kind))
            self.bound[value.id] = target
            targets.append(target)
        target = targets[0] if len(targets) == 1 else s.Tuple(tuple(targets))
        return s.Assign(target, s.Call(wp("tid"), ()))

    # Regions

    def region(self, region: Region, targets: Sequence[Variable | None], out: list[s.Stmt]) -> None:
        for statement in region.body:
            handler = _HANDLERS.get(statement.op)
            if handler is None:
                self.row(statement, out)
            else:
                handler(self, statement, out)
        self.end(region.end, targets, out)

    def block(self, region: Region, targets: Sequence[Variable | None]) -> list[s.Stmt]:
        out: list[s.Stmt] = []
        self.depth += 1
        self.region(region, targets, out)
        self.depth -= 1
        return out

    def end(self, end: Terminator, targets: Sequence[Variable | None], out: list[s.Stmt]) -> None:
        match end.kind:
            case "yield":
                self.assign(targets, end.values, out)
            case "return":
                values = [self.bound[value.id] for value in end.values]
                if values:
                    out.append(s.Return(values[0] if len(values) == 1 else s.Tuple(tuple(values))))
                elif self.unit.kind != "kernel" or self.depth > 1:
                    out.append(s.Return())
            case "break" | "continue":
                loop = self.loops[-1]
                self.assign(loop.variables, end.values, out)
                if end.kind == "break":
                    out.append(s.Break())
                else:
                    if loop.counter:
                        out.append(self.increment(loop.counter))
                    out.append(s.Continue())

    # Pure statements

    def const(self, statement: Statement, out: list[s.Stmt]) -> None:
        (value,) = statement.results
        assert isinstance(value.type, Scalar)
        literal = statement.attribute
        assert isinstance(literal, bool | int | float)
        expr = self.spelling.literal(value.type, literal)
        self.bound[value.id] = expr
        # A named constant must not be assigned in a loop, and a named truth value is one to Warp.
        may_have_name = not self.loops and value.type != BOOL
        shared = self.plan.counts.get(value.id, 0) > 1
        if may_have_name and shared and self.choose(3, value.id, 4) == 3:
            name = self.named(value, expr, out)
            self.constants.add(name.id)
            self.bound[value.id] = name

    def row(self, statement: Statement, out: list[s.Stmt]) -> None:
        (value,) = statement.results
        found = spellings(statement, self.spelling.avoided)
        row = found[self.choose(0, value.id, len(found))]
        if any(is_number(self.bound[statement.operands[n].id]) for n in row.tests):
            row = found[0]
        for number in row.repeated:
            self.settle(statement.operands[number], out)
        operands, width = self.operands(statement.operands, out)
        self.define(value, fill(row, statement, operands, self.spelling), width + row.width, out)

    def component(self, statement: Statement, out: list[s.Stmt]) -> None:
        """A vector with another component: an assignment to it, or a new vector."""
        (value,) = statement.results
        if self.choose(0, value.id, 3) == 2:
            self.row(statement, out)
            return
        (vector, number), _ = self.operands(statement.operands, out)
        variable = self.plan.variables.get(value.id)
        if variable is None:
            name = s.Name(self.names.fresh(role(value.type)))
        else:
            name = self.variable(variable, value.type)
        if name != vector:
            if name.id in names_in(number):
                number = self.named(statement.operands[1], number, out)
            self.set(name, value, vector, out, variable is not None and variable.carried)
        place = s.Literal(str(statement.attribute))
        out.append(s.Assign(s.Subscript(name, (place,)), number))
        self.bound[value.id] = name

    def load(self, statement: Statement, out: list[s.Stmt]) -> None:
        (array, *indices), width = self.operands(statement.operands, out)
        self.define(statement.results[0], s.Subscript(array, tuple(indices)), width + 2, out)

    def call(self, statement: Statement, out: list[s.Stmt]) -> None:
        operands, width = self.operands(statement.operands, out)
        assert isinstance(statement.attribute, int)
        name = self.unit_names[statement.attribute]
        expr = s.Call(s.Name(name), tuple(operands))
        if len(statement.results) == 1:
            self.define(statement.results[0], expr, width + len(name) + 2, out)
            return
        targets: list[s.Expr] = []
        for value in statement.results:
            variable = self.plan.variables.get(value.id)
            if variable is None:
                target = s.Name(self.names.fresh(role(value.type)))
            else:
                target = self.variable(variable, value.type)
            self.bound[value.id] = target
            targets.append(target)
        out.append(s.Assign(s.Tuple(tuple(targets)), expr))

    # Memory

    def store(self, statement: Statement, out: list[s.Stmt]) -> None:
        (array, *indices, expr), _ = self.operands(statement.operands, out)
        target = s.Subscript(array, tuple(indices))
        if (
            isinstance(expr, s.Binary)
            and expr.op in ("+", "-")
            and expr.left == target
            and _summed(statement.operands[-1].type)
            and self.choose(4, statement.operands[-1].id, 2)
        ):
            out.append(s.AugAssign(target, expr.op, expr.right))
        else:
            out.append(s.Assign(target, expr))

    def atomic(self, statement: Statement, out: list[s.Stmt]) -> None:
        operands, _ = self.operands(statement.operands, out)
        sign = {"atomic_add": "+", "atomic_sub": "-"}.get(statement.op, "")
        value = statement.operands[-1]
        if sign and _summed(value.type) and self.choose(5, value.id, 3) == 2:
            target = s.Subscript(operands[0], tuple(operands[1:-1]))
            out.append(s.AugAssign(target, sign, operands[-1]))
        else:
            out.append(s.Do(s.Call(wp(statement.op), tuple(operands))))

    # Control flow

    def if_(self, statement: Statement, out: list[s.Stmt]) -> None:
        then, otherwise = statement.regions
        test = self.bound[statement.operands[0].id]
        held = [self.plan.variables.get(value.id) for value in statement.results]
        first = self.declared_first(statement, held)
        for variable, value in zip(held, statement.results, strict=True):
            if variable is not None:
                self.bound[value.id] = self.variable(variable, value.type)
        if first:
            self.assign(held, otherwise.end.values, out)
        body = self.block(then, held)
        orelse = [] if first else self.block(otherwise, held)
        if body:
            out.append(s.If(test, tuple(body), tuple(orelse)))
        elif orelse:
            out.append(s.If(s.Unary("not", test), tuple(orelse)))

    def declared_first(self, statement: Statement, held: Sequence[Variable | None]) -> bool:
        """Whether the results are assigned ahead of the `if`, which then needs no `else`."""
        then, otherwise = statement.regions
        if otherwise.body or {then.end.kind, otherwise.end.kind} != {"yield"}:
            return False
        if not any(held) or not self.choose(6, statement.results[0].id, 2):
            return False
        return all(
            variable is None or not variable.name or self.bound[value.id] == s.Name(variable.name)
            for variable, value in zip(held, otherwise.end.values, strict=True)
        )

    def carry(self, statement: Statement, inits: Sequence[Value]) -> tuple[Variable, ...]:
        """The variables of a loop; their names are drawn, and its values bound to them."""
        held = tuple([self.plan.variables[value.id] for value in statement.results])
        for number, (variable, value) in enumerate(zip(held, statement.results, strict=True)):
            name = self.variable(variable, value.type)
            self.bound[value.id] = name
            for region in statement.regions:
                self.bound[region.params[number + 1].id] = name
        return held

    def for_(self, statement: Statement, out: list[s.Stmt]) -> None:
        (region,) = statement.regions
        limits, inits = statement.operands[:2], statement.operands[2:]
        values = [self.bound[value.id] for value in inits]
        held = self.carry(statement, inits)
        changed = {
            variable.name
            for variable, expr in zip(held, values, strict=True)
            if expr != s.Name(variable.name)
        }
        for value in limits:  # Python evaluates them after the inits are assigned
            if changed & names_in(self.bound[value.id]):
                self.bound[value.id] = self.named(value, self.bound[value.id], out)
        start, stop = [self.bound[value.id] for value in limits]
        self.assign(held, inits, out)
        assert isinstance(statement.attribute, tuple)
        step = statement.attribute[0]
        if step != 1:
            arguments: tuple[s.Expr, ...] = (start, stop, s.Literal(str(step)))
        else:
            arguments = (stop,) if start == _ZERO else (start, stop)
        index = s.Name(self.names.fresh("loop"))
        self.constants.add(index.id)  # Warp unrolls short loops
        self.bound[region.params[0].id] = index
        self.loops.append(Loop(held))
        body = self.block(region, held)
        self.loops.pop()
        iterable = s.Call(s.Name("range"), arguments)
        out.append(s.For(index, iterable, tuple(body) or (s.Pass(),)))

    def while_(self, statement: Statement, out: list[s.Stmt]) -> None:
        condition, region = statement.regions
        held = self.carry(statement, statement.operands)
        self.assign(held, statement.operands, out)
        counter = s.Name(self.names.fresh("loop"))
        out.append(s.Assign(counter, s.Call(self.spelling.type(I32), (_ZERO,))))
        for inner in statement.regions:
            self.bound[inner.params[0].id] = counter
        self.loops.append(Loop(held, counter.id))
        self.depth += 1
        tests: list[s.Stmt] = []
        for inner in condition.body:
            handler = _HANDLERS.get(inner.op, _Lowering.row)
            handler(self, inner, tests)
        holds = self.bound[condition.end.values[0].id]
        self.depth -= 1
        limit = s.Binary("<", counter, s.Literal(str(statement.attribute)))
        test: s.Expr = limit
        body: list[s.Stmt] = []
        if tests or self.choose(7, condition.params[0].id, 3) == 2:
            body = [*tests, s.If(s.Unary("not", holds), (s.Break(),))]
        else:
            test = s.Binary("and", limit, holds)
        body += self.block(region, held)
        body.append(self.increment(counter.id))
        self.loops.pop()
        out.append(s.While(test, tuple(body)))

    def increment(self, counter: str) -> s.Stmt:
        name = s.Name(counter)
        if self.style.choose(self.site + 1, 2):
            return s.AugAssign(name, "+", _ONE)
        return s.Assign(name, s.Binary("+", name, _ONE))


def _summed(type_: Type) -> bool:
    """Whether Warp adds to an array element of this type in place, as an atomic does."""
    return not isinstance(type_, Array) and scalar_of(type_).name in _SUMMED


_HANDLERS: dict[str, Callable[[_Lowering, Statement, list[s.Stmt]], None]] = {
    **{f"with_component{size}": _Lowering.component for size in SIZES},
    "const": _Lowering.const,
    "load": _Lowering.load,
    "store": _Lowering.store,
    "atomic_add": _Lowering.atomic,
    "atomic_sub": _Lowering.atomic,
    "atomic_min": _Lowering.atomic,
    "atomic_max": _Lowering.atomic,
    "call": _Lowering.call,
    "if": _Lowering.if_,
    "for": _Lowering.for_,
    "while": _Lowering.while_,
}
