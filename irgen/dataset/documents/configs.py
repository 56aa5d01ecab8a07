"""The ways to load a data set: its rows, and each of its views, split by split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from irgen.dataset import layout
from irgen.dataset.reading import Dataset
from irgen.dataset.settings import Format

DEFAULT = "default"
"""The config of the rows themselves."""


@dataclass(frozen=True, slots=True)
class Config:
    """A config: its name, and the files of each of its splits, below the folder."""

    name: str
    files: dict[str, tuple[str, ...]]

    def pattern(self, split: str) -> str:
        """What matches the files of a split and no other: "data/train-*.parquet"."""
        first = self.files[split][0]
        folder, _, name = first.rpartition("/")
        return f"{folder}/{split}-*.{name.partition('.')[2]}"


def configs(dataset: Dataset) -> list[Config]:
    """The configs there are: "default", then one per folder of views, by name.

    Hugging Face reads all configs of a data set in one way, so views count only where they have
    the format of the rows.
    """
    rows: dict[str, tuple[str, ...]] = {
        split: tuple([file.name for file in dataset.manifest.files if file.split == split])
        for split in dataset.splits
    }
    folder = dataset.folder / layout.VIEWS
    found = folder.iterdir() if folder.is_dir() else ()
    # What is being written, or replaced, has a name that starts with a dot.
    tasks = sorted(path for path in found if path.is_dir() and not path.name.startswith("."))
    format = dataset.manifest.settings.format
    views = [Config(task.name, _splits(dataset.folder, task, format)) for task in tasks]
    return [Config(DEFAULT, rows), *[view for view in views if view.files]]


def _splits(root: Path, folder: Path, format: Format) -> dict[str, tuple[str, ...]]:
    """The files of a view that are whole, by split, in the order that splits have."""
    found: dict[str, tuple[str, ...]] = {}
    for split in layout.SPLITS:
        files = sorted(folder.glob(f"{split}-*-of-*.{format}"))
        if files:
            found[split] = tuple([path.relative_to(root).as_posix() for path in files])
    return found
