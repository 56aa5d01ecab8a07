"""Repros stand alone, are formatted, and exit with what they find."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from backends.jax import limit_examples as jax_examples
from backends.warp.limit_examples import RIGHT, WRONG
from grammar.parse import parse_program
from grammar.presets import SAFE_GRAMMARS
from grammar.types import BF16, F16, F32, F64, I32, Array
from grammar.verify import verify
from irgen.errors import UserError
from irgen.fuzz.case import SYMPTOMS, Case, Symptom
from irgen.fuzz.case import case as drawn_case
from irgen.fuzz.confirm import ran
from irgen.fuzz.literals import expected, listed, one_bound, shortest
from irgen.fuzz.repro import Question, repro
from irgen.oracle import carrying, differentiable
from irgen.service import draw
from tests.irgen.fuzz.cases import FAIL, GRADIENT, PLAIN, VALUE, case

COMPILED = msgspec.structs.replace(GRADIENT, way="compiled")
ALL = pytest.mark.campaign

VECTORS = """irgen 1
kernel @0 [2] (%0: i32, %1: f32x3[2], %2: f16, %3: bf16[2], %4: f32x3[2], %5: bf16[2], %6: i64[2]) {
  %7: f32x3 = load %1, %0
  %8: f32 = cast %2
  %9: f32x3 = scale %8, %7
  store %4, %0, %9
  %10: bf16 = load %3, %0
  %11: bf16 = add %10, %10
  store %5, %0, %11
  %12: i64 = cast %0
  %13: i64 = const 4611686018427387904
  %14: i64 = sub %13, %12
  store %6, %0, %14
  yield
}
"""


def of(text: str, symptom: Symptom, backend: str = "warp") -> str:
    return repro(Question(backend, case(text), symptom))


def mixed(symptom: Symptom, backend: str) -> str:
    program = parse_program(VECTORS)
    verify(program)
    inputs = (
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.array(0.5, np.float16),
        np.array([1.5, -2.25], np.float32),
        np.zeros((2, 3), np.float32),
        np.zeros(2, np.float32),
        np.zeros(2, np.int64),
    )
    cotangents = (np.ones((2, 3), np.float32), np.array([1.0, 2.0], np.float32), None)
    return repro(Question(backend, Case(program, PLAIN, inputs, cotangents), symptom))


def run(text: str, python: str = sys.executable) -> tuple[int, str]:
    return ran(text, python, 120.0)


@pytest.mark.parametrize(
    ("name", "table", "code"),
    [
        ("loop_value", WRONG, 1),
        ("overwritten_buffer", RIGHT, 0),
        *[
            pytest.param(name, table, code, marks=ALL)
            for name in WRONG
            for table, code in ((WRONG, 1), (RIGHT, 0))
        ],
    ],
)
def test_what_warp_gets_wrong_shows(name: str, table: dict[str, str], code: int) -> None:
    found, shown = run(of(table[name], GRADIENT))
    assert found == code, shown
    assert ("WRONG" in shown) == bool(code)


@pytest.mark.parametrize(
    "way",
    ["compiled", "forward_mode", pytest.param("O0", marks=ALL), pytest.param("eager", marks=ALL)],
)
def test_jax_is_right_and_another_value_shows(way: str) -> None:
    symptom = msgspec.structs.replace(COMPILED, way=way)
    text = of(WRONG["loop_value"], symptom, "jax")
    code, shown = run(text)
    assert code == 0, shown
    assert "13.5" in text
    code, shown = run(text.replace("13.5", "13.25"))
    assert code == 1
    assert "WRONG, most at 0" in shown


def test_jax_gives_no_number_for_a_slope_at_zero() -> None:
    text = jax_examples.WRONG["norm_at_zero"]
    program = parse_program(text)
    inputs = (np.ones((4, 3), np.float32), np.zeros(4, np.float32))
    found = Case(program, PLAIN, inputs, (np.ones(4, np.float32),))
    assert run(repro(Question("jax", found, COMPILED)))[0] == 1


@pytest.mark.parametrize(
    ("backend", "symptom"),
    [
        ("warp", VALUE),
        ("jax", VALUE),
        *[pytest.param(name, GRADIENT, marks=ALL) for name in ("warp", "jax")],
    ],
)
def test_vectors_narrow_floats_and_wide_integers(backend: str, symptom: Symptom) -> None:
    text = mixed(symptom, backend)
    code, shown = run(text)
    assert code == 0, shown
    if backend == "jax" and symptom is VALUE:
        assert run(text.replace("4611686018427387903", "4611686018427387902"))[0] == 1


@pytest.mark.parametrize("backend", ["warp", "jax"])
@pytest.mark.parametrize("kind", SYMPTOMS)
def test_they_are_formatted_and_need_nothing_else(backend: str, kind: str, tmp_path: Path) -> None:
    direction = {"wrong_value": "forward", "wrong_gradient": "gradient"}.get(kind, "")
    texts = [of(WRONG["overwritten_buffer"], Symptom(kind, "", direction, "default"), backend)]  # pyright: ignore[reportArgumentType]
    texts.append(mixed(Symptom(kind, "", direction, "default"), backend))  # pyright: ignore[reportArgumentType]
    package = {"warp": "warp", "jax": "jax"}[backend]
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.py").write_text(text)
        named = {
            name.partition(".")[0] for node in ast.walk(ast.parse(text)) for name in _modules(node)
        }
        assert named - sys.stdlib_module_names == {"numpy", package}
        assert "._src" not in text
        assert "irgen" not in text
        compile(text, "repro.py", "exec")
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--check", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [one.name for one in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_they_are_short() -> None:
    text = of(WRONG["fmod_operand"], GRADIENT)
    assert len([line for line in text.splitlines() if line.strip()]) <= 50


SOURCE = "    return values\n"
"""What `FAIL` is in JAX, where a line of a program can do anything."""


def faulty(kind: str, line: str) -> str:
    text = of(FAIL, Symptom(kind, "failures", "", "compiled"), "jax")
    assert SOURCE in text
    return text.replace(SOURCE, f"    {line}\n{SOURCE}")


DIE = "__import__('os').kill(__import__('os').getpid(), 11)"
NOTHING = "values = values + 0"
HANG = "__import__('time').sleep(600)"


@pytest.mark.parametrize(
    ("kind", "line", "code"),
    [
        ("crashed", DIE, 1),
        ("source_error", "raise ValueError", 1),
        ("execution_error", "import nothing_of_that_name", 2),
        ("out_of_memory", "np.ones(1 << 30).sum()", 1),
        ("large_code", NOTHING, 0),
        *[
            pytest.param(kind, line, code, marks=ALL)
            for kind, line, code in (
                ("crashed", NOTHING, 0),
                ("crashed", "raise ValueError", 2),
                ("timed_out", NOTHING, 0),
                ("timed_out", DIE, 2),
                ("compile_error", NOTHING, 0),
                ("out_of_memory", NOTHING, 0),
                ("nondeterministic", NOTHING, 0),
                ("slow_compile", NOTHING, 0),
                ("slow_compile", "sum(range(150_000_000))", 1),
            )
        ],
    ],
)
def test_what_fails_shows(kind: str, line: str, code: int) -> None:
    found, shown = run(faulty(kind, line))
    assert found == code, shown


def test_what_does_not_end_shows() -> None:
    text = faulty("timed_out", HANG)
    assert "hangs(60.0)" in text
    assert run(text.replace("hangs(60.0)", "hangs(2.0)"))[0] == 1


def test_other_bits_show() -> None:
    text = faulty("nondeterministic", NOTHING)
    changed = text.replace("[np.array(result), ", "[np.random.rand(4), ")
    assert changed != text
    assert run(changed)[0] == 1


def test_a_failing_kernel_of_warp_shows() -> None:
    text = of(FAIL, Symptom("compile_error", "failures", "", "cpu"))
    assert run(text.replace("out[i] = ", "out[i] = wp.sin(i) + "))[0] == 1


def test_without_the_package_it_cannot_run() -> None:
    for symptom in (VALUE, Symptom("source_error", "failures", "", "cpu")):
        text = of(FAIL, symptom).replace("import warp as wp", "import warp_lacking as wp")
        assert run(text)[0] == 2


def test_a_function_has_none() -> None:
    text = "irgen 1\nfunction @0(%0: f32) -> f32 {\n  return %0\n}\n"
    with pytest.raises(UserError, match="let a kernel call it"):
        repro(Question("warp", Case(parse_program(text), PLAIN, (), ()), VALUE))


def test_literals_are_exact_and_short() -> None:
    tenth = np.array([0.1], np.float32)
    assert shortest(tenth[0], F32) == 0.1
    assert shortest(np.float64(0.1), F64) == 0.1
    assert shortest(np.float16(0.1), F16) == 0.1
    assert shortest(np.float32(1.5), BF16) == 1.5
    assert shortest(np.int32(-7), I32) == -7
    generator = np.random.default_rng(0)
    for scalar in (F16, F32, F64):
        for value in generator.standard_normal(200).astype(scalar.dtype):
            assert np.dtype(scalar.dtype).type(shortest(value, scalar)) == value
    assert listed(np.zeros(8, np.float32), F32) != listed(-np.zeros(8, np.float32), F32)


def test_expected_values_lose_less_than_their_bounds() -> None:
    generator = np.random.default_rng(1)
    values = generator.standard_normal(500).astype(np.longdouble)
    bounds = np.abs(generator.standard_normal(500)) * 10.0 ** generator.integers(-18, 3, 500)
    shown, allowed = expected(values, bounds)
    for value, bound, one, most in zip(values, bounds, shown, allowed, strict=True):
        assert abs(one - value) + bound <= most * (1 + 1e-12)
        assert most <= 1.2 * bound + 1e-15 * abs(float(value))


def test_one_bound_stands_for_all_only_where_it_is_small() -> None:
    assert one_bound([1.0, 2.0], [1e-9, 2e-9]) == 2e-9
    assert one_bound([1.0, 1e-8], [0.0, 1e-9]) is None
    assert one_bound([1.0, 2.0], [0.5, 0.5]) == 0.5
    assert one_bound([1.0, 2.0], [0.5, float("inf")]) is None


def test_scratch_files_are_not_named() -> None:
    code, shown = run("import sys\nprint(__file__)\nprint('   Devices')\nsys.exit(3)\n")
    assert (code, shown) == (3, "repro.py")
    assert os.sep not in shown


def has_gradients(found: Case, backend: str) -> bool:
    """Whether a backend gives a gradient: Warp passes none to scalars."""
    taken = carrying(found.program.entry)
    types = [found.program.entry.parameters[at].type for at in taken]
    arrays = backend != "warp" or any(isinstance(type_, Array) for type_ in types)
    return differentiable(found.program) and arrays


@pytest.mark.campaign
@pytest.mark.parametrize("backend", ["warp", "jax"])
@pytest.mark.parametrize("name", sorted(SAFE_GRAMMARS))
def test_drawn_programs_have_right_repros(backend: str, name: str, tmp_path: Path) -> None:
    for index in range(8):
        drawn = draw(SAFE_GRAMMARS[name], 5, index)
        found = drawn_case(drawn.program, drawn.style)
        for symptom in (VALUE, GRADIENT) if has_gradients(found, backend) else (VALUE,):
            text = repro(Question(backend, found, symptom))
            (tmp_path / f"{index}_{symptom.kind}.py").write_text(text)
            if index == 0:
                code, shown = run(text)
                assert code == 0, shown
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--check", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
