"""Holds what backends make of ops against the rows: values against meanings, gradients against
partials, both within the bounds of the backend's precision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from backends.registry import BACKENDS
from grammar.bounds.bounded import Bounded
from grammar.bounds.domain import Bounds
from grammar.ops import OPS, Instance, Op
from grammar.ops.expression import (
    Apply,
    Expression,
    Operand,
    Typed,
    elaborate,
    parse,
)
from grammar.ops.expression import (
    Literal as Number,
)
from grammar.program import Program, Region, Statement, Terminator, Unit, Value
from grammar.types import Element, scalar_of
from tests.backends.audit import Case, Ran, cotangents, differentiable, samples
from tests.spelling import LETTERS

Direction = Literal["forward", "gradient"]

WAYS: tuple[tuple[str, str], ...] = (
    ("warp", "cpu"),
    ("jax", "interpreter"),
    ("jax", "compiled"),
)
"""The ways to run an op: backend and execution."""


@dataclass(frozen=True)
class Verdict:
    """How one direction of one case came out: lanes (components) that differ by more than the
    bound, that no bound holds for, and all; `worst` is the largest difference over its bound."""

    case: Case
    direction: Direction
    differing: int
    blind: int
    lanes: int
    worst: float
    example: str = ""


def domain(backend: str, execution: str, types: Iterable[Element]) -> Bounds:
    """Values with the bounds of a way to run, wide enough for these types."""
    wide = any(scalar_of(type_).bits == 64 for type_ in types)
    precision = BACKENDS[backend].precision(execution)
    return Bounds(precision, np.longdouble if wide else np.float64)


def plain(array: Any) -> Any:
    """An array that NumPy computes with: bfloat16 as float32."""
    array = np.asarray(array)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def declared(case: Case, bounds: Bounds) -> tuple[Any, tuple[Any, ...] | None]:
    """The meaning of a case, and the operands' cotangents by its partials (None: no float)."""
    op, instance, attribute = case.op, case.instance, case.attribute
    drawn = samples(op, instance, case.round)
    operands = [
        bounds.lift(plain(values), scalar_of(type_))
        for values, type_ in zip(drawn, instance.operands, strict=True)
    ]
    result = bounds.meaning(op, instance, attribute, False)(*operands)
    if op.partials is None or scalar_of(instance.result).kind != "float":
        return result, None
    seed = bounds.lift(plain(cotangents(case)), scalar_of(instance.result))
    letters = dict(zip(LETTERS, operands, strict=False)) | {"y": result, "g": seed}
    types = dict(zip(LETTERS, instance.operands, strict=False))
    types |= {"y": instance.result, "g": instance.result}
    pulled: list[Any] = []
    for given, type_, text in zip(drawn, instance.operands, op.partials, strict=True):
        if scalar_of(type_).kind != "float":
            pulled.append(None)
        elif not text:
            pulled.append(bounds.zeros(scalar_of(type_), given.shape))
        else:
            tree = parse(text)
            if "g" not in _letters(tree):
                tree = ("mul", tree, "g")
            typed = elaborate(tree, types, type_, op.indices(instance, attribute))
            pulled.append(_value(typed, letters, bounds))
    return result, tuple(pulled)


def _letters(tree: Expression) -> set[str]:
    match tree:
        case str():
            return {tree}
        case int() | float():
            return set()
        case _:
            return {letter for part in tree[1:] for letter in _letters(part)}


def _value(tree: Typed, letters: dict[str, Any], bounds: Bounds) -> Any:
    """A typed expression as a step of a gradient."""
    match tree:
        case Operand(name=name):
            return letters[name]
        case Number(value=value, type=scalar):
            return bounds.lift(
                np.asarray(value, "float64" if scalar.kind == "float" else scalar.dtype), scalar
            )
        case Apply(op=name, attribute=attribute, arguments=arguments, type=type_):
            instance = Instance(tuple(argument.type for argument in arguments), type_)
            operands = [_value(argument, letters, bounds) for argument in arguments]
            return bounds.meaning(OPS[name], instance, attribute or 0, True)(*operands)


def judge(ran: Ran, bounds: Bounds) -> list[Verdict]:
    """The verdicts on one case: on its value and, where it has one, its gradient."""
    with np.errstate(all="ignore"):
        value, pulled = declared(ran.case, bounds)
        out = [_compare(ran.case, "forward", [(ran.result, value)], bounds)]
        if ran.pulled is not None:
            assert pulled is not None
            both = [pair for pair in zip(ran.pulled, pulled, strict=True) if pair[1] is not None]
            out.append(_compare(ran.case, "gradient", both, bounds))
    return out


