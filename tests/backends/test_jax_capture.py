"""Capture of JAX source: what comes back, what failures become, and what stays untouched."""

from __future__ import annotations

import functools
import gc
import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.base import REASONS, Artifact, BackendError, Capture, Rendered
from backends.jax import capture as driver
from backends.jax.extract import extract, python_source
from tests.backends.jax_sources import ALL_SOURCES, HEAD, SOURCES, rendered
from tests.bench.plain_jax import plain_capture

jax = driver.load_jax()
jnp = jax.numpy
LEVELS = frozenset(level.name for level in driver.LEVELS)
TEXT = frozenset({"jaxpr", "stablehlo"})
F8 = ("float32", (8,))
ROOT = Path(__file__).parents[2]


def table(capture: Capture) -> dict[tuple[str, str], Artifact]:
    return {(artifact.level, artifact.direction): artifact for artifact in capture.artifacts}


def digest(captures: list[Capture]) -> list[str]:
    return [hashlib.sha256(repr(capture).encode()).hexdigest() for capture in captures]


def test_every_level_of_every_source_forward_and_backward() -> None:
    captures = driver.capture(ALL_SOURCES, LEVELS)
    assert len(captures) == len(ALL_SOURCES)
    for source, captured in zip(ALL_SOURCES, captures, strict=True):
        artifacts = table(captured)
        assert list(artifacts) == [
            (level.name, direction)
            for direction in ("forward", "backward")
            for level in driver.LEVELS
        ]
        for (level, direction), artifact in artifacts.items():
            suffix = "_backward" if direction == "backward" else ""
            assert (artifact.status, artifact.detail, artifact.unit) == ("ok", "", source.entry)
            assert artifact.text
            if level != "jaxpr":
                assert f"jit_{source.entry}{suffix}" in artifact.text.splitlines()[0]
        for direction in ("forward", "backward"):
            assert captured.cost[direction]["bytes"] > 0
            assert captured.cost[direction]["flops"] >= 0


FLOAT_RESULTS = [source for source in SOURCES if source.entry != "two_results"]


@pytest.mark.parametrize("source", FLOAT_RESULTS, ids=lambda source: source.entry)
def test_stablehlo_is_what_a_user_gets_by_hand(source: Rendered) -> None:
    [captured] = driver.capture([source], frozenset({"stablehlo"}))
    texts = [artifact.text for artifact in captured.artifacts]
    assert texts == list(plain_capture(source.python, source.entry, source.arguments))


def test_integer_arguments_and_results_are_not_differentiated() -> None:
    source = rendered("mixed", "return a * i[0].astype(jnp.float32), i + 1", (F8, ("int32", (3,))))
    [captured] = driver.capture([source], frozenset({"stablehlo"}))
    text = table(captured)["stablehlo", "backward"].text or ""
    signature = next(line for line in text.splitlines() if "@main" in line)
    assert signature.count("%arg") == 2  # i and the cotangent; a does not matter to its gradient
    assert signature.count("jax.result_info") == 1


def test_levels_asked_for_are_the_levels_given() -> None:
    [captured] = driver.capture(SOURCES[:1], frozenset({"jaxpr"}))
    assert list(table(captured)) == [("jaxpr", "forward"), ("jaxpr", "backward")]
    assert captured.cost == {}
    [captured] = driver.capture(SOURCES[:1], frozenset({"stablehlo"}))
    assert captured.cost == {}
    with pytest.raises(ValueError, match="unknown JAX level 'ptx', not one of jaxpr, stablehlo"):
        driver.capture(SOURCES[:1], frozenset({"ptx"}))
    assert driver.capture([], LEVELS) == []


