"""Warp lowering: golden sources, formatting, compilation, and values under many styles."""

import importlib.util
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import warp as wp

from backends.base import Rendered
from backends.cst import print_module
from backends.style import Style, draw_style
from backends.warp.capture import LEVELS, capture
from backends.warp.lower import lower, render
from grammar.build import Builder, ProgramBuilder
from grammar.passes.kernels import to_kernels
from grammar.program import Program, Value, walk
from grammar.types import BF16, BOOL, F16, F32, F64, I32, I64, Array, Matrix, Vector
from tests.backends.plain_python import Int32, run_plain
from tests.grammar.evaluate import Buffer, evaluate
from tests.grammar.examples import EXAMPLES
from tests.grammar.random_units import GRID, random_function, random_kernel

GOLDEN = Path(__file__).parent.parent / "golden" / "warp"
PLAIN = Style()
RICH = Style(salt=7, idiom=5, naming=11, inlining=3)
PROGRAMS = {name: to_kernels(program) for name, program in EXAMPLES.items()}
NO_GRADIENT = ("no_float_inputs", "no_float_outputs", "not_a_device_unit")


def drawn(seed: int) -> Style:
    """A style drawn as the generator draws one."""

    class Chooser(random.Random):
        def below(self, n: int, /) -> int:
            return self.randrange(n)

    return draw_style(Chooser(seed))


STYLES = (PLAIN, RICH, *map(drawn, range(4)))


def golden() -> dict[Path, str]:
    """Every golden file and the text it should hold."""
    return {
        GOLDEN / f"{name}{suffix}.py": print_module(lower(program, style))
        for name, program in PROGRAMS.items()
        for suffix, style in (("", PLAIN), ("_styled", RICH))
    }


def load(rendered: Rendered, folder: Path) -> ModuleType:
    """Import a source as a module of its own; its kernels compile without optimization."""
    name = f"lowered_{len(list(folder.iterdir()))}"
    path = folder / f"{name}.py"
    path.write_text(rendered.python)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return module


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory):
    """A folder for sources; Warp compiles them fast, quietly and into a cache of their own."""
    folder = tmp_path_factory.mktemp("lowered")
    wanted = {
        "kernel_cache_dir": str(tmp_path_factory.mktemp("cache")),
        "optimization_level": 0,
        "log_level": wp.LOG_ERROR,
    }
    found = {name: getattr(wp.config, name) for name in wanted}
    for name, value in wanted.items():
        setattr(wp.config, name, value)
    yield folder
    for name, value in found.items():
        setattr(wp.config, name, value)


def test_golden_files() -> None:
    expected = golden()
    assert sorted(GOLDEN.glob("*.py")) == sorted(expected)
    assert {path: path.read_text() for path in expected} == expected


def test_sources_are_formatted(tmp_path: Path) -> None:
    for name, program in PROGRAMS.items():
        for number, style in enumerate(STYLES):
            path = tmp_path / f"{name}_{number}.py"
            path.write_text(render(program, style, main=True).python)
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--check", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_sources_compile_forward_and_adjoint() -> None:
    rendered = [render(program, style) for program in PROGRAMS.values() for style in STYLES]
    for source, captured in zip(
        rendered, capture(rendered, frozenset(level.name for level in LEVELS)), strict=True
    ):
        for artifact in captured.artifacts:
            assert artifact.status == "ok" or artifact.reason in NO_GRADIENT, (
                f"{artifact.reason}: {artifact.detail}\n{source.python}"
            )


def test_rendering_is_a_function_of_program_and_style() -> None:
    for program in PROGRAMS.values():
        assert render(program, RICH) == render(program, RICH)


def test_styles_differ() -> None:
    sources = {render(PROGRAMS["loops"], drawn(seed)).python for seed in range(40)}
    assert len(sources) >= 39


# Values


def cells(type_: Array, number: int) -> list[float]:
    """Contents of an array parameter: small numbers that float32 holds exactly."""
    return [float((3 * k + number) % 7 - 2) / 2 for k in range(int(np.prod(type_.shape)))]


