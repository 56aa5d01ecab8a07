"""What one unit's lowering knows: the expressions and variables that its values are bound to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backends import surface as s
from backends.style import Names, Style
from backends.warp.plan import Variable, make_plan
from backends.warp.roles import role
from backends.warp.spell import Spelling, is_number
from grammar.program import Unit, Value
from grammar.types import BOOL, Type

LINE = 60
"""Columns an expression may take, indentation included, before its parts get names."""

_AUGMENTED = frozenset("+-*/&|^")


@dataclass(frozen=True, slots=True)
class Loop:
    """The loop being lowered; `counter` is the variable a `while` counts its rounds in."""

    variables: tuple[Variable, ...]
    counter: str = ""


class Frame:
    """Binds values and assigns variables; `Frame` knows no op."""

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
        self.loops: list[Loop] = []
        self.constants: set[str] = set()  # names that Warp may take for constants
        self.depth = 1

    def choose(self, kind: int, value: int, n: int) -> int:
        return self.style.choose(self.site + 8 * value + kind, n)

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
        reads = [names_in(expr) for _, _, expr, _ in pending]
        while pending:
            for free, (name, _, _, _) in enumerate(pending):
                if not any(name.id in reads[n] for n in range(len(pending)) if n != free):
                    break
            else:  # they exchange values
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


def names_in(expr: object) -> set[str]:
    """The names that an expression reads."""
    match expr:
        case s.Name():
            return {expr.id}
        case s.Attribute():
            return names_in(expr.value)
        case s.Call():
            return names_in(expr.func).union(*map(names_in, expr.args))
        case s.Unary():
            return names_in(expr.operand)
        case s.Binary():
            return names_in(expr.left) | names_in(expr.right)
        case s.Conditional():
            return names_in(expr.test) | names_in(expr.body) | names_in(expr.orelse)
        case s.Subscript():
            return names_in(expr.value).union(*map(names_in, expr.indices))
        case _:
            return set()
