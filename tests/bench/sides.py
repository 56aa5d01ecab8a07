"""Sides of a comparison, each in a process of its own: caches that one fills never serve another.

A side makes blocks of programs and says how many CPU seconds each of its stages took. Only one runs
at a time, all on the same core. `python -m tests.bench.sides NAME GRAMMAR` is such a process: it
reads `start count` per line, and answers with a line of JSON.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from backends.base import Capture, Job, Rendered
from backends.registry import BACKENDS
from grammar.presets import GRAMMARS
from grammar.program import size
from irgen import vectors
from irgen.lane import judged
from irgen.record import Record
from irgen.service import Drawn, draw_batch, installed_versions, make_record, render_batch
from irgen.vectors import Vectors
from irgen.verdict import Verdict
from tests.bench.measure import pin

T = TypeVar("T")
Times = dict[str, float]

BALANCED = "balanced"
"""Presets in turn."""

LANE_LEVELS = {
    "warp": frozenset({"cpp", "cuda"}),
    "jax": frozenset({"stablehlo", "hlo_optimized"}),
}
"""What a verified lane captures."""


@dataclass(slots=True)
class Stages:
    """CPU seconds by stage, added up."""

    times: Times = field(default_factory=dict[str, float])

    def add(self, name: str, step: Callable[[], T]) -> T:
        start = time.process_time()
        result = step()
        self.times[name] = self.times.get(name, 0.0) + time.process_time() - start
        return result


Side = Callable[[Sequence[Drawn], Sequence[Rendered], Stages], None]


def addresses(grammar: str, start: int, count: int) -> list[tuple[Any, int]]:
    if grammar != BALANCED:
        return [(GRAMMARS[grammar], index) for index in range(start, start + count)]
    presets = list(GRAMMARS.values())
    return [(presets[n % len(presets)], n // len(presets)) for n in range(start, start + count)]


def _failed(source: Rendered, captured: Capture) -> None:
    """ValueError where a source failed: a failure is quick, and would flatter the figures."""
    for artifact in captured.artifacts:
        if artifact.status == "failed":
            raise ValueError(f"{source.entry}: {artifact.level}: {artifact.detail}")


def _encode(stages: Stages, records: Sequence[Record]) -> None:
    stages.add("encode", lambda: [msgspec.json.encode(record) for record in records])


def _records(
    drawn: Sequence[Drawn],
    sources: Sequence[Rendered],
    captures: Sequence[Capture],
    found: Sequence[tuple[Vectors | None, list[Verdict]]],
    versions: dict[str, str],
) -> list[Record]:
    return [
        make_record(item, source, captured, versions, vector, verdicts)
        for item, source, captured, (vector, verdicts) in zip(
            drawn, sources, captures, found, strict=True
        )
    ]


def _text(backend: str, levels: frozenset[str], *, records: bool) -> Side:
    """irgen's capture of some levels; with `records`, all the way to JSON."""
    language = BACKENDS[backend]
    versions = installed_versions(language, True)

    def side(drawn: Sequence[Drawn], sources: Sequence[Rendered], stages: Stages) -> None:
        captures = stages.add("capture", lambda: language.capture(sources, levels))
        for source, captured in zip(sources, captures, strict=True):
            _failed(source, captured)
        if records:
            nothing = [(None, [])] * len(drawn)
            made = stages.add(
                "record", lambda: _records(drawn, sources, captures, nothing, versions)
            )
            _encode(stages, made)

    return side


def _lane(backend: str) -> Side:
    """A verified lane of irgen: inputs, text, run, judgement, record."""
    language = BACKENDS[backend]
    language.prepare()
    versions = installed_versions(language, True)
    levels = LANE_LEVELS[backend]

    def side(drawn: Sequence[Drawn], sources: Sequence[Rendered], stages: Stages) -> None:
        fed = stages.add("inputs", lambda: [vectors.make(item.program) for item in drawn])
        captures = stages.add("capture", lambda: language.capture(sources, levels))
        jobs = [
            Job(item.program, source, captured, *vector)
            for item, source, captured, vector in zip(drawn, sources, captures, fed, strict=True)
        ]
        results = stages.add("run", lambda: language.execute(jobs, language.executions[:1]))
        found = stages.add(
            "judge",
            lambda: [judged(language, job, ran) for job, ran in zip(jobs, results, strict=True)],
        )
        for source, (_, verdicts) in zip(sources, found, strict=True):
            if verdicts[0].forward == "failed" and verdicts[0].reason != "not_interpretable":
                raise ValueError(f"{source.entry}: {verdicts[0].reason} {verdicts[0].detail}")
        made = stages.add("record", lambda: _records(drawn, sources, captures, found, versions))
        _encode(stages, made)

    return side


