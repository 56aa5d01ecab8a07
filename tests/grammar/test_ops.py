"""The op table: its rows are complete, well-typed, and say what their flags claim."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest

from grammar.ops import OPS, Instance, Op
from grammar.ops.base import size_of
from grammar.ops.expression import Apply, Literal, elaborate, parse, type_of
from grammar.ranges import DOMAINS, RULES
from grammar.types import (
    BOOL,
    F32,
    F64,
    FLOATS,
    I32,
    SCALARS,
    Array,
    Matrix,
    Scalar,
    Vector,
    element_shape,
    parse_type,
    scalar_of,
)
from tests.spelling import LETTERS, evaluate, fill

ROWS = pytest.mark.parametrize("op", OPS.values(), ids=list(OPS))


def _instance(text: str) -> Instance:
    left, right = text.split("->")
    types = [parse_type(word) for word in (*left.split(), right.strip())]
    elements = [type_ for type_ in types if not isinstance(type_, Array)]
    return Instance(tuple(elements[:-1]), elements[-1])


def test_there_are_enough_rows() -> None:
    assert len(OPS) >= 130
    assert all(name == op.name for name, op in OPS.items())


def test_simplest_rows_come_first() -> None:
    assert list(OPS)[:4] == ["add", "sub", "mul", "div"]
    assert OPS["add"].instances[0] == Instance((F32, F32), F32)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("add", "f32 f32 -> f32"),
        ("add", "f64x4x4 f64x4x4 -> f64x4x4"),
        ("add", "u8 u8 -> u8"),
        ("select", "bool f16x2 f16x2 -> f16x2"),
        ("cast", "f32 -> i8"),
        ("scale", "bf16 bf16x3 -> bf16x3"),
        ("cross", "f32x3 f32x3 -> f32x3"),
        ("fill", "f32 -> f32x2x2"),
        ("lt", "i64 i64 -> bool"),
        ("argmin", "f32x4 -> i32"),
        ("identity", "-> f32x3x3"),
    ],
)
def test_typings_that_are(name: str, text: str) -> None:
    instance = _instance(text)
    assert instance in OPS[name].instances
    assert (instance.operands, instance.result) in OPS[name].typings


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("add", "f32 f64 -> f32"),
        ("mul", "f32x3 f32x3 -> f32x3"),
        ("div", "i32 i32 -> i32"),
        ("neg", "u32 -> u32"),
        ("cast", "f32 -> f32"),
        ("cross", "f32x2 f32x2 -> f32x2"),
        ("sqrt", "i32 -> f32"),
        ("select", "i32 f32 f32 -> f32"),
    ],
)
def test_typings_that_are_not(name: str, text: str) -> None:
    assert _instance(text) not in OPS[name].instances


@ROWS
def test_row_is_complete(op: Op) -> None:
    assert op.instances
    assert len(set(op.instances)) == len(op.instances)
    assert op.doc[-1] in ".1" or op.doc.endswith(")")
    assert op.weight > 0
    assert {"warp", "jax"} <= set(op.spell)
    assert op.range in RULES
    assert len(op.requires) in (0, op.arity)
    assert {name for name in op.requires if name} <= set(DOMAINS)
    assert all(len(instance.operands) == op.arity for instance in op.instances)
    assert op.partials is None or len(op.partials) == op.arity
    if op.smoothness == "step":
        assert not any(op.partials or ())
    gives_floats = any(scalar_of(instance.result).kind == "float" for instance in op.instances)
    assert gives_floats == (op.partials is not None)


@ROWS
def test_spellings_use_what_files_import(op: Op) -> None:
    for key, texts in op.spell.items():
        allowed = {"wp"} if key.startswith("warp") else {"jnp", "lax", "jax"}
        holes = {*LETTERS[: op.arity], "T", "S", "R", "i", "j", "n"}
        for text in texts:
            tree = ast.parse(text, mode="eval")
            names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            assert names <= holes | allowed, text
            assert set(LETTERS[: op.arity]) <= names, text
            assert fill(text, {}) == ast.unparse(tree)


@ROWS
def test_spellings_differ(op: Op) -> None:
    for instance in op.instances:
        for backend in ("warp", "jax"):
            found = op.spellings(instance, backend)
            assert found
            assert len(set(found)) == len(found)


def test_a_lane_allows_more_spellings() -> None:
    instance = _instance("f32x3 f32x3 -> f32")
    dot = OPS["dot"]
    assert dot.spellings(instance, "jax", lane=True)[0] == "jnp.dot(a, b)"
    assert "jnp.dot(a, b)" not in dot.spellings(instance, "jax")
    assert set(dot.spellings(instance, "jax")) < set(dot.spellings(instance, "jax", lane=True))


def test_spelling_by_kind() -> None:
    select = OPS["select"]
    for text, spelling in (
        ("bool f32 f32 -> f32", "jnp.where(a, b, c)"),
        ("bool f32x2 f32x2 -> f32x2", "jnp.where(a[..., None], b, c)"),
        ("bool f32x2x2 f32x2x2 -> f32x2x2", "jnp.where(a[..., None, None], b, c)"),
    ):
        assert select.spellings(_instance(text), "jax") == (spelling,)


def test_attributes_are_indices() -> None:
    element = _instance("f32x3x3 -> f32")
    assert OPS["element"].attributes(element) == 9
    assert OPS["element"].indices(element, 5) == (1, 2)
    row = _instance("f32x3x3 -> f32x3")
    assert OPS["row"].indices(row, 2) == (2,)
    assert OPS["add"].indices(_instance("f32 f32 -> f32"), 0) == ()


@ROWS
def test_partials_have_their_operands_type(op: Op) -> None:
    if op.partials is None:
        return
    for instance in op.instances:
        if scalar_of(instance.result).kind != "float":
            continue
        letters = dict(zip(LETTERS, instance.operands, strict=False))
        letters |= {"y": instance.result, "g": instance.result}
        attribute = max(op.attributes(instance) - 1, 0)
        for type_, text in zip(instance.operands, op.partials, strict=True):
            if text and scalar_of(type_).kind == "float":
                indices = op.indices(instance, attribute)
                assert elaborate(parse(text), letters, type_, indices).type == type_


def _operands(op: Op, instance: Instance) -> list[Any]:
    random = np.random.default_rng(7)
    out: list[Any] = []
    for type_ in instance.operands:
        shape = (16, *element_shape(type_))
        kind = scalar_of(type_).kind
        if kind == "float":
            out.append(random.uniform(0.3, 0.5, shape))
        elif kind == "bool":
            out.append(random.random(shape) < 0.5)
        else:
            out.append(random.integers(1, 6, shape).astype(object))
    return out


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.arity == 2], ids=lambda op: op.name)
def test_commuting_rows_commute(op: Op) -> None:
    """Exactly the rows that say so, but for those that are symmetric by their partials only."""
    alike = [i for i in op.instances if i.operands[0] == i.operands[1]]
    if not alike:
        assert not op.commutes
        return
    same: list[bool] = []
    for instance in alike[:4] + alike[-4:]:
        a, b = _operands(op, instance)
        same.append(np.array_equal(evaluate(op, instance, [a, b]), evaluate(op, instance, [b, a])))
    assert op.commutes == all(same)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("mul(b, reciprocal(a))", ("mul", "b", ("reciprocal", "a"))),
        ("-(y / b)", ("neg", ("div", "y", "b"))),
        ("a + b * 2.0", ("add", "a", ("mul", "b", 2.0))),
        ("-0.5 * a", ("mul", -0.5, "a")),
        ("a - b <= 1", ("le", ("sub", "a", "b"), 1)),
        ("basis[i](g)", ("basis[i]", "g")),
        ("identity()", ("identity",)),
    ],
)
def test_expressions_parse(text: str, tree: object) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize("text", ["a ** b", "a.x", "f(x=1)", "a < b < c", "'a'", "[a]"])
def test_what_is_no_expression(text: str) -> None:
    with pytest.raises(ValueError, match="no expression of the language"):
        parse(text)


def test_numbers_take_the_type_of_their_place() -> None:
    vector = Vector(F64, 3)
    typed = elaborate(parse("1.0 - a"), {"a": vector}, vector)
    assert isinstance(typed, Apply)
    assert typed.arguments[0] == Apply("fill", None, (Literal(1.0, F64),), vector)
    assert elaborate(parse("max(a, 1)"), {"a": I32}) == elaborate(parse("max(a, 1.0)"), {"a": I32})


def test_attributes_of_expressions() -> None:
    matrix = Matrix(F32, 2, 2)
    typed = elaborate(
        parse("outer_product(basis[i](g), basis[j](1.0))"), {"g": F32}, matrix, (1, 0)
    )
    assert isinstance(typed, Apply)
    assert [part.attribute for part in typed.arguments if isinstance(part, Apply)] == [1, 0]


def test_type_of() -> None:
    vector = Vector(F32, 2)
    assert type_of(parse("dot(a, b) < 1.0"), {"a": vector, "b": vector}) == BOOL
    with pytest.raises(ValueError, match="has no typing"):
        type_of(parse("a + b"), {"a": vector, "b": F32})
    with pytest.raises(ValueError, match="unknown op 'ad'"):
        type_of(parse("ad(a, b)"), {"a": F32, "b": F32})


def test_size_is_of_the_first_vector_or_matrix() -> None:
    assert size_of(_instance("f32 f32x4 -> f32x4")) == 4
    assert size_of(_instance("f32 -> f32")) == 0


def test_every_scalar_type_is_used() -> None:
    used = {
        scalar_of(type_)
        for op in OPS.values()
        for instance in op.instances
        for type_ in (*instance.operands, instance.result)
    }
    assert used == set(SCALARS)
    assert all(isinstance(scalar, Scalar) for scalar in FLOATS)