def expected(program: Program) -> list[list[float]]:
    """The arrays after a kernel ran, or those that a program returns, by the interpreter."""
    arguments: list[object] = []
    for number, value in enumerate(program.entry.parameters):
        if isinstance(value.type, Array):
            data = np.array(cells(value.type, number)).reshape(value.type.shape)
            cast = int if value.type.element == I32 else float
            contents = {index: cast(x) for index, x in np.ndenumerate(data)}
            arguments.append(Buffer(value.type.shape, contents))
        else:
            arguments.append(0.5)
    returned = evaluate(program, program.entry, arguments)
    buffers = returned or [a for a in arguments if isinstance(a, Buffer)]
    return [[b.get(i) for i in np.ndindex(b.shape)] for b in buffers]


def computed(program: Program, style: Style, folder: Path) -> list[list[float]]:
    """The same by Warp on the CPU."""
    rendered = render(program, style)
    module = load(rendered, folder)
    arguments: list[object] = []
    for number, (argument, value) in enumerate(
        zip(rendered.arguments, program.entry.parameters, strict=True)
    ):
        if isinstance(value.type, Array):
            data = np.array(cells(value.type, number)).reshape(argument.shape)
            dtype = wp.int32 if argument.dtype == "int32" else wp.float32
            arguments.append(wp.array(data.astype(argument.dtype), dtype=dtype))
        else:
            arguments.append(0.5)
    entry = getattr(module, rendered.entry)
    if program.entry.kind == "program":
        given = entry(*arguments)
        arrays = given if isinstance(given, tuple) else (given,)
    else:
        wp.launch(entry, dim=program.entry.grid, inputs=arguments)
        arrays = [a for a in arguments if isinstance(a, wp.array)]
    return [a.numpy().ravel().tolist() for a in arrays]


@pytest.mark.parametrize("name", [n for n in PROGRAMS if n not in ("constants", "vectors")])
def test_values_do_not_depend_on_style(name: str, sources: Path) -> None:
    program = PROGRAMS[name]
    wanted = expected(program)
    for style in (PLAIN, RICH, drawn(8)):
        found = computed(program, style, sources)
        assert found == [pytest.approx(row, rel=1e-6) for row in wanted]


def lanes_of_random_kernel() -> list[list[int]]:
    return [
        [Int32((7 * k + 3) % 5 - 2) for k in range(GRID)],
        [Int32(k - 1) for k in range(GRID)],
        [Int32(2 * k) for k in range(GRID)],
        [Int32(1), Int32(2)],
        [Int32(5), Int32(-5)],
    ]


@pytest.mark.parametrize("seed", range(40))
def test_variables_keep_the_meaning_of_values(seed: int) -> None:
    """Random nests of loops, branches and exits, as the Python that they are."""
    kernel = random_kernel(random.Random(seed).randrange)
    function = random_function(random.Random(seed).randrange)
    buffers = [
        Buffer((len(row),), {(k,): x for k, x in enumerate(row)})
        for row in lanes_of_random_kernel()
    ]
    evaluate(kernel, kernel.entry, [*buffers, 3])
    written = [[buffer.get((k,)) for k in range(buffer.shape[0])] for buffer in buffers]
    returned = [tuple(evaluate(function, function.entry, [3, -2]))]
    for style in (PLAIN, drawn(2 * seed), drawn(2 * seed + 1)):
        source = render(kernel, style)
        arrays = lanes_of_random_kernel()
        run_plain(source.python, source.entry, GRID, [*arrays, Int32(3)])
        assert arrays == written, source.python
        source = render(function, style)
        given = run_plain(source.python, source.entry, 1, [Int32(3), Int32(-2)])
        assert given == returned, source.python


def test_random_kernels_in_warp(sources: Path) -> None:
    """Some of the same, compiled: what Warp makes of mutated variables is what Python does."""
    for seed in range(12):
        kernel = random_kernel(random.Random(seed).randrange)
        rows = lanes_of_random_kernel()
        buffers = [Buffer((len(r),), {(k,): x for k, x in enumerate(r)}) for r in rows]
        evaluate(kernel, kernel.entry, [*buffers, 3])
        source = render(kernel, drawn(seed))
        arrays = [wp.array(np.array(row, dtype=np.int32)) for row in rows]
        entry = getattr(load(source, sources), source.entry)
        wp.launch(entry, dim=GRID, inputs=[*arrays, 3])
        for array, buffer in zip(arrays, buffers, strict=True):
            wanted = [buffer.get((k,)) for k in range(buffer.shape[0])]
            assert array.numpy().tolist() == wanted, source.python


# What Warp would get wrong


