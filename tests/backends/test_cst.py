"""The printer: parentheses, widths, line breaks, and agreement with Python's parser and ruff."""

from __future__ import annotations

import ast
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import surface as s
from backends.cst import print_expr, print_module, width

BINARY: dict[str, ast.operator] = {
    "+": ast.Add(),
    "-": ast.Sub(),
    "*": ast.Mult(),
    "/": ast.Div(),
    "//": ast.FloorDiv(),
    "%": ast.Mod(),
    "@": ast.MatMult(),
    "**": ast.Pow(),
    "<<": ast.LShift(),
    ">>": ast.RShift(),
    "&": ast.BitAnd(),
    "|": ast.BitOr(),
    "^": ast.BitXor(),
}
COMPARISON: dict[str, ast.cmpop] = {
    "<": ast.Lt(),
    "<=": ast.LtE(),
    ">": ast.Gt(),
    ">=": ast.GtE(),
    "==": ast.Eq(),
    "!=": ast.NotEq(),
    "in": ast.In(),
    "not in": ast.NotIn(),
    "is": ast.Is(),
    "is not": ast.IsNot(),
}
BOOLEAN: dict[str, ast.boolop] = {"and": ast.And(), "or": ast.Or()}
UNARY: dict[str, ast.unaryop] = {
    "-": ast.USub(),
    "+": ast.UAdd(),
    "~": ast.Invert(),
    "not": ast.Not(),
}
OPERATORS = [*BINARY, *COMPARISON, *BOOLEAN]
LITERALS = ["0", "17", "2.5", "1e-05", "0x1F", "3j", "True", "None", "...", '"text"']
KEYWORDS = ("dtype", "axis", "shape")


def as_ast(expr: s.Expr | s.Slice) -> ast.expr:
    """The tree Python's parser has to find in the printed text."""
    load = ast.Load()
    match expr:
        case s.Name(id=text):
            return ast.Name(text, load)
        case s.Literal(text=text):
            return ast.Constant(ast.literal_eval(text))
        case s.Attribute(value=value, attr=attr):
            return ast.Attribute(as_ast(value), attr, load)
        case s.Call(func=func, args=args, keywords=keywords):
            named = [ast.keyword(keyword, as_ast(value)) for keyword, value in keywords]
            return ast.Call(as_ast(func), [as_ast(arg) for arg in args], named)
        case s.Unary(op=op, operand=operand):
            return ast.UnaryOp(UNARY[op], as_ast(operand))
        case s.Binary(op=op, left=left, right=right) if op in COMPARISON:
            return ast.Compare(as_ast(left), [COMPARISON[op]], [as_ast(right)])
        case s.Binary(op=op, left=left, right=right) if op in BOOLEAN:
            values = [as_ast(right)]
            while isinstance(left, s.Binary) and left.op == op:
                values.insert(0, as_ast(left.right))
                left = left.left
            return ast.BoolOp(BOOLEAN[op], [as_ast(left), *values])
        case s.Binary(op=op, left=left, right=right):
            return ast.BinOp(as_ast(left), BINARY[op], as_ast(right))
        case s.Conditional(test=test, body=body, orelse=orelse):
            return ast.IfExp(as_ast(test), as_ast(body), as_ast(orelse))
        case s.Slice(lower=lower, upper=upper, step=step):
            return ast.Slice(*[end and as_ast(end) for end in (lower, upper, step)])
        case s.Subscript(value=value, indices=(index,)):
            return ast.Subscript(as_ast(value), as_ast(index), load)
        case s.Subscript(value=value, indices=indices):
            index = ast.Tuple([as_ast(part) for part in indices], load)
            return ast.Subscript(as_ast(value), index, load)
        case s.Tuple(items=items):
            return ast.Tuple([as_ast(item) for item in items], load)
        case s.List(items=items):
            return ast.List([as_ast(item) for item in items], load)
        case s.Lambda(params=params, body=body):
            arguments = ast.arguments(
                [], [ast.arg(name) for name in params], None, [], [], None, []
            )
            return ast.Lambda(arguments, as_ast(body))


names = st.sampled_from(["a", "b", "xs", "value", "a_rather_long_name"]).map(s.Name)
literals = st.sampled_from(LITERALS).map(s.Literal)


