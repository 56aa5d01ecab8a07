"""Running Warp programs: bit for bit what `wp.launch` under `wp.Tape` gives, and nothing left."""

from __future__ import annotations

import gc
import importlib.util
import itertools
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import warp as wp
from warp._src import context
from warp._src import types as warp_types

import irgen
from backends.base import REASONS, Artifact, BackendError, Capture, Execution, Job
from backends.registry import BACKENDS
from backends.style import Style
from backends.warp import cuda, private_run
from backends.warp.build import blamed, cuda_entries, entries, first_error, header, plain
from backends.warp.compiled import Text, compiled, prepare
from backends.warp.loops import may_not_end
from backends.warp.run import EXECUTIONS, execute, needs
from backends.warp.taped import taped
from backends.warp.values import ARRAY, shown, stored
from grammar.guards import inputs as input_range
from grammar.parse import parse_program
from grammar.passes.effects import written
from grammar.presets import GRAMMARS
from grammar.program import Program
from grammar.types import BF16, F32, F64, Array, Scalar, Type, element_shape, scalar_of
from grammar.verify import verify
from irgen.service import draw

WARP = BACKENDS["warp"]
CPP = frozenset({"cpp"})


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A kernel cache of this module's own, for the stock route."""
    before, level = wp.config.kernel_cache_dir, wp.config.log_level
    wp.config.kernel_cache_dir = str(tmp_path_factory.mktemp("kernels"))
    wp.config.log_level = wp.LOG_ERROR
    yield
    wp.config.kernel_cache_dir, wp.config.log_level = before, level


def make(random: np.random.Generator, type_: Type) -> np.ndarray[Any, Any]:
    """A value in the range that the generator assumes of inputs."""
    element = type_.element if isinstance(type_, Array) else type_
    shape = (*(type_.shape if isinstance(type_, Array) else ()), *element_shape(element))
    low, high = input_range(element)[:2]
    scalar = scalar_of(type_)
    if scalar.kind != "float":
        return np.asarray(random.integers(low, high + 1, size=shape)).astype(scalar.dtype)
    values = np.asarray(np.clip(random.normal(size=shape) * 1.5, -(2.0**high), 2.0**high))
    if scalar == BF16:
        return shown(stored(values.astype(np.float32), BF16), BF16)
    return values.astype(scalar.dtype)


def jobs_of(programs: Sequence[tuple[Program, Style]]) -> list[Job]:
    """Captured, with seeded inputs and cotangents."""
    rendered = [WARP.render(*item) for item in programs]
    captured = WARP.capture(rendered, CPP)
    jobs: list[Job] = []
    for number, ((program, _), source, capture) in enumerate(
        zip(programs, rendered, captured, strict=True)
    ):
        random = np.random.default_rng(number)
        entry = program.entry
        inputs = [make(random, value.type) for value in entry.parameters]
        results = list(entry.results)
        if entry.kind == "kernel":
            results = [entry.parameters[at].type for at in sorted(written(entry))]
        cotangents = [make(random, t) if scalar_of(t).kind == "float" else None for t in results]
        jobs.append(Job(program, source, capture, tuple(inputs), tuple(cotangents)))
    return jobs


def job_of(text: str) -> Job:
    return jobs_of([(parse_program(f"irgen 1\n{text}"), Style())])[0]


def preset_jobs(name: str, start: int, count: int) -> list[Job]:
    drawn = [draw(GRAMMARS[name], 7, index) for index in range(start, start + count)]
    return jobs_of([(item.program, item.style) for item in drawn])


def run(jobs: Sequence[Job]) -> list[Execution]:
    return [row[0] for row in execute(jobs, EXECUTIONS)]


# The stock route: a module of the job's own at Warp's defaults, `wp.launch` under `wp.Tape`.

_SERIAL = itertools.count()


def to_warp(value: np.ndarray[Any, Any], type_: Type) -> Any:
    dtype = getattr(wp, scalar_of(type_).dtype)
    match element_shape(type_.element if isinstance(type_, Array) else type_):
        case ():
            pass
        case (size,):
            dtype = wp.types.vector(size, dtype)
        case shape:
            dtype = wp.types.matrix(shape, dtype)
    if isinstance(type_, Array):
        grad = scalar_of(type_).kind == "float"
        return wp.array(value, dtype=dtype, device="cpu", requires_grad=grad)
    return value.item() if isinstance(type_, Scalar) else dtype(*value.ravel().tolist())


