"""JAX lowering: golden sources, formatting, and values and backwards in every idiom."""

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.base import Rendered
from backends.cst import print_module
from backends.jax.frame import IDIOMS
from backends.jax.lower import lower, render
from backends.style import Style
from grammar.build import Builder, ProgramBuilder
from grammar.generate import program_at
from grammar.passes.effects import written
from grammar.presets import GRAMMARS
from grammar.program import Program, Value
from grammar.types import BF16, BOOL, F16, F32, F64, I8, I32, I64, U32, Array, Matrix, Vector
from tests.backends.jax_runs import agree, inputs, lower_backward, results, run, shapes
from tests.grammar.evaluate import Buffer, evaluate
from tests.grammar.examples import EXAMPLES
from tests.grammar.random_units import random_function, random_kernel

GOLDEN = Path(__file__).parent.parent / "golden" / "jax"
PLAIN = tuple(Style(idiom=number) for number in range(len(IDIOMS)))
RICH = tuple(
    Style(salt=7 + number, idiom=number, naming=11 * number + 5, inlining=number % 4)
    for number in range(len(IDIOMS))
)
INTERPRETED = tuple(name for name in EXAMPLES if name not in ("vectors", "heat"))
"""Those whose ops the test interpreter has."""
LINE = Array(F32, (8,))


def golden() -> dict[Path, str]:
    """Every golden file and the text it should hold."""
    kinds = {"arrays": PLAIN[0], "lanes": PLAIN[1], "scans": RICH[4], "styled": RICH[3]}
    return {
        GOLDEN / f"{name}_{kind}.py": print_module(lower(program, style))
        for name, program in EXAMPLES.items()
        for kind, style in kinds.items()
    }


def cells(values: Any) -> Buffer:
    """An array for the test interpreter."""
    made = Buffer(values.shape)
    for place in np.ndindex(values.shape):
        made.set(place, values[place].item())
    return made


def interpreted(program: Program, source: Rendered, given: list[Any]) -> list[Any]:
    """What the entry gives for these arguments, by the test interpreter."""
    entry = program.entry
    how = written(entry) if entry.kind == "kernel" else {}
    rest = iter(given)
    values: list[Any] = []
    for position, value in enumerate(entry.parameters):
        if how.get(position) == "out":
            assert isinstance(value.type, Array)
            values.append(Buffer(value.type.shape))
        elif isinstance(value.type, Array):
            values.append(cells(np.asarray(next(rest))))
        else:
            values.append(np.asarray(next(rest)).item())
    found = list(evaluate(program, entry, values)) or [values[at] for at in sorted(how)]
    return [
        np.array([one.get(place) for place in np.ndindex(one.shape)]).reshape(one.shape)
        if isinstance(one, Buffer)
        else np.array(one)
        for one in found
    ]


def check_by_interpreter(program: Program, style: Style) -> None:
    """Run a source and compare it with the interpreter."""
    source = render(program, style)
    given = inputs(source.arguments, seed=style.salt)
    found = run(source, given)
    assert [(one.shape, str(one.dtype)) for one in found] == results(program), source.python
    wanted = interpreted(program, source, given)
    for one, other in zip(found, wanted, strict=True):
        assert agree(one, other.astype(one.dtype)), source.python


def check_idioms_agree(program: Program, styles: tuple[Style, ...] = PLAIN) -> None:
    """Every idiom gives the same, in the declared shapes and dtypes."""
    first: list[Any] | None = None
    for style in styles:
        source = render(program, style)
        found = run(source)
        assert [(one.shape, str(one.dtype)) for one in found] == results(program), source.python
        first = found if first is None else first
        assert all(map(agree, found, first)), source.python


def test_a_cache_does_not_mix_up_the_signs_of_zero() -> None:
    for literal in (0.0, -0.0, 0.0):
        builder = ProgramBuilder()

        def body(b: Builder, i: Value, out: Value, literal: float = literal) -> None:
            b.store(out, i, b.const(F32, literal))

        builder.kernel((4,), (Array(F32, (4,)),), body)
        assert ("-0.0" in render(builder.finish(), Style()).python) == (str(literal) == "-0.0")


def test_golden_files() -> None:
    expected = golden()
    assert sorted(GOLDEN.glob("*.py")) == sorted(expected)
    assert {path: path.read_text() for path in expected} == expected