def compound(inner: st.SearchStrategy[s.Expr]) -> st.SearchStrategy[s.Expr]:
    tuples = st.lists(inner, max_size=3).map(tuple)
    bound = st.none() | inner
    index = inner | st.builds(s.Slice, bound, bound, bound)
    keyword = st.tuples(st.sampled_from(KEYWORDS), inner)
    keywords = st.lists(keyword, max_size=2, unique_by=lambda pair: pair[0]).map(tuple)
    return st.one_of(
        st.builds(s.Binary, st.sampled_from(OPERATORS), inner, inner),
        st.builds(s.Unary, st.sampled_from(list(UNARY)), inner),
        st.builds(s.Call, inner, tuples, keywords),
        st.builds(s.Attribute, inner, st.sampled_from(["T", "shape", "at"])),
        st.builds(s.Subscript, inner, st.lists(index, min_size=1, max_size=3).map(tuple)),
        st.builds(s.Conditional, inner, inner, inner),
        st.builds(s.Tuple, tuples),
        st.builds(s.List, tuples),
        st.builds(s.Lambda, st.sampled_from([(), ("x",), ("x", "y")]), inner),
    )


expressions: st.SearchStrategy[s.Expr] = st.recursive(names | literals, compound, max_leaves=12)


@given(expressions)
@settings(max_examples=400)
def test_text_parses_to_the_same_tree(expr: s.Expr) -> None:
    text = print_expr(expr)
    assert ast.dump(ast.parse(text, mode="eval").body) == ast.dump(as_ast(expr))
    assert width(expr) == len(text)


@given(expressions)
@settings(max_examples=400)
def test_broken_lines_parse_to_the_same_tree(expr: s.Expr) -> None:
    nested = s.Call(s.Name("function_with_a_name"), (expr, s.Name("b" * 80)))
    text = print_module(s.Module((s.Assign(s.Name("x"), nested), s.Return(expr))))
    assign, returned = ast.parse(text).body
    assert isinstance(assign, ast.Assign)
    assert isinstance(returned, ast.Return)
    assert returned.value is not None
    assert ast.dump(assign.value) == ast.dump(as_ast(nested))
    assert ast.dump(returned.value) == ast.dump(as_ast(expr))


A, B, C = s.Name("a"), s.Name("b"), s.Name("c")
ONE, TWO = s.Literal("1"), s.Literal("2")


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (s.Binary("==", s.Binary("<", A, B), C), "(a < b) == c"),
        (s.Binary("==", A, s.Binary("<", B, C)), "a == (b < c)"),
        (s.Unary("not", s.Binary("<", A, B)), "not a < b"),
        (s.Binary("<", s.Unary("not", A), B), "(not a) < b"),
        (s.Unary("-", s.Binary("**", ONE, TWO)), "-(1**2)"),
        (s.Binary("**", s.Unary("-", ONE), TWO), "(-1) ** 2"),
        (s.Binary("**", A, s.Unary("-", B)), "a**-b"),
        (s.Binary("**", A, s.Binary("**", B, C)), "a**b**c"),
        (s.Binary("**", s.Binary("**", A, B), C), "(a**b) ** c"),
        (s.Binary("**", A, s.Call(B, (C,))), "a ** b(c)"),
        (s.Binary("-", A, s.Binary("-", B, C)), "a - (b - c)"),
        (s.Binary("-", s.Binary("-", A, B), C), "a - b - c"),
        (s.Unary("-", s.Unary("-", A)), "--a"),
        (s.Attribute(s.Literal("1.5"), "real"), "(1.5).real"),
        (s.Attribute(s.Literal("0x1F"), "real"), "0x1F.real"),
        (s.Attribute(s.Binary("+", A, B), "T"), "(a + b).T"),
        (s.Conditional(A, s.Conditional(B, A, B), C), "(a if b else b) if a else c"),
        (s.Conditional(A, B, s.Conditional(A, B, C)), "b if a else b if a else c"),
        (s.Binary("+", s.Lambda(("x",), A), B), "(lambda x: a) + b"),
        (s.Call(s.Lambda((), A), ()), "(lambda: a)()"),
        (s.Subscript(A, (s.Slice(), s.Literal("None"))), "a[:, None]"),
        (s.Subscript(A, (s.Slice(ONE, B),)), "a[1:b]"),
        (s.Subscript(A, (s.Slice(s.Binary("+", A, ONE)),)), "a[a + 1 :]"),
        (s.Subscript(A, (s.Slice(None, s.Attribute(A, "n"), TWO),)), "a[: a.n : 2]"),
        (s.Subscript(A, (s.Tuple((A, B)),)), "a[(a, b)]"),
        (s.Tuple((A,)), "(a,)"),
        (s.Tuple(()), "()"),
        (s.Call(A, (s.Tuple((A, B)),), (("dtype", B),)), "a((a, b), dtype=b)"),
    ],
)
def test_parentheses_and_spaces(expr: s.Expr, text: str) -> None:
    assert print_expr(expr) == text


