"""Each short cut of JAX gives exactly what the plain way gives, and leaves nothing behind."""

from __future__ import annotations

import dataclasses
import importlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from backends import tricks
from backends.base import Capture, Rendered
from backends.jax import capture as driver
from backends.jax import replayed_forward, shared_context, stopped_compile, texts, traced
from backends.jax.names import missing, missing_parameter
from backends.registry import BACKENDS
from grammar.presets import GRAMMARS
from irgen.service import draw_batch, render_batch
from tests.backends.jax_sources import ALL_SOURCES, rendered

jax = driver.load_jax()
LEVELS = frozenset(level.name for level in driver.LEVELS)
OPTIMIZED = frozenset({"stablehlo", "hlo_optimized"})
LOWERED = frozenset({"stablehlo"})
SHORT = ("shared_context", "replayed_forward", "stopped_compile", "frozen_collector")
F8 = ("float32", (8,))
REPLAYS = jax.__version__.startswith("0.10.")
"""Whether the backward is traced from a jaxpr where that is safe."""


def drawn(count: int, start: int = 0) -> list[Rendered]:
    """`count` programs of each preset."""
    addresses = [(g, i) for g in GRAMMARS.values() for i in range(start, start + count)]
    return render_batch(draw_batch(addresses, 0), BACKENDS["jax"])


def stock(source: Rendered) -> Any:
    """The function lowered by JAX alone."""
    arguments = [
        jax.ShapeDtypeStruct(argument.shape, jax.numpy.dtype(argument.dtype))
        for argument in source.arguments
    ]
    with jax.enable_x64(source.wide):
        return jax.jit(driver.load(source)).lower(*arguments)


def captured(
    sources: Sequence[Rendered],
    levels: frozenset[str],
    plain: str,
    monkeypatch: pytest.MonkeyPatch,
) -> list[Capture]:
    """What is captured without the short cuts named, caches cold."""
    jax.clear_caches()
    shared_context.reset()
    with monkeypatch.context() as patch:
        patch.setenv(tricks.VARIABLE, plain)
        return driver.capture(sources, levels)


def test_supported_versions_lack_nothing() -> None:
    assert shared_context.probe() == ""
    assert (replayed_forward.probe() == "") == REPLAYS
    assert stopped_compile.probe() == ""


@pytest.fixture(scope="module")
def programs() -> list[Rendered]:
    return drawn(2, start=400)


