"""Strategies for the tests of others: programs, inputs, kernels, and what a kernel can do."""

from __future__ import annotations

import gc
import linecache
import random
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest
import warp as wp
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import irgen
from grammar.guards import inputs as input_range
from grammar.presets import GRAMMARS
from grammar.program import Program
from grammar.reference import check_inputs
from grammar.special import round_bfloat16
from grammar.types import scalar_of
from irgen import harness, loading, vectors
from irgen.fuzz.case import Case
from irgen.fuzz.defined import undefined
from irgen.vectors import Arrays
from tests.irgen.rows import OUTSIDE

ROOT = Path(__file__).parents[2]

COPY = irgen.parse("""irgen 1
kernel @0 [16] (%0: i32, %1: f32[512], %2: i32[16], %3: f32, %4: f32[16]) {
  %5: f32 = load %1, %0
  store %4, %0, %5
  yield
}
""")

PARAMETERS = ", ".join(
    f"%{at}: {type_}"
    for at, type_ in enumerate(
        (
            "bool",
            "i8[16]",
            "u16",
            "i64[2,8]",
            "f16[16]",
            "bf16[8,4]",
            "f32x3[8]",
            "f64x2x2",
            "f64[8]",
        )
    )
)
ALL_TYPES = irgen.parse(f"""irgen 1
program @0({PARAMETERS}) -> f64[8] {{
  return %8
}}
""")


def drawn(program: Program, count: int, *, edges: bool = True) -> list[Arrays]:
    """So many inputs of a program, always the same."""
    found: list[Arrays] = []

    @settings(max_examples=count, phases=[Phase.generate])
    @given(irgen.inputs(program, edges=edges))
    def collect(inputs: Arrays) -> None:
        found.append(inputs)

    collect()
    return found


def least(program: Program, predicate: Callable[[Arrays], bool], seed: int) -> Arrays:
    """The inputs that a predicate shrinks to."""
    setup = settings(max_examples=2000, database=None, derandomize=False)
    return find(irgen.inputs(program), predicate, settings=setup, random=random.Random(seed))


# Inputs.


@pytest.mark.parametrize("edges", [True, False])
def test_inputs_fit_the_parameters_and_their_ranges(edges: bool) -> None:
    for inputs in drawn(ALL_TYPES, 60, edges=edges):
        check_inputs(ALL_TYPES.entry, inputs)
        for array, value in zip(inputs, ALL_TYPES.entry.parameters, strict=True):
            scalar = scalar_of(value.type)
            low, high = (-1.0, 1.0) if scalar.kind == "float" else input_range(scalar)[:2]
            assert array.min() >= low
            assert array.max() <= high
            if scalar.name == "bf16":
                assert (round_bfloat16(array) == array).all()


@pytest.mark.parametrize("edges", [True, False])
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), name=st.sampled_from(sorted(GRAMMARS)), index=st.integers(0, 10**6))
def test_drawn_programs_are_defined_on_drawn_inputs(
    edges: bool, data: st.DataObject, name: str, index: int
) -> None:
    program = irgen.draw(name, seed=1, index=index)
    inputs = data.draw(irgen.inputs(program, edges=edges))
    check_inputs(program.entry, inputs)
    assert not undefined(Case(program, irgen.Style(), inputs, vectors.make(program)[1]))


def test_elements_are_as_simple_and_as_degenerate_as_is_said() -> None:
    found = drawn(COPY, 400)
    floats = np.stack([inputs[0] for inputs in found])
    whole = np.stack([inputs[1] for inputs in found])
    zero = floats == 0
    shares = {
        "zero": zero.mean(),
        "minus zero": (zero & np.signbit(floats)).mean(),
        "negative": (floats < 0).mean(),
        "end": (abs(floats) == 4).mean(),
        "whole": (floats == np.rint(floats)).mean(),
    }
    assert 0.1 < shares["zero"] < 0.6, shares
    assert shares["minus zero"] > 0.005, shares
    assert shares["negative"] > 0.15, shares
    assert shares["end"] > 0.01, shares
    assert shares["whole"] < 0.8, shares
    assert set(np.unique(whole)) == set(range(-8, 9))
    distinct = [np.unique(array).size for array in floats]
    assert sum(count > 400 for count in distinct) > 100  # full variety
    assert sum(1 < count <= 20 for count in distinct) > 20  # ties


def test_without_edges_floats_are_neither_zero_nor_an_end() -> None:
    floats = np.stack([inputs[0] for inputs in drawn(COPY, 100, edges=False)])
    assert abs(floats).min() > 0
    assert abs(floats).max() < 4
    assert np.median([np.unique(array).size for array in floats]) > 100


