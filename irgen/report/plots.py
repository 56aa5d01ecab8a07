"""The plots of a report, drawn with Altair once and for all: what the page holds is SVG."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backends.base import REASONS
from irgen.dataset.documents.spread import Spread
from irgen.dataset.documents.stats import Stats
from irgen.dataset.extras import need
from irgen.errors import UserError
from irgen.report.shapes import WIDTH, Row, bars, by_backend, histogram, spreads
from irgen.report.theme import BAD, CONFIG, FAIR, GOOD, GRID, NONE, SERIES, themed

_OPS = 34
"""Ops in the map of pairs: the most frequent ones that are not nearly everywhere."""

_EVERYWHERE = 0.9

_OUTCOMES = {
    "verified": (GOOD, "every lane that can be compared agrees"),
    "none": (NONE, "there is nothing to differentiate"),
    "not_comparable": (FAIR, "too few lanes can be compared"),
    "known_wrong": (SERIES[3], "wrong, and known to be upstream"),
    "failed": (SERIES[4], "it did not run"),
    "mismatch": (BAD, "it disagrees with what the program means"),
}


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing with its title, and what it shows in a sentence. A `wide` one takes two columns."""

    name: str
    title: str
    doc: str
    svg: str
    wide: bool = False


@dataclass(frozen=True, slots=True)
class _Design:
    """A plot to draw: `draw` gives its chart, or None where the data set has no such numbers."""

    name: str
    title: str
    doc: str
    draw: Callable[[Any, Stats], Any | None]
    wide: bool = False


def plots(stats: Stats) -> list[Plot]:
    """All plots that the numbers of a data set give.

    UserError where Altair is not installed, or cannot draw.
    """
    altair = need("altair")
    made: list[Plot] = []
    for design in _DESIGNS:
        chart = design.draw(altair, stats)
        if chart is not None:
            svg = _svg(chart, design)
            made.append(Plot(design.name, design.title, design.doc, svg, design.wide))
    return made


def _svg(chart: Any, design: _Design) -> str:
    out = io.StringIO()
    try:
        chart.configure(**CONFIG).save(out, format="svg")
    except (ImportError, ValueError) as error:
        if "vl" not in str(error):
            raise
        raise UserError("vl-convert-python is not installed: pip install 'irgen[data]'") from None
    return themed(out.getvalue(), f"clip-{design.name}", f"{design.title}. {design.doc}")


def _families(altair: Any, stats: Stats) -> Any:
    rows = [
        {
            "name": family.name,
            "rows": family.rows,
            "of": f"{family.name}: {family.rows:,} rows, {family.rows / max(1, stats.rows):.1%}; "
            f"{family.statements.p10} to {family.statements.p90} statements"
            + "".join(
                f"; {backend} {found.both / found.judged:.1%} verified"
                for backend, found in family.verified.items()
                if found.judged
            ),
        }
        for family in stats.families
    ]
    return bars(altair, rows, "rows", "rows")


def _verdicts(altair: Any, stats: Stats) -> Any | None:
    rows: list[Row] = []
    for backend, executed in stats.executed.items():
        for execution, ways in executed.outcomes.items():
            for way, found in ways.items():
                total = sum(found.values())
                start = 0.0
                for outcome, (_, doc) in _OUTCOMES.items():
                    share = found.get(outcome, 0) / total
                    if not share:
                        continue
                    label = "values" if way == "forward" else "gradients"
                    rows.append(
                        {
                            "name": f"{backend} {execution}, {label}",
                            "outcome": outcome.replace("_", " "),
                            "start": start,
                            "end": start + share,
                            "of": f"{backend} {execution}, {label}: {share:.2%} "
                            f"{outcome.replace('_', ' ')} ({doc}), {found[outcome]:,} rows",
                        }
                    )
                    start += share
    if not rows:
        return None
    present = [
        name for name in _OUTCOMES if any(name.replace("_", " ") == r["outcome"] for r in rows)
    ]
    scale = altair.Scale(
        domain=[name.replace("_", " ") for name in present],
        range=[_OUTCOMES[name][0] for name in present],
    )
    names = len({row["name"] for row in rows})
    return (
        altair.Chart(altair.Data(values=rows))
        .mark_bar(height=20, cornerRadiusEnd=0)
        .encode(
            x=altair.X("start:Q", title=None, axis=altair.Axis(format="%", tickCount=4)),
            x2="end:Q",
            y=altair.Y(
                "name:N", sort=None, title=None, axis=altair.Axis(ticks=False, domain=False)
            ),
            color=altair.Color("outcome:N", scale=scale, title=None),
            description="of:N",
        )
        .properties(width=WIDTH - 160, height=32 * names)
    )


def _statements(altair: Any, stats: Stats) -> Any | None:
    return histogram(altair, stats.statements, "statements", 40)


def _depth(altair: Any, stats: Stats) -> Any | None:
    return histogram(altair, stats.depth, "levels of nesting", 12)


def _texts(altair: Any, stats: Stats) -> Any | None:
    found = [
        (f"{text.backend} {text.level or 'python'} {text.direction}".strip(), text.bytes)
        for text in stats.texts
        if text.backend and text.bytes.count and text.direction != "module"
    ]
    return spreads(altair, found, "bytes of text", "bytes")


def _cost(altair: Any, stats: Stats) -> Any | None:
    found: list[tuple[str, Spread]] = []
    for name, spread in stats.cost.items():
        backend, direction, quantity = name.split("_", 2)
        if spread.count:
            found.append((f"{backend} {quantity}, {direction}", spread))
    return spreads(altair, sorted(found, key=lambda one: one[0]), "flops or bytes", "")


