"""Spelling types, literals and constructors in Warp's Python."""

from __future__ import annotations

from functools import lru_cache

from backends import surface as s
from backends.style import Style
from grammar.types import Array, Matrix, Scalar, Type, Vector

WP = s.Name("wp")

_BUILTIN = {"f32": "float", "i32": "int", "bool": "bool"}
_SUFFIX = {"f16": "h", "f32": "", "f64": "d", "bf16": "bf16"}
DEFINABLE = tuple(f"{kind}bf16" for n in "234" for kind in (f"vec{n}", f"mat{n}{n}"))
"""The names that a source may define for itself."""

_ARRAYS = ("array", "array2d", "array3d", "array4d")

SUBSCRIPTED = "wp.array[...]"
WHERE = "wp.where"

AVOIDABLE = {
    SUBSCRIPTED: "array annotations are subscripted: else `wp.array(dtype=...)` stands for them",
    WHERE: "values are chosen by `wp.where`: else `wp.select`, the condition first, does",
}
"""Constructs that old releases lack, by name, and what is written without them."""


@lru_cache(maxsize=1024)
def wp(name: str) -> s.Attribute:
    """`wp.name`."""
    return s.Attribute(WP, name)


class Spelling:
    """How one source spells types: `wp.float32` or `float`, `wp.vec3` or `wp.vec3f`, and arrays as
    `wp.array2d(dtype=...)`, `wp.array(dtype=..., ndim=2)` or `wp.array2d[...]`.

    Warp has no names for vectors and matrices of bfloat16, so a source that uses some defines them
    on its own; `defined` collects those. It does without the spellings that are `avoided`.
    """

    def __init__(self, style: Style, avoided: frozenset[str] = frozenset()) -> None:
        self.avoided = avoided
        self.builtin = style.idiom % 2 == 1
        self.array = style.idiom // 2 % 3
        if self.array == 2 and SUBSCRIPTED in avoided:
            self.array = 0
        self.single = "f" if style.idiom // 6 % 2 else ""
        self.defined: dict[str, s.Expr] = {}
        self._types: dict[Type, s.Expr] = {}

    def type(self, type_: Type) -> s.Expr:
        """A type as an annotation, and, of an element, as the function that makes one."""
        found = self._types.get(type_)
        if found is None:
            found = self._types[type_] = self._spell(type_)
        return found

    def _spell(self, type_: Type) -> s.Expr:
        match type_:
            case Scalar():
                builtin = _BUILTIN.get(type_.name, "") if self.builtin else ""
                return s.Name(builtin) if builtin else wp(type_.dtype)
            case Vector() | Matrix():
                return self._aggregate(type_)
            case Array():
                return self._array(type_)

    def _aggregate(self, type_: Vector | Matrix) -> s.Expr:
        if isinstance(type_, Vector):
            name = f"vec{type_.size}"
        else:
            name = f"mat{type_.rows}{type_.columns}"
        scalar = type_.scalar
        name += self.single if scalar.name == "f32" else _SUFFIX[scalar.name]
        if scalar.name != "bf16":
            return wp(name)
        kind = s.Attribute(wp("types"), "vector" if isinstance(type_, Vector) else "matrix")
        size: tuple[str, s.Expr]
        if isinstance(type_, Vector):
            size = ("length", s.Literal(str(type_.size)))
        else:
            size = ("shape", s.Tuple((s.Literal(str(type_.rows)), s.Literal(str(type_.columns)))))
        self.defined[name] = s.Call(kind, (), (size, ("dtype", wp(scalar.dtype))))
        return s.Name(name)

    def _array(self, type_: Array) -> s.Expr:
        element, rank = self.type(type_.element), len(type_.shape)
        if self.array == 2:
            return s.Subscript(wp(_ARRAYS[rank - 1]), (element,))
        if self.array == 1 and rank > 1:
            return s.Call(wp("array"), (), (("dtype", element), ("ndim", s.Literal(str(rank)))))
        return s.Call(wp(_ARRAYS[rank - 1]), (), (("dtype", element),))

    def literal(self, type_: Scalar, value: bool | int | float) -> s.Expr:
        """A literal of that type: plain where Warp types it so, else in a constructor."""
        plain = number(value)
        return plain if type_.name in _BUILTIN else s.Call(self.type(type_), (plain,))


def number(value: bool | int | float) -> s.Expr:
    """A Python literal; infinities and NaN are Warp's constants."""
    if isinstance(value, bool):
        return s.Literal(str(value))
    if value != value:
        return wp("nan")
    text = repr(value).replace("e+", "e")
    if text.startswith("-"):
        return s.Unary("-", wp("inf") if text == "-inf" else s.Literal(text[1:]))
    return wp("inf") if text == "inf" else s.Literal(text)


def is_number(expr: s.Expr) -> bool:
    """Whether an expression is what `number` makes: Warp treats these as constants."""
    if isinstance(expr, s.Unary):
        expr = expr.operand
    if isinstance(expr, s.Attribute):
        return expr.value is WP and expr.attr in ("inf", "nan")
    return isinstance(expr, s.Literal)