def _jax_forward() -> Side:
    """irgen's StableHLO of the function alone."""
    from backends.jax import capture, texts, traced

    def one(source: Rendered, interception: Any) -> None:
        with capture.load_jax().enable_x64(source.wide):
            forward = capture.load_jax().jit(capture.load(source)).trace(*traced.shapes(source))
            found = texts.texts_of(
                forward, frozenset({"stablehlo"}), interception, capture.attempt, cost=False
            )
        if not isinstance(found["stablehlo"], str):
            raise ValueError(f"{source.entry}: {found['stablehlo']}")

    def all_of(sources: Sequence[Rendered]) -> None:
        with capture.session() as interception:
            for number, source in enumerate(sources):
                if number % 2:  # a record counts for two modules
                    capture.reset_when_due()
                one(source, interception)

    return lambda drawn, sources, stages: stages.add("capture", lambda: all_of(sources))


def _jax_stages() -> Side:
    """Capture of all levels of JAX, step by step."""
    from backends.jax import capture, stopped_compile, texts, traced

    capture.checked()

    def one(source: Rendered, interception: Any, stages: Stages) -> None:
        with capture.load_jax().enable_x64(source.wide):
            found = stages.add("trace", lambda: traced.trace(source))
            for stage in found.values():
                if isinstance(stage, capture.Failure):
                    continue
                lowered = stages.add("lower", stage.lower)
                stages.add(
                    "print", lambda s=stage, low=lowered: (texts.jaxpr_text(s), low.as_text())
                )
                before = stages.add("to HLO", lambda low=lowered: low.compiler_ir("hlo"))
                stages.add("print", before.as_hlo_text)
                proto = before.as_serialized_hlo_module_proto()
                stages.add("cost", lambda proto=proto: stopped_compile.cost_of(proto))
                stages.add("optimize", lambda low=lowered: texts.optimized_text(low, interception))

    def side(drawn: Sequence[Drawn], sources: Sequence[Rendered], stages: Stages) -> None:
        with capture.session() as interception:
            for source in sources:
                capture.reset_when_due()
                one(source, interception, stages)

    return side


def _plain_jax(*, backward: bool) -> Side:
    from tests.bench.plain_jax import plain_capture, plain_forward

    loaded: Any = importlib.import_module("backends.jax.capture").load_jax()
    way: Callable[..., object] = plain_capture if backward else plain_forward

    def all_of(sources: Sequence[Rendered]) -> None:
        for source in sources:
            with loaded.enable_x64(source.wide):
                way(source.python, source.entry, source.arguments)

    return lambda drawn, sources, stages: stages.add("plain", lambda: all_of(sources))


def _plain_warp() -> Side:
    import warp as wp

    from tests.bench.plain_warp import plain_capture

    wp.config.log_level = wp.LOG_WARNING
    place = Path(tempfile.mkdtemp(dir=_place()))

    def all_of(sources: Sequence[Rendered]) -> None:
        for source in sources:
            plain_capture(source.python, place)

    return lambda drawn, sources, stages: stages.add("plain", lambda: all_of(sources))


