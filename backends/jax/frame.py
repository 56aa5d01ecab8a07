"""The state of a unit while its source is written: names, values written so far, open bodies."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from backends import surface as s
from backends.cst import width
from backends.jax.axes import Axes
from backends.jax.spell import Operand, element_scalar, may_be_weak, number, strong
from backends.jax.uses import Uses
from backends.style import Names, Style
from grammar.program import Region, Statement, Unit, Value
from grammar.types import Array, Matrix, Scalar, Type, Vector

LINE = 88
_TARGET = 24
"""Columns left for the target of an assignment."""


def together(items: Sequence[s.Expr]) -> s.Expr:
    """One expression as it is, several as a tuple."""
    return items[0] if len(items) == 1 else s.Tuple(tuple(items))


@dataclass(frozen=True, slots=True)
class Idiom:
    """The shape of a source: all lanes at once as arrays (`whole`) or a function of one lane; how
    loops are written; by which function a lane's function is mapped."""

    whole: bool
    loop: Literal["unroll", "fori", "scan"]
    mapping: Literal["vmap", "map"] = "vmap"


IDIOMS: tuple[Idiom, ...] = (
    Idiom(whole=True, loop="unroll"),
    Idiom(whole=False, loop="fori"),
    Idiom(whole=True, loop="fori"),
    Idiom(whole=False, loop="scan"),
    Idiom(whole=True, loop="scan"),
    Idiom(whole=False, loop="unroll", mapping="map"),
)


@dataclass(slots=True)
class Sheet:
    """What the units of one source share. `called` names the units written so far by number;
    `avoided` are spellings of ops to do without."""

    style: Style
    idiom: Idiom
    wide: bool
    names: Names
    avoided: frozenset[str] = frozenset()
    called: dict[int, str] = field(default_factory=dict[int, str])
    modules: set[str] = field(default_factory=set[str])

    def lax(self, name: str) -> s.Attribute:
        """`lax.name`, which the source then imports."""
        self.modules.add("lax")
        return s.Attribute(s.Name("lax"), name)

    def jax(self, name: str) -> s.Attribute:
        """`jax.name`, which the source then imports."""
        self.modules.add("jax")
        return s.Attribute(s.Name("jax"), name)


@dataclass(slots=True)
class Writer:
    """One unit being written.

    - `env` maps value ids to expressions; those in `weak` are Python numbers of the type given.
    - `constants` are the integer literals by id; `touched` collects the ids referred to.
    - `region` writes the statements of a region into a body.
    - `axes` are the lane axes of values, and `spread` is what a mask of them means as a shape; None
      where values have no lane axes.
    - `own` maps an array to its element at the lane's own index; `mapped` are the arrays for which
      that was used.
    - `owners` maps a name to the only value that it stands for.
    - `head` are the lines a function starts with; they make its `shapes`, by mask.
    - `results` are the values stored, by array, and `atomics` the statements left to apply.
    """

    sheet: Sheet
    number: int
    unit: Unit
    names: Names
    uses: Uses
    region: Callable[[Body, Region], tuple[Value, ...]]
    axes: Axes | None = None
    spread: Callable[[int, Type], s.Expr] | None = None
    mapped: set[int] = field(default_factory=set[int])
    env: dict[int, s.Expr] = field(default_factory=dict[int, s.Expr])
    weak: dict[int, Scalar] = field(default_factory=dict[int, Scalar])
    constants: dict[int, int] = field(default_factory=dict[int, int])
    touched: set[int] = field(default_factory=set[int])
    own: dict[int, s.Expr] = field(default_factory=dict[int, s.Expr])
    closures: set[str] = field(default_factory=set[str])
    owners: dict[str, int] = field(default_factory=dict[str, int])
    shapes: dict[int, s.Name] = field(default_factory=dict[int, s.Name])
    head: list[s.Stmt] = field(default_factory=list[s.Stmt])
    results: dict[int, Value] = field(default_factory=dict[int, Value])
    atomics: list[Statement] = field(default_factory=list[Statement])

    def choose(self, key: int, purpose: int, n: int) -> int:
        """A style choice at a value, for one of 32 purposes."""
        return self.sheet.style.choose((self.number << 26) | (key << 5) | purpose, n)

    def mask(self, value: Value) -> int:
        """The lane axes of a value; 0 where there are none."""
        return 0 if self.axes is None else self.axes.masks.get(value.id, 0)

    def fresh(self, type_: Type) -> str:
        """A new name for a value of this type."""
        return self.names.fresh(role_of(type_))

    def closure(self, words: tuple[str, ...], key: int) -> str:
        """A name for a nested function, one of the words."""
        start = self.choose(key, 1, len(words))
        for suffix in itertools.chain(("",), map("_{}".format, itertools.count(2))):
            for step in range(len(words)):
                name = words[(start + step) % len(words)] + suffix
                if name not in self.closures:
                    self.closures.add(name)
                    return name
        raise AssertionError("names do not run out")


