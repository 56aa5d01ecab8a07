"""libcst nodes put together from finished children; shared whitespace, operators and names.

libcst nodes are immutable, so one node may stand in many places of a tree: what a program repeats
(names, operators, commas) is built once. Every function here takes finished children and the
whitespace at the places where a line may break; parentheses arrive as `parens`.
"""

from __future__ import annotations

from functools import lru_cache
from keyword import iskeyword
from typing import TYPE_CHECKING, TypeAlias

import libcst as cst

if TYPE_CHECKING:
    from collections.abc import Sequence

Space: TypeAlias = cst.SimpleWhitespace | cst.ParenthesizedWhitespace
Parens: TypeAlias = tuple[tuple[cst.LeftParen, ...], tuple[cst.RightParen, ...]]

NOTHING = cst.SimpleWhitespace("")
SPACE = cst.SimpleWhitespace(" ")
LINE_END = cst.TrailingWhitespace(whitespace=NOTHING, newline=cst.Newline())
EMPTY_LINE = cst.EmptyLine(indent=False, whitespace=NOTHING, newline=cst.Newline())
EQUAL = cst.AssignEqual(whitespace_before=NOTHING, whitespace_after=NOTHING)
UNENCLOSED: Parens = ((), ())
ENCLOSED: Parens = (
    (cst.LeftParen(whitespace_after=NOTHING),),
    (cst.RightParen(whitespace_before=NOTHING),),
)

_DOT = cst.Dot(whitespace_before=NOTHING, whitespace_after=NOTHING)
_COLON = cst.Colon(whitespace_before=NOTHING, whitespace_after=NOTHING)
_LAMBDA_COLON = cst.Colon(whitespace_before=NOTHING, whitespace_after=SPACE)
LAST_COMMA = cst.Comma(whitespace_before=NOTHING, whitespace_after=NOTHING)
_LEFT_SQUARE = cst.LeftSquareBracket(whitespace_after=NOTHING)
_RIGHT_SQUARE = cst.RightSquareBracket(whitespace_before=NOTHING)
_DEFAULT = cst.MaybeSentinel.DEFAULT

_ARITHMETIC: dict[str, type[cst.BaseBinaryOp]] = {
    "+": cst.Add,
    "-": cst.Subtract,
    "*": cst.Multiply,
    "/": cst.Divide,
    "//": cst.FloorDivide,
    "%": cst.Modulo,
    "@": cst.MatrixMultiply,
    "**": cst.Power,
    "<<": cst.LeftShift,
    ">>": cst.RightShift,
    "&": cst.BitAnd,
    "|": cst.BitOr,
    "^": cst.BitXor,
}
_BOOLEAN: dict[str, type[cst.BaseBooleanOp]] = {"and": cst.And, "or": cst.Or}
_COMPARISON: dict[str, type[cst.BaseCompOp]] = {
    "<": cst.LessThan,
    "<=": cst.LessThanEqual,
    ">": cst.GreaterThan,
    ">=": cst.GreaterThanEqual,
    "==": cst.Equal,
    "!=": cst.NotEqual,
    "in": cst.In,
    "not in": cst.NotIn,
    "is": cst.Is,
    "is not": cst.IsNot,
}
_UNARY: dict[str, cst.BaseUnaryOp] = {
    "-": cst.Minus(whitespace_after=NOTHING),
    "+": cst.Plus(whitespace_after=NOTHING),
    "~": cst.BitInvert(whitespace_after=NOTHING),
    "not": cst.Not(whitespace_after=SPACE),
}
_AUGMENTED: dict[str, cst.BaseAugOp] = {
    "+": cst.AddAssign(),
    "-": cst.SubtractAssign(),
    "*": cst.MultiplyAssign(),
    "/": cst.DivideAssign(),
    "//": cst.FloorDivideAssign(),
    "%": cst.ModuloAssign(),
    "@": cst.MatrixMultiplyAssign(),
    "**": cst.PowerAssign(),
    "<<": cst.LeftShiftAssign(),
    ">>": cst.RightShiftAssign(),
    "&": cst.BitAndAssign(),
    "|": cst.BitOrAssign(),
    "^": cst.BitXorAssign(),
}


@lru_cache(maxsize=256)
def line_break(columns: int) -> cst.ParenthesizedWhitespace:
    """A line break inside brackets; the next line starts at column `columns`."""
    return cst.ParenthesizedWhitespace(
        first_line=LINE_END, indent=False, last_line=cst.SimpleWhitespace(" " * columns)
    )


