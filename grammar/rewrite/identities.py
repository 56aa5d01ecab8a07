"""What changes no bit of a value: x * 1, not not b, a wider type and back, its own parts again."""

from __future__ import annotations

from grammar.build import Builder
from grammar.program import Program, Statement, Value
from grammar.rewrite.expressions import element_of, emit, fits
from grammar.rewrite.place import Place, bound, emitted, is_element, is_row, kind_of
from grammar.source import Source
from grammar.types import (
    BF16,
    BOOL,
    F16,
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    Array,
    Scalar,
    Type,
)

IDENTITIES: dict[str, tuple[str, ...]] = {
    "float": (
        "a * 1.0",
        "1.0 * a",
        "a - 0.0",
        "a + -0.0",
        "-0.0 + a",
        "a / 1.0",
        "-(-a)",
        "scale(1.0, a)",
        "vector_div(a, 1.0)",
        "matrix_scale(1.0, a)",
        "matrix_transpose(matrix_transpose(a))",
        "vec2(component[0](a), component[1](a))",
        "vec3(component[0](a), component[1](a), component[2](a))",
        "vec4(component[0](a), component[1](a), component[2](a), component[3](a))",
    ),
    "int": (
        "a + 0",
        "a - 0",
        "a * 1",
        "bit_or(a, 0)",
        "bit_xor(a, 0)",
        "bit_and(a, -1)",
        "bit_or(a, a)",
        "bit_not(bit_not(a))",
        "shift_left(a, 0)",
        "shift_right(a, 0)",
        "div_trunc(a, 1)",
        "div_floor(a, 1)",
        "min(a, a)",
        "max(a, a)",
    ),
    "bool": (
        "logical_not(logical_not(a))",
        "logical_and(a, a)",
        "logical_or(a, a)",
    ),
}
IDENTITIES["uint"] = tuple(text for text in IDENTITIES["int"] if "-1" not in text)
"""Expressions over `a` that are `a`, by kind of number. A test evaluates every typing."""

WIDER: dict[Scalar, tuple[Scalar, ...]] = {
    BOOL: (I32, U32),
    I8: (I16, I32, I64),
    I16: (I32, I64),
    I32: (I64, F64),
    U8: (U16, U32, I32),
    U16: (U32, I32),
    U32: (I64, F64),
    F16: (F32, F64),
    BF16: (F32,),
    F32: (F64,),
}
"""Types that hold every number of another."""


def _ways(value: Value) -> list[str]:
    return [text for text in IDENTITIES[kind_of(value)] if fits(text, (value.type,), value.type)]


def _inserted(place: Place, made: tuple[Statement, ...], middle: Value) -> Program:
    """The statement computes `middle`, and what was made from it has its result."""
    (result,) = place.statement.results
    first = bound(place.statement, (middle,))
    return place.instead([first, *made[:-1], bound(made[-1], (result,))])


def has_value(place: Place) -> bool:
    """Whether a statement computes one value that something may be done to."""
    statement = place.statement
    return len(statement.results) == 1 and (is_row(statement) or statement.op in ("load", "call"))


def insert_identity(place: Place, source: Source) -> Program:
    b = place.builder()
    result = place.statement.results[0]
    middle = b.fresh(result.type)
    ways = _ways(middle)
    text = ways[source.below(len(ways))]
    return _inserted(place, emitted(b, lambda: emit(b, text, (middle,), result.type)), middle)


def has_wider(place: Place) -> bool:
    """Whether there is a type that holds all of the value's."""
    return has_value(place) and element_of(place.statement.results[0].type) in WIDER


def widen_and_narrow(place: Place, source: Source) -> Program:
    b = place.builder()
    type_ = place.statement.results[0].type
    middle = b.fresh(type_)
    element = element_of(type_)
    assert isinstance(element, Scalar)
    wider = WIDER[element]
    wide: Type = wider[source.below(len(wider))]
    if isinstance(type_, Array):
        wide = Array(wide, type_.shape)

    def emit_casts() -> None:
        b.op("cast", b.op("cast", middle, result=wide), result=type_)

    return _inserted(place, emitted(b, emit_casts), middle)


def truth(place: Place) -> list[Value]:
    """The values of which something true can be made."""
    return [
        value for value in place.visible if is_element(value) and kind_of(value) in ("int", "bool")
    ]


def always(b: Builder, value: Value) -> Value:
    """What is true whatever an integer or truth value is."""
    if value.type == BOOL:
        return b.op("logical_or", value, b.op("logical_not", value))
    assert isinstance(value.type, Scalar)
    one, zero = b.const(value.type, 1), b.const(value.type, 0)
    return b.op("ne", b.op("bit_or", value, one), zero)


def other(b: Builder, value: Value) -> Value:
    """Something else made of a value, defined whatever it is."""
    match kind_of(value):
        case "float":
            return b.op("add", value, value)
        case "bool":
            return b.op("logical_not", value)
        case _:
            return b.op("bit_not", value)


def may_choose(place: Place) -> bool:
    """Whether the value may be chosen by a condition that always holds."""
    return place.unit.kind != "program" and has_value(place) and bool(truth(place))


def choose_always(place: Place, source: Source) -> Program:
    """The value where something true holds, else another."""
    b = place.builder()
    middle = b.fresh(place.statement.results[0].type)
    of = truth(place)
    value = of[source.below(len(of))]
    made = emitted(b, lambda: b.op("select", always(b, value), middle, other(b, middle)))
    return _inserted(place, made, middle)


def branch_always(place: Place, source: Source) -> Program:
    """A branch that is always taken, which yields the value."""
    b = place.builder()
    middle = b.fresh(place.statement.results[0].type)
    of = truth(place)
    value = of[source.below(len(of))]
    made = emitted(b, lambda: b.if_(always(b, value), lambda: middle, lambda: other(b, middle)))
    return _inserted(place, made, middle)


def has_number(place: Place) -> bool:
    """Whether a value is in scope of which something can be computed for nothing."""
    return place.unit.kind != "program" and any(map(is_element, place.visible))


def add_dead_code(place: Place, source: Source) -> Program:
    """A value that nothing uses."""
    values = [value for value in place.visible if is_element(value)]
    value = values[source.below(len(values))]
    b = place.builder()
    made = emitted(b, lambda: other(b, other(b, value)))
    return place.instead([*made, place.statement])
