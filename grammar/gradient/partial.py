"""Pulling a cotangent back through one op, compiled from the partials its row declares.

A row states, for each operand, either the factor of the cotangent `g` or, mentioning `g`, the whole
pulled-back cotangent. Both become a `Pull`: a short list of steps over the operands, the result and
`g`. Pulling back is linear in `g`, so a sign in front is kept apart and costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from grammar.ops import OPS, Instance
from grammar.ops.expression import Apply, Expression, Literal, Operand, Typed, elaborate, parse
from grammar.types import Element, scalar_of

LETTERS = "abcdefgh"


@dataclass(frozen=True, slots=True)
class Step:
    """One statement of a pull: an op, or a constant where `op` is "const" and `attribute` the
    literal. Operands are letters, or positions of earlier steps."""

    op: str
    attribute: int | float | None
    operands: tuple[str | int, ...]
    type: Element


@dataclass(frozen=True, slots=True)
class Pull:
    """How the cotangent of a result becomes that of one operand: the steps, what they end in, and
    whether that is to be negated."""

    steps: tuple[Step, ...]
    result: str | int
    negative: bool = False


@lru_cache(maxsize=8192)
def pulls(
    name: str, operands: tuple[Element, ...], result: Element, attribute: int | None
) -> tuple[Pull | None, ...]:
    """One pull per operand of an op at one typing, None where it carries no gradient."""
    op = OPS[name]
    instance = Instance(operands, result)
    nothing = (None,) * len(operands)
    if op.partials is None or scalar_of(result).kind != "float":
        return nothing
    indices = op.indices(instance, attribute or 0)
    letters: dict[str, Element] = dict(zip(LETTERS, operands, strict=False))
    letters |= {"y": result, "g": result}
    return tuple(
        [
            _pull(text, type_, letters, indices)
            if text and scalar_of(type_).kind == "float"
            else None
            for text, type_ in zip(op.partials, operands, strict=True)
        ]
    )


def _pull(text: str, type_: Element, letters: dict[str, Element], indices: tuple[int, ...]) -> Pull:
    tree = parse(text)
    whole = tree if _mentions(tree, "g") else _times(tree)
    negative = False
    while isinstance(whole, tuple) and whole[0] == "neg":
        whole, negative = whole[1], not negative
    steps: list[Step] = []
    known: dict[Typed, int] = {}
    result = _flatten(elaborate(whole, letters, type_, indices), steps, known)
    return Pull(tuple(steps), result, negative)


def _mentions(tree: Expression, letter: str) -> bool:
    if isinstance(tree, tuple):
        return any(_mentions(argument, letter) for argument in tree[1:])
    return tree == letter


def _times(factor: Expression) -> Expression:
    """The cotangent times a factor, in few ops."""
    match factor:
        case 1 | 1.0:
            return "g"
        case 0 | 0.0:
            return 0.0
        case ("neg", inner):
            return ("neg", _times(inner))
        case ("reciprocal", inner):
            return ("div", "g", inner)
        case ("select", condition, then, otherwise):
            return ("select", condition, _times(then), _times(otherwise))
        case _:
            return ("mul", "g", factor)


def _flatten(tree: Typed, steps: list[Step], known: dict[Typed, int]) -> str | int:
    """Append the steps of a tree, equal subtrees once; returns where the result is."""
    match tree:
        case Operand(name=name):
            return name
        case Literal(value=value, type=type_):
            step = Step("const", value, (), type_)
        case Apply(op=op, attribute=attribute, arguments=arguments, type=type_):
            if tree in known:
                return known[tree]
            operands = tuple([_flatten(argument, steps, known) for argument in arguments])
            step = Step(op, attribute, operands, type_)
    if tree not in known:
        steps.append(step)
        known[tree] = len(steps) - 1
    return known[tree]
