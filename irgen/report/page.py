"""The report of a data set: one HTML file that needs no network and no other file.

Nothing of a row becomes HTML: texts travel as JSON, packed, and the page's script writes them as
text. The page's policy lets no other script run.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import msgspec

from backends.registry import BACKENDS
from irgen.dataset.documents.command import command
from irgen.dataset.documents.stats import Stats, measure, read_stats
from irgen.dataset.documents.words import LEVELS, PRODUCTS, describe, title
from irgen.dataset.manifest import write_whole
from irgen.dataset.reading import Dataset, open_dataset
from irgen.errors import UserError
from irgen.report.alignment import Lines
from irgen.report.header import Tile, tiles
from irgen.report.plots import Plot, plots
from irgen.report.samples import Lane, Panel, Sample, samples

REPORT = "report.html"
"""The name of a report in the folder of its data set."""

SAMPLES = 60

_SCRIPTS = ("highlight.js", "panes.js", "page.js")


def report(
    folder: Path,
    output: Path | None = None,
    *,
    count: int = SAMPLES,
    workers: int = 1,
    watch: Callable[[Iterator[Sample], int], Iterator[Sample]] = lambda found, _: found,
) -> Path:
    """Write the report of the data set in `folder`, to `output` or beside its card; its path.

    It shows `count` samples, aligned in `workers` processes; `watch` is given them as they come,
    and their number, and hands them on. The numbers are those of `stats.json`, or measured where
    there is none that goes with the data.
    UserError where the data set cannot be read, the file not be written, or Altair is missing;
    BackendError where a backend is not installed.
    """
    if count < 0:
        raise UserError(f"--samples {count} is negative")
    if workers < 1:
        raise UserError(f"--workers {workers}: at least one is needed")
    dataset = open_dataset(folder)
    stats = read_stats(dataset) or measure(dataset)
    drawn = plots(stats)
    shown = list(watch(samples(dataset, count, workers), min(count, dataset.count)))
    path = folder / REPORT if output is None else output
    try:
        write_whole(path, page(dataset, stats, drawn, shown).encode())
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
    return path


def page(dataset: Dataset, stats: Stats, drawn: Sequence[Plot], shown: Sequence[Sample]) -> str:
    """The page, from what stands in it."""
    settings = dataset.manifest.settings
    script = "\n".join(_asset(name) for name in _SCRIPTS)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    name = dataset.folder.resolve().name
    return Template(_asset("page.html")).substitute(
        policy=f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        name=escape(name),
        title=escape(title(settings)),
        doc=escape(describe(settings)),
        style=_asset("page.css"),
        tiles="".join(map(_tile, tiles(stats))),
        command=escape(command(settings)),
        versions="".join(
            f"<li>{escape(name)} <b>{escape(version)}</b></li>"
            for name, version in settings.versions.items()
        ),
        families=_options(sample.row["grammar"] for sample in shown),
        ops=_options(op for sample in shown for op in sample.row["ops"]),
        plots="".join(map(_plot, drawn)),
        data=_json({"samples": [_sample(one) for one in shown], "levels": _syntaxes()}),
        script=script,
    )


def _asset(name: str) -> str:
    return resources.files("irgen.report").joinpath(name).read_text("utf-8")


def _tile(tile: Tile) -> str:
    label, value, more = map(escape, (tile.label, tile.value, tile.more))
    return f"<div><dt>{label}</dt><dd><b>{value}</b><span>{more}</span></dd></div>"


def _options(words: Iterable[str]) -> str:
    return "".join(f"<option>{escape(word)}</option>" for word in sorted(set(words)))


def _plot(plot: Plot) -> str:
    wide = ' class="wide"' if plot.wide else ""
    return (
        f'<figure id="plot-{plot.name}"{wide}><figcaption><h3>{escape(plot.title)}</h3>'
        f"<p>{escape(plot.doc)}</p></figcaption>"
        f'<div class="drawing" tabindex="0">{plot.svg}</div></figure>'
    )


def _json(value: object) -> str:
    """JSON that cannot end the element it stands in."""
    text = msgspec.json.encode(value).decode()
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _syntaxes() -> dict[str, dict[str, str]]:
    """By the name of a level: as people write it, and its syntax."""
    found = {level.name: level.syntax for one in BACKENDS.values() for level in one.levels}
    return {
        name: {"title": _capital(LEVELS.get(name, name)), "syntax": syntax}
        for name, syntax in found.items()
    }


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:] if words != "jaxpr" else words


def _sample(sample: Sample) -> dict[str, Any]:
    """A sample for the page: what its list needs, and all else packed."""
    row = sample.row
    lanes = [_lane(lane) for lane in sample.lanes]
    packed = gzip.compress(msgspec.json.encode(lanes), mtime=0)
    kept = ("id", "grammar", "seed", "index", "description", "statements", "depth", "ops")
    return {
        **{key: row[key] for key in kept},
        "index": str(row["index"]),
        "seed": str(row["seed"]),
        "split": sample.split,
        "lanes": [
            {
                "backend": lane.backend,
                "title": PRODUCTS.get(lane.backend, lane.backend),
                "values": lane.forward_verified,
                "gradients": lane.gradient_verified,
            }
            for lane in sample.lanes
        ],
        "packed": base64.b64encode(packed).decode(),
    }


def _lane(lane: Lane) -> dict[str, Any]:
    return {
        "python": lane.python,
        "anchors": lane.anchors,
        "note": lane.note,
        "panels": [_panel(panel) for panel in lane.panels],
    }


def _panel(panel: Panel) -> dict[str, Any]:
    aligned = panel.aligned
    return {
        "level": panel.level,
        "direction": panel.direction,
        "missing": panel.missing,
        "text": None if aligned is None else aligned.text,
        "lines": [] if aligned is None else list(map(_brief, aligned.lines)),
        "through": [] if aligned is None else list(map(_brief, aligned.through)),
    }


def _brief(lines: Lines) -> Any:
    """Mostly there is one line or none."""
    return lines if len(lines) > 1 else next(iter(lines), 0)
