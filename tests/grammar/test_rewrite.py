"""Rewrites keep every bit of what programs compute, and their gradients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.registry import BACKENDS
from backends.style import Style, draw_style
from grammar.build import Builder, ProgramBuilder
from grammar.generate import program_at
from grammar.gradient import gradient
from grammar.interpret import run
from grammar.ops import OPS
from grammar.ops.base import Instance
from grammar.passes.canonical import canonical, exact_hash
from grammar.passes.effects import written
from grammar.plain import working
from grammar.presets import GRAMMARS
from grammar.program import Program, Statement, Value, size, statements
from grammar.reference import reference, shape_of
from grammar.rewrite import REWRITES, applicable, rewrites
from grammar.rewrite.expressions import emit, typed
from grammar.rewrite.identities import IDENTITIES, WIDER, always, truth
from grammar.rewrite.place import Place
from grammar.rewrite.restate import RESTATED, Restated, holds
from grammar.rewrite.row import Rewrite
from grammar.source import RandomSource, ReplaySource, Source
from grammar.types import BOOL, F32, I32, Array, Element, Type, int_limits, scalar_of
from grammar.verify import verify
from tests.grammar.gradient_checks import WIDE, cotangents_of, gradients, precise
from tests.grammar.run_both import drawn_inputs

TOLERANCE = 1e-12
"""Of the largest gradient; they are computed in extended precision."""

PRESETS = pytest.mark.parametrize("preset", GRAMMARS)
ROWS = pytest.mark.parametrize("name", REWRITES)


# What is the same


def bits(array: Any) -> bytes:
    """The bits of an array, one for all that are not numbers."""
    made = np.asarray(array)
    return (np.where(np.isnan(made), np.nan, made) if made.dtype.kind == "f" else made).tobytes()


def same(a: Any, b: Any) -> bool:
    """Whether two arrays agree in shape, type and every bit."""
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype == b.dtype and bits(a) == bits(b)


@cache
def facts(program: Program, seed: int) -> tuple[list[Any], list[Any], list[Any], Any]:
    """The inputs and outputs of a program, cotangents, and its gradients (None at a tie)."""
    inputs = drawn_inputs(program.entry, seed)
    cotangents = cotangents_of(program, np.random.default_rng(seed))
    return inputs, reference(program, inputs), cotangents, slopes(program, inputs, cotangents)


def slopes(program: Program, inputs: list[Any], cotangents: list[Any]) -> list[Any] | None:
    """The gradients in extended precision; None where there are none, or a kink is hit."""
    if program.entry.kind == "function" or not cotangents:
        return None
    found = gradients(gradient(program), inputs, cotangents)
    return None if WIDE.ties else found


def differences(program: Program, made: Program, seed: int = 0) -> list[str]:
    """How a program and its rewrite differ."""
    inputs, outputs, cotangents, wanted = facts(program, seed)
    found: list[str] = []
    if [v.type for v in program.entry.parameters] != [v.type for v in made.entry.parameters]:
        return ["parameters"]
    if program.entry.kind == "kernel" and written(program.entry) != written(made.entry):
        return ["how arrays are written"]
    if not all(map(same, outputs, reference(made, inputs))) and not (
        has_matrices(program) and all(map(close, extended(program, inputs), extended(made, inputs)))
    ):
        found.append("values")
    if wanted is not None:
        given = slopes(made, inputs, cotangents)
        if given is not None and not all(map(close, wanted, given)):
            found.append("gradients")
    return found


def has_matrices(program: Program) -> bool:
    """Whether NumPy sums up products of matrices, in an order that follows their layout in memory:
    there the reference of a rewrite may round in another way."""
    return any(s.op in OPS and OPS[s.op].group == "matrix" for s in statements(program))


def extended(program: Program, inputs: list[Any]) -> list[Any]:
    """The outputs in extended precision."""
    return [np.asarray(value, np.longdouble) for value in run(precise(program), inputs, WIDE)]


def close(a: Any, b: Any) -> bool:
    """Whether gradients agree but for the order of sums."""
    finite = np.isfinite(a)
    if a.shape != b.shape or not np.array_equal(finite, np.isfinite(b)):
        return False
    size = np.max(np.abs(a[finite]), initial=1.0)
    return bool(np.all(np.abs(a[finite] - b[finite]) <= TOLERANCE * size))


def renders(program: Program, random: Random) -> bool:
    """Whether both languages can say it, plainly and in some style."""
    styles = (Style(), draw_style(RandomSource(1, random.randrange(1 << 20))))
    return all(backend.render(program, s) for backend in BACKENDS.values() for s in styles)


def at(name: str, place: Place, random: Random) -> Program:
    """The program rewritten at a place."""
    return canonical(REWRITES[name].rewrite(place, RandomSource(2, random.randrange(1 << 20))))


# Rows


def of_each_preset(count: int, seed: int = 3) -> Iterator[Program]:
    for grammar in GRAMMARS.values():
        for index in range(count):
            yield program_at(grammar, seed, index)


@PRESETS
def test_rewrites_keep_what_presets_compute(preset: str) -> None:
    seen: Counter[str] = Counter()
    for index in range(3):
        program = program_at(GRAMMARS[preset], 3, index)
        random = Random(f"{preset} {index}")
        for name, places in applicable(program).items():
            made = at(name, random.choice(places), random)
            verify(made)
            assert exact_hash(made) != exact_hash(program), (index, name)
            assert differences(program, made, index) == [], (index, name)
            assert renders(made, random)
            seen[name] += 1
    assert len(seen) >= 6, seen


@pytest.mark.campaign
@PRESETS
def test_rewrites_keep_what_presets_compute_everywhere(preset: str) -> None:
    """At many places, and rewrites of rewrites."""
    for index in range(40):
        program = program_at(GRAMMARS[preset], 4, index)
        random = Random(f"{preset} {index}")
        for name, places in applicable(program).items():
            for place in random.sample(places, min(3, len(places))):
                made = at(name, place, random)
                verify(made)
                assert differences(program, made, index) == [], (index, name)
                for again in rewrites(made, RandomSource(5, random.randrange(1 << 20)), 2):
                    verify(again.program)
                    assert differences(program, again.program, index) == [], (index, name, again)
                    assert renders(again.program, random)


def _while(b: Builder, i: Value, x: Value, y: Value) -> None:
    """A `while` of as many rounds as the lane's number says."""
    start = b.load(x, i)

    def more(number: Value, total: Value) -> Value:
        return b.op("lt", number, i)

    def body(number: Value, total: Value) -> Value:
        return b.op("add", total, b.op("mul", start, b.op("cast", number, result=F32)))

    (total,) = b.while_([start], more, body, 5)
    b.store(y, i, total)