def to_numpy(array: Any) -> np.ndarray[Any, Any]:
    found = array.numpy()
    return found.astype(np.float32) if found.dtype.name == "bfloat16" else found.copy()


def stock(job: Job, folder: Path) -> tuple[list[Any], list[Any]]:
    """Outputs and gradients, None for parameters that carry none."""
    name = f"stock_{next(_SERIAL)}"
    path = folder / f"{name}.py"
    path.write_text(job.rendered.python)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    wp.set_module_options({"cpu_compiler_flags": "-w"}, module)
    unit, entry = job.program.entry, getattr(module, job.rendered.entry)
    types = [value.type for value in unit.parameters]
    given = [to_warp(value, type_) for value, type_ in zip(job.inputs, types, strict=True)]
    effects = written(unit) if unit.kind == "kernel" else {}
    with wp.ScopedDevice("cpu"):
        tape = wp.Tape()
        with tape:
            if unit.kind == "kernel":
                wp.launch(entry, dim=unit.grid, inputs=given)
                results = [given[at] for at in sorted(effects)]
            else:
                returned = entry(*given)
                results = list(returned) if isinstance(returned, tuple) else [returned]
        outputs = [to_numpy(array) for array in results]
        for array, cotangent in zip(results, job.cotangents, strict=True):
            if cotangent is not None:
                array.grad.assign(to_numpy(array.grad) + cotangent)
        tape.backward()
    gradients = [
        to_numpy(value.grad)
        if isinstance(type_, Array)
        and scalar_of(type_).kind == "float"
        and effects.get(at) != "out"
        else None
        for at, (value, type_) in enumerate(zip(given, types, strict=True))
    ]
    del sys.modules[name]
    context.user_modules.pop(name)
    return outputs, gradients


def assert_same(left: Sequence[Any], right: Sequence[Any]) -> None:
    """Equal types, shapes and bits; any two NaN are equal."""
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            nan = np.isnan(a) & np.isnan(b) if a.dtype.kind == "f" else np.zeros(a.shape, bool)
            words = np.dtype(f"u{a.dtype.itemsize}")
            assert ((a.view(words) == b.view(words)) | nan).all()


def assert_stock(jobs: Sequence[Job], folder: Path) -> None:
    for job, got in zip(jobs, run(jobs), strict=True):
        outputs, gradients = stock(job, folder)
        assert got.outputs is not None, got.detail
        assert_same(got.outputs, outputs)
        if got.gradient_reason:
            assert got.gradient_reason in ("no_float_inputs", "no_float_outputs")
        else:
            assert got.gradients is not None
            assert_same(got.gradients, gradients)


@pytest.mark.parametrize("name", GRAMMARS)
def test_presets_run_as_the_stock_route_does(name: str, tmp_path: Path) -> None:
    assert_stock(preset_jobs(name, 0, 2), tmp_path)


@pytest.mark.campaign
@pytest.mark.parametrize("name", GRAMMARS)
def test_many_run_as_the_stock_route_does(name: str, tmp_path: Path) -> None:
    assert_stock(preset_jobs(name, 2, 100), tmp_path)


ELEMENTS = """\
kernel @0 [3,4] (%0: i32, %1: i32, %2: {s}x3[3,4], %3: {s}x2x2[4], %4: {s}x3, %5: {s}, %6: bool,
    %7: {s}x3[3,4], %8: {s}x2x2[4], %9: u8[3], %10: bool[3,4], %11: i64, %12: {s}[3]) {{
  %20: {s}x3 = load %2, %0, %1
  %21: {s}x3 = add %20, %4
  %22: {s}x2x2 = load %3, %1
  %23: {s}x2x2 = matmat %22, %22
  %24: {s} = dot %21, %20
  %25: {s} = mul %24, %5
  %26: {s}x3 = scale %25, %21
  store %7, %0, %1, %26
  atomic_add %8, %1, %23
  %27: u8 = cast %11
  store %9, %0, %27
  %28: bool = logical_not %6
  store %10, %0, %1, %28
  atomic_add %12, %0, %25
  yield
}}
"""


