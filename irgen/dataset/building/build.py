"""A data set from its settings: plan, rows, manifest, documents; what is there already is kept."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from irgen.dataset import layout
from irgen.dataset.building import local, lock
from irgen.dataset.building.counts import Counts
from irgen.dataset.building.request import differences, installed
from irgen.dataset.extras import need
from irgen.dataset.manifest import (
    Drawing,
    File,
    Manifest,
    read_manifest,
    sha256,
    write_whole,
)
from irgen.dataset.reading import open_dataset
from irgen.dataset.settings import FORMAT_VERSION, Settings
from irgen.errors import UserError

if TYPE_CHECKING:
    from irgen.dataset.planning.plan import Plan, Shard

_DOCUMENTS = (layout.CARD, layout.CROISSANT)

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is.

    `seen` are the candidates that were drawn for a plan, or the rows looked at for the documents.
    `earlier` of the rows in `counts` were there when it began, of `rows` in all; `whole` of
    `shards` shards are done. `drawing` is known once there is a plan. `finished` is the shard that
    has just become whole.
    """

    phase: Literal["plan", "rows", "documents"]
    rows: int
    seen: int = 0
    drawing: Drawing | None = None
    counts: Counts = field(default_factory=Counts)
    earlier: int = 0
    whole: int = 0
    shards: int = 0
    finished: File | None = None


Told = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Built:
    """What a build came to; `made` shards were made by it, `rows` of them row by row."""

    manifest: Manifest
    made: int
    rows: int


def build(
    folder: Path,
    settings: Settings,
    workers: int,
    excluded: Sequence[Path] = (),
    progress: Told | None = None,
    *,
    check: bool = False,
) -> Built:
    """Make a data set, or what is missing of it.

    What is whole is left alone, and the sizes of its files are compared with the manifest; with
    `check` their hashes are. `excluded` are the files of `settings.excluded`.

    UserError where the folder holds something else or a data set with other settings, is in use, or
    cannot be written; BackendError where a backend cannot be used; WorkError where workers do not
    start.
    """
    told = progress or _silent
    _require_extra()
    with _writing(folder):
        _enter(folder)
        with lock.held(folder, folder):
            _begin(folder, settings)
            if (folder / layout.MANIFEST).exists():
                return _repaired(folder, settings, workers, excluded, told, check)
            plan = _planned(folder, settings, workers, excluded, told)
            (folder / layout.WORK).mkdir(exist_ok=True)
            made, rows = _make(folder, settings, plan, plan.shards, workers, told)
            manifest = _finish(folder, settings, plan, told)
            return Built(manifest, made, rows)


def plan_only(
    folder: Path,
    settings: Settings,
    workers: int,
    excluded: Sequence[Path] = (),
    progress: Told | None = None,
) -> Plan:
    """Make the plan of a data set, and no row of it. Errors as of `build`."""
    with _writing(folder):
        _enter(folder)
        with lock.held(folder, folder):
            _begin(folder, settings)
            return _planned(folder, settings, workers, excluded, progress or _silent)


def build_shard(folder: Path, settings: Settings, plan: Plan, shard: Shard, workers: int) -> None:
    """Make one shard of a data set that has a plan; several shards may be made at a time.

    UserError where another process makes the same one, the settings are not those of the folder,
    or other versions are installed; other errors as of `build`.
    """
    with _writing(folder), lock.held(folder, folder, shared=True):
        _agree(folder, settings)
        _require_versions(folder, settings)
        guard = folder / layout.WORK / f"{Path(shard.name).name}.lock"
        guard.parent.mkdir(exist_ok=True)
        guard.touch()
        with lock.held(guard, folder / shard.name):
            local.make(folder, settings, plan, [shard], workers, _unheard)


def finish(folder: Path, progress: Told | None = None) -> Manifest:
    """Write the manifest and the documents of a data set whose shards are all whole.

    UserError names a shard that is missing.
    """
    from irgen.dataset.planning.plan import load_plan

    with _writing(folder), lock.held(folder, folder):
        if (folder / layout.MANIFEST).exists() and not (folder / layout.WORK).exists():
            return read_manifest(folder)
        settings = read_settings(folder)
        return _finish(folder, settings, load_plan(folder, settings), progress or _silent)


def read_settings(folder: Path) -> Settings:
    """The settings of a data set, finished or not; UserError where there are none."""
    path = folder / layout.SETTINGS
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{folder} is no data set: it has no {layout.SETTINGS}") from None
    try:
        version = msgspec.json.decode(data)["format_version"]
        if version != FORMAT_VERSION:
            raise UserError(f"{path} is of format {version}, where {FORMAT_VERSION} is read")
        return msgspec.json.decode(data, type=Settings)
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def _require_extra() -> None:
    for name in ("pyarrow", "rensa"):
        need(name)


def _silent(progress: Progress) -> None:
    pass


def _unheard(counts: Counts, file: File | None, fresh: bool) -> None:
    pass


@contextmanager
def _writing(folder: Path) -> Generator[None]:
    """Turns what the system answers into one line."""
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        hint = "; with more space, the same command goes on" if error.errno in _FULL else ""
        raise UserError(f"cannot write {error.filename or folder}: {why}{hint}") from None