def test_a_module() -> None:
    body = (
        s.Import("warp", "wp"),
        s.Import("lax", package="jax"),
        s.Import("jax.numpy", "jnp"),
        s.FunctionDef(
            "kernel",
            (s.Param("x", s.Call(A, (), (("dtype", B),))), s.Param("n")),
            (
                s.Assign(s.Tuple((s.Name("i"), s.Name("j"))), s.Call(A, ())),
                s.FunctionDef("inner", (), (s.Return(),)),
                s.If(A, (s.Pass(),), (s.If(B, (s.Break(),), (s.Continue(),)),)),
                s.For(s.Name("k"), s.Call(s.Name("range"), (TWO,)), (s.AugAssign(A, "+", B),)),
                s.While(A, (s.FunctionDef("f", (), (s.Do(s.Literal("...")),)),)),
                s.Return(s.Tuple((A, B))),
            ),
            (s.Attribute(s.Name("wp"), "kernel"),),
        ),
        s.If(
            s.Binary("==", s.Name("__name__"), s.Literal('"__main__"')),
            (s.Do(s.Call(s.Name("kernel"), (A, B))),),
        ),
    )
    assert print_module(s.Module(body)) == MODULE


MODULE = """\
import warp as wp
from jax import lax
import jax.numpy as jnp


@wp.kernel
def kernel(x: a(dtype=b), n):
    i, j = a()

    def inner():
        return

    if a:
        pass
    elif b:
        break
    else:
        continue
    for k in range(2):
        a += b
    while a:

        def f(): ...

    return a, b


if __name__ == "__main__":
    kernel(a, b)
"""