def _plain_lane(backend: str) -> Side:
    from tests.bench import verified

    if backend == "warp":
        import warp as wp

        wp.config.log_level = wp.LOG_ERROR
        place = Path(tempfile.mkdtemp(dir=_place()))
        wp.config.kernel_cache_dir = str(place)

        def one(job: Job) -> object:
            return verified.plain_warp(job, place)

    else:
        BACKENDS["jax"].check()
        one = verified.plain_jax

    def side(drawn: Sequence[Drawn], sources: Sequence[Rendered], stages: Stages) -> None:
        jobs = [
            Job(item.program, source, Capture((), {}), *vectors.make(item.program))
            for item, source in zip(drawn, sources, strict=True)
        ]
        stages.add("plain", lambda: [one(job) for job in jobs])

    return side


def _place() -> str:
    """The folder that the parent removes afterwards."""
    return os.environ["IRGEN_BENCH_FOLDER"]


SIDES: dict[str, tuple[str, Callable[[], Side]]] = {
    "warp-text": ("warp", lambda: _text("warp", LANE_LEVELS["warp"], records=True)),
    "warp-lane": ("warp", lambda: _lane("warp")),
    "warp-plain-text": ("warp", _plain_warp),
    "warp-plain-lane": ("warp", lambda: _plain_lane("warp")),
    "jax-forward": ("jax", _jax_forward),
    "jax-text": ("jax", lambda: _text("jax", frozenset({"stablehlo"}), records=True)),
    "jax-all": (
        "jax",
        lambda: _text("jax", frozenset(one.name for one in BACKENDS["jax"].levels), records=True),
    ),
    "jax-stages": ("jax", _jax_stages),
    "jax-lane": ("jax", lambda: _lane("jax")),
    "jax-plain-forward": ("jax", lambda: _plain_jax(backward=False)),
    "jax-plain-text": ("jax", lambda: _plain_jax(backward=True)),
    "jax-plain-lane": ("jax", lambda: _plain_lane("jax")),
}
"""Backend and work of each side. Those of irgen include drawing and rendering, as stages apart."""


class Process:
    """A side in a process of its own."""

    def __init__(self, name: str, grammar: str, folder: str, plain: str = "") -> None:
        environment = os.environ | {"IRGEN_BENCH_FOLDER": folder, "IRGEN_PLAIN": plain}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.sides", name, grammar],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def block(self, start: int, count: int) -> dict[str, Any]:
        """What the side says of a block: `times` by stage, `sizes`, `rss` in MiB."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(f"{start} {count}\n")
        self._child.stdin.flush()
        return json.loads(self._child.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.wait()


@contextmanager
def processes(names: Mapping[str, tuple[str, str]], grammar: str) -> Iterator[dict[str, Process]]:
    """Processes by name: of a side, with what IRGEN_PLAIN is to be."""
    with tempfile.TemporaryDirectory(prefix="irgen-bench-", ignore_cleanup_errors=True) as folder:
        started = {
            name: Process(side, grammar, folder, plain) for name, (side, plain) in names.items()
        }
        try:
            yield started
        finally:
            for process in started.values():
                process.__exit__(None, None, None)


def alternate(
    names: Mapping[str, tuple[str, str]], grammar: str, blocks: int, block: int, warm: int = 1
) -> list[dict[str, dict[str, Any]]]:
    """What each side says of the same blocks; sides take turns at going first. The first `warm`
    blocks are not counted."""
    found: list[dict[str, dict[str, Any]]] = []
    with processes(names, grammar) as sides:
        for number in range(warm + blocks):
            order = list(sides.items())[:: -1 if number % 2 else 1]
            found.append({name: side.block(number * block, block) for name, side in order})
    return found[warm:]


def main(name: str, grammar: str) -> None:
    pin()
    backend, make = SIDES[name]
    side = make()
    language = BACKENDS[backend]
    for line in sys.stdin:
        start, count = map(int, line.split())
        stages = Stages()
        gc.collect()
        drawn = stages.add("draw", lambda s=start, c=count: draw_batch(addresses(grammar, s, c), 0))
        sources = stages.add("emit", lambda drawn=drawn: render_batch(drawn, language))
        gc.collect()
        side(drawn, sources, stages)
        said = {
            "times": stages.times,
            "sizes": [size(item.program) for item in drawn],
            "rss": _resident(),
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


def _resident() -> float:
    """Resident memory of this process in MiB, its peak where the system has no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main(*sys.argv[1:])