def test_sources_are_formatted(tmp_path: Path) -> None:
    drawn = {name: program_at(grammar, 0, 1) for name, grammar in GRAMMARS.items()}
    for name, program in (EXAMPLES | drawn).items():
        for number, style in enumerate(PLAIN + RICH):
            path = tmp_path / f"{name}_{number}.py"
            path.write_text(render(program, style, main=number % 2 == 1).python)
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--check", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", INTERPRETED)
@pytest.mark.parametrize("number", range(len(IDIOMS)))
def test_examples_give_what_the_interpreter_gives(name: str, number: int) -> None:
    check_by_interpreter(EXAMPLES[name], RICH[number] if number % 2 else PLAIN[number])


@pytest.mark.parametrize("seed", range(12))
def test_random_integer_units_give_what_the_interpreter_gives(seed: int) -> None:
    made = random_kernel if seed % 2 else random_function
    source = random.Random(seed)
    style = (PLAIN, RICH)[seed // 6][seed % 6]
    check_by_interpreter(made(lambda n: source.randrange(n)), style)


@pytest.mark.parametrize("name", sorted(GRAMMARS))
def test_drawn_programs_agree_between_idioms(name: str) -> None:
    check_idioms_agree(program_at(GRAMMARS[name], 0, 2), (PLAIN[0], RICH[3]))


@pytest.mark.campaign
@pytest.mark.parametrize("index", range(40))
@pytest.mark.parametrize("name", sorted(GRAMMARS))
def test_many_drawn_programs_agree_between_all_idioms(name: str, index: int) -> None:
    program = program_at(GRAMMARS[name], 1, index)
    check_idioms_agree(program, PLAIN + RICH)
    for style in PLAIN:
        lower_backward(render(program, style))


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_shapes_and_dtypes_hold_in_many_styles(name: str) -> None:
    program = EXAMPLES[name]
    for number in range(18):
        style = Style(salt=number, idiom=number, naming=3 * number, inlining=number % 4)
        source = render(program, style)
        assert shapes(source) == results(program), source.python


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_backwards_lower(name: str) -> None:
    for style in (*PLAIN[::2], *RICH[1::2]):
        source = render(EXAMPLES[name], style)
        assert lower_backward(source), source.python


def test_no_loop_is_unbounded() -> None:
    for program in EXAMPLES.values():
        for style in PLAIN + RICH:
            assert "while" not in render(program, style).python


def test_vectors() -> None:
    for style in PLAIN + RICH[:2]:
        source = render(EXAMPLES["vectors"], style)
        given = inputs(source.arguments)
        found = run(source, given)
        points, matrices = (np.asarray(value, dtype=np.float64) for value in given)
        last = np.einsum("nij,nj->ni", matrices, points)[:, 2]
        assert [(one.shape, str(one.dtype)) for one in found] == [
            ((16, 3), "float32"),
            ((16,), "float16"),
        ]
        assert agree(found[0], (last[:, None] * points).astype(np.float32)), source.python
        assert agree(found[1], last.astype(np.float16)), source.python


def test_arguments_are_what_is_read() -> None:
    source = render(EXAMPLES["stencil"], PLAIN[0])
    assert [(one.dtype, one.shape) for one in source.arguments] == [("float32", (8, 4))]
    source = render(EXAMPLES["branches"], PLAIN[0])
    assert [one.shape for one in source.arguments] == [(16,), (16,)]
    source = render(EXAMPLES["heat"], PLAIN[0])
    assert [one.shape for one in source.arguments] == [(16,), ()]
    assert [unit.kind for unit in source.units] == ["kernel", "program"]
    assert source.entry == source.units[-1].name
    assert not source.wide
    assert render(EXAMPLES["constants"], PLAIN[0]).wide


def test_rendering_is_a_function_of_program_and_style() -> None:
    for program in EXAMPLES.values():
        assert render(program, RICH[5]) == render(program, RICH[5])


def narrow_numbers() -> Program:
    """Types that JAX would promote, in a loop whose bounds differ between lanes."""
    p = ProgramBuilder()
    types = (F16, BF16, I8, U32, I64, F64)

    def body(b: Builder, i: Value, *arrays: Value) -> None:
        reads, writes = arrays[: len(types)], arrays[len(types) :]
        stop = b.op("modulo", i, b.const(I32, 5))
        for type_, read, write in zip(types, reads, writes, strict=True):
            x = b.load(read, i)

            def step(k: Value, t: Value, x: Value = x, type_: Any = type_) -> Value:
                large = b.op("gt", t, b.const(type_, 3))
                (kept,) = b.if_(large, lambda: b.const(type_, 1), lambda: b.op("add", t, x))
                return b.op("add", kept, b.op("cast", k, result=type_))

            first = b.const(type_, 2)
            (total,) = b.for_(b.const(I32, 1), stop, (first,), step, step=2, bound=2)
            b.store(write, i, total)

    p.kernel((8,), [Array(type_, (8,)) for type_ in types * 2], body)
    return p.finish()


def vector_control() -> Program:
    """Vectors and matrices through branches and loops over three axes, with uniform values."""
    p = ProgramBuilder()
    vec, mat = Vector(F32, 3), Matrix(F32, 2, 2)
    grid = (2, 3, 4)

    def body(b: Builder, i: Value, j: Value, k: Value, *arrays: Value) -> None:
        rows, squares, shift, vectors, matrices = arrays
        row, square = b.load(rows, j), b.load(squares, k)
        above = b.op("gt", b.op("component", row, attribute=1), shift)
        (chosen,) = b.if_(above, lambda: row, lambda: b.op("fill", shift, result=vec))

        def grow(n: Value, v: Value, m: Value) -> tuple[Value, Value]:
            return b.op("add", v, chosen), b.op("matmat", m, square)

        identity = b.op("identity", result=mat)
        start = b.op("fill", shift, result=vec)
        v, m = b.for_(b.const(I32, 0), i, (start, identity), grow, bound=2)
        (v,) = b.while_(
            (v,),
            lambda n, v: b.op("lt", b.op("component", v, attribute=0), b.const(F32, 2.0)),
            lambda n, v: b.op("add", v, v),
            bound=3,
        )
        b.store(vectors, i, j, k, v)
        b.store(matrices, i, j, k, m)

    arrays = (Array(vec, (3,)), Array(mat, (4,)), F32, Array(vec, grid), Array(mat, grid))
    p.kernel(grid, arrays, body)
    return p.finish()


def uniform_atomics() -> Program:
    """Atomics at one place, along one axis, and of a value that is the same everywhere."""
    p = ProgramBuilder()

    def body(b: Builder, i: Value, j: Value, a: Value, spot: Value, *sums: Value) -> None:
        x = b.load(a, j)
        one, zero = b.const(F32, 1.0), b.const(I32, 0)
        b.atomic("add", sums[0], spot, x)
        b.atomic("add", sums[0], i, b.load(a, i))
        b.atomic("sub", sums[1], zero, one)
        b.atomic("max", sums[2], zero, b.op("mul", b.op("add", i, j), j))
        b.atomic("add", sums[3], spot, b.op("cast", x, result=F16))

    types = (LINE, I32, LINE, LINE, Array(I32, (1,)), Array(F16, (8,)))
    p.kernel((4, 6), types, body)
    return p.finish()


def looping_functions() -> Program:
    """A function with loops, called on what differs between lanes and on what does not."""
    p = ProgramBuilder()

    def looped(b: Builder, x: Value, y: Value, n: Value) -> tuple[Value, Value]:
        zero, one = b.const(F32, 0.0), b.const(F32, 1.0)
        total, factor = b.for_(
            b.const(I32, 0),
            n,
            (zero, one),
            lambda k, t, f: (b.op("add", t, x), b.op("mul", f, y)),
            bound=12,
        )
        (other,) = b.for_(0, 20, (y,), lambda k, t: b.op("sub", t, b.op("min", t, x)))
        return b.op("add", total, other), factor

    function = p.function((F32, F32, I32), looped)

    def body(b: Builder, i: Value, j: Value, a: Value, scale: Value, n: Value, *out: Value) -> None:
        x = b.load(a, i)
        first, _ = b.call(function, x, scale, n)
        second, third = b.call(function, scale, b.const(F32, 0.5), n)
        _, fourth = b.call(function, scale, b.load(a, j), b.op("add", i, j))
        b.store(out[0], i, j, b.op("add", first, second))
        b.store(out[1], i, j, b.op("mul", third, fourth))

    plane = Array(F32, (4, 6))
    p.kernel((4, 6), (LINE, F32, I32, plane, plane), body)
    return p.finish()


def stepping() -> Program:
    """A program whose loops run up to a value, nested, and write buffers from outside."""
    p = ProgramBuilder()

    def step(b: Builder, i: Value, a: Value, weight: Value, at: Value, out: Value) -> None:
        b.store(out, i, b.op("add", b.op("mul", b.load(a, at), weight), b.load(out, i)))

    kernel = p.kernel((8,), (LINE, F32, I32, LINE), step)

    def main(b: Builder, a: Value, weight: Value, n: Value) -> tuple[Value, ...]:
        out, other = b.zeros(LINE), b.copy(a)

        def outer(k: Value) -> None:
            b.for_(1, 7, (), lambda q: b.launch(kernel, a, weight, q, out), step=2)
            b.launch(kernel, out, weight, k, other)

        b.for_(b.const(I32, 0), n, (), outer, bound=4)
        b.for_(0, 12, (), lambda k: b.launch(kernel, other, weight, b.const(I32, 3), out))
        return out, b.op("mul", other, weight)

    p.program((LINE, F32, I32), main)
    return p.finish()


def merged_flags() -> Program:
    """Choices between truth values, some of them literals."""
    p = ProgramBuilder()

    def body(b: Builder, i: Value, a: Value, *out: Value) -> None:
        x = b.load(a, i)
        test = b.op("lt", x, b.const(F32, 0.0))
        other = b.op("eq", b.op("modulo", i, b.const(I32, 2)), b.const(I32, 0))
        yes, no = b.const(BOOL, True), b.const(BOOL, False)
        pairs = ((yes, no), (no, yes), (yes, other), (no, other), (other, yes), (other, no))
        for array, (left, right) in zip(out, pairs, strict=True):
            (flag,) = b.if_(test, lambda left=left: left, lambda right=right: right)
            b.store(array, i, b.op("cast", flag, result=I32))

    p.kernel((8,), (LINE, *[Array(I32, (8,))] * 6), body)
    return p.finish()


HARD = {
    make.__name__: make()
    for make in (
        narrow_numbers,
        vector_control,
        uniform_atomics,
        looping_functions,
        stepping,
        merged_flags,
    )
}


@pytest.mark.parametrize("name", sorted(HARD))
def test_hard_programs_agree_between_idioms(name: str) -> None:
    check_idioms_agree(HARD[name], (*PLAIN, RICH[2], RICH[3]))


@pytest.mark.parametrize("style", PLAIN[:3])
def test_functions_with_loops_give_what_the_interpreter_gives(style: Style) -> None:
    check_by_interpreter(HARD["looping_functions"], style)


def test_merged_flags() -> None:
    for style in (PLAIN[0], RICH[2]):
        source = render(HARD["merged_flags"], style)
        given = inputs(source.arguments)
        below, even = np.asarray(given[0]) < 0, np.arange(8) % 2 == 0
        wanted = [below, ~below, below | even, ~below & even, ~below | even, below & even]
        for one, other in zip(run(source, given), wanted, strict=True):
            assert np.asarray(one).tolist() == other.astype(int).tolist(), source.python


@pytest.mark.parametrize("style", PLAIN[:3] + RICH[3:5])
def test_time_stepping(style: Style) -> None:
    source = render(EXAMPLES["heat"], style)
    given = inputs(source.arguments)
    first, rate = np.asarray(given[0]), np.asarray(given[1])
    state = first
    for _ in range(5):
        state = state + rate * (np.concatenate([state[:1], state[:-1]]) - state)
    for one, other in zip(run(source, given), (state, state * rate - first), strict=True):
        assert agree(one, other), source.python


@pytest.mark.parametrize("rounds", [0, 1, 3])
@pytest.mark.parametrize("style", PLAIN[:5:2] + RICH[3:4])
def test_program_loops_up_to_a_value(style: Style, rounds: int) -> None:
    source = render(HARD["stepping"], style)
    line = np.linspace(-1.0, 1.0, 8, dtype=np.float32)
    weight = np.float32(0.5)
    out, other = np.zeros(8, np.float32), line.copy()
    for k in range(rounds):
        for q in range(1, 7, 2):
            out = line[q] * weight + out
        other = out[k] * weight + other
    for _ in range(12):
        out = other[3] * weight + out
    found = run(source, [line, weight, np.int32(rounds)])
    for one, wanted in zip(found, (out, other * weight), strict=True):
        assert agree(one, wanted), source.python


@pytest.mark.parametrize("name", sorted(HARD))
def test_backwards_of_hard_programs_lower(name: str) -> None:
    for style in (*PLAIN[:2], *RICH[2:5]):
        lower_backward(render(HARD[name], style))


@pytest.mark.parametrize(
    ("program", "style"),
    [(EXAMPLES["heat"], PLAIN[0]), (HARD["narrow_numbers"], RICH[4]), (HARD["stepping"], PLAIN[1])],
)
def test_a_source_runs_itself(program: Program, style: Style, tmp_path: Path) -> None:
    source = render(program, style, main=True)
    path = tmp_path / "source.py"
    path.write_text(source.python)
    command = [sys.executable, "-W", "error", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[" in done.stdout
    assert not done.stderr


def write_golden() -> None:
    """Write the golden files anew: `python -m tests.backends.test_jax_lower`."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for path, text in golden().items():
        path.write_text(text)


if __name__ == "__main__":
    write_golden()