def _literals(b: Builder, i: Value, x: Value, y: Value) -> None:
    """Integers computed from literals."""
    three = b.op("add", b.const(I32, 1), b.const(I32, 2))
    odd = b.op("is_odd", b.const(I32, 5))
    at = b.op("min", i, three)
    b.store(y, i, b.op("select", odd, b.load(x, at), b.load(x, i)))


def _reread(b: Builder, i: Value, x: Value, y: Value) -> None:
    """A value that is stored, and used again to decide what is stored elsewhere."""
    value = b.op("square", b.load(x, i))
    b.store(y, i, value)
    b.atomic("max", x_sum(b), b.const(I32, 0), b.op("add", value, value))


def x_sum(b: Builder) -> Value:
    """The last parameter of the kernel being built, which is the third value after the index."""
    return Value(3, Array(F32, (1,)))


def kernel(body: Callable[..., None], *more: Type) -> Program:
    units = ProgramBuilder()
    shape = Array(F32, (6,))
    units.kernel((6,), (shape, shape, *more), lambda b, i, x, y, *_: body(b, i, x, y))
    return units.finish()


def launches() -> Program:
    """Two kernels over one buffer, each at its own cell."""
    units = ProgramBuilder()
    shape = Array(F32, (6,))

    def first(b: Builder, i: Value, x: Value, y: Value) -> None:
        b.store(y, i, b.op("sin", b.op("square", b.load(x, i))))

    def second(b: Builder, i: Value, x: Value, y: Value, out: Value) -> None:
        b.store(out, i, b.op("mul", b.load(x, i), b.load(y, i)))

    one = units.kernel((6,), (shape, shape), first)
    two = units.kernel((6,), (shape, shape, shape), second)

    def entry(b: Builder, x: Value) -> Value:
        y, out = b.zeros(shape), b.zeros(shape)
        b.launch(one, x, y)
        b.launch(two, x, y, out)
        return out

    units.program((shape,), entry)
    return units.finish()


