"""Where the parts of a data set lie in its folder.

README.md            the card
croissant.json       the same for machines
manifest.json        every file with its hash, written last
data/                the rows: SPLIT-00000-of-00012.parquet
views/TASK/          the same rows as training data, likewise
plan/settings.json   what was asked for
plan/rows.parquet    which programs are in, and where
work/                what an unfinished build keeps; gone when it is done
"""

from __future__ import annotations

from pathlib import Path

CARD = "README.md"
CROISSANT = "croissant.json"
MANIFEST = "manifest.json"
DATA = "data"
VIEWS = "views"
PLAN = "plan"
SETTINGS = "plan/settings.json"
ROWS = "plan/rows.parquet"
CLUSTERS = "plan/clusters.parquet"
WORK = "work"

SPLITS = ("train", "validation", "test", "heldout_ops", "heldout_size")
"""The splits a data set may have, in order."""


def shard_name(split: str, number: int, of: int, format: str) -> str:
    """The path of a shard below the folder of its data set."""
    return f"{DATA}/{split}-{number:05d}-of-{of:05d}.{format}"


def view_name(task: str, split: str, number: int, of: int, format: str) -> str:
    """The path of a file of a view below the folder of its data set."""
    return f"{VIEWS}/{task}/{split}-{number:05d}-of-{of:05d}.{format}"


def partial(path: Path) -> Path:
    """Where a file is written before it takes its name."""
    return path.with_name(f".{path.name}.partial")
