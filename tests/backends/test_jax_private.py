"""The private routes give exactly what the public ones give, and leave nothing behind."""

from __future__ import annotations

import dataclasses
import importlib
import threading
from typing import Any

import pytest

from backends.base import Rendered
from backends.jax import capture as driver
from tests.backends.jax_sources import ALL_SOURCES

jax = driver.load_jax()
private: Any = importlib.import_module("backends.jax.private")
LEVELS = frozenset(level.name for level in driver.LEVELS)


def stock(source: Rendered) -> Any:
    """The function lowered by JAX alone."""
    arguments = [
        jax.ShapeDtypeStruct(argument.shape, jax.numpy.dtype(argument.dtype))
        for argument in source.arguments
    ]
    with jax.enable_x64(source.wide):
        return jax.jit(driver.load(source)).lower(*arguments)


def test_supported_versions_lack_nothing() -> None:
    assert private.probe() == private.Features("", "", "")


@pytest.mark.parametrize("order", [1, -1])
def test_shared_lowering_gives_the_text_of_stock_jax(order: int) -> None:
    expected = {source.entry: stock(source) for source in ALL_SOURCES}
    private.reset_shared()
    with private.shared_lowering():
        for source in (*ALL_SOURCES[::order], *ALL_SOURCES):
            lowered = stock(source)
            assert lowered.as_text() == expected[source.entry].as_text()
            assert lowered.as_text("hlo") == expected[source.entry].as_text("hlo")


def test_lowerings_are_shared_across_modules() -> None:
    private.reset_shared()
    sines = [
        dataclasses.replace(
            ALL_SOURCES[0],
            python=ALL_SOURCES[0].python.replace("elementwise", name),
            entry=name,
        )
        for name in ("first", "second")
    ]
    contexts: list[Any] = []
    with private.shared_lowering():
        contexts += [stock(source).compiler_ir("stablehlo").context for source in sines]
    assert contexts[0] is contexts[1]
    assert stock(sines[0]).compiler_ir("stablehlo").context is not contexts[0]


def test_nothing_is_installed_afterwards_nor_in_other_threads() -> None:
    module_context = importlib.import_module("jax._src.interpreters.mlir").ModuleContext
    before = module_context.__init__
    contexts: list[Any] = []

    def lower() -> None:
        contexts.append(stock(ALL_SOURCES[0]).compiler_ir("stablehlo").context)

    with private.shared_lowering():
        assert module_context.__init__ is not before
        lower()
        thread = threading.Thread(target=lower)
        thread.start()
        thread.join()
    assert module_context.__init__ is before
    assert contexts[0] is not contexts[1]


def test_stopped_compile_prints_what_the_full_compile_prints(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = {source.entry: driver.compiled_text(stock(source).compile()) for source in ALL_SOURCES}

    def refuse(compiled: object) -> str:
        raise AssertionError("the compile was not stopped")

    monkeypatch.setattr(driver, "compiled_text", refuse)
    with driver.session() as interception:
        for source in ALL_SOURCES:
            with jax.enable_x64(source.wide):
                text = driver.optimized_text(stock(source), interception)
            assert text == full[source.entry], source.entry
            assert "metadata" not in text


def test_cost_is_that_of_the_public_route() -> None:
    for source in ALL_SOURCES:
        lowered = stock(source)
        assert private.computation_cost(lowered.compiler_ir("hlo")) == lowered.cost_analysis()


@pytest.mark.parametrize("feature", [field.name for field in dataclasses.fields(private.Features)])
def test_public_route_is_taken_where_a_private_name_is_missing(
    feature: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = ALL_SOURCES[:3]
    expected = driver.capture(sources, LEVELS)
    features = dataclasses.replace(private.Features("", "", ""), **{feature: "jax._src.gone"})
    monkeypatch.setattr(private, "probe", lambda: features)
    assert driver.capture(sources, LEVELS) == expected


def test_missing_names_are_told() -> None:
    assert private._missing(("jax._src.config", "nowhere")) == "jax._src.config.nowhere"
    assert private._missing(("jax._src.nowhere", "name")) == "jax._src.nowhere.name"
