"""Views: the columns of a row, and what stands in them."""

from __future__ import annotations

import msgspec
import pytest

from backends.base import Artifact
from backends.style import Style
from irgen.record import Record, SourceText
from irgen.verdict import Verdict
from irgen.views import VIEWS, full, seed, wide


def text(unit: str, level: str, direction: str, words: str, backend: str = "warp") -> Artifact:
    return Artifact(backend, unit, level, direction, words)  # type: ignore[arg-type]


def missing(unit: str, level: str, direction: str, reason: str) -> Artifact:
    return Artifact("warp", unit, level, direction, None, "missing", reason)  # type: ignore[arg-type]


def record(backend: str, artifacts: list[Artifact]) -> Record:
    cost = {"forward": {"flops": 8.0, "bytes": 64.0}} if backend == "jax" else {}
    return Record(
        id="0" * 32,
        grammar="compound",
        seed=3,
        index=4,
        program="irgen 1\n",
        statements=5,
        exact_hash="e",
        structure_hash="s",
        content_hash="c",
        choices=[1, 2],
        sources=[SourceText(backend, Style(), "def scale(): ...\n", "scale", cost)],
        artifacts=artifacts,
        versions={"irgen": "0"},
    )


WARP = record(
    "warp",
    [
        text("helper", "cpp", "forward", "helper forward"),
        text("helper", "cpp", "backward", "helper backward"),
        text("scale", "cpp", "forward", "scale forward"),
        missing("scale", "cpp", "backward", "adjoint_disabled"),
        missing("run", "cpp", "forward", "not_a_device_unit"),
        missing("run", "cpp", "backward", "not_a_device_unit"),
        text("", "cpp", "module", "whole"),
        text("", "cuda", "module", "whole for cuda"),
    ],
)
JAX = record(
    "jax",
    [
        text("f", level, direction, f"{level} {direction}", "jax")
        for level in ("jaxpr", "stablehlo", "hlo", "hlo_optimized")
        for direction in ("forward", "backward")
    ],
)
COMMON_START = ["id", "grammar", "seed", "index", "backend", "kernel_name", "python"]
COMMON_END = [
    *("program", "statements", "exact_hash", "structure_hash", "content_hash", "choices", "style"),
    *("vectors", "verdicts", "versions", "grammar_version", "schema_version"),
]


def test_wide_rows_of_warp_join_units_and_say_what_is_missing() -> None:
    row = wide(WARP)
    levels = ["cpp_forward", "cpp_backward", "cpp_module", "cuda_module"]
    assert list(row) == [*COMMON_START, *levels, "missing", *COMMON_END]
    assert row["cpp_forward"] == "helper forward\nscale forward"
    assert row["cpp_backward"] == "helper backward"
    assert row["missing"] == {"cpp_backward": "adjoint_disabled"}


def test_wide_rows_of_jax_have_a_column_per_level_direction_and_cost() -> None:
    row = wide(JAX)
    levels = [
        f"{level}_{direction}"
        for level in ("jaxpr", "stablehlo", "hlo", "hlo_optimized")
        for direction in ("forward", "backward")
    ]
    costs = ["flops_forward", "bytes_forward"]
    assert list(row) == [*COMMON_START, *levels, "missing", *costs, *COMMON_END]
    assert row["hlo_backward"] == "hlo backward"
    assert row["missing"] == {}
    assert (row["flops_forward"], row["bytes_forward"]) == (8.0, 64.0)


def test_wide_rows_keep_the_column_of_text_that_is_not_there() -> None:
    failed = record("warp", [missing("scale", "cuda", "backward", "adjoint_disabled")])
    assert wide(failed)["cuda_backward"] is None


@pytest.mark.parametrize(
    ("shown", "columns"),
    [(WARP, ["cpp", "cuda"]), (JAX, ["hlo_forward", "hlo_backward", "hlo_optimized"])],
    ids=["warp", "jax"],
)
def test_seed_rows_are_narrow(shown: Record, columns: list[str]) -> None:
    row = seed(shown)
    assert list(row) == ["id", "kernel_name", "python", *columns, "type"]
    assert row["type"] == "compound"
    assert all(row[column] for column in columns)


def test_seed_rows_hold_whole_modules_and_the_forward_program() -> None:
    assert seed(WARP)["cuda"] == "whole for cuda"
    assert seed(JAX)["hlo_optimized"] == "hlo_optimized forward"


def test_the_record_view_is_the_record() -> None:
    assert msgspec.convert(full(WARP), Record) == WARP


@pytest.mark.parametrize("view", list(VIEWS))
@pytest.mark.parametrize("shown", [WARP, JAX], ids=["warp", "jax"])
def test_rows_are_json(view: str, shown: Record) -> None:
    row = VIEWS[view](shown)
    assert list(msgspec.json.decode(msgspec.json.encode(row))) == list(row)


def test_wide_rows_say_what_was_verified() -> None:
    right = Verdict("warp", "cpu", "verified", "none")
    wrong = Verdict("warp", "cpu", "verified", "known_wrong")
    failed = Verdict("jax", "interpreter", "failed", "failed", reason="not_interpretable")
    both = Verdict("jax", "compiled", "verified", "verified")
    for verdicts, wanted in (
        ([right], (True, True)),
        ([wrong], (True, False)),
        ([failed], (False, False)),
        ([failed, both], (True, True)),
        ([both, wrong], (True, False)),
    ):
        row = VIEWS["wide"](msgspec.structs.replace(WARP, verdicts=verdicts))
        assert (row["forward_verified"], row["gradient_verified"]) == wanted