PREDICATES: dict[str, tuple[Callable[[Arrays], bool], int, int, float]] = {
    "a great element": (lambda inputs: bool((inputs[0] > 3).any()), 0, 1, 4.0),
    "a negative element": (lambda inputs: bool((inputs[0] < -1.5).any()), 0, 1, -4.0),
    "a late element": (lambda inputs: bool(inputs[0][300] > 1), 0, 512, 2.0),
    "a great integer": (lambda inputs: bool((inputs[1] > 5).any()), 1, 1, 8.0),
    "a scalar": (lambda inputs: bool(inputs[2] > 0.5), 2, 1, 1.0),
}


@pytest.mark.parametrize("name", PREDICATES)
@pytest.mark.parametrize("seed", range(3))
def test_inputs_shrink_to_few_simple_elements(name: str, seed: int) -> None:
    predicate, at, count, value = PREDICATES[name]
    found = least(COPY, predicate, seed)
    assert np.count_nonzero(found[at]) == count
    assert set(found[at][found[at] != 0].ravel().tolist()) == {value}
    for other in {0, 1, 2, 3} - {at}:
        assert not found[other].any()


def test_arrays_of_any_size_fit_in_an_example() -> None:
    parameters = ", ".join(f"%{at}: f64x4x4[16,16]" for at in range(8))
    program = irgen.parse(
        f"irgen 1\nprogram @0({parameters}) -> f64x4x4[16,16] {{\n  return %0\n}}\n"
    )
    found = drawn(program, 20)
    assert len(found) == 20
    assert all(array.shape == (16, 16, 4, 4) for array in found[-1])


# Programs and kernels.


def test_several_grammars_take_part() -> None:
    seen: set[str] = set()

    @settings(max_examples=400, phases=[Phase.generate])
    @given(irgen.programs(["unary", "loop", irgen.Grammar(name="own", groups={"logic": 1})]))
    def collect(program: Program) -> None:
        seen.update(op for op in (" for ", " exp ", " and ") if op in str(program))

    collect()
    assert " for " in seen
    assert len(seen) > 1


@pytest.mark.parametrize("name", ["all", "safe"])
def test_balanced_names_stand_for_all_presets(name: str) -> None:
    kinds: set[str] = set()

    @settings(
        max_examples=60, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow]
    )
    @given(irgen.programs(name))
    def collect(program: Program) -> None:
        kinds.add(program.entry.kind)

    collect()
    assert kinds == {"kernel", "program"}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: irgen.programs("lop"), "unknown grammar 'lop': did you mean 'loop'"),
        (lambda: irgen.programs([]), "no grammar is given"),
        (lambda: irgen.kernels("wrap"), "unknown backend 'wrap': did you mean 'warp'"),
        (lambda: irgen.kernels(grammar=["unary", "lop"]), "unknown grammar 'lop'"),
        (lambda: irgen.kernel(COPY, "wrap"), "unknown backend 'wrap'"),
    ],
)
def test_a_wrong_name_is_refused_at_once(make: Callable[[], object], words: str) -> None:
    with pytest.raises(irgen.UserError, match=words):
        make()


@pytest.mark.parametrize("backend", ["warp", "jax"])
@settings(max_examples=20)
@given(data=st.data())
def test_a_kernel_is_its_source(backend: str, data: st.DataObject) -> None:
    kernel = data.draw(irgen.kernels(backend, "branch"))
    assert kernel.backend == backend
    assert kernel.python == irgen.render(kernel.program, backend, kernel.style).python
    assert str(kernel) == kernel.python
    assert kernel.python in repr(kernel)
    assert irgen.kernel(str(kernel.program), backend, kernel.style) == kernel
    compile(kernel.python, "<kernel>", "exec")


@pytest.mark.parametrize(("styles", "fewest", "most"), [(True, 4, 15), (False, 1, 1)])
def test_spellings_are_drawn_unless_told_not_to(styles: bool, fewest: int, most: int) -> None:
    seen = {irgen.Style()}

    @settings(max_examples=15, phases=[Phase.generate])
    @given(irgen.kernels("jax", "unary", styles=styles))
    def collect(kernel: irgen.Kernel) -> None:
        seen.add(kernel.style)

    collect()
    assert fewest <= len(seen) <= most


@pytest.mark.parametrize("backend", ["warp", "jax"])
def test_a_failing_kernel_shrinks_and_is_shown_as_source(backend: str) -> None:
    @settings(max_examples=100, phases=[Phase.generate, Phase.shrink])
    @given(irgen.kernels(backend, "loop"))
    def no_loops(kernel: irgen.Kernel) -> None:
        assert " for " not in str(kernel.program)

    with pytest.raises(AssertionError) as caught:
        no_loops()
    shown = "\n".join(caught.value.__notes__)
    assert f"kernel=<{backend} kernel update_field" in shown
    assert "    def update_field(" in shown
    assert shown.count("for ") <= 2
    assert shown.count("\n") < 40


