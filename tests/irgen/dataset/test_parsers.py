"""Each level's own parser: what it takes, what it refuses, and the public route beside it."""

from __future__ import annotations

from typing import Any

import pytest

from backends.base import Artifact
from backends.jax import private_syntax
from backends.jax import syntax as jax_syntax
from backends.jax.capture import capture as capture_jax
from backends.jax.jaxpr import JaxprError, parse_jaxpr
from backends.registry import BACKENDS
from backends.warp import syntax as warp_syntax
from grammar.presets import GRAMMARS
from irgen.service import draw, render_batch

_DRAWN = [draw(grammar, 3, 0) for grammar in GRAMMARS.values()]


@pytest.mark.parametrize("name", BACKENDS)
def test_places_are_those_of_capture(name: str) -> None:
    backend = BACKENDS[name]
    levels = [level.name for level in backend.levels]
    syntax: Any = {"warp": warp_syntax, "jax": jax_syntax}[name]
    rendered = render_batch(_DRAWN, backend)
    for chosen in (levels, levels[:1]):
        captures = backend.capture(rendered, frozenset(chosen))
        for source, capture in zip(rendered, captures, strict=True):
            places = [(one.unit, one.level, one.direction) for one in capture.artifacts]
            assert syntax.places(source, chosen) == places


def test_nothing_private_is_missing() -> None:
    assert private_syntax.missing() == ""


def test_parsers_agree_with_what_jax_says_publicly() -> None:
    """What is parsed prints as it did, and costs what `Lowered.cost_analysis` says."""
    import jax
    import jax.numpy as jnp

    def function(x: Any, y: Any) -> Any:
        return jnp.sin(x) @ y + jnp.float32(2)

    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((3, 4), (4, 5))]
    lowered = jax.jit(function).lower(*arguments)
    computation: Any = lowered.compiler_ir("hlo")
    text = computation.as_hlo_text()
    module = private_syntax.parse_hlo(text)
    assert module.name == "jit_function"
    analysis: Any = lowered.cost_analysis()
    assert private_syntax.cost(module) == {
        "flops": analysis["flops"],
        "bytes": analysis["bytes accessed"],
    }
    assert (
        str(private_syntax.parse_stablehlo(lowered.as_text())).strip()
        == str(lowered.compiler_ir("stablehlo")).strip()
    )


def test_an_mlir_context_is_replaced_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_syntax, "MODULES_PER_CONTEXT", 2)
    monkeypatch.setattr(private_syntax, "_parsing", private_syntax._Parsing())
    contexts = [private_syntax.parse_stablehlo("module {}").context for _ in range(3)]
    assert contexts[0] is contexts[1]
    assert contexts[1] is not contexts[2]


JAXPRS = {
    "one equation": ("{ lambda ; a:f32[4]. let b:f32[4] = sin a in (b,) }", 1),
    "a constant": ("{ lambda a:f32[] ; . let  in (a, 1.0:f32[]) }", 0),
    "nothing": ("{ lambda ; . let  in () }", 0),
    "literals": ("{ lambda ; a:f32[]. let b:f32[] = add -inf:f32[] a in (b, True:bool[]) }", 1),
    "an op with a hyphen": ("{ lambda ; a:i8[]. let b:i8[] = scatter-add a -2:i8[] in (b,) }", 1),
    "no result": ("{ lambda ; a:f32[2,3]. let print[text='}'] a in (a,) }", 1),
    "a jaxpr within": (
        "{ lambda ; a:f32[]. let b:f32[] = jit[\n  name=f\n  jaxpr={ lambda ; a:f32[]. let "
        "b:f32[] = sin a in (b,) }\n] a in (b,) }",
        2,
    ),
    "shared jaxprs": (
        "let f = { lambda ; a:f32[]. let b:f32[] = sin a in (b,) } in\n"
        "let g = { lambda ; . let  in () } in\n"
        "{ lambda ; c:f32[]. let d:f32[] = jit[name=f jaxpr=f] c in (d,) }",
        2,
    ),
    "a variable named in": ("{ lambda ; in:f32[]. let a:f32[] = sin in in (in, a) }", 1),
}


@pytest.mark.parametrize("name", JAXPRS)
def test_jaxprs(name: str) -> None:
    text, equations = JAXPRS[name]
    assert parse_jaxpr(text) == equations