@pytest.mark.parametrize("levels", [LOWERED, OPTIMIZED, LEVELS], ids=["text", "lane", "all"])
def test_programs_of_all_presets_are_captured_byte_for_byte_as_without(
    levels: frozenset[str], programs: list[Rendered], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = programs if levels == LOWERED else programs[1 :: 7 if levels == LEVELS else 5]
    expected = captured(sources, levels, tricks.ALL, monkeypatch)
    assert captured(sources, levels, "", monkeypatch) == expected
    assert all(a.status != "failed" for one in expected for a in one.artifacts)


@pytest.mark.parametrize("name", SHORT)
def test_each_can_be_left_out_alone(
    name: str, programs: list[Rendered], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = captured(programs[8:20:4], LEVELS, "", monkeypatch)
    assert captured(programs[8:20:4], LEVELS, name, monkeypatch) == expected


def test_what_is_left_out_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object, **named: object) -> Any:
        raise AssertionError("a short cut ran")

    monkeypatch.setenv(tricks.VARIABLE, tricks.ALL)
    monkeypatch.setattr(shared_context, "new_context", refuse)
    monkeypatch.setattr(stopped_compile, "stopped", refuse)
    monkeypatch.setattr(replayed_forward, "_is_safe", refuse)
    monkeypatch.setattr(driver.gc, "freeze", refuse)
    [found] = driver.capture(ALL_SOURCES[:1], LEVELS)
    assert all(artifact.status == "ok" for artifact in found.artifacts)


@pytest.mark.parametrize(
    ("module", "probe"),
    [(shared_context, "probe"), (replayed_forward, "probe"), (stopped_compile, "probe")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_the_plain_way_is_taken_where_a_private_name_is_missing(
    module: Any, probe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = ALL_SOURCES[:3]
    expected = driver.capture(sources, LEVELS)
    monkeypatch.setattr(module, probe, lambda: "jax._src.gone")
    assert driver.capture(sources, LEVELS) == expected


@pytest.mark.parametrize("cold", [True, False], ids=["cold", "warm"])
def test_rows_depend_on_neither_batch_nor_order(cold: bool, programs: list[Rendered]) -> None:
    chosen = [programs[at] for at in (0, 5, 19, 21, 33)]

    def captures(sources: Sequence[Rendered]) -> list[Capture]:
        if cold:
            jax.clear_caches()
            shared_context.reset()
        return driver.capture(sources, LOWERED)

    together = captures(chosen)
    assert captures(chosen[::-1])[::-1] == together
    assert captures([*chosen[2:], *chosen[:2]]) == [*together[2:], *together[:2]]
    assert [captures([source])[0] for source in chosen] == together
    assert captures([*chosen, *chosen]) == together * 2


@pytest.mark.parametrize("order", [1, -1])
def test_shared_context_gives_the_text_of_stock_jax(order: int) -> None:
    expected = {source.entry: stock(source) for source in ALL_SOURCES}
    shared_context.reset()
    with shared_context.shared_context():
        for source in (*ALL_SOURCES[::order], *ALL_SOURCES):
            lowered = stock(source)
            assert lowered.as_text() == expected[source.entry].as_text()
            assert lowered.as_text("hlo") == expected[source.entry].as_text("hlo")


def test_lowerings_are_shared_across_modules() -> None:
    shared_context.reset()
    sines = [
        dataclasses.replace(
            ALL_SOURCES[0],
            python=ALL_SOURCES[0].python.replace("elementwise", name),
            entry=name,
        )
        for name in ("first", "second")
    ]
    contexts: list[Any] = []
    with shared_context.shared_context():
        contexts += [stock(source).compiler_ir("stablehlo").context for source in sines]
    assert contexts[0] is contexts[1]
    assert stock(sines[0]).compiler_ir("stablehlo").context is not contexts[0]


def test_code_of_one_program_is_not_kept_for_others() -> None:
    loop = rendered("looped", "return lax.fori_loop(0, 9, lambda i, x: jnp.sin(x), a)", (F8,))
    shared_context.reset()
    with shared_context.shared_context():
        stock(loop)
    keys = [key for found in shared_context._shared.lowerings.values() for key in found]
    names = {key.primitive.name for key in keys}
    assert "sin" in names
    assert names.isdisjoint({"while", "scan"})


def test_nothing_is_installed_afterwards_nor_in_other_threads() -> None:
    module_context = importlib.import_module("jax._src.interpreters.mlir").ModuleContext
    before = module_context.__init__
    contexts: list[Any] = []

    def lower() -> None:
        contexts.append(stock(ALL_SOURCES[0]).compiler_ir("stablehlo").context)

    with shared_context.shared_context():
        assert module_context.__init__ is not before
        lower()
        thread = threading.Thread(target=lower)
        thread.start()
        thread.join()
    assert module_context.__init__ is before
    assert contexts[0] is not contexts[1]


CLOSING = rendered(
    "closing",
    "n = jnp.int32(4)\n    return lax.fori_loop(0, 9, lambda i, x: jnp.where(i < n, x * a, x), a)",
    (F8,),
)
"""Its backward has another text when it is traced from the jaxpr."""

OWN_RULE = rendered("own_rule", "return jax.vmap(jax.nn.relu)(a)", (F8,))
STRAIGHT = rendered("straight", "return jnp.where(a > 0.0, jnp.sin(a), a)", (F8,))


@pytest.mark.parametrize(
    ("source", "safe"),
    [(STRAIGHT, True), (CLOSING, False), (OWN_RULE, False)],
    ids=lambda value: getattr(value, "entry", value),
)
def test_the_forward_is_replayed_where_that_is_known_to_be_safe(
    source: Rendered, safe: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = traced.trace(source)["forward"]
    assert (replayed_forward.replayed(forward) is not None) == (safe and REPLAYS)
    exact = driver.capture([source], LOWERED)
    monkeypatch.setattr(replayed_forward, "probe", lambda: "")
    monkeypatch.setattr(replayed_forward, "_is_safe", lambda closed: True)
    differs = driver.capture([source], LOWERED) != exact
    assert differs == (source is CLOSING)


def test_a_jaxpr_that_is_asked_for_comes_from_the_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(stage: object) -> Any:
        raise AssertionError("the forward was replayed")

    monkeypatch.setattr(traced, "replayed", refuse)
    with pytest.raises(AssertionError, match="replayed"):
        traced.trace(STRAIGHT, exact=False)  # the refusal works
    [found] = driver.capture([STRAIGHT], frozenset({"jaxpr", "stablehlo"}))
    assert all(artifact.status == "ok" for artifact in found.artifacts)


def test_a_stopped_compile_gives_what_the_full_compile_and_the_conversion_give(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = {source.entry: driver.compiled_text(stock(source).compile()) for source in ALL_SOURCES}

    def refuse(*given: object) -> str:
        raise AssertionError("the compile was not stopped, or the module was converted again")

    monkeypatch.setattr(texts, "compiled_text", refuse)
    monkeypatch.setattr(texts, "_analysis", refuse)
    levels = frozenset({"hlo_optimized"})
    with driver.session() as interception:
        for source in ALL_SOURCES:
            lowered = stock(source)
            with jax.enable_x64(source.wide):
                stage = traced.trace(source)["forward"]
                found = texts.texts_of(stage, levels, interception, driver.attempt, cost=True)
            assert found["hlo_optimized"] == full[source.entry], source.entry
            assert "metadata" not in found["hlo_optimized"]
            assert found["cost"] == texts._counted(lowered.cost_analysis())
        assert list(Path(interception.folder).iterdir()) == []
    assert not Path(interception.folder).exists()


def test_without_a_place_to_write_modules_are_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = driver.capture(ALL_SOURCES[:2], LEVELS)

    def refuse(*given: object, **named: object) -> Any:
        raise OSError("no place")

    monkeypatch.setattr(stopped_compile.tempfile, "TemporaryDirectory", refuse)
    assert driver.capture(ALL_SOURCES[:2], LEVELS) == expected


@pytest.mark.parametrize(
    ("proto", "module"),
    [
        (b"", b""),
        (b"\x12\x01a", b""),
        (b"\x0a\x03abcd", b"abc"),
        (b"\x0a\x04abc", b""),
        (b"\x0a\x82\x01" + bytes(130) + b"rest", bytes(130)),
        (b"\x0a\x82", b""),
    ],
)
def test_the_module_in_a_proto(proto: bytes, module: bytes) -> None:
    assert stopped_compile._module_of(proto) == module


def test_missing_names_are_told() -> None:
    assert missing(("jax._src.config", "nowhere")) == "jax._src.config.nowhere"
    assert missing(("jax._src.nowhere", "name")) == "jax._src.nowhere.name"
    assert missing_parameter("jax", "jit", ("fun",)) == ""
    assert missing_parameter("jax", "jit", ("fun", "funny")) == "jax.jit(funny=)"