def test_kernels_are_drawn_without_a_compiler() -> None:
    script = """
import sys
sys.modules["warp"] = sys.modules["jax"] = None
import irgen
from hypothesis import given, settings

for backend in ("warp", "jax"):
    @settings(max_examples=3, deadline=None, database=None)
    @given(irgen.kernels(backend, "unary").flatmap(lambda k: k.inputs().map(lambda x: (k, x))))
    def draw(drawn):
        kernel, inputs = drawn
        kernel.reference(inputs)
    draw()
print("drawn")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("drawn\n", 0), done.stderr


# What a kernel can do.

SCALED = """irgen 1
kernel @0 [4] (%0: i32, %1: bf16[4], %2: f32x3[4], %3: f32, %4: f32x3[4], %5: bf16[4]) {
  %6: f32x3 = load %2, %0
  %7: f32x3 = scale %3, %6
  store %4, %0, %7
  %8: bf16 = load %1, %0
  %9: bf16 = add %8, %8
  store %5, %0, %9
  yield
}
"""


def test_a_loaded_jax_source_runs_on_its_arguments() -> None:
    kernel = irgen.kernel(SCALED, "jax")
    inputs, _ = vectors.make(kernel.program)
    given = kernel.arguments(inputs)
    assert [str(array.dtype) for array in given] == ["bfloat16", "float32", "float32"]
    outputs = jax.jit(kernel.load())(*given)
    for got, wanted in zip(outputs, kernel.reference(inputs), strict=True):
        np.testing.assert_array_equal(np.asarray(got, np.float32), wanted)


def test_a_loaded_warp_kernel_launches_on_its_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wp.config, "kernel_cache_dir", str(tmp_path))
    kernel = irgen.kernel(SCALED.replace("bf16", "f16"), "warp")
    inputs, _ = vectors.make(kernel.program)
    given = kernel.arguments(inputs)
    loaded = kernel.load()
    assert isinstance(loaded, wp.Kernel)
    wp.launch(loaded, dim=kernel.program.entry.grid, inputs=given, device="cpu")
    for at, wanted in zip((3, 4), kernel.reference(inputs), strict=True):
        np.testing.assert_array_equal(given[at].numpy(), wanted)


def test_inputs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="4 inputs are needed, not 1"):
        irgen.kernel(COPY, "warp").arguments([np.zeros(3)])


@pytest.mark.parametrize("backend", ["warp", "jax"])
def test_loaded_sources_leave_nothing_behind(backend: str) -> None:
    kernel = irgen.kernel(irgen.draw("unary"), backend)
    for _ in range(2 * loading.SLOTS):
        kernel.load()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(loading.SLOTS):
        kernel.load()
    gc.collect()
    assert len(gc.get_objects()) < before + 200
    assert sum(name.startswith("irgen_source_") for name in linecache.cache) <= loading.SLOTS
    assert sum(name.startswith("irgen_source_") for name in sys.modules) <= loading.SLOTS


def test_a_traceback_shows_the_line_of_a_loaded_source() -> None:
    kernel = irgen.kernel(irgen.draw("unary"), "jax")
    function = kernel.load()
    with pytest.raises(TypeError) as caught:
        function("no array")
    shown = "".join(traceback.format_exception(caught.value))
    body = [line.strip() for line in kernel.python.splitlines() if line.startswith("    ")]
    assert any(line in shown for line in body)


@pytest.mark.parametrize(("backend", "execution"), [("warp", "cpu"), ("jax", "compiled")])
def test_a_check_runs_compiled_code_on_the_inputs_given(backend: str, execution: str) -> None:
    kernel = irgen.kernel(irgen.draw("branch", index=2), backend)
    own = kernel.check()
    assert (own.backend, own.execution, own.verified) == (backend, execution, True)
    (inputs,) = drawn(kernel.program, 1)
    verdict = kernel.check(inputs)
    assert verdict.verified
    outputs = [one for one in verdict.compared if one.role == "output"]
    assert [one.lanes for one in outputs] == [out.size for out in kernel.reference(inputs)]


def test_what_cannot_be_checked_is_refused_and_the_next_check_goes_on() -> None:
    outside = irgen.kernel(irgen.parse(OUTSIDE), "warp")
    with pytest.raises(irgen.UserError, match=r"not defined on these inputs: .*outside"):
        outside.check()
    kernel = irgen.kernel(irgen.draw("unary"), "warp")
    with pytest.raises(ValueError, match=r"cotangents needed are: float32\[16\]"):
        kernel.check(cotangents=[None])
    with pytest.raises(irgen.UserError, match="unknown execution 'gpu' of backend warp"):
        kernel.check(execution="gpu")
    function = irgen.kernel("irgen 1\nfunction @0(%0: f32) -> f32 {\n  return %0\n}\n", "warp")
    with pytest.raises(irgen.UserError, match=r"use irgen\.check"):
        function.check()
    assert kernel.check().verified


def test_checks_share_a_process_until_they_are_ended() -> None:
    kernel = irgen.kernel(irgen.draw("unary"), "warp")
    kernel.check()
    session = harness._sessions["warp"]
    kernel.check()
    assert harness._sessions["warp"] is session
    harness.end_checks()
    assert not harness._sessions
    assert kernel.check().verified
    harness.end_checks()