EXAMPLES: dict[str, Callable[[], Program]] = {
    "while": lambda: kernel(_while),
    "literals": lambda: kernel(_literals),
    "reread": lambda: kernel(_reread, Array(F32, (1,))),
    "launches": launches,
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_rewrites_keep_what_examples_compute(example: str) -> None:
    program = EXAMPLES[example]()
    verify(program)
    random = Random(example)
    for name, places in applicable(program).items():
        for place in places:
            made = at(name, place, random)
            verify(made)
            assert differences(program, made) == [], name
            assert renders(made, random)


def everywhere() -> Iterator[Program]:
    yield from of_each_preset(8)
    for make in EXAMPLES.values():
        yield make()


@pytest.fixture(scope="module")
def hits() -> Counter[str]:
    """How many programs each rewrite applies to, and makes others of that keep the rules."""
    found: Counter[str] = Counter()
    random = Random(9)
    for program in everywhere():
        for name, places in applicable(program).items():
            made = at(name, random.choice(places), random)
            verify(made)
            found[name] += exact_hash(made) != exact_hash(program)
    return found


RARE = {"to_for": 1, "fold_constant": 1, "reload": 1}
"""The least programs, of those looked at, for rewrites that presets seldom have a place for."""


@ROWS
def test_every_rewrite_applies(name: str, hits: Counter[str]) -> None:
    assert hits[name] >= RARE.get(name, 3)


def length(program: Program) -> tuple[int, int]:
    """How long a program is, without and with its literals."""
    return size(program), len(list(statements(program)))


def test_rewrites_that_undo_each_other_do() -> None:
    """A literal unfolded folds back, and what is computed twice can be shared again."""
    program = program_at(GRAMMARS["compound"], 3, 1)
    random = Random(1)
    for there, back in (("unfold_constant", "fold_constant"), ("duplicate", "share")):
        made = at(there, applicable(program)[there][0], random)
        undone = [at(back, place, random) for place in applicable(made)[back]]
        assert all(differences(program, again) == [] for again in undone)
        assert min(map(length, undone)) < length(made)


# Drawing


@settings(max_examples=25)
@given(
    st.sampled_from(sorted(GRAMMARS)),
    st.integers(0, 1000),
    st.lists(st.integers(0, 1 << 20), max_size=12),
    st.integers(0, 6),
)
def test_rewrites_are_drawn(preset: str, index: int, choices: list[int], most: int) -> None:
    program = program_at(GRAMMARS[preset], 8, index)
    made = rewrites(program, ReplaySource(choices), most)
    assert made == rewrites(program, ReplaySource(choices), most)
    assert len(made) == min(most, len(applicable(program)))
    assert len({one.name for one in made}) == len(made)
    for one in made:
        verify(one.program)
        assert one.program == canonical(one.program)
        assert one.name in REWRITES
        assert list(one.program.entry.parameters) == list(program.entry.parameters)


def test_a_program_without_places_has_no_rewrites() -> None:
    units = ProgramBuilder()
    units.program((Array(F32, (4,)),), lambda b, x: b.copy(x))
    assert rewrites(units.finish(), RandomSource(0, 0)) == []


# Expressions


def special(type_: Element, at: int) -> Any:
    """Lanes of numbers of all sorts; different ones for each operand."""
    random = np.random.default_rng(at)
    scalar, shape = scalar_of(type_), (256, *shape_of(type_))
    if scalar == BOOL:
        return random.integers(0, 2, shape).astype(bool)
    if scalar.kind == "float":
        made = random.normal(size=shape) * 2.0 ** random.integers(-6, 7, shape)
        odd = random.choice([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 0.5], shape)
        return working(np.where(random.random(shape) < 0.4, odd, made), scalar)
    low, high = int_limits(scalar)
    made = random.integers(max(low, -100), min(high, 100), shape, endpoint=True)
    ends = random.choice(np.array([low, high, 0, 1], object), shape)
    return np.where(random.random(shape) < 0.2, ends, made).astype(scalar.dtype)


def operands(op: str, instance: Instance) -> list[Any]:
    """Lanes of numbers that an op is defined for."""
    made = [special(type_, at) for at, type_ in enumerate(instance.operands)]
    for at, wanted in enumerate(OPS[op].requires):
        type_ = instance.operands[at]
        if wanted == "nonzero_integer":
            made[at] = np.where(made[at] == 0, 3, made[at]).astype(made[at].dtype)
            made[at] = np.where(made[at] == -1, 2, made[at]).astype(made[at].dtype)
        elif wanted == "shift":
            made[at] = (np.abs(made[at].astype(object)) % scalar_of(type_).bits).astype(
                made[at].dtype
            )
    return made


def function(types: tuple[Type, ...], body: Callable[..., Value]) -> Program:
    units = ProgramBuilder()
    units.function(types, body)
    return units.finish()


def typings(row: Restated) -> list[Instance]:
    return [
        instance
        for instance in OPS[row.op].instances
        if holds(row, instance.operands, instance.result)
    ]


@pytest.mark.parametrize("row", RESTATED, ids=lambda row: f"{row.op} as {row.text}")
def test_ops_are_restated_bit_for_bit(row: Restated) -> None:
    found = typings(row)
    assert {scalar_of(i.operands[0]).kind for i in found} == set(row.kinds)
    for instance in found:
        result = instance.result
        assert OPS[row.op].attributes(instance) == 0
        plain = function(
            instance.operands, lambda b, *v, result=result: b.op(row.op, *v, result=result)
        )
        other = function(
            instance.operands, lambda b, *v, result=result: emit(b, row.text, v, result)
        )
        inputs = operands(row.op, instance)
        assert same(reference(plain, inputs)[0], reference(other, inputs)[0]), instance


def elements() -> list[Element]:
    return list(dict.fromkeys(i.result for op in OPS.values() for i in op.instances))


@pytest.mark.parametrize("kind", IDENTITIES)
def test_identities_keep_every_bit(kind: str) -> None:
    used: set[str] = set()
    for type_ in elements():
        if scalar_of(type_).kind != kind:
            continue
        given_ = special(type_, 1)
        for text in IDENTITIES[kind]:
            if typed(text, (type_,), type_) is not None:
                made = function((type_,), lambda b, a, text=text: emit(b, text, (a,), a.type))
                assert same(reference(made, [given_])[0], given_), (str(type_), text)
                used.add(text)
    assert used == set(IDENTITIES[kind])


@pytest.mark.parametrize("type_", WIDER, ids=str)
def test_wider_types_hold_every_number(type_: Any) -> None:
    given_ = special(type_, 2)
    for wide in WIDER[type_]:
        made = function(
            (type_,),
            lambda b, a, wide=wide: b.op("cast", b.op("cast", a, result=wide), result=type_),
        )
        assert same(reference(made, [given_])[0], given_), str(wide)


def test_commuting_rows_commute_on_all_numbers() -> None:
    """Where the rewrite exchanges operands: not at ties of floats."""
    for op in OPS.values():
        if not op.commutes:
            continue
        for instance in op.instances:
            if op.smoothness == "kinked" and scalar_of(instance.result).kind == "float":
                continue
            a, b = [special(type_, at) for at, type_ in enumerate(instance.operands)]
            made = function(
                instance.operands,
                lambda b_, *v, op=op, result=instance.result: b_.op(op.name, *v, result=result),
            )
            assert same(reference(made, [a, b])[0], reference(made, [b, a])[0]), instance


# What the checks are worth


def whole() -> Program:
    return kernel(lambda b, i, x, y: b.store(y, i, b.op("trunc", b.load(x, i))))


def _swap(place: Place, source: Source) -> Program:
    statement = place.statement
    return place.instead([statement._replace(operands=statement.operands[::-1])])


def _lessen(place: Place, source: Source) -> Program:
    """A loop without its last round."""
    statement = place.statement
    region = statement.regions[0]
    start, stop, *inits = statement.operands
    b = place.builder()
    less = b.fresh(I32)
    return place.instead(
        [
            Statement("const", (), (less,), place.known[stop.id] - 1),
            statement._replace(operands=(start, less, *inits), regions=(region,)),
        ]
    )


def _drop_sign(place: Place, source: Source) -> Program:
    """x + 0.0, which is another zero where x is -0.0."""
    statement = place.statement
    b = place.builder()
    (result,) = statement.results
    middle = b.fresh(result.type)
    made = b.region((), lambda: emit(b, "a + 0.0", (middle,), result.type)).body
    last = made[-1]._replace(results=(result,))
    return place.instead([statement._replace(results=(middle,)), *made[:-1], last])


def _other_gradient(place: Place, source: Source) -> Program:
    """The value, selected where something true holds, else what has no gradient there."""
    statement = place.statement
    b = place.builder()
    (result,) = statement.results
    middle = b.fresh(result.type)

    def both() -> None:
        yes = always(b, truth(place)[0])
        b.op("select", yes, middle, emit(b, "sqrt(-1.0 - abs(a))", (middle,), F32))

    made = b.region((), both).body
    last = made[-1]._replace(results=(result,))
    return place.instead([statement._replace(results=(middle,)), *made[:-1], last])


def _wrong_side(place: Place, source: Source) -> Program:
    statement = place.statement
    return place.instead([statement._replace(regions=statement.regions[::-1])])


def _is(*ops: str) -> Callable[[Place], bool]:
    return lambda place: place.statement.op in ops


def _types(place: Place) -> list[Type]:
    return [value.type for value in place.statement.results]


WRONG: dict[str, tuple[str, Rewrite]] = {
    "operands of a difference": ("arithmetic", Rewrite("w", "", _is("sub", "div"), _swap)),
    "sides of a branch": ("branch", Rewrite("w", "", _is("if"), _wrong_side)),
    "rounds of a loop": (
        "loop",
        Rewrite(
            "w",
            "",
            lambda place: (
                place.statement.op == "for"
                and bool(place.statement.results)
                and place.statement.operands[1].id in place.known
            ),
            _lessen,
        ),
    ),
    "the sign of zero": (
        "whole",
        Rewrite("w", "", _is("trunc"), _drop_sign),
    ),
    "a gradient": (
        "unary",
        Rewrite("w", "", lambda place: _types(place) == [F32], _other_gradient),
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_rewrite_is_found(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    preset, row = WRONG[what]
    monkeypatch.setattr("grammar.rewrite.table.REWRITES", {"w": row})
    monkeypatch.setitem(REWRITES, "w", row)  # pyright: ignore[reportArgumentType]
    for index in range(40):
        program = whole() if preset == "whole" else program_at(GRAMMARS[preset], 3, index)
        for place in applicable(program).get("w", ()):
            if differences(program, at("w", place, Random(index)), index):
                return
    pytest.fail(f"nothing is wrong with {what}")


def test_rows_say_what_they_are() -> None:
    for name, row in REWRITES.items():
        assert row.name == name
        assert row.doc.endswith(".")
        assert row.limits == (name in ("never_break", "hide_stop", "to_while", "to_for"))
