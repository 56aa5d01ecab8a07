"""Execution of recorded StableHLO: values, gradients, what goes wrong, and what stays untouched."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from backends.base import REASONS, Capture, Execution, Job, Rendered
from backends.jax import capture as driver
from backends.jax.interpretable import missing_operation
from backends.jax.lower import render
from backends.jax.run import EXECUTIONS, execute, needs, taken_parameters
from backends.style import Style
from grammar.generate import program_at
from grammar.guards import inputs as input_range
from grammar.parse import parse_program
from grammar.passes.effects import written
from grammar.presets import GRAMMARS
from grammar.program import Program, Unit
from grammar.types import Array, Type, element_shape, scalar_of
from tests.backends.jax_sources import ALL_SOURCES

jax = driver.load_jax()
jnp = jax.numpy
private: Any = importlib.import_module("backends.jax.private")

STABLEHLO = frozenset({"stablehlo"})
PLAIN = Style(0, 0, 0, 0)
DRAWN = 2
NOTHING_TO_DO = {"no_float_inputs", "no_float_outputs"}


def dtype_of(type_: Type) -> np.dtype[Any]:
    name = scalar_of(type_).dtype
    return np.dtype(jnp.bfloat16) if name == "bfloat16" else np.dtype(name)


def travelling(array: Any) -> Any:
    """The array as jobs and executions hold it: bfloat16 as float32."""
    return np.asarray(array, np.float32) if array.dtype == jnp.bfloat16 else np.asarray(array)


def shape_of(type_: Type) -> tuple[int, ...]:
    lead = type_.shape if isinstance(type_, Array) else ()
    return (*lead, *element_shape(type_.element if isinstance(type_, Array) else type_))


def sample(random: np.random.Generator, type_: Type) -> Any:
    """Values in the range that the generator assumes of inputs."""
    kind = scalar_of(type_).kind
    if kind == "float":
        values = np.clip(random.normal(size=shape_of(type_)) * 1.5, -4, 4)
    else:
        low, high = input_range(type_.element if isinstance(type_, Array) else type_)[:2]
        values = random.integers(low, high + 1, size=shape_of(type_))
    return travelling(np.asarray(values).astype(dtype_of(type_)))


def result_types(entry: Unit) -> list[Type]:
    if entry.kind == "kernel":
        return [entry.parameters[at].type for at in sorted(written(entry))]
    return list(entry.results)


def job_of(program: Program, style: Style = PLAIN, levels: frozenset[str] = STABLEHLO) -> Job:
    rendered = render(program, style)
    [captured] = driver.capture([rendered], levels)
    random = np.random.default_rng(0)
    entry = program.entry
    results = result_types(entry)
    return Job(
        program=program,
        rendered=rendered,
        capture=captured,
        inputs=tuple([sample(random, value.type) for value in entry.parameters]),
        cotangents=tuple(
            [sample(random, t) if scalar_of(t).kind == "float" else None for t in results]
        ),
    )


def parsed(text: str) -> Job:
    return job_of(parse_program(f"irgen 1\n{text}\n"))


def both(job: Job) -> tuple[Execution, Execution]:
    [[interpreted, compiled]] = execute([job], EXECUTIONS)
    assert (interpreted.name, compiled.name) == EXECUTIONS
    return interpreted, compiled


def cotangent(job: Job) -> Any:
    """The first one; it is there."""
    array = job.cotangents[0]
    assert array is not None
    return array


def arrays_of(execution: Execution) -> list[Any]:
    gradients = execution.gradients or ()
    return [*(execution.outputs or ()), *[array for array in gradients if array is not None]]


def same(first: Sequence[Execution], second: Sequence[Execution]) -> bool:
    """Whether all values are the same bits."""
    one = [array for execution in first for array in arrays_of(execution)]
    other = [array for execution in second for array in arrays_of(execution)]
    return [array.tobytes() for array in one] == [array.tobytes() for array in other]


def close(found: Any, wanted: Any, near: float) -> bool:
    if found.dtype.kind != "f":
        return np.array_equal(found, wanted)
    return np.allclose(found.astype(float), wanted.astype(float), near, near, equal_nan=True)


def tolerance(program: Program) -> float:
    """For the narrowest float type there is."""
    text = repr(program)
    narrow = "name='f16'" in text or "name='bf16'" in text
    return 3e-2 if narrow else 1e-3


def by_hand(job: Job) -> list[Any]:
    """Outputs and gradients by `jax.jit` of the source and of its `jax.vjp`."""
    entry = job.program.entry
    function = driver.load(job.rendered)
    taken = taken_parameters(entry)
    given = [job.inputs[at].astype(dtype_of(entry.parameters[at].type)) for at in taken]
    floats = [at for at, array in enumerate(given) if jnp.issubdtype(array.dtype, jnp.floating)]
    types = result_types(entry)
    cotangents = [
        array.astype(dtype_of(type_))
        for array, type_ in zip(job.cotangents, types, strict=True)
        if array is not None
    ]

    def pull(point: list[Any], cotangents: list[Any]) -> Any:
        def smooth(*values: Any) -> list[Any]:
            changed = dict(zip(floats, values, strict=True))
            results = function(*[changed.get(at, array) for at, array in enumerate(point)])
            results = results if isinstance(results, tuple) else (results,)
            return [array for array in results if jnp.issubdtype(array.dtype, jnp.floating)]

        return jax.vjp(smooth, *[point[at] for at in floats])[1](cotangents)

    with jax.enable_x64(job.rendered.wide):
        results = jax.tree.leaves(jax.jit(function)(*given))
        if floats and cotangents:
            results += jax.jit(pull)(given, cotangents)
        return [travelling(np.asarray(array)) for array in results]


@pytest.mark.parametrize("preset", list(GRAMMARS))
def test_programs_run_and_agree_with_plain_jax(preset: str) -> None:
    for index in range(DRAWN):
        program, style = program_at(GRAMMARS[preset], 11, index), Style(index, index, index, index)
        job = job_of(program, style)
        interpreted, compiled = both(job)
        types = result_types(program.entry)
        near = tolerance(program)
        wanted = by_hand(job)
        for execution in (interpreted, compiled):
            if execution.reason == "not_interpretable":
                assert execution is interpreted
                assert execution.detail.startswith("custom_call @lapack")
                continue
            assert (execution.reason, execution.detail) == ("", "")
            assert execution.gradient_reason in NOTHING_TO_DO | {""}
            assert execution.outputs is not None
            assert (execution.gradients is None) == bool(execution.gradient_reason)
            for output, type_ in zip(execution.outputs, types, strict=True):
                assert output.shape == shape_of(type_)
                assert output.dtype == travelling(np.zeros((), dtype_of(type_))).dtype
            found = arrays_of(execution)
            for one, other in zip(found, wanted, strict=True):
                assert one.dtype == other.dtype
                assert one.shape == other.shape
                assert close(one, other, near), (preset, index, execution.name)
        for one, other in zip(compiled.outputs or (), wanted, strict=False):
            assert one.tobytes() == other.tobytes()


ADD = """kernel @0 [8] (%0: i32, %1: f32[8], %2: f32[8], %3: f32[8], %4: f32[8]) {
  %5: f32 = load %2, %0
  %6: f32 = load %3, %0
  %7: f32 = sub %5, %6
  store %4, %0, %7
  yield
}"""


def test_arguments_that_the_text_lacks() -> None:
    job = parsed(ADD)
    assert job.capture.kept == {"forward": (1, 2), "backward": (3,)}
    for execution in both(job):
        assert execution.outputs is not None
        assert execution.gradients is not None
        np.testing.assert_array_equal(execution.outputs[0], job.inputs[1] - job.inputs[2])
        unused, first, second, overwritten = execution.gradients
        np.testing.assert_array_equal(unused, np.zeros(8, np.float32))
        np.testing.assert_array_equal(first, job.cotangents[0])
        np.testing.assert_array_equal(second, -cotangent(job))
        assert overwritten is None


def test_kept_arguments_are_those_jax_keeps() -> None:
    for source in ALL_SOURCES:
        arguments = [
            jax.ShapeDtypeStruct(argument.shape, jnp.dtype(argument.dtype))
            for argument in source.arguments
        ]
        with jax.enable_x64(source.wide):
            traced = jax.jit(driver.load(source)).trace(*arguments)
            pulled = driver.pullback(driver.load(source), arguments, traced.out_info, "f")
            assert isinstance(pulled, driver.Pullback)
            back = jax.jit(pulled.function).trace(arguments, pulled.cotangent)
            expected = {
                direction: tuple(sorted(stage.lower()._lowering.compile_args["kept_var_idx"]))
                for direction, stage in (("forward", traced), ("backward", back))
            }
        [captured] = driver.capture([source], STABLEHLO)
        assert captured.kept == expected


def kernel_of(name: str, op: str) -> str:
    return f"""kernel @0 [4] (%0: i32, %1: {name}[4], %2: {name}[4]) {{
  %3: {name} = load %1, %0
  %4: {name} = {op}
  store %2, %0, %4
  yield
}}"""


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *[(f"i{bits}", f"int{bits}") for bits in (8, 16, 32, 64)],
        *[(f"u{bits}", f"uint{bits}") for bits in (8, 16, 32, 64)],
        *[(f"f{bits}", f"float{bits}") for bits in (16, 32, 64)],
        ("bf16", "float32"),
    ],
)
def test_types_are_exact(name: str, dtype: str) -> None:
    job = parsed(kernel_of(name, "add %3, %3"))
    for execution in both(job):
        assert execution.outputs is not None
        assert execution.outputs[0].dtype == dtype
        np.testing.assert_array_equal(execution.outputs[0], job.inputs[0] + job.inputs[0])
        if dtype.startswith("float"):
            assert execution.gradients is not None
            gradient = execution.gradients[0]
            assert gradient is not None
            assert gradient.dtype == dtype
            np.testing.assert_array_equal(gradient, 2 * cotangent(job))
        else:
            assert execution.gradients is None
            assert execution.gradient_reason == "no_float_inputs"


def test_half_precision_rounds_after_each_operation() -> None:
    for name, dtype in (("bf16", jnp.bfloat16), ("f16", np.float16)):
        job = parsed(kernel_of(name, "mul %3, %3"))
        wanted = (job.inputs[0].astype(float) ** 2).astype(dtype)
        for execution in both(job):
            assert execution.outputs is not None
            np.testing.assert_array_equal(execution.outputs[0], travelling(wanted))


def test_truth_values_and_results_without_axes() -> None:
    job = parsed("""kernel @0 [4] (%0: i32, %1: bool[4], %2: bool[4], %3: f32, %4: f32[4]) {
  %5: bool = load %1, %0
  %6: bool = logical_not %5
  store %2, %0, %6
  store %4, %0, %3
  yield
}""")
    for execution in both(job):
        assert execution.outputs is not None
        flags, splat = execution.outputs
        assert flags.dtype == np.bool_
        np.testing.assert_array_equal(flags, ~job.inputs[0])
        np.testing.assert_array_equal(splat, np.full(4, job.inputs[2]))
        assert execution.gradients is not None
        assert execution.gradients[2] is not None
        assert execution.gradients[2].shape == ()
        assert [gradient is None for gradient in execution.gradients] == [True, True, False, True]


def test_functions_of_elements() -> None:
    job = parsed("""function @0(%0: f32, %1: f32x3, %2: i32) -> f32x3 {
  %3: f32x3 = scale %0, %1
  return %3
}""")
    scalar, vector, _ = job.inputs
    for execution in both(job):
        assert execution.outputs is not None
        np.testing.assert_array_equal(execution.outputs[0], scalar * vector)
        assert execution.gradients is not None
        assert execution.gradients[2] is None
        assert [g.shape for g in execution.gradients if g is not None] == [(), (3,)]
        assert execution.gradients[0] is not None
        np.testing.assert_allclose(execution.gradients[0], np.dot(vector, cotangent(job)), 1e-6)


def test_hash_is_that_of_the_text_that_ran() -> None:
    job = parsed(ADD)
    text = "".join([artifact.text or "" for artifact in job.capture.artifacts])
    wanted = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    assert [execution.source_hash for execution in both(job)] == [wanted, wanted]


def test_operations_that_the_interpreter_lacks_are_named() -> None:
    text = "%0 = stablehlo.custom_call @lapack_sgetrf_ffi(%arg0) {mhlo.backend_config = {}}"
    assert missing_operation(text) == "custom_call @lapack_sgetrf_ffi"
    assert missing_operation("%0 = stablehlo.fft %arg0, type = FFT") == "fft"
    assert missing_operation('"stablehlo.rng"(%0) {a = #stablehlo.conv<[]>}') == "rng"
    assert missing_operation("module {mhlo.num_replicas = 1}\n%0 = chlo.erf %1") == ""


def with_text(job: Job, direction: str, text: str) -> Job:
    artifacts = [
        dataclasses.replace(artifact, text=text) if artifact.direction == direction else artifact
        for artifact in job.capture.artifacts
    ]
    captured = Capture(tuple(artifacts), {}, job.capture.kept)
    return dataclasses.replace(job, capture=captured)


def text_of(job: Job, direction: str) -> str:
    [text] = [a.text or "" for a in job.capture.artifacts if a.direction == direction]
    return text


def test_a_bad_text_fails_alone() -> None:
    job = parsed(ADD)
    forward = text_of(job, "forward")
    custom = "stablehlo.custom_call @nowhere(%arg0, %arg1)"
    custom += " : (tensor<8xf32>, tensor<8xf32>) ->"
    bad = {
        "module { unfinished": ("execution_error", "compile_error"),
        forward.replace("@main", "@other"): ("execution_error", "compile_error"),
        forward.replace("8xf32", "9xf32"): ("execution_error", "compile_error"),
        forward.replace("stablehlo.subtract %arg0, %arg1 :", custom): (
            "not_interpretable",
            "compile_error",
        ),
    }
    for text, reasons in bad.items():
        jobs = [job, with_text(job, "forward", text), job]
        before, found, after = execute(jobs, EXECUTIONS)
        assert same(before, after)
        assert all(execution.outputs is not None for execution in before)
        for execution, reason in zip(found, reasons, strict=True):
            assert execution.outputs is None
            assert execution.reason == reason
            assert execution.reason in REASONS
            assert execution.detail
            assert "\n" not in execution.detail
            assert execution.gradient_reason == ""
            assert execution.gradients is not None
            backward = text_of(job, "backward").encode()
            wanted = hashlib.blake2b(backward, digest_size=16).hexdigest()
            assert execution.source_hash == wanted


def test_a_text_with_other_results_fails() -> None:
    job = parsed(ADD)
    for execution in both(with_text(job, "backward", NO_GRADIENT)):
        assert execution.outputs is not None
        assert execution.gradient_reason == "execution_error"
        assert execution.gradient_detail == "the backward text gives 1 results, not 3"


NO_GRADIENT = """func.func public @main(%arg0: tensor<8xf32>) -> tensor<8xf32> {
  return %arg0 : tensor<8xf32>
}"""


def test_directions_fail_apart() -> None:
    job = parsed(ADD)
    for execution in both(with_text(job, "backward", "module { unfinished")):
        assert execution.outputs is not None
        assert execution.gradients is None
        assert execution.reason == ""
        assert execution.gradient_reason in ("execution_error", "compile_error")


def test_what_was_not_captured_is_told() -> None:
    program = parse_program(f"irgen 1\n{ADD}\n")
    for execution in both(job_of(program, levels=frozenset({"jaxpr"}))):
        assert (execution.reason, execution.gradient_reason) == ("not_captured", "not_captured")
        assert execution.source_hash == ""
    job = job_of(program)
    broken = Rendered("jax", "raise ValueError('no')", "f", (), job.rendered.arguments, False)
    [captured] = driver.capture([broken], STABLEHLO)
    for execution in both(dataclasses.replace(job, capture=captured)):
        assert execution.reason == "source_error"
        assert execution.detail == "ValueError: no"
    unknown = Capture(job.capture.artifacts, {})
    for execution in both(dataclasses.replace(job, capture=unknown)):
        assert execution.reason == "not_captured"
        assert execution.detail == "nothing tells which arguments the forward text takes"


def test_results_depend_on_neither_order_nor_batch() -> None:
    jobs = [job_of(program_at(GRAMMARS[name], 4, 1)) for name in ("loop", "vector", "reduction")]
    expected = execute(jobs, EXECUTIONS)
    backwards = execute(jobs[::-1], EXECUTIONS[::-1])
    for found, wanted in zip(backwards[::-1], expected, strict=True):
        assert same(found[::-1], wanted)
    for job, wanted in zip(jobs, expected, strict=True):
        assert same(execute([job], EXECUTIONS)[0], wanted)
    assert execute([], EXECUTIONS) == []
    assert execute(jobs[:1], ()) == [[]]


def test_results_outlive_the_context_they_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    job = parsed(ADD)
    kept = both(job)
    monkeypatch.setattr(private, "EVALUATIONS_PER_CONTEXT", 2)
    for _ in range(3):
        assert same(both(job), kept)


def test_nothing_is_changed_afterwards() -> None:
    ir: Any = importlib.import_module("jaxlib.mlir.ir")
    before = (jax.config.jax_enable_x64, jax.config.jax_default_device)
    contexts = ir.Context.current
    both(parsed(kernel_of("f64", "add %3, %3")))
    assert (jax.config.jax_enable_x64, jax.config.jax_default_device) == before
    assert ir.Context.current is contexts
    assert jnp.zeros(1).dtype == np.float32


def test_executions_are_known_by_name() -> None:
    assert [needs(execution) for execution in EXECUTIONS] == [STABLEHLO, STABLEHLO]
    message = "unknown JAX execution 'eager', not one of interpreter, compiled"
    with pytest.raises(ValueError, match=message):
        needs("eager")
    with pytest.raises(ValueError, match=message):
        execute([], ("eager",))


def interpreted(function: Any, *arguments: Any) -> list[Any]:
    return private.interpret(jax.jit(function).lower(*arguments).as_text(), arguments)


def test_a_scatter_leaves_its_operand_alone() -> None:
    x, i = np.arange(6, dtype=np.float32), np.array([1, 1, 3], np.int32)

    def functions(x: Any, i: Any) -> Any:
        def step(k: Any, carry: Any) -> Any:
            return carry[0].at[i].add(1.0), carry[1] + x

        added = x.at[i].add(1.0)
        return added, x.at[i].max(2.5), x, jax.lax.fori_loop(0, 3, step, (x, x))

    wanted = jax.tree.leaves(jax.jit(functions)(x, i))
    for found, right in zip(interpreted(functions, x, i), wanted, strict=True):
        np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint8", "uint32"])
def test_an_integer_division_by_zero_ends_no_process(dtype: str) -> None:
    a, b = np.array([7, 100, 5], dtype), np.array([0, 7, 3], dtype)
    quotient, remainder = interpreted(lambda a, b: (jax.lax.div(a, b), jax.lax.rem(a, b)), a, b)
    np.testing.assert_array_equal(quotient[1:], a[1:] // b[1:])
    np.testing.assert_array_equal(remainder[1:], a[1:] % b[1:])


def test_arguments_that_do_not_fit_are_refused() -> None:
    x = np.ones(4, np.float32)
    text = jax.jit(lambda a, b: a + b).lower(x, x).as_text()
    for given, message in (
        ([x], "main takes 2 arguments, not 1"),
        ([x, x[:3]], r"argument 1 is float32\(3,\), not tensor<4xf32>"),
        ([x, x.astype(np.int32)], r"argument 1 is int32\(4,\), not tensor<4xf32>"),
    ):
        for run in (private.interpret, private.compile_text):
            with pytest.raises(ValueError, match=message):
                run(text, given)
