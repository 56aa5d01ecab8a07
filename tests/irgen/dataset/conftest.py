"""A small data set of both backends, made once, without the builder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from backends.registry import BACKENDS
from grammar.parse import parse_program
from grammar.presets import SAFE_GRAMMARS
from grammar.program import walk
from irgen import streaming
from irgen.dataset import layout
from irgen.dataset.columns import Row, row_of
from irgen.dataset.manifest import Drawing, Manifest, sha256, write_whole
from irgen.dataset.reading import Dataset, open_dataset
from irgen.dataset.settings import Format, Settings, named
from irgen.dataset.writing import write_shard
from irgen.lane import Plan
from irgen.record import Record
from irgen.service import addresses, installed_versions

COUNT = 34
"""Rows of the small data set: two of each preset."""

_GRAMMARS = tuple(SAFE_GRAMMARS.values())


def _records(backend: str, levels: list[str]) -> tuple[Plan, list[Record]]:
    language = BACKENDS[backend]
    versions = installed_versions(language, True, here=False)
    plan = Plan(backend, 0, frozenset(levels), language.executions[:1], (), versions)
    return plan, list(streaming.survivors(plan, addresses(_GRAMMARS, 0, COUNT), 1))


@pytest.fixture(scope="session")
def made() -> tuple[Settings, list[Row]]:
    """The settings and rows of a data set of two backends and all levels."""
    levels = {name: [level.name for level in backend.levels] for name, backend in BACKENDS.items()}
    versions: dict[str, str] = {}
    found: list[list[Record]] = []
    for name in BACKENDS:
        plan, records = _records(name, levels[name])
        versions |= plan.versions
        found.append(records)
    settings = Settings(
        count=COUNT,
        grammars=named(_GRAMMARS),
        backends=list(BACKENDS),
        levels=levels,
        shard_size=20,
        versions=versions,
    )
    return settings, [row_of(settings, each, _facts(each[0])) for each in zip(*found, strict=True)]


def _facts(record: Record) -> dict[str, object]:
    program = parse_program(record.program)
    ops = sorted({statement.op for unit in program.units for statement in walk(unit.body)})
    return {"description": "A program.", "depth": 1, "ops": ops}


@pytest.fixture(scope="session")
def write(made: tuple[Settings, list[Row]]) -> Callable[[Path, Format], Dataset]:
    """Writes that data set into a folder, in a format."""

    def written(folder: Path, format: Format = "parquet") -> Dataset:
        settings = msgspec.structs.replace(made[0], format=format)
        cuts = {"train": made[1][:28], "test": made[1][28:]}
        files = [
            write_shard(folder, settings, layout.shard_name(split, 0, 1, format), split, rows)
            for split, rows in cuts.items()
        ]
        (folder / layout.PLAN).mkdir()
        write_whole(folder / layout.SETTINGS, msgspec.json.encode(settings))
        (folder / layout.ROWS).write_bytes(b"")
        manifest = Manifest(settings, Drawing(COUNT), sha256(folder / layout.ROWS), files)
        write_whole(folder / layout.MANIFEST, msgspec.json.encode(manifest))
        return open_dataset(folder)

    return written
