"""Texts that differ in spelling alone are the same when normalised; others are not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from backends.registry import BACKENDS
from backends.style import Style
from grammar.generate import program_at
from grammar.parse import parse_program
from grammar.presets import GRAMMARS
from grammar.program import Program
from irgen.dataset.documents.normal import normalise

_PROGRAMS = tuple([program_at(GRAMMARS[name], 0, 1) for name in ("branch", "loop", "vector")])

_ADD = """irgen 1
kernel @0 [8] (%0: i32, %1: f32[8], %2: f32[8]) {
  %3: f32 = load %1, %0
  %4: f32 = add %3, %3
  store %2, %0, %4
  yield
}
"""


def _texts(backend: str, programs: Sequence[Program], style: Style) -> dict[tuple[str, ...], str]:
    """The normalised text of every artifact of each program."""
    language = BACKENDS[backend]
    syntaxes = {level.name: level.syntax for level in language.levels}
    rendered = [language.render(program, style) for program in programs]
    found: dict[tuple[str, ...], str] = {}
    for number, capture in enumerate(language.capture(rendered, frozenset(syntaxes))):
        for at, artifact in enumerate(capture.artifacts):
            assert artifact.text is not None or artifact.reason, artifact
            key = (str(number), str(at), artifact.level, artifact.direction)
            if artifact.text is not None:
                found[key] = normalise(artifact.text, syntaxes[artifact.level])
    return found


@pytest.mark.parametrize("backend", BACKENDS)
def test_names_do_not_matter(backend: str) -> None:
    plain = _texts(backend, _PROGRAMS, Style())
    named = _texts(backend, _PROGRAMS, Style(naming=4242))
    assert len(plain) >= 6 * len(_PROGRAMS)
    assert plain == named


@pytest.mark.parametrize("backend", BACKENDS)
def test_ops_matter(backend: str) -> None:
    add, mul = parse_program(_ADD), parse_program(_ADD.replace("= add", "= mul"))
    first, second = (_texts(backend, [program], Style()) for program in (add, mul))
    assert first.keys() == second.keys()
    for key, text in first.items():
        assert text != second[key], key
        assert len(text) > 50, key


def test_a_module_has_its_forward_and_its_backward() -> None:
    found = _texts("warp", [parse_program(_ADD)], Style())
    by_place = {(level, direction): text for (_, _, level, direction), text in found.items()}
    for level in ("cpp", "cuda"):
        parts = [by_place[level, "backward"].strip(), by_place[level, "forward"].strip()]
        assert by_place[level, "module"].strip() == "\n\n".join(parts)
    assert by_place["cpp", "forward"] == by_place["cuda", "forward"]
    assert "adj_add(%2, %2, " in by_place["cpp", "backward"]


def test_programs_are_numbered_from_parameters_on() -> None:
    lines = normalise(_ADD, "irgen").splitlines()
    assert lines[1:4] == [
        "kernel @0 [8] (%a0: i32, %a1: f32[8], %a2: f32[8]) {",
        "%0: f32 = load %a1, %a0",
        "%1: f32 = add %0, %0",
    ]


def test_locations_go() -> None:
    text = """#loc1 = loc("x.py":3:1)
module @jit_f attributes {mhlo.num_partitions = 1 : i32} {
  func.func public @main(%arg0: tensor<8xf32> loc("a")) -> (tensor<8xf32> {jax.result_info = "r"}) {
    %cst_7 = stablehlo.add %arg0, %arg0 : tensor<8xf32> loc(callsite("f"("x.py":1:2) at #loc1))
    return %cst_7 : tensor<8xf32>
  }
}
"""
    assert normalise(text, "mlir").splitlines() == [
        "",
        "func.func public @0(%a0: tensor<8xf32>) -> (tensor<8xf32>) {",
        "%0 = stablehlo.add %a0, %a0 : tensor<8xf32>",
        "return %0 : tensor<8xf32>",
        "}",
        "}",
    ]


def test_metadata_goes() -> None:
    text = """HloModule jit_f, entry_computation_layout={(f32[8]{0})->f32[8]{0}}

ENTRY %main.3 (x.1: f32[8]) -> f32[8] {
  %x.1 = f32[8]{0} parameter(0), metadata={op_name="x"}
  ROOT %add.2 = f32[8]{0} add(%x.1, %x.1), metadata={op_name="a{b}" source_line=3}, \
backend_config={"a":{"b":[],"c":"d"},"e":{"f":{"g":"1"}}}
}
"""
    assert normalise(text, "hlo").splitlines() == [
        "",
        "ENTRY @0 {",
        "%0 = f32[8]{0} parameter(0)",
        "ROOT %1 = f32[8]{0} add(%0, %0)",
        "}",
    ]


def test_a_value_may_be_named_like_an_op() -> None:
    text = "{ lambda ; add:f32[8] in_:f32[8]. let\n  mul:f32[8] = add add mul_\n in (mul,) }"
    assert normalise(text, "jaxpr").splitlines()[1] == "%1:f32[8] = add %0 mul_"
