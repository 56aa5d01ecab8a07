"""Verified streams: the records of workers are those of this process, and the lost have a row."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from backends.base import REASONS, BackendError
from backends.registry import BACKENDS
from grammar.presets import GRAMMARS
from irgen import streaming
from irgen.errors import UserError
from irgen.lane import work
from irgen.pool import Lost
from irgen.record import Record
from irgen.service import draw
from tests.irgen.rows import plan

ROOT = Path(__file__).parents[2]
BRANCH = GRAMMARS["branch"]
CPP = frozenset({"cpp"})


def verified(count: int, workers: int, batch: int = 2) -> list[Record]:
    return list(
        streaming.stream(
            BRANCH, "warp", count=count, levels=CPP, verify=True, workers=workers, batch=batch
        )
    )


def test_records_of_workers_are_those_of_one_process() -> None:
    expected = [work(plan(), [(BRANCH, index)])[0] for index in range(5)]
    assert all(record.verdicts[0].forward == "verified" for record in expected)
    assert verified(5, workers=2) == expected
    assert verified(5, workers=1, batch=32) == expected


def test_without_verify_nothing_is_executed() -> None:
    (record,) = streaming.stream(BRANCH, "warp", count=1, levels=CPP)
    assert (record.vectors, record.verdicts) == (None, [])


def test_a_row_that_ends_its_process_keeps_its_text() -> None:
    (whole,) = work(plan(), [(BRANCH, 1)])
    why = Lost("crashed", "SIGSEGV")
    found = streaming.lost_record(plan(), draw(BRANCH, 0, 1), why)
    assert (found.artifacts, found.sources, found.id) == (whole.artifacts, whole.sources, whole.id)
    (verdict,) = found.verdicts
    assert (verdict.forward, verdict.gradient, verdict.verified) == ("failed", "failed", False)
    assert (verdict.reason, verdict.detail) == ("crashed", "SIGSEGV")
    assert verdict.reason in REASONS
    assert found.vectors is not None
    assert whole.vectors is not None
    assert found.vectors.inputs == whole.vectors.inputs
    assert found.vectors.outputs == []


def test_a_row_whose_text_cannot_be_had_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    why = Lost("timed_out", "10 s")
    monkeypatch.setattr(streaming.pool, "run", lambda *_, **__: iter([why]))
    found = streaming.lost_record(plan(), draw(BRANCH, 0, 1), why)
    assert {(a.level, a.status, a.reason) for a in found.artifacts} == {
        ("cpp", "failed", "timed_out")
    }
    assert "def " in found.sources[0].python
    assert found.verdicts[0].reason == "timed_out"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"verify": True, "workers": 0}, "0 workers: at least one"),
        ({"execute": ("compiled",)}, "'compiled' cannot be"),
        ({"verify": True, "execute": ("compield",)}, "did you mean 'compiled'?"),
        ({"verify": True, "execute": ("cpu",)}, "unknown execution 'cpu' of backend jax"),
    ],
)
def test_what_cannot_be_executed_is_refused_at_once(options: dict, words: str) -> None:
    with pytest.raises(UserError) as caught:
        streaming.stream(BRANCH, "jax", count=1, **options)
    assert words in str(caught.value)


def test_a_backend_that_is_not_installed_is_named_before_a_worker_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    absent = replace(BACKENDS["warp"], distribution="no-such-distribution")
    monkeypatch.setitem(BACKENDS, "warp", absent)
    with pytest.raises(BackendError, match=r"not installed: pip install 'irgen\[warp\]'"):
        streaming.stream(BRANCH, "warp", count=1, verify=True)


def test_a_verified_stream_imports_no_compiler_here() -> None:
    script = (
        "import sys, irgen; found = next(irgen.stream('branch', levels=('cpp',), verify=True)); "
        "print(found.verdicts[0].forward, *{'warp', 'jax'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("verified\n", "")


@pytest.mark.parametrize("backend", list(BACKENDS.values()), ids=list(BACKENDS))
def test_executions_of_a_row_are_those_of_its_driver(backend: object) -> None:
    from backends.jax import run as jax
    from backends.warp import run as warp

    assert backend in BACKENDS.values()
    driver = {"warp": warp, "jax": jax}[backend.name]  # type: ignore[attr-defined]
    assert backend.executions == driver.EXECUTIONS  # type: ignore[attr-defined]
    assert set(backend.executions) <= set(backend.judged)  # type: ignore[attr-defined]