INTEGERS = rendered("integers", "return i + 1", (("int32", (3,)),))
COMPARED = rendered("compared", "return a > 0.0", (F8,))
ENDLESS = rendered("endless", "return lax.while_loop(lambda c: c.sum() < 9.0, jnp.exp, a)", (F8,))
MISMATCH = rendered("mismatch", "return a + b", (F8, ("float32", (9,))))
UNKNOWN_TYPE = rendered("unknown_type", "return a", (("float33", (9,)),))
UNPARSED = rendered("unparsed", "return a +", (F8,))
RAISING = Rendered("jax", HEAD + "raise SystemExit('no more')\n", "raising", (), (), False)
ABSENT = Rendered("jax", HEAD, "absent", (), (), False)
CONSTANT = Rendered("jax", "constant = 3\n", "constant", (), (), False)


@pytest.mark.parametrize(
    ("source", "forward", "backward", "detail"),
    [
        (INTEGERS, ("ok", ""), ("missing", "no_float_inputs"), ""),
        (COMPARED, ("ok", ""), ("missing", "no_float_outputs"), ""),
        (ENDLESS, ("ok", ""), ("failed", "compile_error"), "ValueError: Reverse-mode diff"),
        (MISMATCH, ("failed", "compile_error"), ("failed", "compile_error"), "TypeError: "),
        (UNKNOWN_TYPE, ("failed", "compile_error"), ("failed", "compile_error"), "TypeError: "),
        (UNPARSED, ("failed", "source_error"), ("failed", "source_error"), "SyntaxError: "),
        (RAISING, ("failed", "source_error"), ("failed", "source_error"), "SystemExit: no more"),
        (ABSENT, ("failed", "source_error"), ("failed", "source_error"), "KeyError: 'absent'"),
        (CONSTANT, ("failed", "source_error"), ("failed", "source_error"), "TypeError: constant"),
    ],
    ids=lambda value: value.entry if isinstance(value, Rendered) else None,
)
def test_failures_become_artifacts_and_harm_no_other_source(
    source: Rendered, forward: tuple[str, str], backward: tuple[str, str], detail: str
) -> None:
    before, captured, after = driver.capture([SOURCES[0], source, SOURCES[0]], LEVELS)
    assert before == after == driver.capture(SOURCES[:1], LEVELS)[0]
    for artifact in captured.artifacts:
        expected = forward if artifact.direction == "forward" else backward
        assert (artifact.status, artifact.reason) == expected
        assert (artifact.text is None) == (artifact.status != "ok")
        assert artifact.reason == "" or artifact.reason in REASONS
        assert artifact.detail.startswith(detail) or artifact.status == "ok"
        assert "\n" not in artifact.detail
    assert len(captured.artifacts) == 2 * len(LEVELS)
    assert set(captured.cost) == {
        direction
        for direction, (status, _) in (("forward", forward), ("backward", backward))
        if status == "ok"
    }


