"""A small data set of both backends with its report, and a browser to look at that."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, sync_playwright

from backends.registry import BACKENDS
from grammar.parse import parse_program
from grammar.presets import SAFE_GRAMMARS
from grammar.program import walk
from irgen import streaming
from irgen.dataset import layout
from irgen.dataset.columns import Row, row_of
from irgen.dataset.documents.stats import measure, write_stats
from irgen.dataset.manifest import Drawing, Manifest, sha256, write_whole
from irgen.dataset.reading import Dataset, open_dataset
from irgen.dataset.settings import Settings, named
from irgen.dataset.writing import write_shard
from irgen.lane import Plan
from irgen.record import Record
from irgen.report.page import report
from irgen.service import addresses, installed_versions

COUNT = 6

GRAMMARS = tuple(SAFE_GRAMMARS[f"{name}-safe"] for name in ("compound", "loop", "program"))

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

LEVELS = {"warp": ["cpp", "cuda"], "jax": ["stablehlo", "hlo_optimized"]}


@dataclass(frozen=True, slots=True)
class Made:
    """Settings and rows of a data set."""

    settings: Settings
    rows: list[Row]

    def write(self, folder: Path, rows: list[Row] | None = None) -> Dataset:
        """The data set in a folder, of these rows or of others."""
        written = self.rows if rows is None else rows
        settings = self.settings
        files = [
            write_shard(folder, settings, layout.shard_name(split, 0, 1, "parquet"), split, part)
            for split, part in (("train", written[:4]), ("test", written[4:]))
            if part
        ]
        (folder / layout.PLAN).mkdir()
        write_whole(folder / layout.SETTINGS, msgspec.json.encode(settings))
        (folder / layout.ROWS).write_bytes(b"")
        manifest = Manifest(settings, Drawing(COUNT), sha256(folder / layout.ROWS), files)
        write_whole(folder / layout.MANIFEST, msgspec.json.encode(manifest))
        dataset = open_dataset(folder)
        write_stats(dataset, measure(dataset))
        return dataset


@pytest.fixture(scope="session")
def made() -> Made:
    """Rows of two backends with the levels that a report shows."""
    versions: dict[str, str] = {}
    records: list[list[Record]] = []
    for name, levels in LEVELS.items():
        backend = BACKENDS[name]
        own = installed_versions(backend, True, here=False)
        plan = Plan(name, 0, frozenset(levels), backend.executions[:1], (), own)
        versions |= own
        records.append(list(streaming.survivors(plan, addresses(GRAMMARS, 0, COUNT), 1)))
    settings = Settings(
        count=COUNT,
        grammars=named(GRAMMARS),
        backends=list(LEVELS),
        levels=LEVELS,
        versions=versions,
    )
    rows = [row_of(settings, each, _facts(each[0].program)) for each in zip(*records, strict=True)]
    return Made(settings, rows)


def _facts(text: str) -> Row:
    program = parse_program(text)
    ops = sorted({statement.op for unit in program.units for statement in walk(unit.body)})
    return {"description": "A program.", "depth": 1, "ops": ops}


@pytest.fixture(scope="session")
def page(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of that data set."""
    folder = tmp_path_factory.mktemp("reported") / "kernels"
    folder.mkdir()
    made.write(folder)
    return report(folder, count=COUNT)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium that is installed; tests that need one are skipped where there is none."""
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield chromium
        chromium.close()
