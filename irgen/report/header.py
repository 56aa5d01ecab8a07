"""The numbers at the head of a report."""

from __future__ import annotations

from dataclasses import dataclass

from irgen.dataset.documents.stats import Stats
from irgen.dataset.documents.words import PRODUCTS, numbers_of, share, size


@dataclass(frozen=True, slots=True)
class Tile:
    """One number: what it is of, the number itself, and what else there is to say."""

    label: str
    value: str
    more: str


def tiles(stats: Stats) -> list[Tile]:
    """The numbers that matter most."""
    splits = ", ".join(f"{split} {rows:,}" for split, rows in stats.splits.items())
    found = [Tile("Programs", f"{stats.rows:,}", splits)]
    for backend, verified in stats.verified.items():
        if verified.judged:
            forward, gradient, both = numbers_of(verified)
            label = f"{PRODUCTS.get(backend, backend)} verified"
            found.append(Tile(label, both, f"values {forward}, gradients {gradient}"))
    structures = share(stats.structures, stats.rows)
    found.append(Tile("Structures", structures, "differ in more than constants"))
    drawing = stats.drawing
    if drawing.drawn > stats.rows:
        twice = share(drawing.duplicates, drawing.drawn)
        found.append(Tile("Drawn twice", twice, f"of {drawing.drawn:,} drawn, left out"))
    text = sum(one.bytes.sum for one in stats.texts)
    found.append(Tile("Text", size(text), f"{size(stats.bytes)} on disk"))
    return found