def role_of(type_: Type) -> str:
    """The role, in `style.WORDS`, of a local of this type."""
    match type_:
        case Vector():
            return "vector"
        case Matrix():
            return "matrix"
        case Array():
            return "array"
        case Scalar(kind="bool"):
            return "flag"
        case Scalar(kind="float"):
            return "local"
        case Scalar():
            return "integer"


@dataclass(slots=True)
class Body:
    """A block of source being written, `depth` steps indented.

    `pending` are values whose expressions are not assigned yet, as their one use follows.
    """

    writer: Writer
    depth: int = 1
    lines: list[s.Stmt] = field(default_factory=list[s.Stmt])
    pending: dict[int, Value] = field(default_factory=dict[int, Value])

    def nested(self) -> Body:
        """A block one step deeper."""
        return Body(self.writer, self.depth + 1)

    def add(self, line: s.Stmt) -> None:
        self.lines.append(line)

    def assign(self, target: s.Expr, value: s.Expr) -> None:
        self.lines.append(s.Assign(target, value))

    def name(self, expr: s.Expr, role: str) -> s.Name:
        """Assign an expression to a new name."""
        name = s.Name(self.writer.names.fresh(role))
        self.assign(name, expr)
        return name

    @property
    def room(self) -> int:
        """Columns for an assigned expression."""
        return self.left(_TARGET)

    def operand(self, value: Value) -> Operand:
        """A value as an operand, possibly a Python number."""
        writer = self.writer
        writer.touched.add(value.id)
        expr = writer.env[value.id]
        self.pending.pop(value.id, None)
        return Operand(expr, element_scalar(value.type), value.id in writer.weak)

    def raw(self, value: Value) -> s.Expr:
        """A value where a Python number will do."""
        return self.operand(value).expr

    def typed(self, value: Value) -> s.Expr:
        """A value with its dtype."""
        found = self.operand(value)
        return strong(found.scalar, found.expr) if found.weak else found.expr

    def settle(self, value: Value) -> None:
        """Give a name to a value whose expression is pending."""
        if self.pending.pop(value.id, None) is not None:
            name = s.Name(self.writer.fresh(value.type))
            self.assign(name, self.writer.env[value.id])
            self.writer.env[value.id] = name
            self.writer.owners[name.id] = value.id

    def settle_wide(
        self, values: Sequence[Value], build: Callable[[], s.Expr], room: int
    ) -> s.Expr:
        """Build an expression over values, naming the widest pending ones until it fits."""
        waiting = [value for value in values if value.id in self.pending]
        expr = build()
        while waiting and width(expr) > room:
            widest = max(waiting, key=lambda value: width(self.writer.env[value.id]))
            waiting.remove(widest)
            self.pending[widest.id] = widest
            self.settle(widest)
            expr = build()
        weak = self.writer.weak
        if any(value.id in weak for value in values) and width(expr) > self.left(_TARGET - 8):
            literals = [value for value in values if self._name_literal(value)]
            expr = build() if literals else expr
        return expr

    def _name_literal(self, value: Value) -> bool:
        """Give a name to a number that is used once, in the region that defines it."""
        writer = self.writer
        scalar = writer.weak.get(value.id)
        if scalar is None or not writer.uses.inner(value):
            return False
        name = s.Name(writer.fresh(value.type))
        self.assign(name, strong(scalar, writer.env[value.id]))
        writer.env[value.id] = name
        del writer.weak[value.id]
        return True

    def define(self, value: Value, expr: s.Expr, statement: Statement | None = None) -> None:
        """Bind a value to an expression: assigned to a name, or kept for its one use."""
        writer = self.writer
        uses = writer.uses
        style = writer.sheet.style
        if isinstance(expr, s.Name):
            writer.env[value.id] = expr
            return
        if uses.inner(value):
            final = value.id in uses.final
            inlined = final or writer.choose(value.id, 2, 3) < style.inlining
            if inlined and width(expr) <= (self.room if final else 44):
                writer.env[value.id] = expr
                self.pending[value.id] = value
                return
        expr = self.narrowed(expr, value.type)
        name = None
        if statement is not None and writer.choose(value.id, 3, 4) == 3:
            name = self.outlived(value, statement.operands, statement)
        if name is None:
            name = s.Name(writer.fresh(value.type))
        writer.env[value.id] = name
        writer.owners[name.id] = value.id
        if isinstance(expr, s.Binary) and expr.left == name and expr.op in AUGMENTED:
            self.add(s.AugAssign(name, expr.op, expr.right))
        else:
            self.assign(name, expr)

    def narrowed(self, expr: s.Expr, type_: Type) -> s.Expr:
        """An expression whose widest part is named as long as it does not fit on a line."""
        while width(expr) > self.left(_TARGET - 8):
            parts = expr.args if isinstance(expr, s.Call) else ()
            if isinstance(expr, s.Binary):
                parts = (expr.left, expr.right)
            parts = [part for part in parts if isinstance(part, (s.Call, s.Binary))]
            if not parts:
                break
            widest = max(parts, key=width)
            name = s.Name(self.writer.fresh(type_))
            self.assign(name, self.narrowed(widest, type_))
            if isinstance(expr, s.Binary):
                left, right = (name if part is widest else part for part in (expr.left, expr.right))
                expr = s.Binary(expr.op, left, right)
            elif isinstance(expr, s.Call):
                args = tuple([name if part is widest else part for part in expr.args])
                expr = s.Call(expr.func, args, expr.keywords)
        return expr

    def outlived(
        self, value: Value, candidates: Sequence[Value], statement: Statement
    ) -> s.Name | None:
        """The name of an operand that is not needed after a statement, for its result to take."""
        if self.pending:
            return None
        writer = self.writer
        uses = writer.uses
        home = uses.home.get(value.id)
        for operand in candidates:
            key = operand.id
            name = writer.env.get(key)
            if (
                isinstance(name, s.Name)
                and operand.type == value.type
                and uses.last.get(key) is statement
                and uses.home.get(key) == home == uses.place.get(key)
                and key not in writer.weak
                and writer.owners.get(name.id) == key
            ):
                return name
        return None

    def alias(self, value: Value, other: Value) -> None:
        """Let a value stand for another one already written."""
        writer = self.writer
        self.settle(other)
        writer.env[value.id] = self.raw(other)
        if other.id in writer.weak:
            writer.weak[value.id] = writer.weak[other.id]

    def bind(self, value: Value) -> s.Name:
        """A new name for a value that an unpacking assigns."""
        writer = self.writer
        name = s.Name(writer.fresh(value.type) if writer.uses.counts.get(value.id) else "_")
        writer.env[value.id] = name
        if name.id != "_":
            writer.owners[name.id] = value.id
        return name

    def fitting(
        self, items: Sequence[s.Expr], types: Sequence[Type], room: int
    ) -> tuple[s.Expr, ...]:
        """Expressions that stand side by side, the widest named first until all fit the room."""
        found = list(items)
        widths = [0 if isinstance(item, (s.Name, s.Literal)) else width(item) for item in found]
        total = sum(map(width, found)) + 2 * len(found)
        while total > room and any(widths):
            at = widths.index(max(widths))
            name = s.Name(self.writer.fresh(types[at]))
            self.assign(name, found[at])
            total += len(name.id) - widths[at]
            found[at], widths[at] = name, 0
        return tuple(found)

    def closing(self, values: Sequence[Value]) -> s.Expr:
        """What a function returns: the values with their dtypes, several as a tuple."""
        items = [self.typed(value) for value in values]
        return together(self.fitting(items, [value.type for value in values], self.left(8)))

    def left(self, used: int) -> int:
        """The columns left on a line of this block that uses some."""
        return LINE - 4 * self.depth - used

    def finish(self, value: s.Expr | None) -> tuple[s.Stmt, ...]:
        """The block, closed by `return value`."""
        return (*self.lines, s.Return(value))

    def constant(self, value: Value, literal: bool | int | float) -> None:
        """Bind a value to a literal."""
        scalar = element_scalar(value.type)
        writer = self.writer
        plain = number(scalar, literal)
        if may_be_weak(scalar, literal):
            writer.env[value.id] = plain
            writer.weak[value.id] = scalar
        else:
            writer.env[value.id] = strong(scalar, plain)


AUGMENTED = frozenset({"+", "-", "*", "/"})
