"""Execution by a target, here this very interpreter: it gives what the installed backend does."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from backends.base import Capture, Job
from backends.registry import BACKENDS
from backends.style import Style
from grammar.build import Builder, ProgramBuilder
from grammar.gradient import gradient
from grammar.parse import parse_program
from grammar.passes.entry import as_kernel
from grammar.presets import ALL_GRAMMARS
from grammar.program import Program, Value
from grammar.types import BF16, F32, I32, Array, Scalar
from irgen import oracle, vectors
from irgen.service import draw_batch
from irgen.targets.connection import Connection
from irgen.targets.execute import Measured, execute, measured, run_on
from irgen.targets.target import Target
from irgen.verdict import Verdict

WAYS = {
    "warp": ("default", "O0", "O2", "again"),
    "jax": ("default", "O0", "forward_mode", "again"),
}
EXECUTIONS = {"warp": "cpu", "jax": "compiled"}
SEED = 0


@pytest.fixture(scope="module", params=WAYS)
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    with Connection(target(request.param), seconds=120.0) as connected:
        yield connected


def target(backend: str) -> Target:
    return Target(f"this {backend}", backend, sys.executable, ())


def job(backend: str, program: Program, style: Style | None = None) -> Job:
    source = BACKENDS[backend].render(program, style or Style())
    return Job(program, source, Capture((), {}), *vectors.make(program))


def drawn(backend: str, grammar: str, index: int) -> Job:
    (found,) = draw_batch([(ALL_GRAMMARS[grammar], index)], SEED)
    return job(backend, as_kernel(found.program, 8), found.style)


def verdicts(backend: str, job: Job, found: Sequence[Measured]) -> list[Verdict]:
    program = job.program
    back = gradient(program) if oracle.differentiable(program) else None
    precision = BACKENDS[backend].precision(EXECUTIONS[backend])
    expected = oracle.expect(program, back, job.inputs, job.cotangents, precision)
    return [oracle.judge(program, backend, expected, one.execution) for one in found]


def elementwise(op: str, scalar: Scalar) -> Program:
    units = ProgramBuilder()
    array = Array(scalar, (8,))

    def kernel(b: Builder, i: Value, source: Value, goal: Value) -> None:
        x = b.load(source, i)
        b.store(goal, i, b.op(op, x, x))

    units.kernel((8,), (array, array), kernel)
    return units.finish()


FUNCTION = parse_program("""irgen 1
function @0(%0: f32, %1: i32) -> f32, i32 {
  %2: f32 = sin %0
  %3: f32 = cast %1
  %4: f32 = mul %2, %3
  return %4, %1
}
""")


@pytest.mark.parametrize(("grammar", "index"), [("vector-safe", 2), ("program-safe", 3)])
def test_every_way_is_verified(connection: Connection, grammar: str, index: int) -> None:
    backend = connection.target.backend
    ways = WAYS[backend]
    one = drawn(backend, grammar, index)
    (found,) = run_on(connection, [one], ways)
    assert [measure.execution.name for measure in found] == [*ways]
    for verdict in verdicts(backend, one, found):
        assert verdict.verified, verdict
    for measure in found:
        assert measure.compile_seconds
        assert measure.code_bytes
    first, again = found[0].execution, found[-1].execution
    assert first.outputs is not None
    assert again.outputs is not None
    for once, twice in zip(first.outputs, again.outputs, strict=True):
        assert np.array_equal(once, twice, equal_nan=True)


def test_it_gives_what_the_installed_backend_gives(connection: Connection) -> None:
    name = connection.target.backend
    backend = BACKENDS[name]
    jobs = [
        job(name, elementwise("mul", BF16)),
        job(name, elementwise("mul", I32)),
        drawn(name, "reduction-safe", 4),
    ]
    way = EXECUTIONS[name]
    captures = backend.capture([one.rendered for one in jobs], backend.needs(way))
    captured = [
        Job(one.program, one.rendered, capture, one.inputs, one.cotangents)
        for one, capture in zip(jobs, captures, strict=True)
    ]
    there = run_on(connection, jobs, ["default"])
    here = backend.execute(captured, [way])
    for one, [measure], [expected] in zip(jobs, there, here, strict=True):
        execution = measure.execution
        assert (execution.reason, execution.gradient_reason) == ("", expected.gradient_reason)
        assert execution.outputs is not None
        assert expected.outputs is not None
        for found, wanted in zip(execution.outputs, expected.outputs, strict=True):
            assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
        assert (execution.gradients is None) == (expected.gradients is None)
        for found, wanted in zip(execution.gradients or (), expected.gradients or (), strict=True):
            assert (found is None) == (wanted is None)
            if found is not None and wanted is not None:
                assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
        (verdict,) = verdicts(name, one, [measure])
        assert verdict.verified


def test_a_function_runs_on_jax_and_is_refused_for_warp() -> None:
    one = job("jax", FUNCTION)
    ways = ["default", "eager", "forward_mode"]
    (found,) = measured(target("jax"), [one], ways)
    assert [verdict.verified for verdict in verdicts("jax", one, found)] == [True] * 3
    for measure in found:
        gradients = measure.execution.gradients
        assert gradients is not None
        assert [gradient is None for gradient in gradients] == [False, True]
    assert [measure.code_bytes is None for measure in found] == [False, True, False]
    with pytest.raises(ValueError, match="as_kernel"):
        execute(target("warp"), [job("warp", FUNCTION)], ["default"])


LEFT = parse_program("""irgen 1
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
""")
"""The adjoint that Warp makes of it may run forever."""


def test_what_cannot_be_loaded_or_differentiated_is_a_reason() -> None:
    good = job("warp", LEFT)
    bad = job("warp", elementwise("mul", F32))
    rendered = bad.rendered
    text = rendered.python.replace("wp.tid()", "wp.tdi()")
    broken = type(rendered)(
        rendered.backend, text, rendered.entry, rendered.units, rendered.arguments, rendered.wide
    )
    wrong = Job(bad.program, broken, bad.capture, bad.inputs, bad.cotangents)
    with Connection(target("warp"), seconds=120.0) as connected:
        [[unending], [failed]] = run_on(connected, [good, wrong], ["default"])
        assert connected.hello.ways["O0"] == {"optimization_level": 0}
    assert unending.execution.gradient_reason == "unending_adjoint"
    assert verdicts("warp", good, [unending])[0].forward == "verified"
    execution = failed.execution
    assert (execution.reason, execution.gradient_reason) == ("compile_error", "compile_error")
    assert "tdi" in execution.detail
    assert "irgen_source" not in execution.detail
    assert "/" not in execution.detail


def test_what_warp_keeps_of_a_source_is_bounded() -> None:
    jobs = [job("warp", elementwise("mul", F32))] * 16
    with Connection(target("warp"), seconds=120.0) as connected:
        run_on(connected, jobs[:4], ["O0"])
        assert connected.worker is not None
        before = connected.worker.resident()
        files = len([*connected.worker.folder.rglob("*")])
        run_on(connected, jobs, ["O0"])
        assert connected.worker.resident() - before < 8 << 20
        assert len([*connected.worker.folder.rglob("*")]) <= files
