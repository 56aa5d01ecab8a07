"""The samples of a report: sources beside the texts of their compilers, with lines aligned.

What is lowered again to find locations is made from a row's address, never from its text: where
that gives another source than the row has, the row is shown as it is, without alignment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from backends.base import REASONS, Direction, Rendered
from backends.registry import BACKENDS
from grammar.config import Grammar
from grammar.source import INDEX_LIMIT
from irgen import pool
from irgen.dataset.columns import Row
from irgen.dataset.reading import Dataset
from irgen.dataset.settings import grammar_of
from irgen.pool import Limits, Lost
from irgen.record import record_id
from irgen.report import hlo_lines, stablehlo_lines, warp_lines
from irgen.report.alignment import Aligned, Mismatch, anchors
from irgen.report.choosing import Chosen, choose
from irgen.service import draw

DIRECTIONS: tuple[Direction, ...] = ("forward", "backward")

LIMITS = Limits(seconds=60.0, batch=4)

SHOWN: Mapping[str, tuple[str, ...]] = {
    "warp": ("cpp", "cuda"),
    "jax": ("stablehlo", "hlo_optimized"),
}
"""The levels that are shown beside the source, by backend; all of a backend that is not here."""

_OTHER_SOURCE = "The source is not what its address gives: it is shown as it stands, not aligned."
_NO_GRAMMAR = "The data set does not say what drew it: it is not aligned."


@dataclass(frozen=True, slots=True)
class Panel:
    """A text of a sample, or in `missing` why there is none."""

    level: str
    direction: Direction
    aligned: Aligned | None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Lane:
    """What one backend made of a sample.

    `anchors` has for each line of the source the one that stands for it, 0 where a compiler
    names none of its statement. `note` says why lines are not aligned, if they are not.
    """

    backend: str
    python: str
    forward_verified: bool | None
    gradient_verified: bool | None
    panels: tuple[Panel, ...]
    anchors: tuple[int, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """A row with its texts aligned."""

    split: str
    row: Row
    lanes: tuple[Lane, ...]


@dataclass(frozen=True, slots=True)
class _Task:
    """A row to align: the grammar that drew it, if it is known, and what each backend shows."""

    chosen: Chosen
    grammar: Grammar | None
    shown: tuple[tuple[str, tuple[str, ...]], ...]


def samples(dataset: Dataset, count: int, workers: int = 1) -> Iterator[Sample]:
    """At most `count` samples of a data set, aligned in `workers` processes.

    UserError where a shard cannot be read, BackendError where a backend is not installed.
    """
    settings = dataset.manifest.settings
    grammars = {one.name: grammar_of(one) for one in settings.grammars}
    shown = tuple([(name, _levels(name, settings.levels[name])) for name in settings.backends])
    chosen = choose(dataset, count, _columns(shown))
    tasks = [_Task(one, grammars.get(one.row["grammar"]), shown) for one in chosen]
    found = pool.run(align, tasks, workers=workers, limits=LIMITS)
    for task, result in zip(tasks, found, strict=True):
        if isinstance(result, Lost):
            result = _plain(task, f"Aligning it failed: {result.reason} ({result.detail}).")
        yield result


def _levels(backend: str, kept: Sequence[str]) -> tuple[str, ...]:
    wanted = SHOWN.get(backend, tuple([level.name for level in BACKENDS[backend].levels]))
    return tuple([level for level in wanted if level in kept])


def _columns(shown: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    names = ["id", "grammar", "seed", "index", "description", "statements", "depth", "ops"]
    for backend, levels in shown:
        own = ["python", "forward_verified", "gradient_verified", "artifacts"]
        own += [f"{level}_{direction}" for level in levels for direction in DIRECTIONS]
        names += [f"{backend}_{name}" for name in own]
    return names


def align(tasks: Sequence[_Task]) -> list[Sample]:
    """The samples of several rows. Runs in a worker: it compiles what it draws."""
    return [_aligned(task) for task in tasks]


def _aligned(task: _Task) -> Sample:
    row = task.chosen.row
    if task.grammar is None or not _addressed(task.grammar, row):
        return _plain(task, _NO_GRAMMAR if task.grammar is None else _OTHER_SOURCE)
    drawn = draw(task.grammar, row["seed"], row["index"])
    lanes: list[Lane] = []
    for name, levels in task.shown:
        rendered = BACKENDS[name].render(drawn.program, drawn.style)
        if rendered.python == row[f"{name}_python"]:
            lanes.append(_lane(row, rendered, levels))
        else:
            lanes.append(_plain_lane(row, name, levels, _OTHER_SOURCE))
    return Sample(task.chosen.split, row, tuple(lanes))


def _addressed(grammar: Grammar, row: Row) -> bool:
    in_range = 0 <= row["seed"] < INDEX_LIMIT and 0 <= row["index"] < INDEX_LIMIT
    return in_range and record_id(grammar, row["seed"], row["index"]) == row["id"]


def _lane(row: Row, rendered: Rendered, levels: Sequence[str]) -> Lane:
    """One backend's part of a row whose source is what `rendered` holds."""
    lane = _plain_lane(row, rendered.backend, levels, "")
    try:
        panels = _ALIGNERS.get(rendered.backend, _unaligned)(lane.panels, rendered)
    except Mismatch as error:
        return replace(lane, note=f"Lines are not aligned: {error}.")
    named = [
        line
        for panel in panels
        if panel.aligned is not None
        for lines in (*panel.aligned.lines, *panel.aligned.through)
        for line in lines
    ]
    return replace(lane, panels=panels, anchors=anchors(rendered.python, named))


