"""Colours of plots: one drawing serves light and dark, for colours are named and the page says what
they are."""

from __future__ import annotations

import re
from html import escape
from typing import Any

INK, MUTED, GRID = "#0a0b01", "#0a0b02", "#0a0b03"
"""Stand-ins for the colours of text, of labels and of lines behind a plot."""

SERIES = tuple(f"#0a0c{number:02x}" for number in range(1, 7))
"""Stand-ins for the colours of series."""

GOOD, FAIR, BAD, NONE = "#0a0d01", "#0a0d02", "#0a0d03", "#0a0d04"
"""Stand-ins for the colours of verdicts."""

_NAMES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "rule",
    GOOD: "good",
    FAIR: "fair",
    BAD: "bad",
    NONE: "none",
    **{colour: f"series-{number}" for number, colour in enumerate(SERIES, 1)},
}

_COLOUR = re.compile(r'(fill|stroke)="(#0a0[bcd][0-9a-f]{2})"')
_CLIP = re.compile(r"\bclip\d+\b")
_FONT = re.compile(r' font-family="[^"]*"')
_MARK = re.compile(r' aria-label="([^"]*)" role="graphics-symbol" aria-roledescription="(\w+)"')
_ROLES = re.compile(
    r' (?:role="graphics-\w+"|aria-roledescription="[^"]*"|aria-label="[^"]*"|aria-hidden="true")'
)
_WORDLESS = ("axis", "legend", "title")

CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": "sans-serif",
    "padding": 8,
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "gridColor": GRID,
        "domainColor": GRID,
        "tickColor": GRID,
        "tickSize": 4,
        "labelLimit": 150,
    },
    "legend": {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "orient": "bottom",
        "columns": 3,
        "symbolType": "square",
        "symbolSize": 80,
        "labelLimit": 120,
    },
    "header": {"labelColor": INK, "titleColor": MUTED, "labelFontSize": 11},
    "bar": {"cornerRadiusEnd": 2, "fill": SERIES[0]},
    "line": {"stroke": SERIES[0], "strokeWidth": 2},
    "range": {"category": list(SERIES)},
}
"""What all plots have in common, for Vega-Lite."""


def themed(svg: str, key: str, label: str) -> str:
    """A drawing with the page's colours and font in place of the stand-ins, as one image named
    `label`. What a mark stands for is in its attribute `data-of`; its own names start with `key`.
    """
    svg = _MARK.sub(lambda found: "" if found[2] in _WORDLESS else f' data-of="{found[1]}"', svg)
    svg = _COLOUR.sub(lambda found: f'{found[1]}="var(--{_NAMES[found[2]]})"', _ROLES.sub("", svg))
    svg = _FONT.sub("", svg)
    # Vega counts clips over all drawings of a process; a page wants each name once.
    clips = {name: f"{key}-{at}" for at, name in enumerate(dict.fromkeys(_CLIP.findall(svg)))}
    svg = _CLIP.sub(lambda found: clips[found[0]], svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)