LONG, LONGER = s.Name("x" * 30), s.Name("y" * 42)
ASSIGNED = s.Name("target")


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (
            s.Assign(ASSIGNED, s.Binary("+", s.Binary("*", LONG, A), s.Binary("*", LONGER, B))),
            f"target = (\n    {LONG.id} * a + {LONGER.id} * b\n)\n",
        ),
        (
            s.Assign(ASSIGNED, s.Binary("+", s.Binary("*", LONGER, A), s.Binary("*", LONGER, B))),
            f"target = (\n    {LONGER.id} * a\n    + {LONGER.id} * b\n)\n",
        ),
        (
            s.Assign(ASSIGNED, s.Call(A, (LONG, LONGER, B))),
            f"target = a(\n    {LONG.id}, {LONGER.id}, b\n)\n",
        ),
        (
            s.Assign(ASSIGNED, s.Call(A, (LONGER, LONGER))),
            f"target = a(\n    {LONGER.id},\n    {LONGER.id},\n)\n",
        ),
        (
            s.Return(s.Tuple((LONGER, LONGER))),
            f"return (\n    {LONGER.id},\n    {LONGER.id},\n)\n",
        ),
        (
            s.FunctionDef("f", (s.Param("a", LONGER), s.Param("b", LONGER)), (s.Pass(),)),
            f"def f(\n    a: {LONGER.id},\n    b: {LONGER.id},\n):\n    pass\n",
        ),
        (
            s.If(s.Binary("and", LONGER, LONGER), (s.Pass(),)),
            f"if (\n    {LONGER.id}\n    and {LONGER.id}\n):\n    pass\n",
        ),
    ],
)
def test_long_lines(statement: s.Stmt, text: str) -> None:
    assert print_module(s.Module((statement,))) == text


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ((s.While(A, ()),), "the body of a while loop is empty"),
        ((s.Do(s.Binary("=>", A, B)),), "unknown operator '=>'"),
        ((s.Do(s.Literal("1_x")),), "'1_x' is not a Python literal"),
        ((s.Do(s.Name("two words")),), "'two words' is not a Python identifier"),
        ((s.Do(s.Name("lambda")),), "'lambda' is not a Python identifier"),
        ((s.AugAssign(A, "<", B),), "no augmented assignment with '<'"),
        ((s.Do(s.Subscript(A, ())),), "a subscript needs at least one index"),
    ],
)
def test_errors(body: tuple[s.Stmt, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        print_module(s.Module(body))


class Modules:
    """Random modules, with names long enough that many lines have to break."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def name(self) -> str:
        choice = self.random.choice
        return choice("abcdxyz") * choice([1, 2, 3, 6, 10, 15, 25])

    def some(self, counts: list[int], depth: int) -> tuple[s.Expr, ...]:
        return tuple(self.expr(depth) for _ in range(self.random.choice(counts)))

    def params(self) -> tuple[str, ...]:
        return tuple(f"{self.name()}{i}" for i in range(self.random.randrange(3)))

    def expr(self, depth: int) -> s.Expr:
        choice, draw = self.random.choice, self.random.random
        if depth <= 0 or draw() < 0.15:
            return s.Name(self.name()) if draw() < 0.75 else s.Literal(choice(LITERALS))
        inner = depth - 1
        match self.random.randrange(12):
            case 0 | 1 | 2:
                func = s.Attribute(s.Name("wp"), self.name()) if draw() < 0.7 else self.expr(inner)
                keywords = [
                    (f"{self.name()}{i}", self.expr(inner)) for i in range(choice([0, 0, 0, 1, 2]))
                ]
                return s.Call(func, self.some([0, 1, 2, 3], inner), tuple(keywords))
            case 3 | 4 | 5:
                op = choice(OPERATORS if draw() < 0.6 else ["+", "-", "*", "/"])
                return s.Binary(op, self.expr(inner), self.expr(inner))
            case 6:
                return s.Unary(choice(list(UNARY)), self.expr(inner))
            case 7:
                indices = [
                    self.expr(inner) if draw() < 0.7 else self.slice(inner)
                    for _ in range(choice([1, 1, 2, 3]))
                ]
                return s.Subscript(self.expr(inner), tuple(indices))
            case 8:
                return s.Attribute(self.expr(inner), self.name())
            case 9:
                return s.Conditional(self.expr(inner), self.expr(inner), self.expr(inner))
            case 10:
                return choice([s.Tuple, s.List])(self.some([0, 1, 2, 3], inner))
            case _:
                return s.Lambda(self.params(), self.expr(inner))

    def slice(self, depth: int) -> s.Slice:
        draw = self.random.random
        return s.Slice(*[self.expr(depth) if draw() < 0.5 else None for _ in range(3)])

    def target(self, depth: int, kinds: int = 5) -> s.Expr:
        match self.random.randrange(kinds):
            case 0 | 1:
                return s.Name(self.name())
            case 2:
                return s.Subscript(s.Name(self.name()), self.some([1, 2], depth - 1))
            case 3:
                return s.Attribute(self.expr(depth - 1), self.name())
            case _:
                count = self.random.choice([1, 2, 2, 3])
                return s.Tuple(tuple(self.target(depth - 1) for _ in range(count)))

    def value(self) -> s.Expr:
        return self.expr(self.random.choice([1, 2, 3, 4]))

    def body(self, depth: int) -> tuple[s.Stmt, ...]:
        return tuple(self.stmt(depth - 1) for _ in range(self.random.choice([1, 1, 2, 3])))

    def stmt(self, depth: int) -> s.Stmt:
        if depth > 0 and self.random.random() < 0.4:
            return self.block(depth)
        match self.random.randrange(6):
            case 0 | 1:
                return s.Assign(self.target(3), self.value())
            case 2:
                return s.AugAssign(
                    self.target(2, 4), self.random.choice(list(BINARY)), self.value()
                )
            case 3:
                return s.Return(self.value())
            case 4:
                return s.Do(s.Call(s.Name(self.name()), (self.value(),)))
            case _:
                imports = [s.Import("warp", "wp"), s.Import("lax", package="jax"), s.Pass()]
                return self.random.choice(imports)

    def block(self, depth: int) -> s.Stmt:
        match self.random.randrange(5):
            case 0:
                orelse = self.body(depth) if self.random.random() < 0.5 else ()
                return s.If(self.value(), self.body(depth), orelse)
            case 1:
                pair = s.Tuple((s.Name(self.name()), s.Name("index")))
                target = self.random.choice([s.Name(self.name()), pair])
                return s.For(target, self.value(), self.body(depth))
            case 2:
                return s.While(self.value(), self.body(depth))
            case _:
                params = [
                    s.Param(name, self.expr(2) if self.random.random() < 0.6 else None)
                    for name in self.params()
                ]
                decorators = self.some([0, 0, 1], 2)
                return s.FunctionDef(self.name(), tuple(params), self.body(depth), decorators)


def test_ruff_leaves_every_module_unchanged(tmp_path: Path) -> None:
    for seed in range(400):
        modules = Modules(seed)
        module = s.Module(tuple(modules.stmt(3) for _ in range(4)))
        (tmp_path / f"module_{seed}.py").write_text(print_module(module))
    run = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--no-cache", "--diff", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout == ""
    assert "400 files already formatted" in run.stderr