def _align_warp(panels: tuple[Panel, ...], rendered: Rendered) -> tuple[Panel, ...]:
    return tuple(
        [
            panel
            if panel.aligned is None
            else replace(panel, aligned=warp_lines.align(panel.aligned.text, rendered.python))
            for panel in panels
        ]
    )


def _align_jax(panels: tuple[Panel, ...], rendered: Rendered) -> tuple[Panel, ...]:
    from backends.jax.located import file_name, located

    texts = located(rendered, frozenset([panel.level for panel in panels]))
    file = file_name(rendered)
    shared: dict[str, tuple[stablehlo_lines.Shared, ...]] = {}
    found: list[Panel] = []
    for panel in sorted(panels, key=lambda panel: panel.level != "stablehlo"):
        text = texts.get((panel.level, panel.direction))
        if panel.aligned is None or text is None:
            found.append(panel)
            continue
        recorded = panel.aligned.text
        if panel.level == "stablehlo":
            aligned, shared[panel.direction] = stablehlo_lines.align(text, recorded, file)
        else:
            aligned = hlo_lines.align(text, recorded, file, shared.get(panel.direction, ()))
        found.append(replace(panel, aligned=aligned))
    return tuple(sorted(found, key=panels_order(panels)))


def panels_order(panels: Sequence[Panel]) -> Callable[[Panel], int]:
    """A key that sorts panels as these are."""
    order = {(panel.level, panel.direction): at for at, panel in enumerate(panels)}
    return lambda panel: order[panel.level, panel.direction]


def _unaligned(panels: tuple[Panel, ...], rendered: Rendered) -> tuple[Panel, ...]:
    raise Mismatch(f"nothing says where the text of {rendered.backend} comes from")


_ALIGNERS: Mapping[str, Callable[[tuple[Panel, ...], Rendered], tuple[Panel, ...]]] = {
    "warp": _align_warp,
    "jax": _align_jax,
}


def _plain(task: _Task, note: str) -> Sample:
    """A row as it stands."""
    row = task.chosen.row
    lanes = [_plain_lane(row, name, levels, note) for name, levels in task.shown]
    return Sample(task.chosen.split, row, tuple(lanes))


def _plain_lane(row: Row, backend: str, levels: Sequence[str], note: str) -> Lane:
    python = row[f"{backend}_python"]
    return Lane(
        backend,
        python,
        row[f"{backend}_forward_verified"],
        row[f"{backend}_gradient_verified"],
        tuple([_panel(row, backend, level, way) for level in levels for way in DIRECTIONS]),
        (0,) * (python.count("\n") + 1),
        note,
    )


def _panel(row: Row, backend: str, level: str, direction: Direction) -> Panel:
    text = row[f"{backend}_{level}_{direction}"]
    if text is not None:
        nothing = ((),) * (text.count("\n") + 1)
        return Panel(level, direction, Aligned(text, nothing, nothing))
    reasons = [
        one["reason"]
        for one in row[f"{backend}_artifacts"]
        if (one["level"], one["direction"]) == (level, direction) and one["status"] != "ok"
    ]
    why = next((REASONS[reason] for reason in reasons if reason in REASONS), "it was not captured")
    return Panel(level, direction, None, why)