def parentheses(opening: Space, closing: Space) -> Parens:
    return (
        (cst.LeftParen(whitespace_after=opening),),
        (cst.RightParen(whitespace_before=closing),),
    )


@lru_cache(maxsize=4096)
def name(text: str) -> cst.Name:
    """An identifier.

    Raises:
        ValueError: the text is no identifier.
    """
    if not text.isidentifier() or iskeyword(text):
        raise ValueError(f"{text!r} is not a Python identifier")
    return cst.Name(text)


def enclosed_name(text: str, parens: Parens) -> cst.Name:
    return cst.Name(text, *parens) if parens[0] else name(text)


@lru_cache(maxsize=4096)
def literal(text: str) -> cst.BaseExpression:
    """A number, a string, `...` or a constant name.

    Raises:
        ValueError: the text is no literal.
    """
    return enclosed_literal(text, UNENCLOSED)


def enclosed_literal(text: str, parens: Parens) -> cst.BaseExpression:
    """A literal in the given parentheses.

    Raises:
        ValueError: the text is no literal.
    """
    if text == "...":
        return cst.Ellipsis(*parens)
    if text in ("True", "False", "None"):
        return cst.Name(text, *parens)
    kind: type[cst.BaseExpression] = cst.Float
    if text[-1:] in ("'", '"'):
        kind = cst.SimpleString
    elif text[-1:] in ("j", "J"):
        kind = cst.Imaginary
    elif text[:2].lower() in ("0x", "0b", "0o") or text.replace("_", "").isdigit():
        kind = cst.Integer
    try:
        return kind(text, *parens)  # pyright: ignore[reportCallIssue]
    except cst.CSTValidationError as error:
        raise ValueError(f"{text!r} is not a Python literal") from error


@lru_cache(maxsize=4096)
def dotted(base: str, attr: str) -> cst.Attribute:
    return cst.Attribute(name(base), name(attr), _DOT)


def attribute(
    value: cst.BaseExpression, attr: str, parens: Parens = UNENCLOSED, before: Space = NOTHING
) -> cst.Attribute:
    dot = _DOT if before is NOTHING else cst.Dot(whitespace_before=before, whitespace_after=NOTHING)
    return cst.Attribute(value, name(attr), dot, *parens)


def _comma(after: Space | None) -> cst.Comma | cst.MaybeSentinel:
    """The comma after an item; libcst itself puts ", " between items that carry none."""
    if after is None or after is SPACE:
        return cst.MaybeSentinel.DEFAULT
    return cst.Comma(whitespace_before=NOTHING, whitespace_after=after)


def argument(
    value: cst.BaseExpression, keyword: str = "", after: Space | None = None, end: Space = NOTHING
) -> cst.Arg:
    """One argument; `after` follows its comma, if it needs its own, `end` the whole argument."""
    comma = _comma(after)
    if keyword:
        return cst.Arg(value, name(keyword), EQUAL, comma, "", NOTHING, end)
    return cst.Arg(value, None, _DEFAULT, comma, "", NOTHING, end)


@lru_cache(maxsize=4096)
def name_argument(text: str) -> cst.Arg:
    return argument(name(text))


@lru_cache(maxsize=4096)
def name_index(text: str) -> cst.SubscriptElement:
    return index(name(text))


def call(
    func: cst.BaseExpression,
    args: Sequence[cst.Arg],
    parens: Parens = UNENCLOSED,
    opening: Space = NOTHING,
) -> cst.Call:
    return cst.Call(func, args, *parens, NOTHING, opening)


def unary(op: str, operand: cst.BaseExpression, parens: Parens = UNENCLOSED) -> cst.UnaryOperation:
    return cst.UnaryOperation(_UNARY[op], operand, *parens)


@lru_cache(maxsize=2048)
def _operator(
    kind: type[cst.BaseBinaryOp | cst.BaseBooleanOp | cst.BaseCompOp], before: Space, after: Space
) -> cst.BaseBinaryOp | cst.BaseBooleanOp | cst.BaseCompOp:
    return kind(whitespace_before=before, whitespace_after=after)  # pyright: ignore[reportCallIssue]


