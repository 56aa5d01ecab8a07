"""irgen against the plain loops: speed, stages, cost against size, the price of each short cut.

Sides run in processes of their own, block by block in turn, on identical programs.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from backends.tricks import TRICKS
from tests.bench.measure import Ratio, table
from tests.bench.report import Cell, Table
from tests.bench.sides import BALANCED, alternate

OWN = ("draw", "emit", "inputs", "judge", "record", "encode")
"""Stages that are irgen's own Python."""
APART = ("draw", "emit")
"""Stages that both sides of a comparison have alike, and that are counted for neither."""
WARM = 2
"""Blocks before the counted ones, while caches fill."""
OWN_SHARE = 0.15
"""Target: irgen's own stages take at most this share of a verified lane."""

Blocks = Sequence[Mapping[str, Mapping[str, Any]]]

TARGETS: tuple[tuple[str, str, str, float, int], ...] = (
    ("Warp: C++ and CUDA", "warp-text", "warp-plain-text", 1.4, 32),
    ("Warp: text, compiled, run, judged", "warp-lane", "warp-plain-lane", 5.0, 32),
    ("JAX: StableHLO, forward", "jax-forward", "jax-plain-forward", 1.5, 32),
    ("JAX: StableHLO, forward and backward", "jax-text", "jax-plain-text", 1.4, 32),
    ("JAX: text, optimized HLO, interpreted, judged", "jax-lane", "jax-plain-lane", 5.5, 16),
)
"""What is compared: side, plain loop, how many times as fast it is to be, programs in a block."""


def speed(blocks: int, grammar: str = "compound") -> Table:
    """Each target's ratio. Both sides get the same rendered sources; drawing and rendering them is
    counted for neither, making and encoding records for irgen."""
    rows: list[tuple[Cell, ...]] = []
    failures: list[str] = []
    for what, side, plain, target, block in TARGETS:
        found = alternate({side: (side, ""), plain: (plain, "")}, grammar, blocks, block, WARM)
        ours, theirs = _totals(found, side), _totals(found, plain)
        ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
        ratio = statistics.median(ratios)
        own = _own(found, side)
        rows.append(
            (
                what,
                ratio,
                min(ratios),
                max(ratios),
                sum(theirs) / sum(ours),
                target,
                ratio >= target,
                block * len(found) / sum(ours),
                block * len(found) / sum(theirs),
                own,
            )
        )
        if ratio < target:
            failures.append(f"{what}: {ratio:.3g} times as fast, target {target}")
        if side.endswith("-lane") and own > OWN_SHARE:
            failures.append(f"{what}: {own:.3g} of the time is irgen's own, target {OWN_SHARE}")
    columns = (
        *("what", "times as fast", "lowest", "highest", "over all", "target", "met"),
        *("programs/s", "plain loop/s", "own share"),
    )
    notes = (
        f"{blocks} blocks of {grammar} programs, median over blocks; CPU time, sides in processes"
        " of their own on one core; own share: drawing, rendering, inputs, judging and records, of"
        " all that irgen does",
    )
    return Table(f"Speed, {grammar}", columns, tuple(rows), notes, tuple(failures))


def stages(blocks: int, grammar: str = "compound") -> Table:
    """Milliseconds a program by stage, of lanes, of text and of all levels of JAX."""
    sides = ("warp-text", "warp-lane", "jax-text", "jax-all", "jax-lane", "jax-stages")
    rows: list[tuple[Cell, ...]] = []
    for side in sides:
        found = alternate({side: (side, "")}, grammar, blocks, 32)
        count = 32 * len(found)
        times = _by_stage(found, side)
        whole = sum(times.values())
        rows += [(side, name, 1e3 * t / count, t / whole) for name, t in times.items()]
        rows.append((side, "all", 1e3 * whole / count, 1.0))
    columns = ("side", "stage", "ms a program", "share")
    return Table(f"Stages, {grammar}", columns, tuple(rows), (f"{blocks} blocks of 32 programs",))


def sizes(blocks: int, side: str = "jax-text") -> Table:
    """Milliseconds against the size of programs, a program at a time."""
    found = alternate({side: (side, "")}, BALANCED, 32 * blocks, 1, warm=34)
    cost = sorted((one[side]["sizes"][0], 1e3 * sum(one[side]["times"].values())) for one in found)
    rows: list[tuple[Cell, ...]] = []
    for low, high in ((0, 10), (10, 15), (15, 20), (20, 30), (30, 45), (45, 70), (70, 10**6)):
        inside = [taken for size, taken in cost if low <= size < high]
        if inside:
            label = f"{low} to {high - 1}" if high < 10**6 else f"{low} and more"
            rows.append((label, len(inside), statistics.median(inside), max(inside)))
    columns = ("statements", "programs", "median ms", "most ms")
    return Table(f"Cost against size, {side}", columns, tuple(rows), ("all presets in turn",))


def tricks(blocks: int, grammar: str = "compound") -> Table:
    """What a side takes without each short cut, as a multiple of what it takes with all."""
    chosen = {
        "warp-text": ("overloads", "one_build", "young_collection"),
        "jax-text": ("shared_context", "replayed_forward", "frozen_collector"),
        "jax-lane": ("stopped_compile",),
    }
    ratios: list[Ratio] = []
    for side, names in chosen.items():
        found = alternate(
            {"": (side, ""), **{name: (side, name) for name in names}}, grammar, blocks, 32
        )
        with_all = _totals(found, "")
        for name in names:
            without = _totals(found, name)
            ratios.append(
                Ratio(
                    what=f"{side}, {name}",
                    against="without it",
                    ratios=tuple(a / b for a, b in zip(with_all, without, strict=True)),
                    target=1.0,
                    measured=32 * len(found) / sum(with_all),
                    reference=32 * len(found) / sum(without),
                    unit="programs/s",
                )
            )
    notes = tuple(f"{name}: {TRICKS[name]}" for names in chosen.values() for name in names)
    return table("Short cuts", ratios, (f"{blocks} blocks of 32 {grammar} programs", *notes))


def _by_stage(found: Blocks, side: str) -> dict[str, float]:
    times: dict[str, float] = {}
    for block in found:
        for name, taken in block[side]["times"].items():
            times[name] = times.get(name, 0.0) + taken
    return times


def _totals(found: Blocks, side: str) -> list[float]:
    """Seconds of each block, but for what both sides do alike."""
    return [
        sum(taken for name, taken in block[side]["times"].items() if name not in APART)
        for block in found
    ]


def _own(found: Blocks, side: str) -> float:
    times = _by_stage(found, side)
    return sum(taken for name, taken in times.items() if name in OWN) / sum(times.values())
