"""Which expressions need parentheses, and how many columns an expression takes on one line.

Every parenthesis of the printed source is decided here, by `enclosed`; the printer, the line
breaker and `width` only ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backends import surface as s

if TYPE_CHECKING:
    from collections.abc import Callable

BARE = 0
"""A position that takes an unparenthesised tuple: the sides of an assignment, a returned value."""
EXPRESSION = 1
"""A position that takes any expression but a bare tuple: an argument, an item, an index."""
DISJUNCTION = 3
INVERSION = 5
COMPARISON = 6
UNARY = 13
POWER = 14
PRIMARY = 16

BINARY_LEVELS: dict[str, int] = {
    "or": 3,
    "and": 4,
    "in": 6,
    "not in": 6,
    "is": 6,
    "is not": 6,
    "<": 6,
    "<=": 6,
    ">": 6,
    ">=": 6,
    "==": 6,
    "!=": 6,
    "|": 7,
    "^": 8,
    "&": 9,
    "<<": 10,
    ">>": 10,
    "+": 11,
    "-": 11,
    "*": 12,
    "/": 12,
    "//": 12,
    "%": 12,
    "@": 12,
    "**": 14,
}
"""The level of every binary operator; a higher level binds tighter."""

OPERAND_LEVELS: dict[str, tuple[int, int]] = {
    op: (level, level + 1) for op, level in BINARY_LEVELS.items()
}
"""The lowest level the left and the right operand may have without parentheses."""
OPERAND_LEVELS.update(
    {op: (7, 7) for op, level in BINARY_LEVELS.items() if level == COMPARISON}
    | {"**": (PRIMARY, UNARY)}
)

UNARY_LEVELS: dict[str, int] = {"-": UNARY, "+": UNARY, "~": UNARY, "not": INVERSION}

_FIXED_LEVELS: dict[type, int] = {
    s.Lambda: 1,
    s.Conditional: 2,
    s.Name: PRIMARY,
    s.Literal: PRIMARY,
    s.Attribute: PRIMARY,
    s.Call: PRIMARY,
    s.Subscript: PRIMARY,
    s.List: PRIMARY,
}


def level(expr: s.Expr) -> int:
    """The binding level of an expression.

    Raises:
        ValueError: an operator is not one of Python's.
    """
    fixed = _FIXED_LEVELS.get(type(expr))
    if fixed is not None:
        return fixed
    match expr:
        case s.Binary(op=op):
            found = BINARY_LEVELS.get(op)
        case s.Unary(op=op):
            found = UNARY_LEVELS.get(op)
        case s.Tuple(items=items):
            return BARE if len(items) > 1 else PRIMARY
        case _:
            raise ValueError(f"{type(expr).__name__} is not an expression")
    if found is None:
        raise ValueError(f"unknown operator {op!r} in {type(expr).__name__}")
    return found


def enclosed(expr: s.Expr, minimum: int) -> bool:
    """Whether `expr` stands in parentheses where the surroundings bind at level `minimum`."""
    return level(expr) < minimum


def unary_operand_level(operand: s.Expr) -> int | None:
    """The level above which a unary operand must be: a power is always set apart, `-(x**2)`."""
    return PRIMARY if type(operand) is s.Binary and operand.op == "**" else None


def value_level(value: s.Expr) -> int:
    """The level needed before `.`: a decimal number is set apart, `(1.5).real`."""
    if type(value) is s.Literal and value.text[:1] in tuple("0123456789."):
        return PRIMARY + (value.text != "..." and value.text[:2].lower() not in ("0x", "0o", "0b"))
    return PRIMARY


def hugs(binary: s.Binary) -> bool:
    """Whether a power is spelled without spaces: `x**2`, but `f(x) ** 2`."""
    right = binary.right
    while type(right) is s.Binary and right.op == "**":
        right = right.left
    return _simple_power_operand(binary.left, PRIMARY) and _simple_power_operand(right, UNARY)


def _simple_power_operand(expr: s.Expr, minimum: int) -> bool:
    match expr:
        case s.Name():
            return True
        case s.Literal(text=text):
            return text[0] not in "\"'" and text != "..."
        case s.Attribute(value=value):
            return _simple_power_operand(value, BARE)
        case s.Unary(op=op, operand=operand):
            return minimum <= UNARY and op != "not" and _simple_power_operand(operand, BARE)
        case _:
            return False


def spaced(part: s.Slice) -> bool:
    """Whether the colons of a slice stand between spaces: `x[a + 1 :]`, but `x[1:n]`."""
    return not all(map(_simple_bound, (part.lower, part.upper, part.step)))


def _simple_bound(bound: s.Expr | None) -> bool:
    match bound:
        case None | s.Name() | s.Literal():
            return True
        case s.Unary(op=op, operand=operand):
            return op != "not" and _simple_bound(operand)
        case _:
            return False


def width(expr: s.Expr) -> int:
    """The columns `expr` takes on one line as an argument: a tuple with its parentheses.

    Raises:
        ValueError: an operator is not one of Python's.
    """
    return _WIDTHS[type(expr)](expr)


def width_within(expr: s.Expr, minimum: int) -> int:
    """The columns of `expr` with the parentheses that level `minimum` asks for."""
    kind = type(expr)
    if kind is s.Name:
        return len(expr.id)  # pyright: ignore[reportAttributeAccessIssue]
    binds = level(expr)  # first: it names an unknown operator
    columns = _WIDTHS[kind](expr)
    if binds < minimum and kind is not s.Tuple:
        return columns + 2
    if kind is s.Tuple and minimum == BARE and len(expr.items) > 1:  # pyright: ignore[reportAttributeAccessIssue]
        return columns - 2
    return columns


def _list_width(items: tuple[s.Expr, ...]) -> int:
    return sum(width_within(item, EXPRESSION) for item in items) + 2 * max(len(items), 1)


def _call_width(expr: s.Call) -> int:
    count = len(expr.args) + len(expr.keywords)
    columns = width_within(expr.func, PRIMARY) + 2 * max(count, 1)
    for argument in expr.args:
        columns += width_within(argument, EXPRESSION)
    for keyword, value in expr.keywords:
        columns += len(keyword) + 1 + width_within(value, EXPRESSION)
    return columns


def _unary_width(expr: s.Unary) -> int:
    minimum = unary_operand_level(expr.operand) or UNARY_LEVELS[expr.op]
    return len(expr.op) + (expr.op == "not") + width_within(expr.operand, minimum)


def _binary_width(expr: s.Binary) -> int:
    left, right = OPERAND_LEVELS[expr.op]
    gap = 0 if expr.op == "**" and hugs(expr) else 2
    columns = width_within(expr.left, left) + width_within(expr.right, right)
    return columns + len(expr.op) + gap


def _conditional_width(expr: s.Conditional) -> int:
    columns = width_within(expr.body, DISJUNCTION) + width_within(expr.test, DISJUNCTION)
    return columns + width_within(expr.orelse, EXPRESSION) + len(" if  else ")


def _slice_width(part: s.Slice) -> int:
    bounds = [bound for bound in (part.lower, part.upper, part.step) if bound is not None]
    columns = sum(width_within(bound, EXPRESSION) for bound in bounds)
    columns += 1 if part.step is None else 2
    if spaced(part):
        columns += len(bounds) + (part.step is not None and part.upper is not None)
    return columns


def _subscript_width(expr: s.Subscript) -> int:
    columns = width_within(expr.value, PRIMARY) + 2 * len(expr.indices)
    for index in expr.indices:
        is_slice = type(index) is s.Slice
        columns += _slice_width(index) if is_slice else width_within(index, EXPRESSION)  # pyright: ignore[reportArgumentType]
    return columns


def _lambda_width(expr: s.Lambda) -> int:
    names = sum(map(len, expr.params)) + 2 * len(expr.params) - (1 if expr.params else 0)
    return len("lambda: ") + names + width_within(expr.body, EXPRESSION)


_WIDTHS: dict[type, Callable[..., int]] = {
    s.Name: lambda expr: len(expr.id),
    s.Literal: lambda expr: len(expr.text),
    s.Attribute: lambda expr: (
        width_within(expr.value, value_level(expr.value)) + 1 + len(expr.attr)
    ),
    s.Call: _call_width,
    s.Unary: _unary_width,
    s.Binary: _binary_width,
    s.Conditional: _conditional_width,
    s.Subscript: _subscript_width,
    s.Tuple: lambda expr: _list_width(expr.items) + (len(expr.items) == 1),
    s.List: lambda expr: _list_width(expr.items),
    s.Lambda: _lambda_width,
}