def binary(
    op: str,
    left: cst.BaseExpression,
    right: cst.BaseExpression,
    parens: Parens = UNENCLOSED,
    before: Space = SPACE,
    after: Space = SPACE,
) -> cst.BaseExpression:
    kind = _ARITHMETIC.get(op)
    if kind is not None:
        return cst.BinaryOperation(left, _operator(kind, before, after), right, *parens)  # pyright: ignore[reportArgumentType]
    if op in _BOOLEAN:
        operator = _operator(_BOOLEAN[op], before, after)
        return cst.BooleanOperation(left, operator, right, *parens)  # pyright: ignore[reportArgumentType]
    operator = _operator(_COMPARISON[op], before, after)
    return cst.Comparison(left, (cst.ComparisonTarget(operator, right),), *parens)  # pyright: ignore[reportArgumentType]


def augmented(op: str) -> cst.BaseAugOp:
    """The operator of an augmented assignment.

    Raises:
        ValueError: Python has no such assignment.
    """
    if op not in _AUGMENTED:
        raise ValueError(f"no augmented assignment with {op!r}; known: {', '.join(_AUGMENTED)}")
    return _AUGMENTED[op]


def conditional(
    body: cst.BaseExpression,
    test: cst.BaseExpression,
    orelse: cst.BaseExpression,
    parens: Parens = UNENCLOSED,
    before_if: Space = SPACE,
    before_else: Space = SPACE,
) -> cst.IfExp:
    return cst.IfExp(test, body, orelse, *parens, before_if, SPACE, before_else, SPACE)


def slice_(
    lower: cst.BaseExpression | None,
    upper: cst.BaseExpression | None,
    step: cst.BaseExpression | None,
    has_spaces: bool,
) -> cst.Slice:
    before = SPACE if has_spaces and lower is not None else NOTHING
    after = SPACE if has_spaces and upper is not None else NOTHING
    first = cst.Colon(whitespace_before=before, whitespace_after=after)
    if step is None:
        return cst.Slice(lower, upper, None, first)
    after_second = SPACE if has_spaces else NOTHING
    second = cst.Colon(whitespace_before=after, whitespace_after=after_second)
    return cst.Slice(lower, upper, step, first, second)


def index(node: cst.BaseExpression | cst.Slice, after: Space | None = None) -> cst.SubscriptElement:
    """One index of a subscript; `after` follows its comma, if it needs its own."""
    comma = _comma(after)
    part = node if isinstance(node, cst.Slice) else cst.Index(node)
    return cst.SubscriptElement(part, comma)


def _square(opening: Space, closing: Space) -> tuple[cst.LeftSquareBracket, cst.RightSquareBracket]:
    if opening is NOTHING:
        return _LEFT_SQUARE, _RIGHT_SQUARE
    return cst.LeftSquareBracket(opening), cst.RightSquareBracket(closing)


def subscript(
    value: cst.BaseExpression,
    indices: Sequence[cst.SubscriptElement],
    parens: Parens = UNENCLOSED,
    opening: Space = NOTHING,
    closing: Space = NOTHING,
) -> cst.Subscript:
    return cst.Subscript(value, indices, *_square(opening, closing), *parens)


def element(value: cst.BaseExpression, after: Space | None = None) -> cst.Element:
    """One item of a tuple or list; `after` follows its comma, if it needs its own."""
    comma = _comma(after)
    return cst.Element(value, comma)


def tuple_(items: Sequence[cst.Element], parens: Parens) -> cst.Tuple:
    return cst.Tuple(items, *parens)


def list_(
    items: Sequence[cst.Element],
    parens: Parens = UNENCLOSED,
    opening: Space = NOTHING,
    closing: Space = NOTHING,
) -> cst.List:
    return cst.List(items, *_square(opening, closing), *parens)


def lambda_(
    params: Sequence[str], body: cst.BaseExpression, parens: Parens = UNENCLOSED
) -> cst.Lambda:
    nodes = [cst.Param(name(param)) for param in params]
    return cst.Lambda(cst.Parameters(nodes), body, _LAMBDA_COLON, *parens)


def parameter(
    text: str, annotation: cst.BaseExpression | None, after: Space | None = None
) -> cst.Param:
    """A parameter of a function; `after` follows its comma, if it needs its own."""
    comma = _comma(after)
    if annotation is None:
        return cst.Param(name(text), comma=comma, whitespace_after_param=NOTHING)
    note = cst.Annotation(annotation, NOTHING, SPACE)
    return cst.Param(name(text), note, comma=comma, whitespace_after_param=NOTHING)


def path(text: str) -> cst.Name | cst.Attribute:
    """A dotted name, as in an import."""
    first, *rest = text.split(".")
    node: cst.Name | cst.Attribute = name(first)
    for part in rest:
        node = attribute(node, part)
    return node