def test_text_depends_on_neither_order_batch_process_hash_seed_nor_place(tmp_path: Path) -> None:
    expected = driver.capture(ALL_SOURCES, LEVELS)
    assert driver.capture(ALL_SOURCES[::-1], LEVELS)[::-1] == expected
    assert [driver.capture([source], LEVELS)[0] for source in ALL_SOURCES] == expected
    program = (
        "import hashlib, json\n"
        "from backends.jax import capture as driver\n"
        "from tests.backends.jax_sources import ALL_SOURCES\n"
        "levels = frozenset(level.name for level in driver.LEVELS)\n"
        "captures = driver.capture(ALL_SOURCES[::-1], levels)[::-1]\n"
        "print(json.dumps([hashlib.sha256(repr(c).encode()).hexdigest() for c in captures]))\n"
    )
    for seed in ("1", "77"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert json.loads(done.stdout) == digest(expected)
        assert done.stderr == ""


def test_no_place_or_address_in_any_text() -> None:
    for captured in driver.capture(ALL_SOURCES, LEVELS):
        for artifact in captured.artifacts:
            text = artifact.text or ""
            for mark in (".py", " at 0x", "metadata", "site-packages", "\x1b", str(ROOT), "loc("):
                assert mark not in text, artifact


def test_custom_derivatives_print_without_addresses() -> None:
    source = Rendered(
        "jax",
        HEAD
        + "@jax.custom_vjp\ndef clip(a):\n    return a\n\n\n"
        + "clip.defvjp(lambda a: (a, None), lambda _, ct: (jnp.clip(ct, -1.0, 1.0),))\n\n\n"
        + "def entry(a):\n    return clip(a) * a\n",
        "entry",
        (),
        rendered("entry", "return a", (F8,)).arguments,
        False,
    )
    first, second = driver.capture([source, source], TEXT)
    assert first == second
    assert all("0x" not in (artifact.text or "0x") for artifact in first.artifacts)


@pytest.mark.parametrize("ambient", [False, True])
def test_x64_is_on_for_wide_sources_only_and_does_not_leak(ambient: bool) -> None:
    with jax.enable_x64(ambient):
        captures = driver.capture(ALL_SOURCES, TEXT)
        assert jax.config.jax_enable_x64 is ambient
    for source, captured in zip(ALL_SOURCES, captures, strict=True):
        text = "".join(artifact.text or "" for artifact in captured.artifacts)
        assert ("f64" in text) is source.wide
    assert captures == driver.capture(ALL_SOURCES, TEXT)


def test_the_users_own_compiles_work_during_and_after_capture() -> None:
    def double(value: Any) -> Any:
        return value * 2.0

    with driver.session() as interception:
        lowered = jax.jit(double).lower(np.ones(3, np.float32))
        assert "multiply" in driver.optimized_text(lowered, interception)
        assert jax.jit(double)(np.ones(3, np.float32)).tolist() == [2.0, 2.0, 2.0]
        interception.armed = "jit_something_else"
        assert jax.jit(lambda value: value + 1.0)(np.float32(1)) == 2.0
    assert lowered.compile()(np.ones(3, np.float32)).tolist() == [2.0, 2.0, 2.0]
    assert gc.get_freeze_count() <= driver.FROZEN_AT_START


def test_a_frozen_collector_stays_frozen() -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    try:
        driver.capture(SOURCES[:1], TEXT)
        assert gc.get_freeze_count() == frozen
    finally:
        gc.unfreeze()


def test_caches_are_dropped_at_the_limit_without_changing_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = driver.capture(SOURCES, LEVELS)
    monkeypatch.setattr(driver, "RECORDS_PER_RESET", 2)
    assert driver.capture(SOURCES, LEVELS) == expected


def test_check_gives_the_version_or_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert driver.check() == importlib.metadata.version("jax")

    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    with monkeypatch.context() as patch:
        patch.setattr(importlib.metadata, "version", absent)
        with pytest.raises(BackendError, match=r"pip install 'irgen\[jax\]'"):
            driver.check()
    for version in ("0.10.1", "0.13.0", "1.0", "unknown"):
        with monkeypatch.context() as patch:
            patch.setattr(importlib.metadata, "version", lambda name, found=version: found)
            with pytest.raises(BackendError, match=rf"^JAX >=0.10.2,<0.13 is .* found {version}$"):
                driver.check()
    with monkeypatch.context() as patch:
        patch.setattr(driver, "PUBLIC_NAMES", (("jax", "no_such_name"),))
        with pytest.raises(BackendError, match=r"has no jax\.no_such_name$"):
            driver.check()


@pytest.mark.parametrize(("chosen", "expected"), [(None, "cpu"), ("", "")])
def test_platforms_default_to_cpu_unless_chosen(chosen: str | None, expected: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "JAX_PLATFORMS"}
    if chosen is not None:
        environment["JAX_PLATFORMS"] = chosen
    program = (
        "import sys, os\n"
        "from backends.jax import capture as driver\n"
        "assert 'jax' not in sys.modules and os.environ.get('JAX_PLATFORMS') == "
        f"{chosen!r}\n"
        "driver.load_jax()\n"
        "print(repr(os.environ['JAX_PLATFORMS']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"{expected!r}\n"


def test_extract_of_a_scalar_function_is_its_gradient() -> None:
    def loss(weights: dict[str, Any], rate: float) -> Any:
        return jnp.sum(weights["w"] ** 2) * rate

    arguments = ({"w": np.ones(3, np.float32)}, 0.5)
    captured = extract(loss, arguments, LEVELS)
    artifacts = table(captured)
    assert {artifact.status for artifact in artifacts.values()} == {"ok"}
    text = artifacts["stablehlo", "backward"].text or ""
    assert "@jit_loss_backward" in text
    assert next(line for line in text.splitlines() if "@main" in line).count("%arg") == 2
    assert captured.cost["backward"]["flops"] > 0
    assert table(extract(loss, arguments, TEXT, ["forward"])).keys() == {
        ("jaxpr", "forward"),
        ("stablehlo", "forward"),
    }


def test_extract_of_a_vector_function_takes_a_cotangent() -> None:
    scale = jnp.arange(3.0)
    lowered = table(extract(lambda value: value * scale, (jax.ShapeDtypeStruct((3,), "float32"),),
                            TEXT))  # fmt: skip
    text = lowered["stablehlo", "backward"].text or ""
    assert "%arg0: tensor<3xf32>" in text
    assert table(extract(lambda i: i + 1, (3,), TEXT))["jaxpr", "backward"].reason == (
        "no_float_inputs"
    )


@functools.partial(jax.jit, static_argnums=(1, 2))
def repeated(value: Any, count: int, kind: str) -> Any:
    for _ in range(count):
        value = getattr(jnp, kind)(value)
    return value, value > 0


class Doubled:
    def __call__(self, value: Any) -> Any:
        return value * 2.0


def test_extract_takes_jitted_partial_and_object_callables() -> None:
    artifacts = table(extract(repeated, (np.ones(3, np.float32), 3, "sin"), LEVELS))
    assert {artifact.status for artifact in artifacts.values()} == {"ok"}
    assert (artifacts["stablehlo", "forward"].text or "").count("stablehlo.sine") == 3
    for callable_, name in (
        (functools.partial(jnp.dot, jnp.ones(3)), "dot"),
        (Doubled(), "Doubled"),
        (jnp.sin, "sin"),
    ):
        artifacts = table(extract(callable_, (jnp.ones(3),), TEXT))
        assert {(a.status, a.unit) for a in artifacts.values()} == {("ok", name)}


def test_extract_lets_the_users_exception_through() -> None:
    def broken(value: Any) -> Any:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        extract(broken, (1.0,), TEXT)
    with pytest.raises(ValueError, match="unknown direction 'sideways', not one of forward, back"):
        extract(jnp.sin, (1.0,), TEXT, ["sideways"])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="unknown JAX level 'sass'"):
        extract(jnp.sin, (1.0,), frozenset({"sass"}))


def test_python_source_of_every_kind_of_callable() -> None:
    def square(value: Any) -> Any:
        return value * value

    expected = "def square(value: Any) -> Any:\n    return value * value\n"
    assert python_source(square) == expected
    assert python_source(jax.jit(square)) == expected
    assert python_source(functools.partial(square, 2)) == expected
    assert python_source(repeated).startswith("@functools.partial(jax.jit")
    single = lambda value: value + 1  # noqa: E731
    assert python_source(single) == "lambda value: value + 1"
    pair = (lambda value: value, lambda value: -value)
    namespace: dict[str, Any] = {}
    exec("def made(value):\n    return value\n", namespace)
    for without in (*pair, len, Doubled(), namespace["made"]):
        assert python_source(without) == ""


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.campaign
def test_memory_is_flat_from_record_1000_to_5000() -> None:
    sizes: dict[int, int] = {}
    for start in range(0, 5000, 100):
        batch = [
            rendered(f"f{start + k}", f"return jnp.sin(a) * {k}.5 + b @ b",
                     (("float32", (1 + k,)), ("float32", (1 + k,))))
            for k in range(100)
        ]  # fmt: skip
        driver.capture(batch, TEXT)
        sizes[start + 100] = resident()
    assert sizes[5000] <= 1.15 * sizes[1000]
