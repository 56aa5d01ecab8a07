"""Rows hold all of their records, in every format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from irgen.dataset.columns import Row, columns, records_of
from irgen.dataset.reading import Dataset
from irgen.dataset.settings import Format, Settings, digest, grammar_of
from irgen.errors import UserError
from irgen.record import content_hash


@pytest.mark.parametrize("format", get_args(Format))
def test_what_is_read_is_what_was_written(
    made: tuple[Settings, list[Row]],
    write: Callable[[Path, Format], Dataset],
    tmp_path: Path,
    format: Format,
) -> None:
    settings, rows = made
    read = list(write(tmp_path, format).rows())
    assert read == rows
    for row in read:
        assert tuple(row) == tuple(column.name for column in columns(settings))


def test_records_come_back_whole(made: tuple[Settings, list[Row]]) -> None:
    settings, rows = made
    for row in rows:
        for backend, record in zip(settings.backends, records_of(settings, row), strict=True):
            assert record.sources[0].backend == backend
            assert record.content_hash == row[f"{backend}_content_hash"]
            assert record.content_hash == content_hash(
                record.sources, record.artifacts, record.vectors, record.verdicts
            )


def test_chosen_columns_alone_are_read(
    write: Callable[[Path, Format], Dataset], tmp_path: Path
) -> None:
    for format in get_args(Format):
        found = write(tmp_path / format, format)
        assert {tuple(row) for row in found.rows(["id", "seed"], "test")} == {("id", "seed")}


def test_a_missing_shard_is_named(write: Callable[[Path, Format], Dataset], tmp_path: Path) -> None:
    found = write(tmp_path, "parquet")
    (tmp_path / found.manifest.files[0].name).unlink()
    with pytest.raises(UserError, match=r"train-00000-of-00001\.parquet is missing"):
        list(found.rows())


def test_settings_name_their_grammars(made: tuple[Settings, list[Row]]) -> None:
    settings, _ = made
    for one in settings.grammars:
        assert grammar_of(one).canonical == one.canonical
    again = msgspec.json.decode(msgspec.json.encode(settings), type=Settings)
    assert digest(again) == digest(settings)
    assert digest(msgspec.structs.replace(settings, seed=1)) != digest(settings)
