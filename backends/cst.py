"""Printing: Surface trees to source text, through libcst nodes only.

The text is what `ruff format` with its default settings leaves as it is: 88 columns, minimal
parentheses, blank lines around definitions. Strings are expected in double quotes and numbers in
lower case, as the literals stand in the tree.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import libcst as cst

from backends import nodes as n
from backends import surface as s
from backends.breaking import INDENT, WIDTH
from backends.expressions import flat
from backends.precedence import BARE, EXPRESSION, width, width_within
from backends.statements import (
    broken_assignment,
    broken_loop,
    broken_params,
    broken_statement,
    broken_value,
)

__all__ = ["print_expr", "print_module", "width"]

_Blanks: TypeAlias = tuple[cst.EmptyLine, ...]
_Statement: TypeAlias = cst.SimpleStatementLine | cst.BaseCompoundStatement
_Block: TypeAlias = Literal["module", "function", "other"]

_EXPRESSIONS = cst.Module(())
_DUMMY = (s.Do(s.Literal("...")),)
_PLAIN: dict[type, cst.BaseSmallStatement] = {
    s.Break: cst.Break(),
    s.Continue: cst.Continue(),
    s.Pass: cst.Pass(),
}


def print_module(module: s.Module) -> str:
    """The source text of a module, ending in a newline unless the module is empty.

    Raises:
        ValueError: a body is empty, or an operator, literal or name is not one of Python's.
    """
    return cst.Module(_block(module.body, 0, "module")).code


def print_expr(expr: s.Expr) -> str:
    """The text of an expression on one line, as it stands for an argument.

    Raises:
        ValueError: an operator, literal or name is not one of Python's.
    """
    return _EXPRESSIONS.code_for_node(flat(expr, EXPRESSION))


def _blanks(before: s.Stmt | None, after: s.Stmt, block: _Block) -> int:
    """How many blank lines stand between two statements, or before the first of a block."""
    is_definition = isinstance(after, s.FunctionDef)
    if before is None:
        return int(is_definition and block == "other")
    if is_definition or _ends_in_definition(before):
        return 2 if block == "module" else 1
    return int(isinstance(before, s.Import) and not isinstance(after, s.Import))


def _ends_in_definition(statement: s.Stmt) -> bool:
    match statement:
        case s.FunctionDef():
            return True
        case s.If(body=body, orelse=orelse):
            return _ends_in_definition((orelse or body)[-1])
        case s.For(body=body) | s.While(body=body):
            return _ends_in_definition(body[-1])
        case _:
            return False


def _line(statement: cst.BaseSmallStatement, blanks: _Blanks) -> cst.SimpleStatementLine:
    return cst.SimpleStatementLine((statement,), blanks, n.LINE_END)


def _block(body: tuple[s.Stmt, ...], indent: int, block: _Block) -> list[_Statement]:
    lines: list[_Statement] = []
    before: s.Stmt | None = None
    for statement in body:
        blanks = (n.EMPTY_LINE,) * _blanks(before, statement, block)
        lines.append(_statement(statement, blanks, indent))
        before = statement
    return lines


def _suite(
    body: tuple[s.Stmt, ...], indent: int, owner: str, block: _Block = "other"
) -> cst.IndentedBlock:
    if not body:
        raise ValueError(f"the body of {owner} is empty")
    return cst.IndentedBlock(_block(body, indent + INDENT, block), n.LINE_END)


def _value(
    value: s.Expr, before: int, after: int, indent: int, minimum: int = EXPRESSION
) -> cst.BaseExpression:
    """A value with `before` columns left and `after` right of it on its line."""
    if indent + before + width_within(value, minimum) + after > WIDTH:
        return broken_value(value, before, after, indent, minimum)
    return flat(value, minimum)


def _statement(statement: s.Stmt, blanks: _Blanks, indent: int) -> _Statement:
    match statement:
        case s.Assign(target=target, value=value):
            left, right = _sides(target, len(" = "), value, indent)
            assigned = cst.AssignTarget(left, n.SPACE, n.SPACE)  # pyright: ignore[reportArgumentType]
            return _line(cst.Assign((assigned,), right), blanks)
        case s.AugAssign(target=target, op=op, value=value):
            left, right = _sides(target, len(op) + len(" = "), value, indent)
            return _line(cst.AugAssign(left, n.augmented(op), right), blanks)  # pyright: ignore[reportArgumentType]
        case s.Do(value=value):
            is_long = indent + width_within(value, EXPRESSION) > WIDTH
            node = broken_statement(value, indent) if is_long else flat(value, EXPRESSION)
            return _line(cst.Expr(node), blanks)
        case s.Return(value=value):
            if value is None:
                return _line(cst.Return(), blanks)
            returned = _value(value, len("return "), 0, indent, BARE)
            return _line(cst.Return(returned), blanks)
        case s.If():
            return _branch(statement, blanks, indent, "if")
        case s.For(target=target, iterable=iterable, body=body):
            suite = _suite(body, indent, "a for loop")
            left, right = _loop(target, iterable, indent)
            return cst.For(left, right, suite, leading_lines=blanks)  # pyright: ignore[reportArgumentType]
        case s.While(test=test, body=body):
            suite = _suite(body, indent, "a while loop")
            node = _value(test, len("while "), 1, indent)
            return cst.While(node, suite, leading_lines=blanks)
        case s.FunctionDef():
            return _definition(statement, blanks, indent)
        case s.Import():
            return _line(_import(statement, indent), blanks)
        case _:
            return _line(_PLAIN[type(statement)], blanks)


def _sides(
    target: s.Expr, operator: int, value: s.Expr, indent: int
) -> tuple[cst.BaseExpression, cst.BaseExpression]:
    columns = width_within(target, BARE) + operator + width_within(value, BARE)
    if indent + columns > WIDTH:
        return broken_assignment(target, operator, value, indent)
    return flat(target), flat(value)


def _loop(
    target: s.Expr, iterable: s.Expr, indent: int
) -> tuple[cst.BaseExpression, cst.BaseExpression]:
    fixed = len("for ") + len(" in ") + len(":")
    columns = width_within(target, BARE) + width_within(iterable, EXPRESSION)
    if indent + fixed + columns > WIDTH:
        return broken_loop(target, iterable, indent)
    return flat(target), flat(iterable, EXPRESSION)


def _branch(statement: s.If, blanks: _Blanks, indent: int, keyword: str) -> cst.If:
    suite = _suite(statement.body, indent, f"an {keyword} statement")
    test = _value(statement.test, len(keyword) + 1, 1, indent)
    orelse: cst.If | cst.Else | None = None
    match statement.orelse:
        case ():
            pass
        case (s.If() as only,):
            orelse = _branch(only, (), indent, "elif")
        case body:
            block = _block(body, indent + INDENT, "other")
            orelse = cst.Else(cst.IndentedBlock(block, n.LINE_END))
    return cst.If(test, suite, orelse, blanks)


def _definition(function: s.FunctionDef, blanks: _Blanks, indent: int) -> cst.FunctionDef:
    suite: cst.BaseSuite
    if function.body == _DUMMY:
        dummy = (cst.Expr(n.literal("...")),)
        suite = cst.SimpleStatementSuite(dummy, n.SPACE, n.LINE_END)
    else:
        suite = _suite(function.body, indent, f"function {function.name!r}", "function")
    decorators = [
        cst.Decorator(_value(decorator, 1, 0, indent), (), n.NOTHING, n.LINE_END)
        for decorator in function.decorators
    ]
    params, opening = _params(function, indent, isinstance(suite, cst.IndentedBlock))
    return cst.FunctionDef(
        n.name(function.name),
        cst.Parameters(params),
        suite,
        decorators,
        leading_lines=blanks,
        whitespace_before_params=opening,
    )


def _params(
    function: s.FunctionDef, indent: int, is_block: bool
) -> tuple[list[cst.Param], n.Space]:
    params = function.params
    before, after = len("def ") + len(function.name), 1 if is_block else len(": ...")
    if params:
        columns = indent + before + 2 + after + 2 * (len(params) - 1)
        for param in params:
            columns += len(param.name)
            if param.annotation is not None:
                columns += 2 + width_within(param.annotation, EXPRESSION)
        if columns > WIDTH:
            return broken_params(params, before, after, indent)
    nodes = [
        n.parameter(
            param.name,
            None if param.annotation is None else flat(param.annotation, EXPRESSION),
        )
        for param in params
    ]
    return nodes, n.NOTHING


def _import(statement: s.Import, indent: int) -> cst.Import | cst.ImportFrom:
    alias = statement.alias
    as_name = cst.AsName(n.name(alias), n.SPACE, n.SPACE) if alias else None
    imported = cst.ImportAlias(n.path(statement.module), as_name)
    if not statement.package:
        return cst.Import((imported,))
    columns = len(f"from {statement.package} import {statement.module}")
    columns += len(f" as {alias}") if alias else 0
    if indent + columns <= WIDTH:
        return cst.ImportFrom(n.path(statement.package), (imported,))
    opening, closing = n.parentheses(n.line_break(indent + INDENT), n.line_break(indent))
    names = (imported.with_changes(comma=n.LAST_COMMA),)
    return cst.ImportFrom(n.path(statement.package), names, (), opening[0], closing[0])