@pytest.mark.parametrize("name", ["f16", "bf16", "f32", "f64"])
def test_elements_of_every_float(name: str, tmp_path: Path) -> None:
    job = job_of(ELEMENTS.format(s=name))
    assert_stock([job], tmp_path)
    (got,) = run([job])
    assert got.outputs is not None
    assert got.gradients is not None
    dtype = np.dtype(
        "float32" if name == "bf16" else scalar_of(job.program.entry.parameters[0].type).dtype
    )
    found = [(a.dtype, a.shape) for a in got.outputs]
    kinds = [(3, 4, 3), (4, 2, 2), (3,), (3, 4), (3,)]
    types = [dtype, dtype, np.dtype("uint8"), np.dtype("bool"), dtype]
    assert found == list(zip(types, kinds, strict=True))
    # %2 %3 are read, %4 %5 scalars, %7 is overwritten, %8 %12 are sums; the rest are no floats.
    assert [at for at, g in enumerate(got.gradients) if g is not None] == [0, 1, 6, 10]


INTEGERS = """\
kernel @0 [2,3,2,2] (%0: i32, %1: i32, %2: i32, %3: i32,
    %4: {s}[2,3,2,2], %5: {s}, %6: {s}[2,3,2,2]) {{
  %7: {s} = load %4, %0, %1, %2, %3
  %8: {s} = bit_xor %7, %5
  store %6, %0, %1, %2, %3, %8
  yield
}}
"""


