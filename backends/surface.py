"""Surface: the Python subset in which kernels are spelled, as plain data.

A surface tree maps one-to-one to source text: every name, literal, parenthesis-free expression and
statement stands here; only layout (parentheses, line breaks, blank lines) is left to the printer.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Name:
    id: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, `True`, `False`, `None`, `...` or a quoted string, as it stands in the source.

    Negative numbers are `Unary("-", Literal(...))`.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Attribute:
    value: Expr
    attr: str


@dataclass(frozen=True, slots=True)
class Call:
    func: Expr
    args: tuple[Expr, ...]
    keywords: tuple[tuple[str, Expr], ...] = ()


@dataclass(frozen=True, slots=True)
class Unary:
    """`op` is one of `-`, `+`, `~`, `not`."""

    op: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary:
    """`op` is an arithmetic, bitwise or matrix operator, a comparison, or `and` / `or`."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Conditional:
    """`body if test else orelse`."""

    test: Expr
    body: Expr
    orelse: Expr


@dataclass(frozen=True, slots=True)
class Slice:
    lower: Expr | None = None
    upper: Expr | None = None
    step: Expr | None = None


@dataclass(frozen=True, slots=True)
class Subscript:
    value: Expr
    indices: tuple[Expr | Slice, ...]


@dataclass(frozen=True, slots=True)
class Tuple:
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class List:
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Lambda:
    params: tuple[str, ...]
    body: Expr


Expr = (
    Name
    | Literal
    | Attribute
    | Call
    | Unary
    | Binary
    | Conditional
    | Subscript
    | Tuple
    | List
    | Lambda
)


@dataclass(frozen=True, slots=True)
class Assign:
    """`target = value`; a tuple target unpacks."""

    target: Expr
    value: Expr


@dataclass(frozen=True, slots=True)
class AugAssign:
    """`target op= value`, `op` without the equals sign."""

    target: Expr
    op: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Do:
    """An expression statement."""

    value: Expr


@dataclass(frozen=True, slots=True)
class If:
    """An `orelse` of exactly one `If` is spelled `elif`."""

    test: Expr
    body: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...] = ()


@dataclass(frozen=True, slots=True)
class For:
    target: Expr
    iterable: Expr
    body: tuple[Stmt, ...]


@dataclass(frozen=True, slots=True)
class While:
    test: Expr
    body: tuple[Stmt, ...]


@dataclass(frozen=True, slots=True)
class Break:
    pass


@dataclass(frozen=True, slots=True)
class Continue:
    pass


@dataclass(frozen=True, slots=True)
class Pass:
    pass


@dataclass(frozen=True, slots=True)
class Return:
    value: Expr | None = None


@dataclass(frozen=True, slots=True)
class Param:
    name: str
    annotation: Expr | None = None


@dataclass(frozen=True, slots=True)
class FunctionDef:
    name: str
    params: tuple[Param, ...]
    body: tuple[Stmt, ...]
    decorators: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Import:
    """`import module as alias`, or `from package import name` with `package` given."""

    module: str
    alias: str = ""
    package: str = ""


Stmt = (
    Assign
    | AugAssign
    | Do
    | If
    | For
    | While
    | Break
    | Continue
    | Pass
    | Return
    | FunctionDef
    | Import
)


@dataclass(frozen=True, slots=True)
class Module:
    body: tuple[Stmt, ...]