def kernel_of(body, *params, grid: int = 4) -> Program:
    p = ProgramBuilder()
    p.kernel((grid,), params, body)
    return p.finish()


LINE = Array(F32, (4,))


def test_exchanged_values_go_through_a_variable(sources: Path) -> None:
    """Warp would alias the two names of `x, y = y, x`."""

    def body(b: Builder, i: Value, n: Value, a: Value, out: Value) -> None:
        x = b.load(a, i)
        first, second = b.for_(
            b.const(I32, 0), n, (x, b.op("add", x, x)), lambda k, p, q: (q, p), bound=8
        )
        b.store(out, i, b.op("sub", first, b.op("mul", second, b.const(F32, 10.0))))

    program = kernel_of(body, I32, LINE, LINE)
    for style in (PLAIN, RICH):
        source = render(program, style)
        module = load(source, sources)
        a = wp.array([1.0, 2.0, 3.0, 4.0], dtype=wp.float32, requires_grad=True)
        out = wp.zeros(4, dtype=wp.float32, requires_grad=True)
        with wp.Tape() as tape:
            wp.launch(getattr(module, source.entry), dim=4, inputs=[3, a, out])
        tape.backward(grads={out: wp.full(4, 1.0, dtype=wp.float32)})
        assert out.numpy().tolist() == [-8.0, -16.0, -24.0, -32.0], source.python
        assert a.grad is not None
        assert a.grad.numpy().tolist() == [-8.0] * 4, source.python


def test_an_init_still_needed_is_copied(sources: Path) -> None:
    """The loop's variable must not be that of a value used after the loop, also in the adjoint."""

    def body(b: Builder, i: Value, n: Value, a: Value, out: Value) -> None:
        x = b.load(a, i)
        (total,) = b.for_(b.const(I32, 0), n, (x,), lambda k, t: b.op("add", t, x), bound=8)
        b.store(out, i, b.op("add", total, b.op("mul", x, x)))

    program = kernel_of(body, I32, LINE, LINE)
    for style in (PLAIN, RICH, drawn(3)):
        source = render(program, style)
        module = load(source, sources)
        a = wp.array([1.0, 2.0, 3.0, 4.0], dtype=wp.float32, requires_grad=True)
        out = wp.zeros(4, dtype=wp.float32, requires_grad=True)
        with wp.Tape() as tape:
            wp.launch(getattr(module, source.entry), dim=4, inputs=[3, a, out])
        tape.backward(grads={out: wp.full(4, 1.0, dtype=wp.float32)})
        assert out.numpy().tolist() == [5.0, 12.0, 21.0, 32.0], source.python
        assert a.grad is not None
        assert a.grad.numpy().tolist() == [6.0, 8.0, 10.0, 12.0], source.python


def test_constants_in_loops_are_made_variables(sources: Path) -> None:
    """Inside a loop that Warp unrolls, a name that holds a constant may not be assigned again by a
    dynamic loop; the index of the outer loop is one."""

    def body(b: Builder, i: Value, n: Value, out: Value) -> None:
        zero = b.const(F32, 0.0)

        def outer(k: Value, t: Value) -> Value:
            def inner(_: Value, u: Value, s: Value) -> tuple[Value, Value]:
                return b.op("add", u, b.op("cast", b.op("neg", k), result=F32)), b.op("neg", k)

            total, last = b.for_(b.const(I32, 0), n, (t, k), inner, bound=8)
            return b.op("sub", total, b.op("cast", last, result=F32))

        (total,) = b.for_(0, 3, (zero,), outer)
        b.store(out, i, total)

    program = kernel_of(body, I32, LINE)
    for style in (PLAIN, *map(drawn, range(6))):
        source = render(program, style)
        out = wp.zeros(4, dtype=wp.float32)
        wp.launch(getattr(load(source, sources), source.entry), dim=4, inputs=[2, out])
        assert out.numpy().tolist() == [-3.0] * 4, source.python


def test_a_constant_is_selected_without_a_conditional_expression() -> None:
    """Warp folds `x if True else y` to an alias of x."""

    def body(b: Builder, i: Value, a: Value, out: Value) -> None:
        b.store(out, i, b.op("select", b.const(BOOL, True), b.load(a, i), b.const(F32, 1.0)))

    program = kernel_of(body, LINE, LINE)
    for seed in range(30):
        assert " if " not in render(program, drawn(seed)).python


