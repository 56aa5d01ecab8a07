"""Minimal programs, by which a target is asked what it takes: ops, types, constructs, spellings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from backends.spelling import avoidable
from backends.style import Style
from backends.warp import spell as warp
from grammar.build import Builder, ProgramBuilder, Yielded, break_, continue_, return_
from grammar.ops import OPS, Instance, Op
from grammar.ops.base import size_of
from grammar.program import Program, Value
from grammar.types import (
    BOOL,
    F32,
    F64,
    FLOATS,
    I32,
    I64,
    SCALARS,
    SIZES,
    U32,
    U64,
    Array,
    Element,
    Matrix,
    Scalar,
    Type,
    Vector,
    scalar_of,
)

PLAIN = Style()


@dataclass(frozen=True, slots=True)
class Trial:
    """A program in one spelling."""

    program: Program
    style: Style = PLAIN
    avoided: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Form:
    """One spelling of an op at one typing. `lane`: of values without lane axes, in JAX."""

    op: str
    instance: Instance
    text: str
    lane: bool = False

    @property
    def typing(self) -> str:
        """The typing in words, such as `f32, f32 -> bool`."""
        return f"{', '.join(map(str, self.instance.operands))} -> {self.instance.result}".lstrip()

    @property
    def named(self) -> frozenset[str]:
        """The functions that its spelling calls."""
        return frozenset(_CALLED.findall(self.text))


_CALLED = re.compile(r"(\w\w+)\(")

_LANES = Style(idiom=1)
"""In JAX, a source with a function of one lane."""

_LENGTH = 2
"""Lanes of a trial."""

_SIZE = 3


def forms(backend: str) -> list[Form]:
    """All spellings of all ops that a backend has, at the typings that tell: vectors and matrices
    of every size of one float type, and of one size of the others."""
    found: list[Form] = []
    for op in OPS.values():
        for instance in op.instances:
            if op.supported(instance, backend) and _tells(instance):
                batch = op.spellings(instance, backend)
                lane = op.spellings(instance, backend, lane=True)
                found += [Form(op.name, instance, text) for text in batch]
                found += [Form(op.name, instance, t, True) for t in lane if t not in batch]
    return found


def _tells(instance: Instance) -> bool:
    size = size_of(instance)
    return size in (0, _SIZE) or (
        scalar_of(instance.result) in (F32, I32, BOOL)
        and all(scalar_of(type_) in (F32, I32, BOOL) for type_ in instance.operands)
    )


def groups(found: Sequence[Form], most: int) -> list[list[Form]]:
    """Forms that go in one program: at most so many, an op in one spelling alone."""
    by_rank: dict[tuple[bool, int], list[Form]] = {}
    texts: dict[tuple[str, bool], list[str]] = {}
    for form in found:
        known = texts.setdefault((form.op, form.lane), [])
        if form.text not in known:
            known.append(form.text)
        by_rank.setdefault((form.lane, known.index(form.text)), []).append(form)
    return [
        listed[at : at + most] for listed in by_rank.values() for at in range(0, len(listed), most)
    ]


def spelled_so(found: Sequence[Form], backend: str, avoided: frozenset[str]) -> Trial:
    """A kernel with one statement per form, each in its spelling."""
    others = {
        avoidable(form.op, text)
        for form in found
        for text in _texts(OPS[form.op], form.instance, backend)
        if text != form.text
    }
    wanted = {avoidable(form.op, form.text) for form in found}
    style = _LANES if found[0].lane else PLAIN
    return Trial(_kernel(found), style, avoided - wanted | (others - wanted))


def _texts(op: Op, instance: Instance, backend: str) -> tuple[str, ...]:
    return op.spellings(instance, backend, lane=True)


def _kernel(found: Sequence[Form]) -> Program:
    types: list[Element] = []
    places: list[list[int]] = []
    for form in found:
        taken: list[int] = []
        for type_ in form.instance.operands:
            at = next((n for n, t in enumerate(types) if t == type_ and n not in taken), len(types))
            types += [type_] * (at == len(types))
            taken.append(at)
        places.append(taken)
    params = [*types, *[form.instance.result for form in found]]

    def body(b: Builder, i: Value, *given: Value) -> None:
        arrays, outputs = given[: len(types)], given[len(types) :]
        held = [b.load(array, i) for array in arrays]
        for form, taken, output in zip(found, places, outputs, strict=True):
            attribute = 0 if OPS[form.op].attributes(form.instance) else None
            result = form.instance.result
            value = b.op(form.op, *[held[n] for n in taken], attribute=attribute, result=result)
            b.store(output, i, value)

    units = ProgramBuilder()
    units.kernel((_LENGTH,), [Array(type_, (_LENGTH,)) for type_ in params], body)
    return units.finish()


# Types --------------------------------------------------------------------------------------


def elements() -> list[Element]:
    """Every type that an array may have elements of."""
    vectors = [Vector(scalar, size) for scalar in FLOATS for size in SIZES]
    matrices = [Matrix(scalar, size, size) for scalar in FLOATS for size in SIZES]
    return [*SCALARS, *vectors, *matrices]


def holding(found: Sequence[Element]) -> Program:
    """A kernel that copies elements of these types, and compares scalars with a parameter and a
    constant."""
    scalars = [element for element in found if isinstance(element, Scalar)]
    arrays = [Array(element, (_LENGTH,)) for element in (*found, *found)]
    outputs = [Array(BOOL, (_LENGTH,)) for _ in scalars]

    def body(b: Builder, i: Value, *given: Value) -> None:
        count = len(found)
        for taken, kept in zip(given, given[count : 2 * count], strict=False):
            b.store(kept, i, b.load(taken, i))
        rest = given[2 * count :]
        for scalar, output, param in zip(scalars, rest, rest[len(scalars) :], strict=False):
            literal = b.const(scalar, scalar == BOOL or 1)
            b.store(output, i, b.op("eq", param, literal))

    units = ProgramBuilder()
    units.kernel((_LENGTH,), [*arrays, *outputs, *scalars], body)
    return units.finish()


# Constructs ---------------------------------------------------------------------------------

_LINE = Array(F32, (_LENGTH,))
_COUNTS = Array(I32, (_LENGTH,))


def _one(body: Callable[..., Yielded], *types: Type) -> Program:
    units = ProgramBuilder()
    units.kernel((_LENGTH,), types or (_LINE, _LINE), body)
    return units.finish()


def _if(b: Builder, i: Value, a: Value, out: Value) -> None:
    x = b.load(a, i)
    test = b.op("gt", x, b.const(F32, 0.5))
    b.store(out, i, b.if_(test, lambda: b.op("square", x), lambda: b.op("neg", x))[0])


def _adding(b: Builder, x: Value) -> Callable[[Value, Value], Value]:
    """The body of a loop that adds a value to what it carries."""

    def body(k: Value, carried: Value) -> Value:
        return b.op("add", carried, x)

    return body


def _for(b: Builder, i: Value, a: Value, out: Value) -> None:
    x = b.load(a, i)
    b.store(out, i, b.for_(0, 3, [x], _adding(b, x))[0])


def _dynamic(b: Builder, i: Value, a: Value, n: Value, out: Value) -> None:
    x, count = b.load(a, i), b.load(n, i)
    zero = b.const(I32, 0)
    total = b.for_(zero, count, [x], _adding(b, x), bound=4)
    b.store(out, i, total[0])


def _strided(b: Builder, i: Value, a: Value, n: Value, out: Value) -> None:
    x, count = b.load(a, i), b.load(n, i)
    start = b.const(I32, 1)
    total = b.for_(start, count, [x], _adding(b, x), step=2, bound=4)
    b.store(out, i, total[0])


def _while(b: Builder, i: Value, a: Value, out: Value) -> None:
    x = b.load(a, i)
    limit = b.const(F32, 3.0)

    def test(k: Value, carried: Value) -> Value:
        return b.op("lt", carried, limit)

    b.store(out, i, b.while_([x], test, _adding(b, x), bound=4)[0])


def _exits(b: Builder, i: Value, a: Value, out: Value) -> None:
    x = b.load(a, i)
    low, high = b.const(F32, -3.0), b.const(F32, 3.0)
    b.if_(b.op("lt", x, low), return_)

    def body(k: Value, c: Value) -> Yielded:
        b.if_(b.op("gt", c, high), lambda: break_(c))
        b.if_(b.op("lt", c, low), lambda: continue_(x))
        return b.op("add", c, x)

    b.store(out, i, b.for_(0, 3, [x], body)[0])


def _gathered(b: Builder, i: Value, a: Value, n: Value, out: Value) -> None:
    index = b.op("clamp", b.load(n, i), b.const(I32, 0), b.const(I32, _LENGTH - 1))
    b.store(out, i, b.load(a, index))


def _call() -> Program:
    def doubled(b: Builder, x: Value) -> Value:
        return b.op("add", x, x)

    def body(b: Builder, i: Value, a: Value, out: Value) -> None:
        b.store(out, i, b.call(double, b.load(a, i))[0])

    units = ProgramBuilder()
    double = units.function((F32,), doubled)
    units.kernel((_LENGTH,), (_LINE, _LINE), body)
    return units.finish()


def _ranked(rank: int) -> Program:
    shape = (_LENGTH,) * rank
    units = ProgramBuilder()

    def body(b: Builder, *given: Value) -> None:
        indices, (a, out) = given[:rank], given[rank:]
        b.store(out, *indices, b.load(a, *indices))

    units.kernel(shape, (Array(F32, shape), Array(F32, shape)), body)
    return units.finish()


def _atomics(*scalars: Scalar) -> Program:
    kinds = ("add", "sub", "min", "max")
    types = [Array(scalar, (1,)) for scalar in scalars for _ in kinds]

    def body(b: Builder, i: Value, *given: Value) -> None:
        arrays, outputs = given[: len(scalars)], given[len(scalars) :]
        zero = b.const(I32, 0)
        for at, output in enumerate(outputs):
            b.atomic(kinds[at % len(kinds)], output, zero, b.load(arrays[at // len(kinds)], i))

    return _one(body, *[Array(scalar, (_LENGTH,)) for scalar in scalars], *types)


def _buffers() -> Program:
    def negated(b: Builder, i: Value, a: Value, out: Value) -> None:
        b.store(out, i, b.op("neg", b.load(a, i)))

    units = ProgramBuilder()
    step = units.kernel((_LENGTH,), (_LINE, _LINE), negated)

    def body(b: Builder, a: Value) -> Value:
        held, made = b.copy(a), b.zeros(_LINE)
        b.launch(step, held, made)
        return made

    units.program((_LINE,), body)
    return units.finish()


@cache
def constructs() -> Mapping[tuple[str, str], tuple[Program, ...]]:
    """Programs that show a construct, by the field of a grammar that weighs it and its name."""
    return {
        ("control", "load"): (_ranked(1),),
        ("control", "if"): (_one(_if),),
        ("control", "for"): (_one(_for), _one(_dynamic, _LINE, _COUNTS, _LINE)),
        ("control", "while"): (_one(_while),),
        ("control", "call"): (_call(),),
        ("control", "atomic"): (_atomics(F32, F64, I32),),
        ("control", "strided"): (_one(_strided, _LINE, _COUNTS, _LINE),),
        ("control", "wide_atomic"): (_atomics(I64, U64, U32),),
        ("exits", "exits"): (_one(_exits),),
        **{("ranks", str(rank)): (_ranked(rank),) for rank in (2, 3, 4)},
        ("accesses", "gathered"): (_one(_gathered, _LINE, _COUNTS, _LINE),),
        ("shape", "program"): (_buffers(),),
    }


FEATURES: Mapping[str, Mapping[str, Callable[[], Trial]]] = {
    "warp": {
        warp.SUBSCRIPTED: lambda: Trial(_ranked(2), Style(idiom=4)),
        warp.WHERE: lambda: spelled_so([_choosing()], "warp", frozenset()),
    },
    "jax": {},
}
"""By backend, what sources may do without, and a trial that does not."""


def _choosing() -> Form:
    return next(
        form
        for form in forms("warp")
        if form.op == "select" and warp.WHERE in form.text and form.instance.result == F32
    )
