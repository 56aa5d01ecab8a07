"""The files of a data set against its manifest: names, sizes, hashes, columns, numbers of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from irgen.dataset import layout
from irgen.dataset.checking.problems import Problem, brief
from irgen.dataset.manifest import File, sha256
from irgen.dataset.reading import Dataset
from irgen.dataset.settings import Settings, changes
from irgen.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa


def shards(dataset: Dataset) -> Iterator[tuple[File, list[Problem]]]:
    """Each shard of the manifest, and what is wrong with its file before a row of it is read."""
    extra = _extra(dataset)
    for file in dataset.manifest.files:
        yield file, _shard(dataset, file, extra)
    known = {file.sha256 for file in dataset.manifest.files}
    for path in extra:
        if sha256(path) not in known:
            yield _none(path), [_problem(_name(dataset, path), "is not in the manifest")]


def _none(path: Path) -> File:
    return File(path.name, "", 0, 0, "")


def documents(dataset: Dataset) -> list[Problem]:
    """What is wrong with the plan and the settings, and with the names of the shards."""
    return [*_settings(dataset), *_plan(dataset), *_names(dataset)]


def _problem(name: str, what: str) -> Problem:
    return Problem("file", name, what)


def _name(dataset: Dataset, path: Path) -> str:
    return path.relative_to(dataset.folder).as_posix()


def _settings(dataset: Dataset) -> Iterator[Problem]:
    path = dataset.folder / layout.SETTINGS
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Settings)
    except FileNotFoundError:
        yield _problem(layout.SETTINGS, "is missing")
    except (OSError, msgspec.DecodeError) as error:
        yield _problem(layout.SETTINGS, f"cannot be read: {error}")
    else:
        for change in changes(dataset.manifest.settings, found):
            yield _problem(layout.SETTINGS, f"differs from the manifest: {change}")


def _plan(dataset: Dataset) -> Iterator[Problem]:
    path = dataset.folder / layout.ROWS
    try:
        found = sha256(path)
    except FileNotFoundError:
        yield _problem(layout.ROWS, "is missing")
    except OSError as error:
        yield _problem(layout.ROWS, f"cannot be read: {error.strerror}")
    else:
        if found != dataset.manifest.plan:
            yield _problem(layout.ROWS, "has other bytes than the manifest says")


def _names(dataset: Dataset) -> Iterator[Problem]:
    """The shards of a split are numbered from 0 on, and say how many they are."""
    for split in dataset.splits:
        names = [file.name for file in dataset.manifest.files if file.split == split]
        for number, name in enumerate(names):
            extension = dataset.manifest.settings.format
            expected = layout.shard_name(split, number, len(names), extension)
            if name != expected:
                yield _problem(name, f"is in the manifest where {expected} should be")


def _extra(dataset: Dataset) -> list[Path]:
    """Files among the shards that the manifest does not name."""
    known = {file.name for file in dataset.manifest.files}
    folder = dataset.folder / layout.DATA
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if _name(dataset, path) not in known]


def _shard(dataset: Dataset, file: File, extra: Sequence[Path]) -> list[Problem]:
    path = dataset.folder / file.name
    try:
        size, found = path.stat().st_size, sha256(path)
    except FileNotFoundError:
        return [_problem(file.name, f"is missing{_elsewhere(dataset, file, extra)}")]
    except OSError as error:
        return [_problem(file.name, f"cannot be read: {error.strerror}")]
    if size != file.bytes:
        return [_problem(file.name, f"has {size} bytes, not {file.bytes}")]
    if found != file.sha256:
        return [_problem(file.name, "has other bytes than the manifest says")]
    return []


def _elsewhere(dataset: Dataset, file: File, extra: Sequence[Path]) -> str:
    """Where a missing shard is under another name."""
    for path in extra:
        if path.stat().st_size == file.bytes and sha256(path) == file.sha256:
            return f": {_name(dataset, path)} has its bytes"
    return ""


def table(dataset: Dataset, file: File) -> Iterator[Problem]:
    """What the footer of a Parquet shard says otherwise: columns, number of rows.

    UserError where it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from irgen.dataset.arrow import schema

    if dataset.manifest.settings.format != "parquet":
        return
    path = dataset.folder / file.name
    try:
        with pq.ParquetFile(path) as opened:
            found, rows = opened.schema_arrow, opened.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    yield from _columns(file, schema(dataset.manifest.settings), found)
    if rows != file.rows:
        yield _problem(file.name, f"has {rows} rows, not {file.rows}")


def _columns(file: File, expected: pa.Schema, found: pa.Schema) -> Iterator[Problem]:
    for name in expected.names:
        if name not in found.names:
            yield _problem(file.name, f"has no column {name}")
        elif not _field(found, name).equals(_field(expected, name)):
            said, right = (_words(_field(schema, name)) for schema in (found, expected))
            yield _problem(file.name, f"column {name} is {said}, not {right}")
    for name in found.names:
        if name not in expected.names:
            yield _problem(file.name, f"has a column {name} too many")
    if sorted(found.names) == sorted(expected.names) and found.names != expected.names:
        yield _problem(file.name, "has its columns in another order")


def _field(schema: Any, name: str) -> Any:
    return schema.field(name)


def _words(field: Any) -> str:
    """What a column holds, in words."""
    return f"{brief(field.type)}{'' if field.nullable else ' not null'}"