def _compare(
    case: Case, direction: Direction, pairs: Sequence[tuple[Any, Any]], bounds: Bounds
) -> Verdict:
    differing = blind = lanes = 0
    worst, example = 0.0, ""
    for place, (found, expected) in enumerate(pairs):
        excess = _excess(plain(found), expected, bounds)
        lanes += excess.size
        blind += int(np.count_nonzero(excess < 0))
        bad = ~(excess <= 1)
        differing += int(np.count_nonzero(bad))
        most = float(np.max(np.where(np.isnan(excess), np.inf, excess), initial=0.0))
        if most > worst:
            worst = most
            if most > 1:
                example = _example(case, place, found, expected, excess)
    return Verdict(case, direction, differing, blind, lanes, worst, example)


def _excess(found: Any, expected: Any, bounds: Bounds) -> Any:
    """Difference over bound per component: not at most 1 where wrong, -1 where nothing is known."""
    if isinstance(expected, Bounded):
        found = found.astype(bounds.wide)
        v, e = (
            np.broadcast_to(expected.v, found.shape),
            np.broadcast_to(expected.bound, found.shape),
        )
        distance = np.abs(found - v)
        excess = np.where(distance == 0, 0.0, distance / e)
        return np.where(np.isfinite(e), excess, -1.0)
    v, unsure = bounds.exact(expected)
    excess = np.where(found == np.broadcast_to(v, found.shape), 0.0, np.inf)
    return excess if unsure is None else np.where(unsure, -1.0, excess)


def _example(case: Case, place: int, found: Any, expected: Any, excess: Any) -> str:
    at = np.unravel_index(int(np.argmax(np.where(np.isnan(excess), np.inf, excess))), excess.shape)
    lane = at[0] if at else 0
    operands = [
        np.asarray(values)[lane].tolist() for values in samples(case.op, case.instance, case.round)
    ]
    wanted = expected.v if isinstance(expected, Bounded) else expected
    wanted = np.broadcast_to(wanted, excess.shape)[at]
    return f"{place}: {operands} gives {plain(found)[at]!r}, not {wanted!r}"


Runner = Callable[[Sequence[Case]], list[Ran]]


def judged(found: Sequence[Case], backend: str, execution: str, run: Runner) -> list[Verdict]:
    """The verdicts on cases, run one way."""
    out: list[Verdict] = []
    for ran in run(found):
        instance = ran.case.instance
        bounds = domain(backend, execution, (*instance.operands, instance.result))
        out += judge(ran, bounds)
    return out


Status = Literal["agree", "blind", "declared", "unsupported", "differ"]


@dataclass(frozen=True)
class Cell:
    """What a backend makes of an op at one typing, one way to run it and one direction.

    - "agree": every comparable lane of every spelling does, and most lanes are comparable;
    - "blind": the same, but for most lanes nothing can be said (the reason is the domain's);
    - "declared": it differs, and a limitation of the backend says why;
    - "unsupported": the row says that the backend lacks the typing, or the way to run lacks an
      operation;
    - "differ": none of these.
    """

    op: str
    instance: Instance
    backend: str
    execution: str
    direction: Direction
    status: Status
    detail: str = ""


def one_op(op: Op, instance: Instance, attribute: int) -> Program:
    """A function that applies an op."""
    params = tuple(Value(at, type_) for at, type_ in enumerate(instance.operands))
    result = Value(len(params), instance.result)
    at = attribute if op.attributes(instance) else None
    body = Region(
        params, (Statement(op.name, params, (result,), at),), Terminator("return", (result,))
    )
    return Program((Unit("function", body, (instance.result,)),))


def cells(
    instances: Iterable[tuple[Op, Instance]], backend: str, execution: str, verdicts: list[Verdict]
) -> list[Cell]:
    """A cell for every op, typing and direction that there is."""
    by: dict[tuple[str, Instance, Direction], list[Verdict]] = {}
    for verdict in verdicts:
        key = (verdict.case.op.name, verdict.case.instance, verdict.direction)
        by.setdefault(key, []).append(verdict)
    out: list[Cell] = []
    for op, instance in instances:
        directions: list[Direction] = ["forward"]
        if differentiable(Case(op, instance, 0, "")):
            directions.append("gradient")
        for direction in directions:
            found = by.get((op.name, instance, direction), [])
            status, detail = _status(op, instance, backend, direction, found)
            out.append(Cell(op.name, instance, backend, execution, direction, status, detail))
    return out


def _status(
    op: Op, instance: Instance, backend: str, direction: Direction, found: Sequence[Verdict]
) -> tuple[Status, str]:
    if not found:
        if not op.supported(instance, backend):
            return "unsupported", "the row says so"
        return "unsupported", "the interpreter has no such operation"
    wrong = [verdict for verdict in found if verdict.differing]
    if wrong:
        known = BACKENDS[backend].limitations(one_op(op, instance, 0))
        if direction == "gradient" and known:
            return "declared", ", ".join(row.name for row in known)
        worst = max(wrong, key=lambda verdict: verdict.worst)
        return "differ", f"{worst.case}: {worst.worst:.3g} of the bound, operand {worst.example}"
    blind, lanes = (sum(getattr(verdict, name) for verdict in found) for name in ("blind", "lanes"))
    return ("blind", f"{blind} of {lanes} lanes") if 2 * blind > lanes else ("agree", "")
