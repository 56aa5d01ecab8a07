"""Drawing, emitting and text capture, each as a share of the plain loop's text capture.

Every block draws fresh `compound` programs, renders them, and hands the same sources to irgen and
to the plain loop, which take turns at going first. The first block warms both up and is not
counted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from backends.base import Rendered
from backends.registry import BACKENDS
from grammar.presets import GRAMMARS
from irgen.service import Drawn, draw_batch, render_batch
from tests.bench.measure import pin, seconds, shares, table
from tests.bench.report import Table

Capture = Callable[[list[Rendered]], None]

DRAW, EMIT, CAPTURE, PLAIN = "draw", "emit", "text capture", "plain loop"


def warp(blocks: int = 9, block: int = 60, grammar: str = "compound") -> Table:
    """Warp: the plain loop writes a file, imports it and generates C++ and CUDA text."""
    note = pin()
    backend = BACKENDS["warp"]
    backend.check()
    levels = frozenset(level.name for level in backend.levels)
    with _plain_warp() as plain:

        def capture(sources: list[Rendered]) -> None:
            _checked(sources, backend.capture(sources, levels))

        times = _times("warp", grammar, blocks, block, capture, plain)
    targets = {DRAW: 0.05, EMIT: 0.25, CAPTURE: 1.0}
    notes = (f"{blocks} blocks of {block} {grammar} programs; {note}",)
    return table("Warp", shares(times, PLAIN, targets, block, "plain Warp text capture"), notes)


def jax(blocks: int = 9, block: int = 20, grammar: str = "compound") -> Table:
    """JAX: the plain loop is `jax.jit(f).lower` for the function and for its backward."""
    note = pin()
    from backends.jax import capture as driver
    from tests.bench.plain_jax import plain_capture

    loaded = driver.load_jax()

    def plain(sources: list[Rendered]) -> None:
        for source in sources:
            with loaded.enable_x64(source.wide):
                plain_capture(source.python, source.entry, source.arguments)

    def capture(sources: list[Rendered]) -> None:
        _checked(sources, driver.capture(sources, frozenset({"stablehlo"})))

    times = _times("jax", grammar, blocks, block, capture, plain)
    targets = {DRAW: 0.05, EMIT: 0.25, CAPTURE: 1.0}
    notes = (f"{blocks} blocks of {block} {grammar} programs; {note}",)
    return table("JAX", shares(times, PLAIN, targets, block, "plain JAX lowering"), notes)


def _times(
    name: str, grammar: str, blocks: int, block: int, capture: Capture, plain: Capture
) -> list[dict[str, float]]:
    """Seconds per step of each counted block."""
    preset, backend = GRAMMARS[grammar], BACKENDS[name]

    def drawing(start: int) -> list[Drawn]:
        return draw_batch([(preset, index) for index in range(start, start + block)], 0)

    def emitting(drawn: list[Drawn]) -> list[Rendered]:
        return render_batch(drawn, backend)

    times: list[dict[str, float]] = []
    for number in range(blocks + 1):
        taken: dict[str, float] = {}
        taken[DRAW], drawn = seconds(lambda start=number * block: drawing(start))
        taken[EMIT], sources = seconds(lambda drawn=drawn: emitting(drawn))
        sides = [(CAPTURE, capture), (PLAIN, plain)]
        for step, side in sides if number % 2 else sides[::-1]:
            taken[step], _ = seconds(lambda side=side, sources=sources: side(sources))
        times.append(taken)
    return times[1:]


def _checked(sources: list[Rendered], captures: list) -> None:
    """ValueError where a source failed: a failure is quick, and would flatter the figures."""
    for source, captured in zip(sources, captures, strict=True):
        for artifact in captured.artifacts:
            if artifact.status == "failed":
                raise ValueError(f"{source.entry}: {artifact.level}: {artifact.detail}")


@contextmanager
def _plain_warp() -> Iterator[Capture]:
    import warp as wp

    from tests.bench.plain_warp import plain_capture

    wp.config.log_level = wp.LOG_WARNING
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)

        def plain(sources: list[Rendered]) -> None:
            for source in sources:
                plain_capture(source.python, place)

        yield plain
