"""Lowering a function or a kernel to statements.

The SSA values of the unit become expressions or variables as its plan says. What is emitted keeps
to what Warp compiles faithfully: a variable that a dynamic loop assigns starts as a copy or in a
constructor, values that exchange variables go through a temporary, and no conditional expression
tests a constant (Warp would alias its result).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backends import surface as s
from backends.style import Names, Style
from backends.warp.plan import Variable, make_plan
from backends.warp.rows import fill, spellings
from backends.warp.spell import Spelling, is_number, wp
from grammar.program import Program, Region, Statement, Terminator, Unit, Value, walk
from grammar.types import BOOL, I32, Array, Matrix, Scalar, Type, Vector

LINE = 60
"""Columns an expression may take, indentation included, before its parts get names."""

INDICES = ("index", "index2", "index3", "index4")
"""Roles of the indices of a lane, by axis."""

_AUGMENTED = frozenset("+-*/&|^")
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


def role(type_: Type) -> str:
    """The role of a local variable, by its type."""
    match type_:
        case Vector():
            return "vector"
        case Matrix():
            return "matrix"
        case Scalar(kind="float"):
            return "local"
        case Scalar(kind="bool"):
            return "flag"
        case _:
            return "integer"


def parameter_role(type_: Type, is_written: bool) -> str:
    """The role of a parameter of a kernel or a driver."""
    if isinstance(type_, Array):
        return "output" if is_written else "array"
    if isinstance(type_, Scalar) and type_.kind in ("int", "uint"):
        return "count"
    return "scalar" if isinstance(type_, Scalar) and type_.kind == "float" else role(type_)


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


@dataclass(frozen=True, slots=True)
class _Loop:
    """The loop being lowered; `counter` is the variable a `while` counts its rounds in."""

    variables: tuple[Variable, ...]
    counter: str = ""


class _Lowering:
    def __init__(
        self,
        unit: Unit,
        number: int,
        unit_names: Sequence[str],
        names: Names,
        spelling: Spelling,
        style: Style,
    ) -> None:
        self.unit = unit
        self.name = unit_names[number]
        self.unit_names = unit_names
        self.names = names
        self.spelling = spelling
        self.style = style
        self.site = number << 20
        self.plan = make_plan(unit, style, self.site)
        self.bound: dict[int, s.Expr] = {}
        self.widths: dict[int, int] = {}  # of values bound to compound expressions
        self.loops: list[_Loop] = []
        self.constants: set[str] = set()  # names that Warp may take for constants
        self.depth = 1

    def choose(self, kind: int, value: int, n: int) -> int:
        return self.style.choose(self.site + 8 * value + kind, n)

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
            kind = parameter_role(value.type, value.id in changed) if is_kernel else role(value.type)
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

    def region(
        self, region: Region, targets: Sequence[Variable | None], out: list[s.Stmt]
    ) -> None:
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

    def end(
        self, end: Terminator, targets: Sequence[Variable | None], out: list[s.Stmt]
    ) -> None:
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

    # Variables

    def variable(self, variable: Variable, type_: Type) -> s.Name:
        if not variable.name:
            kind = role(type_)
            variable.name = self.names.fresh(
                "accumulator" if variable.carried and kind == "local" else kind
            )
        return s.Name(variable.name)

    def set(
        self, name: s.Name, value: Value, expr: s.Expr, out: list[s.Stmt], carried: bool = False
    ) -> None:
        """`name = expr`, or `name += ...` where it says the same."""
        if self.constant(expr) and (carried or self.loops or value.type == BOOL):
            expr = s.Call(self.spelling.type(value.type), (expr,))
        elif (
            isinstance(expr, s.Binary)
            and expr.left == name
            and expr.op in _AUGMENTED
            and self.choose(2, value.id, 2)
        ):
            out.append(s.AugAssign(name, expr.op, expr.right))
            return
        out.append(s.Assign(name, expr))

    def constant(self, expr: s.Expr) -> bool:
        """Whether Warp takes an expression for a constant, which no dynamic loop may assign."""
        if isinstance(expr, s.Unary) and expr.op == "-":
            expr = expr.operand
            if isinstance(expr, s.Name):
                return expr.id in self.constants
        return is_number(expr)

    def named(self, value: Value, expr: s.Expr, out: list[s.Stmt]) -> s.Name:
        """A new variable that holds an expression for a value."""
        name = s.Name(self.names.fresh(role(value.type)))
        self.set(name, value, expr, out)
        return name

    def assign(
        self,
        targets: Sequence[Variable | None],
        values: Sequence[Value],
        out: list[s.Stmt],
    ) -> None:
        """Assign values to variables as if all at once."""
        pending: list[tuple[s.Name, Value, s.Expr, bool]] = []
        for target, value in zip(targets, values, strict=True):
            if target is not None:
                name, expr = self.variable(target, value.type), self.bound[value.id]
                if expr != name:
                    pending.append((name, value, expr, target.carried))
        if len(pending) < 2:
            for name, value, expr, carried in pending:
                self.set(name, value, expr, out, carried)
            return
        reads = [_names(expr) for _, _, expr, _ in pending]
        while pending:
            for free, (name, _, _, _) in enumerate(pending):
                if not any(name.id in reads[n] for n in range(len(pending)) if n != free):
                    break
            else:
                pass
            if False:
                free = 0
                name, value, expr, carried = pending[0]
                held = self.named(value, expr, out)
                pending[0] = (name, value, held, carried)
                reads[0] = {held.id}
                continue
            name, value, expr, carried = pending.pop(free)
            reads.pop(free)
            self.set(name, value, expr, out, carried)

    def define(self, value: Value, expr: s.Expr, width: int, out: list[s.Stmt]) -> None:
        """Bind a value to an expression, or to a variable that is assigned it."""
        variable = self.plan.variables.get(value.id)
        if variable is None and value.id in self.plan.inlined and width <= self.budget():
            self.bound[value.id] = expr
            self.widths[value.id] = width
            return
        if variable is None:
            name = s.Name(self.names.fresh(role(value.type)))
        else:
            name = self.variable(variable, value.type)
        self.set(name, value, expr, out, variable is not None and variable.carried)
        self.bound[value.id] = name

    def budget(self) -> int:
        return max(24, LINE - 4 * self.depth)

    def settle(self, value: Value, out: list[s.Stmt]) -> None:
        """Name what a value is bound to if it is a compound expression."""
        if self.widths.pop(value.id, 0):
            self.bound[value.id] = self.named(value, self.bound[value.id], out)

    def operands(self, values: Sequence[Value], out: list[s.Stmt]) -> tuple[list[s.Expr], int]:
        """The expressions of operands and their width, the widest named until they fit."""
        widths = self.widths
        total = sum([widths.get(value.id, 6) for value in values])
        while total > self.budget():
            widest = max(values, key=lambda value: widths.get(value.id, 0))
            if widest.id not in widths:
                break
            self.settle(widest, out)
            total = sum([widths.get(value.id, 6) for value in values])
        return [self.bound[value.id] for value in values], total

    # Pure statements

    def const(self, statement: Statement, out: list[s.Stmt]) -> None:
        (value,) = statement.results
        assert isinstance(value.type, Scalar)
        literal = statement.attribute
        assert isinstance(literal, bool | int | float)
        expr = self.spelling.literal(value.type, literal)
        self.bound[value.id] = expr
        # A named constant must not be assigned in a loop, and a named truth value is one to Warp.
        if not self.loops and value.type != BOOL and self.plan.counts.get(value.id, 0) > 1:
            if self.choose(3, value.id, 4) == 3:
                name = self.named(value, expr, out)
                self.constants.add(name.id)
                self.bound[value.id] = name

    def row(self, statement: Statement, out: list[s.Stmt]) -> None:
        (value,) = statement.results
        found = spellings(statement)
        row = found[self.choose(0, value.id, len(found))]
        if any(is_number(self.bound[statement.operands[n].id]) for n in row.tests):
            row = found[0]
        for number in row.repeated:
            self.settle(statement.operands[number], out)
        operands, width = self.operands(statement.operands, out)
        self.define(value, fill(row, statement, operands, self.spelling), width + row.width, out)

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
            and self.summed(statement.operands[-1].type)
            and self.choose(4, statement.operands[-1].id, 2)
        ):
            out.append(s.AugAssign(target, expr.op, expr.right))
        else:
            out.append(s.Assign(target, expr))

    def atomic(self, statement: Statement, out: list[s.Stmt]) -> None:
        operands, _ = self.operands(statement.operands, out)
        sign = {"atomic_add": "+", "atomic_sub": "-"}.get(statement.op, "")
        value = statement.operands[-1]
        if sign and self.summed(value.type) and self.choose(5, value.id, 3) == 2:
            target = s.Subscript(operands[0], tuple(operands[1:-1]))
            out.append(s.AugAssign(target, sign, operands[-1]))
        else:
            out.append(s.Do(s.Call(wp(statement.op), tuple(operands))))

    @staticmethod
    def summed(type_: Type) -> bool:
        """Whether Warp adds to an array element of this type in place, as an atomic does."""
        scalar = type_ if isinstance(type_, Scalar) else type_.scalar if not isinstance(type_, Array) else None
        return scalar is not None and scalar.name in _SUMMED

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
            variable is None
            or not variable.name
            or self.bound[value.id] == s.Name(variable.name)
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
            if changed & _names(self.bound[value.id]):
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
        self.loops.append(_Loop(held))
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
        self.loops.append(_Loop(held, counter.id))
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


_HANDLERS: dict[str, Callable[[_Lowering, Statement, list[s.Stmt]], None]] = {
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


def _names(expr: object) -> set[str]:
    """The names that an expression reads."""
    match expr:
        case s.Name():
            return {expr.id}
        case s.Attribute():
            return _names(expr.value)
        case s.Call():
            return _names(expr.func).union(*map(_names, expr.args))
        case s.Unary():
            return _names(expr.operand)
        case s.Binary():
            return _names(expr.left) | _names(expr.right)
        case s.Conditional():
            return _names(expr.test) | _names(expr.body) | _names(expr.orelse)
        case s.Subscript():
            return _names(expr.value).union(*map(_names, expr.indices))
        case _:
            return set()