def _enter(folder: Path) -> None:
    """Make the folder where there is none."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: name a folder")
    folder.mkdir(parents=True, exist_ok=True)


def _begin(folder: Path, settings: Settings) -> None:
    """Write the settings, or see that they are the same as before."""
    path = folder / layout.SETTINGS
    if path.exists():
        _agree(folder, settings)
        return
    there = [one for one in folder.rglob("*") if one not in (path.parent, layout.partial(path))]
    if there:
        name = min(there).relative_to(folder)
        raise UserError(f"{folder} is not empty and no data set, it has {name}: name another")
    path.parent.mkdir(exist_ok=True)
    write_whole(path, msgspec.json.format(msgspec.json.encode(settings)))


def _agree(folder: Path, settings: Settings) -> None:
    found = differences(read_settings(folder), settings)
    if found:
        raise UserError(
            f"{folder} was begun with other settings: {'; '.join(found)}: name another folder"
        )


def _require_versions(folder: Path, settings: Settings) -> None:
    now = msgspec.structs.replace(settings, versions=installed(settings.backends))
    found = differences(settings, now)
    if found:
        raise UserError(f"{folder} was begun with other versions: {'; '.join(found)}")


def _planned(
    folder: Path, settings: Settings, workers: int, excluded: Sequence[Path], told: Told
) -> Plan:
    from irgen.dataset.planning.plan import load_plan, make_plan

    if (folder / layout.ROWS).exists():
        return load_plan(folder, settings)
    told(Progress("plan", settings.count))

    def drawn(number: int) -> None:
        told(Progress("plan", settings.count, number))

    return make_plan(settings, folder, workers, excluded, drawn)


def _make(
    folder: Path, settings: Settings, plan: Plan, shards: Sequence[Shard], workers: int, told: Told
) -> tuple[int, int]:
    """Make what is missing of some shards; how many of them, and how many rows."""
    there = [local.sealed(folder, shard) is not None for shard in shards]
    now = Progress(
        "rows",
        sum(shard.rows for shard in shards),
        drawing=plan.drawing,
        counts=Counts(),
        whole=sum(there),
        shards=len(shards),
    )

    def heard(counts: Counts, file: File | None, fresh: bool) -> None:
        nonlocal now
        now.counts.add(counts)
        earlier = now.earlier if fresh else now.counts.rows
        now = replace(now, earlier=earlier, whole=now.whole + bool(file), finished=file)
        told(now)

    told(now)
    local.make(folder, settings, plan, shards, workers, heard)
    return len(shards) - sum(there), now.counts.rows - now.earlier


def _finish(folder: Path, settings: Settings, plan: Plan, told: Told) -> Manifest:
    """Write the manifest, then what documents the data set, then clean up."""
    files: list[File] = []
    counts = Counts()
    for shard in plan.shards:
        found = local.sealed(folder, shard)
        if found is None:
            raise UserError(f"{folder / shard.name} is missing: run the same irgen build again")
        files.append(found.file)
        counts.add(found.counts)
    manifest = Manifest(
        settings,
        plan.drawing,
        sha256(folder / layout.ROWS),
        files,
        counts.outcomes,
        counts.missing,
        counts.lost,
    )
    data = msgspec.json.encode(manifest, order="deterministic")
    write_whole(folder / layout.MANIFEST, msgspec.json.format(data))
    _document(folder, told, Progress("documents", settings.count, 0, plan.drawing, counts))
    shutil.rmtree(folder / layout.WORK)
    return manifest


def _document(folder: Path, told: Told, now: Progress) -> None:
    """Look through all rows, and write what tells of them. Nothing of it depends on when it is
    written, so it may be written again."""
    from irgen.dataset.documents.card import write_card
    from irgen.dataset.documents.croissant import write_croissant
    from irgen.dataset.documents.near import write_clusters
    from irgen.dataset.documents.stats import measure, write_stats

    seen = 0

    def more(rows: int) -> None:
        nonlocal seen
        seen += rows
        told(replace(now, seen=seen))

    told(now)
    dataset = open_dataset(folder)
    write_clusters(dataset)
    stats = measure(dataset, progress=more)
    write_stats(dataset, stats)
    write_card(dataset, stats)
    write_croissant(dataset)


def _repaired(
    folder: Path,
    settings: Settings,
    workers: int,
    excluded: Sequence[Path],
    told: Told,
    check: bool,
) -> Built:
    """A finished data set, looked through: files that are missing or wrong are made again."""
    manifest = read_manifest(folder)
    expected = {file.name: file for file in manifest.files}
    wrong = {name for name, file in expected.items() if not _whole(folder, file, check)}
    # What was not cleaned up after was not brought to its end either.
    unfinished = (folder / layout.WORK).exists()
    made, rows = 0, 0
    if wrong:
        plan = _planned(folder, settings, workers, excluded, told)
        shards = [shard for shard in plan.shards if shard.name in wrong]
        (folder / layout.WORK).mkdir(exist_ok=True)
        made, rows = _make(folder, settings, plan, shards, workers, told)
        for shard in shards:
            _require_same(folder, shard, expected[shard.name])
    if unfinished or not all((folder / name).exists() for name in _DOCUMENTS):
        _document(folder, told, Progress("documents", settings.count, 0, manifest.drawing))
    shutil.rmtree(folder / layout.WORK, ignore_errors=True)
    return Built(manifest, made, rows)


def _require_same(folder: Path, shard: Shard, expected: File) -> None:
    found = local.sealed(folder, shard)
    if found is None or found.file != expected:
        (folder / shard.name).unlink(missing_ok=True)
        raise UserError(
            f"{folder / shard.name}, made again, is not what {layout.MANIFEST} says of it: "
            "the rest was made on another kind of machine"
        )


def _whole(folder: Path, file: File, check: bool) -> bool:
    if not local.right_size(folder, file):
        return False
    return not check or sha256(folder / file.name) == file.sha256