def test_a_load_is_not_moved_past_a_store() -> None:
    def body(b: Builder, i: Value, out: Value) -> None:
        before = b.load(out, i)
        b.store(out, i, b.const(F32, 1.0))
        b.store(out, i, before)

    program = kernel_of(body, LINE)
    for seed in range(10):
        lines = render(program, drawn(seed)).python.splitlines()
        name, _, loaded = lines[-3].strip().partition(" = ")
        assert loaded == lines[-2].strip().partition(" = ")[0]
        assert lines[-1].strip() == f"{loaded} = {name}"


# Types and arguments


def test_every_type_has_a_spelling(sources: Path) -> None:
    elements = (F16, BF16, F64, BOOL, I64, Vector(F64, 2), Vector(BF16, 3), Matrix(BF16, 2, 2))

    def body(b: Builder, i: Value, *arrays: Value) -> None:
        for array in arrays:
            b.store(array, i, b.load(array, i))

    program = kernel_of(body, *(Array(element, (4,)) for element in elements))
    for style in STYLES:
        source = render(program, style)
        arrays = [
            wp.array(np.ones(argument.shape), dtype=kind)
            for argument, kind in zip(
                source.arguments,
                (
                    *(wp.float16, wp.bfloat16, wp.float64, wp.bool, wp.int64, wp.vec2d),
                    wp.types.vector(length=3, dtype=wp.bfloat16),
                    wp.types.matrix(shape=(2, 2), dtype=wp.bfloat16),
                ),
                strict=True,
            )
        ]
        wp.launch(getattr(load(source, sources), source.entry), dim=4, inputs=arrays)
        assert source.wide
    assert [(a.dtype, a.shape) for a in render(program, PLAIN).arguments] == [
        ("float16", (4,)),
        ("bfloat16", (4,)),
        ("float64", (4,)),
        ("bool", (4,)),
        ("int64", (4,)),
        ("float64", (4, 2)),
        ("bfloat16", (4, 3)),
        ("bfloat16", (4, 2, 2)),
    ]


def test_rendered_describes_the_source() -> None:
    rendered = render(PROGRAMS["calls"], PLAIN)
    assert rendered.backend == "warp"
    assert [unit.kind for unit in rendered.units] == ["function", "function", "kernel"]
    assert rendered.entry == rendered.units[-1].name
    assert [(a.dtype, a.shape) for a in rendered.arguments] == [
        ("float32", (16,)),
        ("float32", (16,)),
        ("float32", ()),
    ]
    assert not rendered.wide
    assert render(PROGRAMS["constants"], PLAIN).wide


def test_an_op_without_operands_takes_the_type_of_its_result() -> None:
    builder = ProgramBuilder()
    matrix = Matrix(F64, 3, 3)

    def body(b: Builder, i: Value, out: Value) -> None:
        b.store(out, i, b.op("identity", result=matrix))

    builder.kernel((4,), (Array(matrix, (4,)),), body)
    assert "wp.identity" in render(builder.finish(), PLAIN).python


def test_whole_array_ops_become_kernels() -> None:
    assert any(statement.op == "mul" for statement in walk(EXAMPLES["heat"].entry.body))
    rendered = render(EXAMPLES["heat"], PLAIN)
    assert "wp.launch" in rendered.python
    assert len(rendered.units) > len(EXAMPLES["heat"].units)


def test_files_run_by_themselves(tmp_path: Path) -> None:
    """All examples as one file each, started together by one interpreter."""
    for name, program in PROGRAMS.items():
        (tmp_path / f"{name}.py").write_text(render(program, RICH, main=True).python)
    script = (
        "import pathlib, runpy, sys, warp as wp\n"
        "wp.config.optimization_level = 0\n"
        "wp.config.log_level = wp.LOG_ERROR\n"
        "wp.config.kernel_cache_dir = sys.argv[1]\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).glob('*.py')):\n"
        "    print(path.stem)\n"
        "    runpy.run_path(str(path), run_name='__main__')\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    assert [line for line in printed if line in PROGRAMS] == sorted(PROGRAMS)
    assert len(printed) > 2 * len(PROGRAMS)


def write_golden() -> None:
    """Write the golden files anew: `python -m tests.backends.test_warp_lower`."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for path, text in golden().items():
        path.write_text(text)


if __name__ == "__main__":
    write_golden()
