"""The library face: what `import irgen` offers, and what it says to a wrong name."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import warp as wp
from hypothesis import HealthCheck, Phase, given, settings

import irgen
from backends.style import Style
from grammar.generate import program_at
from grammar.presets import GRAMMARS
from grammar.verify import verify

ROOT = Path(__file__).parents[2]


def test_every_name_is_there_and_no_other() -> None:
    assert dir(irgen) == sorted(irgen.__all__)
    assert all(getattr(irgen, name) is not None for name in irgen.__all__)
    with pytest.raises(AttributeError, match="'smaple'"):
        irgen.smaple  # noqa: B018


def test_importing_irgen_imports_no_compiler() -> None:
    script = (
        "import sys, irgen; irgen.stream; print([m for m in ('warp', 'jax') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("backend", ["warp", "jax"])
def test_sample_is_the_record_of_the_stream(backend: str) -> None:
    record = irgen.sample("compound", backend, seed=2, index=1)
    assert record == list(irgen.stream("compound", backend, seed=2, count=2))[1]
    assert record.sources[0].backend == backend
    assert any(artifact.text for artifact in record.artifacts)


def test_own_grammars_are_taken_as_objects_and_as_files(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text("groups = { trigonometric = 1 }\nstatements = [2, 4]\n")
    own = irgen.Grammar(name="own", groups={"trigonometric": 1}, statements=(2, 4))
    assert irgen.sample(own, levels=()) == irgen.sample(str(path), levels=())


def test_levels_are_those_named() -> None:
    record = irgen.sample(levels=("python", "cuda"))
    assert {artifact.level for artifact in record.artifacts} == {"cuda"}
    assert irgen.sample(levels=("python",)).artifacts == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"grammar": "lop"}, ("unknown grammar 'lop'", "'loop'")),
        ({"backend": "wrap"}, ("unknown backend 'wrap'", "'warp'")),
        ({"levels": ("cdua",)}, ("unknown level 'cdua'", "'cuda'")),
        ({"backend": "jax", "levels": ("cpp",)}, ("unknown level 'cpp' of backend jax", "hlo")),
    ],
)
def test_a_wrong_name_is_refused_at_once(arguments: dict, words: tuple[str, ...]) -> None:
    with pytest.raises(irgen.UserError) as caught:
        irgen.stream(**arguments)
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)


def test_render_is_plain_unless_a_style_is_given() -> None:
    program = program_at(GRAMMARS["compound"], 0, 1)
    plain = irgen.render(program, "warp")
    assert plain == irgen.render(program, "warp", Style())
    styles = [Style(salt=salt, idiom=salt, naming=salt, inlining=3) for salt in (1, 2, 3)]
    assert len({irgen.render(program, "jax", style).python for style in styles}) > 1


@pytest.mark.parametrize("backend", ["warp", "jax"])
def test_capture_takes_a_program_or_its_source(backend: str) -> None:
    program = program_at(GRAMMARS["loop"], 0, 1)
    captured = irgen.capture(program, backend)
    assert captured == irgen.capture(irgen.render(program, backend))
    assert any(artifact.status == "ok" for artifact in captured.artifacts)


@settings(
    max_examples=10,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.generate],
)
@given(irgen.programs("branch"))
def test_programs_is_a_strategy(program: irgen.Program) -> None:
    verify(program)


# A user's own functions.


def arguments_of(stablehlo: str | None) -> int:
    """How many arguments the main function of a StableHLO module has."""
    found = re.search(r"func\.func public @main\((.*?)\) ->", stablehlo or "", re.DOTALL)
    assert found is not None
    return found.group(1).count("%arg")


VECTOR = np.ones(4, np.float32)


def test_extract_ir_of_a_function() -> None:
    pair = irgen.extract_ir(lambda x, y: x * y, VECTOR, VECTOR)
    assert pair.direction == "forward"
    assert pair.python_source == "lambda x, y: x * y"
    assert pair.stablehlo_ir is not None
    assert "stablehlo.multiply" in pair.stablehlo_ir
    assert pair.cost_analysis["flops"] == 4.0
    assert set(pair.texts) == {"jaxpr", "stablehlo", "hlo", "hlo_optimized"}
    assert (pair.cpp_ir, pair.cuda_ir) == (None, None)


def test_a_scalar_result_means_cotangent_one() -> None:
    forward, backward = irgen.extract_with_grad(lambda x: (x * x).sum(), VECTOR)
    assert (forward.direction, backward.direction) == ("forward", "backward")
    assert arguments_of(forward.stablehlo_ir) == 1
    assert arguments_of(backward.stablehlo_ir) == 1
    assert backward.cost_analysis["flops"] > 0


def test_a_result_of_several_elements_has_a_cotangent() -> None:
    _, backward = irgen.extract_with_grad(lambda x: x * x, VECTOR)
    assert arguments_of(backward.stablehlo_ir) == 2


def test_integers_have_no_backward_and_it_says_so() -> None:
    _, backward = irgen.extract_with_grad(lambda i: i + 1, np.arange(3, dtype=np.int32))
    assert backward.texts == {}
    assert set(backward.missing.values()) == {"no_float_inputs"}


def test_what_a_function_raises_comes_through() -> None:
    def broken(x: object) -> object:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        irgen.extract_ir(broken, VECTOR)


ARRAY = wp.array(dtype=float)


@wp.func
def halved(x: float) -> float:
    return 0.5 * x


@wp.kernel
def relax(values: ARRAY, out: ARRAY):  # type: ignore[valid-type]
    i = wp.tid()
    out[i] = halved(values[i])


def test_extract_with_grad_of_a_warp_kernel() -> None:
    forward, backward = irgen.extract_with_grad(relax)
    for pair in (forward, backward):
        assert "def relax" in pair.python_source
        assert "def halved" in pair.python_source
        assert pair.stablehlo_ir is None
        assert pair.cpp_ir is not None
        assert pair.cuda_ir is not None
    assert forward.cpp_ir != backward.cpp_ir
    assert "adj_halved" in (backward.cuda_ir or "")
