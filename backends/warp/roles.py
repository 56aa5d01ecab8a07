"""Which words name which values: the role of a variable or parameter, by its type."""

from __future__ import annotations

from grammar.types import Array, Matrix, Scalar, Type, Vector


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
