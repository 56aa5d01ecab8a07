"""Shapes that several plots of a report have. Each row of theirs has in `of`, in words, what its
mark stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from irgen.dataset.documents.spread import Spread

WIDTH = 330
"""Pixels that a plot may take: what a phone shows without scrolling."""

Row = dict[str, Any]

_MOST = 14
"""Names that a plot shows at most."""


def bars(
    altair: Any, rows: Sequence[Row], value: str, title: str, *, color: Any = None, step: int = 17
) -> Any:
    """Horizontal bars, in the order given: each row has `name`, the value, and `of`, in words."""
    chart = altair.Chart(altair.Data(values=list(rows)))
    encoding: Row = {
        "x": altair.X(f"{value}:Q", title=title, axis=altair.Axis(tickCount=4, format="~s")),
        "y": altair.Y("name:N", sort=None, title=None, axis=altair.Axis(ticks=False, domain=False)),
        "description": "of:N",
    }
    if color is not None:
        encoding["color"] = color
    size = {"width": WIDTH - 140, "height": step * max(1, len({row["name"] for row in rows}))}
    return chart.mark_bar(height=step - 6).encode(**encoding).properties(**size)


def histogram(altair: Any, counted: Mapping[int, int], title: str, bins: int) -> Any | None:
    """Rows by a whole number, in at most so many bins."""
    if not counted:
        return None
    least, greatest = min(counted), max(counted)
    step = max(1, -(-(greatest - least + 1) // bins))
    found = dict.fromkeys(range(least, greatest + 1, step), 0)
    for number, rows in counted.items():
        found[least + (number - least) // step * step] += rows
    rows = [
        {
            "start": start,
            "end": start + step,
            "rows": count,
            "of": f"{start if step == 1 else f'{start} to {start + step - 1}'} {title}: "
            f"{count:,} rows",
        }
        for start, count in found.items()
    ]
    chart = altair.Chart(altair.Data(values=rows))
    corners = {"cornerRadiusTopLeft": 2, "cornerRadiusTopRight": 2, "cornerRadiusEnd": 0}
    encoding: Row = {
        "y": altair.Y("rows:Q", title="rows", axis=altair.Axis(tickCount=4, format="~s")),
        "description": "of:N",
    }
    if greatest - least < bins:
        axis = altair.Axis(labelAngle=0, ticks=False)
        encoding["x"] = altair.X("start:O", title=title, axis=axis)
        chart = chart.mark_bar(width={"band": 0.7}, **corners)
    else:
        axis = altair.Axis(grid=False, tickMinStep=1, tickCount=6)
        encoding |= {"x": altair.X("start:Q", bin="binned", title=title, axis=axis), "x2": "end:Q"}
        chart = chart.mark_bar(binSpacing=1, **corners)
    return chart.encode(**encoding).properties(width=WIDTH - 55, height=150)


def spreads(altair: Any, found: Sequence[tuple[str, Spread]], title: str, unit: str) -> Any | None:
    """From the 10th to the 90th percentile, and the median, on a logarithmic axis."""
    if not found:
        return None
    rows = [
        {
            "name": name,
            "family": name.split(" ", 1)[0],
            "low": max(1, spread.p10),
            "middle": max(1, spread.p50),
            "high": max(1, spread.p90),
            "of": f"{name}: median {spread.p50:,} {unit}, 80% of rows {spread.p10:,} to "
            f"{spread.p90:,}, at most {spread.greatest:,}; {spread.count:,} rows",
        }
        for name, spread in found
    ]
    base = altair.Chart(altair.Data(values=rows)).encode(
        y=altair.Y("name:N", sort=None, title=None, axis=altair.Axis(ticks=False, domain=False)),
        color=altair.Color("family:N", sort=None, title=None, legend=None),
        description="of:N",
    )
    axis = altair.Axis(format="~s", tickCount=4)
    scale = altair.Scale(type="log")
    ranges = base.mark_bar(height=7, cornerRadius=3, opacity=0.35).encode(
        x=altair.X("low:Q", scale=scale, title=title, axis=axis), x2="high:Q"
    )
    middles = base.mark_tick(thickness=3, height=12).encode(x=altair.X("middle:Q", scale=scale))
    return (ranges + middles).properties(width=WIDTH - 165, height=17 * len(rows))


def by_backend(
    altair: Any, rows: Sequence[Row], value: str, title: str, backends: Sequence[str]
) -> Any | None:
    """Bars of the most frequent names, each stacked of backends."""
    if not rows:
        return None
    totals: dict[str, int] = {}
    for row in rows:
        totals[row["name"]] = totals.get(row["name"], 0) + row[value]
    order = sorted(totals, key=lambda name: (-totals[name], name))[:_MOST]
    kept = sorted(
        (row for row in rows if row["name"] in order), key=lambda row: order.index(row["name"])
    )
    color = altair.Color("backend:N", scale=altair.Scale(domain=list(backends)), title=None)
    return bars(altair, kept, value, title, color=color)