NONE = {
    "": "expected '{', at end",
    "{ lambda ; a:f32[]. let b:f32[] = sin c in (b,) }": "line 1: 'c' is not defined, found 'c'",
    "{ lambda ; a:f32[]. let a:f32[] = sin a in (a,) }": "line 1: 'a' is defined twice, found 'a'",
    "{ lambda ; a:f32[] a:f32[]. let  in (a,) }": "line 1: 'a' is defined twice, found 'a'",
    "{ lambda ; a:f33[]. let  in (a,) }": "line 1: expected the type of an element, found 'f33'",
    "{ lambda ; a:f32[x]. let  in (a,) }": "line 1: expected an extent, found 'x'",
    "{ lambda ; a:f32[]. let\n b:f32[] = sin[x=(] a in (b,) }": (
        "line 2: brackets do not match, found ']'"
    ),
    "{ lambda ; a:f32[]. let b:f32[] = sin[x=(a in (b,) }": (
        "line 1: brackets do not match, found '}'"
    ),
    "{ lambda ; a:f32[]. let b:f32[] = sin a in (b,) } x": "line 1: expected the end, found 'x'",
    "{ lambda ; a:f32[]. let b:f32[] = sin a in (b": "expected ',' or ')', at end",
    "{ lambda ; a:f32[]. let b:f32[] sin a in (b,) }": "line 1: expected '=', found 'sin'",
    "{ lambda ; a:f32[]. let b:f32[] = sin a in (b,) } 'x": "unknown character",
}


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_jaxpr(text: str) -> None:
    with pytest.raises(JaxprError) as caught:
        parse_jaxpr(text)
    assert NONE[text] in str(caught.value) or "expected the end" in str(caught.value)


def test_every_jaxpr_that_is_captured_is_one() -> None:
    rendered = render_batch(_DRAWN, BACKENDS["jax"])
    for capture in capture_jax(rendered, frozenset({"jaxpr"})):
        for artifact in capture.artifacts:
            if artifact.text is not None:
                assert parse_jaxpr(artifact.text) > 0


def _module(level: str, text: str) -> list[Artifact]:
    return [Artifact("warp", "", level, "module", text)]


def test_cpp_that_is_none_is_blamed_alone() -> None:
    """Modules are compiled together: an error, or a bracket left open, harms no neighbour."""
    backend = BACKENDS["warp"]
    captures = backend.capture(render_batch(_DRAWN[:5], backend), frozenset({"cpp", "cuda"}))
    rows = [list(capture.artifacts) for capture in captures]
    for number, edit in ((1, "return 1 +;"), (3, "{")):
        for at, one in enumerate(rows[number]):
            if (one.level, one.direction) == ("cpp", "module"):
                rows[number][at] = Artifact("warp", "", "cpp", "module", f"{one.text}{edit}")
    for closely in (False, True):
        found = warp_syntax.read(rows, [True] * 5, [closely] * 5)
        assert [bool(one.faults) for one in found] == [False, True, False, True, False]
        assert [one.parsed["cpp"] for one in found] == [1] * 5
        assert all(one.parsed.get("cuda", 0) == closely for one in found)


@pytest.mark.parametrize(
    ("added", "words"),
    [
        ('#include "/etc/hostname"', "a line for the preprocessor"),
        ('%:include "/etc/hostname"', "a line for the preprocessor"),
        ("??=include </etc/hostname>", "a line for the preprocessor"),
        ('#\\\ninclude "/etc/hostname"', "a line for the preprocessor"),
        ('/**/ #include "/etc/hostname"', "a line for the preprocessor"),
        ('/*\n// */ #include "/etc/hostname"', "'/*'"),
        ("int x; \\\n", "what may read files"),
        ('_Pragma("once")', "_Pragma"),
        ('static_assert(__has_include("/etc/hostname"));', "__has_include"),
        ('asm(".incbin \\"/etc/hostname\\"");', "asm"),
    ],
)
def test_text_that_would_read_files(added: str, words: str) -> None:
    backend = BACKENDS["warp"]
    (capture,) = backend.capture(render_batch(_DRAWN[:1], backend), frozenset({"cpp"}))
    (text,) = [one.text for one in capture.artifacts if one.direction == "module"]
    (found,) = warp_syntax.read([_module("cpp", f"{text}\n{added}\n")], [True], [True])
    (fault,) = found.faults
    assert words in fault.what
    assert "cpp" not in found.parsed


def test_another_header_is_not_compiled() -> None:
    (found,) = warp_syntax.read([_module("cpp", "int x;\n")], [False], [False])
    assert [fault.what for fault in found.faults] == ["it has no header of Warp's"]
