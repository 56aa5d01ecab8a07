"""Every preset on every backend: verified, rendered, formatted, captured; and why not."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from backends.base import Capture, Rendered
from backends.registry import BACKENDS
from grammar.presets import GRAMMARS
from grammar.verify import verify
from irgen.service import Drawn, draw
from irgen.streaming import BATCH
from tests.bench.report import Table
from tests.quality.pool import over

T = TypeVar("T")

_NUMBERS = re.compile(r"\d+")


@dataclass(slots=True)
class Found:
    """What became of the programs of one preset on one backend.

    `faults` counts programs by (step, message), `reasons` by what artifacts without text say:
    (levels, direction, status, reason, detail). `examples` holds the first index of each.
    """

    preset: str
    backend: str
    programs: int = 0
    verified: int = 0
    rendered: int = 0
    formatted: int = 0
    captured: int = 0
    complete: int = 0
    artifacts: int = 0
    faults: Counter[tuple[str, ...]] | None = None
    reasons: Counter[tuple[str, ...]] | None = None
    examples: dict[tuple[str, ...], int] | None = None


def attempt(step: Callable[[], T]) -> T | str:
    """The result of a step, or what it raised on one line."""
    try:
        return step()
    # A campaign meters what fails: anything that one program raises is a row of its table.
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]


def examine(job: tuple[str, str, int]) -> Found:
    """Draw, verify, render and capture `count` programs of a preset; nothing is executed."""
    preset, backend, count = job
    found = Found(preset, backend, faults=Counter(), reasons=Counter(), examples={})
    rendered: list[tuple[int, Rendered]] = []
    for index in range(count):
        source = _source(found, index)
        if source is not None:
            rendered.append((index, source))
    found.programs, found.rendered = count, len(rendered)
    unformatted = misformatted([source.python for _, source in rendered])
    for position in unformatted:
        _note(
            found, found.faults, ("format", "ruff format changes the file"), rendered[position][0]
        )
    found.formatted = len(rendered) - len(unformatted)
    language = BACKENDS[backend]
    levels = frozenset(level.name for level in language.levels)
    for start in range(0, len(rendered), BATCH):
        part = rendered[start : start + BATCH]
        captures = language.capture([source for _, source in part], levels)
        for (index, source), captured in zip(part, captures, strict=True):
            _count(found, index, source, captured)
    return found


def _source(found: Found, index: int) -> Rendered | None:
    """The program at an index, verified and rendered; None where that failed."""
    grammar = GRAMMARS[found.preset]
    drawn = attempt(lambda: draw(grammar, 0, index))
    if not isinstance(drawn, Drawn):
        _note(found, found.faults, ("draw", drawn), index)
        return None
    fault = attempt(lambda: verify(drawn.program))
    if fault is None:
        found.verified += 1
    else:
        _note(found, found.faults, ("verify", fault), index)
    source = attempt(lambda: BACKENDS[found.backend].render(drawn.program, drawn.style))
    if isinstance(source, Rendered):
        return source
    _note(found, found.faults, ("render", source), index)
    return None


def _note(
    found: Found, counts: Counter[tuple[str, ...]] | None, key: tuple[str, ...], index: int
) -> None:
    """Count something under a key in which numbers that vary are abstracted."""
    assert counts is not None
    assert found.examples is not None
    key = (*key[:-1], _NUMBERS.sub("#", key[-1]))
    counts[key] += 1
    found.examples.setdefault(key, index)


def _count(found: Found, index: int, source: Rendered, captured: Capture) -> None:
    asked = {
        (level.name, direction)
        for level in BACKENDS[found.backend].levels
        for direction in level.directions
    }
    present = {(artifact.level, artifact.direction) for artifact in captured.artifacts}
    for level, direction in sorted(asked - present):
        key = ("artifact", level, direction, "absent", "", f"{len(source.units)} units")
        _note(found, found.faults, key, index)
    failed = bool(asked - present)
    missing = False
    without: dict[tuple[str, ...], dict[str, None]] = {}
    found.artifacts += len(captured.artifacts)
    for artifact in captured.artifacts:
        if artifact.status == "ok":
            continue
        failed |= artifact.status == "failed"
        missing |= artifact.reason != "not_a_device_unit"
        key = (artifact.direction, artifact.status, artifact.reason, artifact.detail)
        levels = without.setdefault(key, {})
        levels[artifact.level] = None
    every = len(BACKENDS[found.backend].levels)
    for key, levels in without.items():
        named = "all" if len(levels) == every else ", ".join(levels)
        _note(found, found.reasons, (named, *key), index)
    found.captured += not failed
    found.complete += not failed and not missing


def misformatted(sources: list[str]) -> list[int]:
    """Positions of the sources that `ruff format` with its default settings would change."""
    with tempfile.TemporaryDirectory() as folder:
        for position, source in enumerate(sources):
            (Path(folder) / f"source_{position:05d}.py").write_text(source, encoding="utf-8")
        command = [sys.executable, "-m", "ruff", "format", "--isolated", "--no-cache", "--check"]
        done = subprocess.run([*command, folder], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr)
    return sorted({int(number) for number in re.findall(r"source_(\d+)\.py", done.stdout)})


def campaign(presets: list[str], count: int, workers: int) -> Iterator[Table]:
    """Both tables: what passed, and the reasons for what is not captured."""
    jobs = [(preset, backend, count) for backend in BACKENDS for preset in presets]
    found = list(over(examine, jobs, workers))
    columns = ("backend", "preset", "programs", "verified", "rendered", "formatted", "captured")
    columns += ("all levels", "artifacts")
    rows = tuple(
        (
            one.backend,
            one.preset,
            one.programs,
            one.verified,
            one.rendered,
            one.formatted,
            one.captured,
            one.complete,
            one.artifacts,
        )
        for one in found
    )
    failures = tuple(
        f"{one.backend} {one.preset}: {step} of {one.programs} programs"
        for one in found
        for step, passed in _steps(one)
        if passed < one.programs
    )
    notes = (
        "captured: no artifact failed; all levels: text at every level in both directions, drivers"
        " aside",
    )
    yield Table("Programs through every step", columns, rows, notes, failures)
    yield _reasons(found)
    yield _faults(found)


def _steps(one: Found) -> list[tuple[str, int]]:
    return [
        (f"{one.verified} verified", one.verified),
        (f"{one.rendered} rendered", one.rendered),
        (f"{one.formatted} formatted", one.formatted),
        (f"{one.captured} captured", one.captured),
    ]


def _reasons(found: list[Found]) -> Table:
    columns = ("backend", "preset", "levels", "direction", "status", "reason", "detail")
    rows = [
        (one.backend, one.preset, *key, count, (one.examples or {})[key])
        for one in found
        for key, count in sorted((one.reasons or {}).items())
    ]
    return Table("Artifacts without text", (*columns, "programs", "first index"), tuple(rows))


def _faults(found: list[Found]) -> Table:
    rows = [
        (one.backend, one.preset, key[0], ": ".join(key[1:]), count, (one.examples or {})[key])
        for one in found
        for key, count in sorted((one.faults or {}).items())
    ]
    columns = ("backend", "preset", "step", "fault", "count", "first index")
    return Table("Faults", columns, tuple(rows))
