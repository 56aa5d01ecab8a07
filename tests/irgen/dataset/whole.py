"""A small data set with its plan, made in this process, and rewritten with rows changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from irgen import lane
from irgen.dataset import layout
from irgen.dataset.building.build import plan_only
from irgen.dataset.building.counts import Counts
from irgen.dataset.building.request import BuildRequest, settings_of
from irgen.dataset.building.rows import making, prepare
from irgen.dataset.columns import Row, row_of
from irgen.dataset.facts import facts
from irgen.dataset.manifest import Manifest, read_manifest, sha256, write_whole
from irgen.dataset.planning.plan import Plan
from irgen.dataset.reading import Dataset, open_dataset
from irgen.dataset.settings import Format
from irgen.dataset.writing import write_shard
from irgen.service import draw_batch


def make(
    folder: Path,
    count: int,
    format: Format = "parquet",
    shard_size: int = 10,
    backends: tuple[str, ...] = ("warp", "jax"),
) -> Dataset:
    """A data set of safe grammars and all levels."""
    request = BuildRequest(
        count=count,
        grammars=("safe",),
        backends=backends,
        shard_size=shard_size,
        format=format,
        validation=0.0,
        test=0.2,
    )
    settings = settings_of(request)
    plan: Plan = plan_only(folder, settings, 1)
    how = making(settings)
    prepare(how)
    counts = Counts()
    files = []
    for shard in plan.shards:
        drawn = draw_batch(plan.addresses(shard), settings.seed)
        made = list(zip(*[lane.produce(one, drawn) for one in how.lanes], strict=True))
        rows = [
            row_of(settings, records, facts(item.program))
            for item, records in zip(drawn, made, strict=True)
        ]
        for records in made:
            counts.count(records)
        files.append(write_shard(folder, settings, shard.name, shard.split, rows))
    manifest = Manifest(
        settings,
        plan.drawing,
        sha256(folder / layout.ROWS),
        files,
        counts.outcomes,
        counts.missing,
    )
    write_whole(folder / layout.MANIFEST, msgspec.json.encode(manifest))
    return open_dataset(folder)


def copied(dataset: Dataset, folder: Path) -> Dataset:
    """A copy of a data set in another folder."""
    shutil.copytree(dataset.folder, folder)
    return open_dataset(folder)


def changed(
    dataset: Dataset, change: Callable[[list[Row]], Sequence[Row]], *, hashes: bool, at: int = 0
) -> Dataset:
    """The data set with the rows of a shard changed in place; with `hashes` the manifest says so
    too."""
    manifest = read_manifest(dataset.folder)
    file = manifest.files[at]
    rows = list(change(list(dataset.rows_of(file))))
    made = write_shard(dataset.folder, manifest.settings, file.name, file.split, rows)
    if hashes:
        files = [*manifest.files[:at], made, *manifest.files[at + 1 :]]
        told = msgspec.structs.replace(manifest, files=files)
        write_whole(dataset.folder / layout.MANIFEST, msgspec.json.encode(told))
    return open_dataset(dataset.folder)