def _saturation(altair: Any, stats: Stats) -> Any | None:
    if len(stats.saturation) < 2:
        return None
    rows = [
        {
            "rows": rows,
            "structures": structures,
            "of": f"{rows:,} rows: {structures:,} structures, {structures / rows:.1%}",
        }
        for rows, structures in stats.saturation
    ]
    last = stats.saturation[-1][0]
    ideal = [{"rows": 0, "structures": 0}, {"rows": last, "structures": last}]
    number = altair.Axis(format="~s", tickCount=4)
    x = altair.X("rows:Q", title="rows, in order of drawing", axis=number)
    y = altair.Y("structures:Q", title="different structures", axis=number)
    line = altair.Chart(altair.Data(values=[{"rows": 0, "structures": 0, "of": ""}, *rows]))
    points = altair.Chart(altair.Data(values=rows))
    bound = altair.Chart(altair.Data(values=ideal))
    return (
        bound.mark_line(stroke=GRID, strokeDash=[4, 4]).encode(x=x, y=y)
        + line.mark_line(interpolate="monotone").encode(x=x, y=y)
        + points.mark_circle(size=45, color=SERIES[0], opacity=1).encode(
            x=x, y=y, description="of:N"
        )
    ).properties(width=WIDTH - 60, height=190)


def _uncertain(altair: Any, stats: Stats) -> Any | None:
    rows = [
        {
            "name": name.replace("_", " "),
            "backend": backend,
            "lanes": lanes,
            "of": f"{backend}: {lanes:,} lanes, {name.replace('_', ' ')}",
        }
        for backend, executed in stats.executed.items()
        for name, lanes in executed.uncertain.items()
        if lanes
    ]
    return by_backend(altair, rows, "lanes", "lanes", list(stats.executed))


def _missing(altair: Any, stats: Stats) -> Any | None:
    counted: dict[tuple[str, str], int] = {}
    for column, reasons in stats.missing.items():
        backend = column.split("_", 1)[0]
        for reason, texts in reasons.items():
            counted[reason, backend] = counted.get((reason, backend), 0) + texts
    for backend, executed in stats.executed.items():
        for reason, rows in executed.failures.items():
            counted[reason, backend] = counted.get((reason, backend), 0) + rows
    rows = [
        {
            "name": reason.replace("_", " "),
            "backend": backend,
            "texts": texts,
            "of": f"{backend}: {texts:,} times, {REASONS.get(reason, reason)}",
        }
        for (reason, backend), texts in counted.items()
    ]
    return by_backend(altair, rows, "texts", "texts or executions", list(stats.executed))


def _pairs(altair: Any, stats: Stats) -> Any | None:
    shown = [op for op, rows in stats.ops.items() if rows <= _EVERYWHERE * stats.rows][:_OPS]
    if len(shown) < 2:
        return None
    rows: list[Row] = []
    for row, given in enumerate(shown):
        for column, other in enumerate(shown):
            first, second = sorted((given, other))
            share = stats.pairs.get(first, {}).get(second, 0) / stats.ops[given]
            if not share and given != other:
                continue
            rows.append(
                {
                    "given": given,
                    "other": other,
                    "row": row,
                    "column": column,
                    "share": share,
                    "of": f"{share:.0%} of the rows with {given} have {other}"
                    if given != other
                    else f"{given}: {stats.ops[given]:,} rows",
                }
            )
    axis: Row = {"ticks": False, "domain": False, "labelFontSize": 10, "labelLimit": 90}
    top = altair.Axis(orient="top", labelAngle=-60, labelAlign="left", **axis)

    def by(rank: str) -> Any:
        return altair.EncodingSortField(rank, op="min")

    return (
        altair.Chart(altair.Data(values=rows))
        .mark_rect(fill=SERIES[0], width={"band": 0.9}, height={"band": 0.9})
        .encode(
            # A list of names as order would not do: Vega takes the name "if" for an expression.
            x=altair.X("other:N", sort=by("column"), title=None, axis=top),
            y=altair.Y("given:N", sort=by("row"), title=None, axis=altair.Axis(**axis)),
            opacity=altair.Opacity(
                "share:Q",
                scale=altair.Scale(type="sqrt", domain=[0, 1], range=[0.03, 1]),
                legend=None,
            ),
            description="of:N",
        )
        .properties(width=17 * len(shown), height=17 * len(shown))
    )


_DESIGNS: tuple[_Design, ...] = (
    _Design(
        "verdicts",
        "Verdicts",
        "Rows by what the oracle says of each way to run them.",
        _verdicts,
    ),
    _Design("families", "Families", "Rows of each grammar.", _families),
    _Design(
        "texts",
        "Size of text",
        "From the 10th to the 90th percentile, with the median.",
        _texts,
    ),
    _Design(
        "pairs",
        "Ops together",
        "The stronger the colour, the more rows with the op at the left have the one above.",
        _pairs,
        wide=True,
    ),
    _Design("statements", "Size of programs", "Statements, nested ones included.", _statements),
    _Design("depth", "Depth", "How deep control flow nests.", _depth),
    _Design(
        "saturation",
        "Saturation",
        "Structures: programs that differ in more than constants. Dashed: every row a new one.",
        _saturation,
    ),
    _Design(
        "uncertain",
        "Where certainty ends",
        "Lanes that no verdict rests on, by what makes their bounds too wide.",
        _uncertain,
    ),
    _Design(
        "missing",
        "What is missing, and why",
        "Texts that are not there and executions that ended without a result.",
        _missing,
    ),
    _Design(
        "cost",
        "Cost of the programs",
        "Flops and bytes moved, as the compiler estimates them for one call.",
        _cost,
    ),
)