@pytest.mark.parametrize("name", ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"])
def test_integers_in_four_dimensions(name: str) -> None:
    job = job_of(INTEGERS.format(s=name))
    limits = np.iinfo(job.inputs[0].dtype)
    values = job.inputs[0].copy()
    values.flat[:2] = limits.min, limits.max
    job = replace(job, inputs=(values, *job.inputs[1:]))
    (got,) = run([job])
    assert got.outputs is not None
    assert_same(got.outputs, [values ^ job.inputs[1]])
    assert (got.gradients, got.gradient_reason) == (None, "no_float_inputs")


def test_a_comparison_has_no_cotangent() -> None:
    job = job_of(
        "kernel @0 [4] (%0: i32, %1: f32[4], %2: bool[4]) {\n"
        "  %3: f32 = load %1, %0\n  %4: bool = is_nan %3\n  store %2, %0, %4\n  yield\n}\n"
    )
    values = np.array([np.nan, 1, -np.inf, 0], np.float32)
    (got,) = run([replace(job, inputs=(values, *job.inputs[1:]))])
    assert got.outputs is not None
    assert_same(got.outputs, [np.isnan(values)])
    assert (got.gradients, got.gradient_reason) == (None, "no_float_outputs")


INOUT = """\
kernel @0 [4] (%0: i32, %1: f32[4], %2: f32[4]) {
  %3: f32 = load %1, %0
  %4: f32 = load %2, %0
  %5: f32 = mul %3, %3
  %6: f32 = add %4, %5
  store %2, %0, %6
  yield
}
"""


def test_gradient_with_respect_to_the_content_before() -> None:
    job = job_of(INOUT)
    x, y = job.inputs
    (got,) = run([job])
    assert got.outputs is not None
    assert got.gradients is not None
    (cotangent,) = job.cotangents
    assert cotangent is not None
    assert_same(got.outputs, [y + x * x])
    assert_same(got.gradients, [x * cotangent + x * cotangent, cotangent])
    assert_same(job.inputs, [x, y])  # what was given is not written


FUNCTION = """\
function @0 (%0: {s}, %1: {s}x3, %2: i32, %3: bool) -> {s}, {s}x3, i32 {{
  %4: {s} = mul %0, %0
  %5: {s}x3 = scale %0, %1
  return %4, %5, %2
}}
"""


@pytest.mark.parametrize("name", ["f16", "bf16", "f32", "f64"])
def test_functions_give_gradients_of_scalars(name: str) -> None:
    job = job_of(FUNCTION.format(s=name))
    x = np.asarray(1.5, job.inputs[0].dtype)
    v = np.array([0.5, -2, 4], x.dtype)
    job = replace(job, inputs=(x, v, *job.inputs[2:]), cotangents=(x, v, None))
    (got,) = run([job])
    assert got.outputs is not None
    assert got.gradients is not None
    assert_same(got.outputs, [x * x, x * v, job.inputs[2]])
    assert_same(got.gradients, [np.asarray(2 * x * x + (v * v).sum()), x * v, None, None])


def test_a_function_of_one_result() -> None:
    job = job_of("function @0 (%0: f32) -> f32 {\n  %1: f32 = square %0\n  return %1\n}\n")
    (got,) = run([replace(job, inputs=(np.float32(3),), cotangents=(np.float32(2),))])
    assert (got.outputs, got.gradients) == ((np.float32(9),), (np.float32(12),))


def test_scalar_parameters_of_kernels_have_no_gradient_to_read() -> None:
    text = ELEMENTS.format(s="f32")
    (got,) = run([job_of(text)])
    assert got.gradients is not None
    assert got.gradients[2:4] == (None, None)


DRIVER = """\
kernel @0 [4] (%0: i32, %1: f32[4], %2: f32[4]) {
  %3: f32 = load %1, %0
  %4: f32 = mul %3, %3
  store %2, %0, %4
  yield
}
program @1 (%0: f32[4], %1: i32, %2: f32[4]) -> f32[4], f32[4], f32[4] {
  %3: i32 = const 0
  %4: f32[4] = copy %0
  %5: f32[4] = zeros
  %6: f32[4], %7: f32[4] = for %3, %1, %4, %5 {1, 8} (%8: i32, %9: f32[4], %10: f32[4]) {
    launch %9, %10 {0}
    yield %10, %9
  }
  return %6, %2, %6
}
"""


def test_drivers_with_loops_and_results_that_coincide(tmp_path: Path) -> None:
    job = job_of(DRIVER)
    x, z = np.array([0.5, -1.5, 2, 1], np.float32), np.ones(4, np.float32)
    one = np.array([1, 2, 4, 8], np.float32)
    job = replace(job, inputs=(x, np.asarray(3, np.int32), z), cotangents=(one, 3 * one, one))
    (got,) = run([job])
    assert got.outputs is not None
    assert got.gradients is not None
    assert_same(got.outputs, [x**8, z, x**8])
    # Warp reverses with what the two buffers hold at the end, so only the last round is right.
    assert_same(got.gradients[1:], [None, 3 * one])
    assert_stock([replace(job, program=job.program)], tmp_path)


def artifact_replaced(job: Job, **fields: Any) -> Job:
    """The job with another module text in its capture."""
    artifacts = [
        replace(a, **fields) if not a.unit and a.level == "cpp" else a
        for a in job.capture.artifacts
    ]
    return replace(job, capture=Capture(tuple(artifacts), {}))


def module_text(job: Job) -> str:
    (text,) = [a.text for a in job.capture.artifacts if not a.unit]
    assert text is not None
    return text


def test_a_text_that_does_not_compile_touches_no_other(
    capfd: pytest.CaptureFixture[str],
) -> None:
    good = preset_jobs("compound", 0, 6)
    undisturbed = run(good)
    text = module_text(good[2])
    broken = {
        "undeclared": artifact_replaced(good[2], text=text.replace("var_0", "var_0_gone", 3)),
        "open": artifact_replaced(good[2], text=text[: text.rindex("}")].rstrip().rstrip("}")),
        "brace": artifact_replaced(good[2], text=f"{text}\n}}\n"),
        "linker": artifact_replaced(
            good[2],
            text=text.replace("static void", "void missing();\nstatic void", 1).replace(
                "//---------\n", "missing();\n", 1
            ),
        ),
        "alien": artifact_replaced(good[2], text="int main() { return 0; }\n"),
    }
    names = list(broken)
    jobs = [good[0], *itertools.chain(*zip(broken.values(), good[1:], strict=True))]
    got = run(jobs)
    assert_equal(got[::2], undisturbed)
    for name, execution in zip(names, got[1::2], strict=True):
        assert execution.outputs is None, name
        assert execution.gradients is None, name
        assert (execution.reason, execution.gradient_reason) == ("compile_error",) * 2, name
        assert execution.detail, name
        assert "\n" not in execution.detail, name
    assert got[1].detail == "use of undeclared identifier 'var_0'"
    assert "missing" in got[1 + 2 * names.index("linker")].detail
    assert "header" in got[-2].detail
    assert capfd.readouterr() == ("", "")


def assert_equal(left: Sequence[Execution], right: Sequence[Execution]) -> None:
    for a, b in zip(left, right, strict=True):
        assert a.outputs is not None
        assert b.outputs is not None
        assert_same(a.outputs, b.outputs)
        assert_same(a.gradients or (), b.gradients or ())
        keys = ("name", "source_hash", "reason", "detail", "gradient_reason", "gradient_detail")
        assert [getattr(a, key) for key in keys] == [getattr(b, key) for key in keys]


def test_results_do_not_depend_on_the_batch() -> None:
    jobs = [job for name in ("compound", "program", "vector") for job in preset_jobs(name, 10, 3)]
    together = run(jobs)
    assert_equal(run(jobs[::-1])[::-1], together)
    assert_equal([run([job])[0] for job in jobs[::3]], together[::3])
    assert_equal(run([jobs[0], jobs[0]]), [together[0], together[0]])


def test_what_runs_is_the_recorded_text() -> None:
    job = job_of(INOUT)
    text = module_text(job)
    (got,) = run([job])
    assert got.source_hash == blake2b(text.encode(), digest_size=16).hexdigest()
    changed = text.replace("wp::mul(", "wp::sub(")
    assert changed != text
    (other,) = run([artifact_replaced(job, text=changed)])
    assert other.source_hash == blake2b(changed.encode(), digest_size=16).hexdigest()
    assert other.outputs is not None
    assert_same(other.outputs, [job.inputs[1] + (job.inputs[0] - job.inputs[0])])


def test_drivers_run_the_recorded_text_too() -> None:
    job = job_of(DRIVER)
    changed = artifact_replaced(job, text=module_text(job).replace("wp::mul(", "wp::add("))
    (got,) = run([replace(changed, inputs=(job.inputs[0], np.int32(1), job.inputs[2]))])
    assert got.outputs is not None
    assert_same(got.outputs[:1], [job.inputs[0] + job.inputs[0]])


def test_what_was_not_captured_does_not_run() -> None:
    job = job_of(INOUT)
    bare = replace(job, capture=Capture((), {}))
    failed = Artifact("warp", "", "cpp", "module", None, "failed", "source_error", "NameError: x")
    spoiled = replace(job, capture=Capture((failed,), {}))
    got = run([bare, job, spoiled])
    assert [e.reason for e in got] == ["not_captured", "", "source_error"]
    assert [e.gradient_reason for e in got] == ["not_captured", "", "source_error"]
    assert got[2].detail == "NameError: x"
    assert {e.reason for e in got} - {""} <= REASONS.keys()


def test_a_driver_that_raises() -> None:
    job = job_of(DRIVER)
    python = job.rendered.python.replace(
        "for ", "raise LookupError('no\\nsuch thing')\n    for ", 1
    )
    got = run([job, replace(job, rendered=replace(job.rendered, python=python)), job])
    assert [e.reason for e in got] == ["", "execution_error", ""]
    assert got[1].detail == "LookupError: no such thing"
    assert context.runtime.tape is None


def test_a_kernel_without_adjoint() -> None:
    job = job_of(INOUT)
    python = job.rendered.python.replace("@wp.kernel", "@wp.kernel(enable_backward=False)")
    source = replace(job.rendered, python=python)
    (got,) = run([replace(job, rendered=source, capture=WARP.capture([source], CPP)[0])])
    assert got.outputs is not None
    assert (got.gradients, got.gradient_reason) == (None, "adjoint_disabled")


def test_executions_and_what_they_need() -> None:
    assert EXECUTIONS == ("cpu",)
    assert needs("cpu") == {"cpp"}
    assert execute([], EXECUTIONS) == []
    assert execute([job_of(INOUT)], ()) == [[]]
    assert needs("cuda") == {"cuda"}
    with pytest.raises(ValueError, match="unknown Warp execution 'gpu': choose from cpu, cuda"):
        execute([], ["gpu"])


def test_nothing_is_left() -> None:
    jobs = [*preset_jobs("program", 0, 3), *preset_jobs("compound", 0, 3)]
    run(jobs)
    found = (dict(vars(wp.config)), dict(context.user_modules), context._launch_adj_copy_add)
    cached = sorted(Path(wp.config.kernel_cache_dir or "").rglob("*"))
    run([*jobs, artifact_replaced(jobs[0], text="")])
    assert found == (
        dict(vars(wp.config)),
        dict(context.user_modules),
        context._launch_adj_copy_add,
    )
    assert [path.name for path in prepare().iterdir()] == ["builtin.pch"]
    assert sorted(Path(wp.config.kernel_cache_dir or "").rglob("*")) == cached
    assert gc.isenabled()


def test_a_fork_inherits_the_folder_and_its_maker_removes_it() -> None:
    program = (
        "import os\n"
        "from pathlib import Path\n"
        "from backends.warp.compiled import Text, compiled, prepare\n"
        "folder = prepare()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    raise SystemExit(3 if prepare() == folder else 4)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3\n"
        "assert (folder / 'builtin.pch').exists()\n"
        "print(folder)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stderr == ""
    assert not Path(done.stdout.strip()).exists()


# CUDA, as far as it goes without a device.


def test_kernels_run_under_a_tape_as_by_their_addresses() -> None:
    for job in (job_of(ELEMENTS.format(s="bf16")), job_of(INOUT)):
        (direct,) = run([job])
        with compiled([Text(module_text(job))]) as batch:
            ran = taped(job, batch.kernels[0], True, "cpu")
        assert direct.outputs is not None
        assert direct.gradients is not None
        assert ran.gradients is not None
        assert_same(ran.outputs, direct.outputs)
        assert_same(ran.gradients, direct.gradients)


def test_recorded_cuda_text_compiles(tmp_path: Path) -> None:
    (job,) = preset_jobs("program", 0, 1)
    (capture,) = WARP.capture([job.rendered], frozenset({"cuda"}))
    (text,) = [a.text for a in capture.artifacts if not a.unit]
    assert text is not None
    private_run.start()
    kernels = cuda.ptx(text, tmp_path, 80).read_text()
    found = cuda_entries(text)
    assert [(e.name, e.rank, e.adjoint) for e in found] == [
        (e.name, e.rank, e.adjoint) for e in entries(module_text(job))
    ]
    for entry in found:
        for direction in ("forward", "backward"):
            assert f".entry {entry.name}_cuda_kernel_{direction}(" in kernels
    with pytest.raises(cuda.CompileError, match=r"identifier .*var_0.* is undefined"):
        cuda.ptx(text.replace("wp::int32 var_0;", "", 1), tmp_path, 80)


@pytest.mark.parametrize("name", ["compound", "program", "vector"])
def test_cuda_agrees_with_the_cpu_or_is_refused(name: str) -> None:
    jobs = preset_jobs(name, 0, 4)
    captured = WARP.capture([job.rendered for job in jobs], CPP | {"cuda"})
    jobs = [replace(job, capture=c) for job, c in zip(jobs, captured, strict=True)]
    if not wp.is_cuda_available():
        with pytest.raises(BackendError, match="there is no CUDA device here: run on cpu"):
            execute(jobs, ["cpu", "cuda"])
        return
    for cpu, gpu in execute(jobs, ["cpu", "cuda"]):
        assert (gpu.reason, gpu.gradient_reason) == (cpu.reason, cpu.gradient_reason), gpu
        assert_close(cpu.outputs or (), gpu.outputs or ())
        assert_close(cpu.gradients or (), gpu.gradients or ())


def assert_close(left: Sequence[Any], right: Sequence[Any]) -> None:
    for a, b in zip(left, right, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert np.mean(np.isclose(a, b, rtol=2e-2, atol=2e-2, equal_nan=True)) >= 0.9


# The private API, and the layouts that are shared with it.


def test_installed_warp_has_all_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert private_run.probe() == ()
    monkeypatch.delattr(context, "_launch_adj_copy_add")
    monkeypatch.setattr(context, "KernelHooks", lambda before, after: None)
    assert private_run.probe() == (
        "warp._src.context.KernelHooks(forward, backward)",
        "warp._src.context._launch_adj_copy_add",
    )


def test_a_warp_that_cannot_compile_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare.cache_clear()
    monkeypatch.setattr(context.runtime, "llvm", None)
    try:
        with pytest.raises(BackendError, match="lacks what irgen uses: wp_compile_cpp"):
            execute([job_of(INOUT)], EXECUTIONS)
    finally:
        monkeypatch.undo()
        prepare.cache_clear()


def test_arrays_look_as_warp_lays_them_out() -> None:
    theirs: Any = warp_types.array_t
    assert np.dtype(theirs.numpy_dtype()) == ARRAY


@pytest.mark.parametrize("scalar", [BF16, F32, F64])
def test_stored_values_are_those_of_warp(scalar: Scalar) -> None:
    random = np.random.default_rng(0)
    words = random.integers(0, 2**32, 4096, dtype=np.uint32).view(np.float32)
    values = words[np.isfinite(words) & (np.abs(words) < 1e38)]
    theirs = to_numpy(wp.array(values, dtype=getattr(wp, scalar.dtype), device="cpu"))
    ours = shown(stored(values, scalar), scalar)
    assert_same([ours], [theirs.astype(ours.dtype)])


def test_bfloat16_keeps_what_is_no_number() -> None:
    values = np.array([np.nan, -np.nan, np.inf, -np.inf, -0.0], np.float32)
    values[1:2].view(np.uint32)[0] = 0xFFFFFFFF
    found = shown(stored(values, BF16), BF16)
    assert np.isnan(found[:2]).all()
    assert_same([found[2:]], [values[2:]])


def test_texts_are_read_as_they_were_written() -> None:
    (job,) = preset_jobs("program", 0, 1)
    text = module_text(job)
    kernels = [unit.name for unit in job.rendered.units if unit.kind == "kernel"]
    assert sorted(entry.name for entry in entries(text)) == sorted(kernels)
    assert all(entry.adjoint for entry in entries(text))
    found = header(text)
    assert found is not None
    code = plain(text)
    assert "template" in text
    assert "template" not in code
    assert "extern" not in code
    # Of the kernels, only those lines are gone that are about dense strides.
    kept = set(code.splitlines())
    body = text[: text.index("static WP_FORCEINLINE")].splitlines()
    assert all("contiguous" in line or len(line) < 6 for line in body if line not in kept)
    messages = "x.cpp:1:2: note: no\njob_3:1:2: error: one\njob_12:4:5: fatal error: two\n"
    assert blamed(messages) == [3, 12]
    assert first_error(messages) == "one"


LEFT = """irgen 1
kernel @0 [4] (%0: i32, %1: f32[4], %2: f32[4]) {
  %3: f32 = load %1, %0
  %4: f32 = while %3 {6} (%5: i32, %6: f32) {
    %7: f32 = const 5.0
    %8: bool = lt %6, %7
    yield %8
  } do (%9: i32, %10: f32) {
    %11: f32 = const -1.0
    %12: bool = lt %10, %11
    if %12 {
      return
    } else {
      yield
    }
    %13: f32 = add %10, %3
    yield %13
  }
  store %2, %0, %4
  yield
}
"""
"""The adjoint that Warp makes of it may run forever: its reverse half jumps into the loop."""


def test_an_adjoint_that_may_never_end_is_not_run() -> None:
    program = parse_program(LEFT)
    verify(program)
    assert may_not_end(program)
    found = irgen.check(program, "warp")
    assert (found.forward, found.gradient) == ("verified", "known_wrong")
    assert found.gradient_reason == "unending_adjoint"
    assert "loop_exit" in found.limitations
