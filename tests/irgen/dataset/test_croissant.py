"""The Croissant file is valid, and its own library reads the records."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from irgen.dataset import layout
from irgen.dataset.columns import Row
from irgen.dataset.documents.croissant import croissant, write_croissant
from irgen.dataset.reading import Dataset
from irgen.dataset.settings import FORMATS, Format, Settings
from irgen.dataset.training.views import Options, write_view

Write = Callable[[Path, Format], Dataset]
Made = tuple[Settings, list[Row]]

# What `mlcroissant` and its own dependencies warn of is not irgen's.
reads = pytest.mark.filterwarnings("ignore")


def _open(dataset: Dataset) -> Any:
    import mlcroissant

    return mlcroissant.Dataset(jsonld=str(dataset.folder / layout.CROISSANT))


@reads
@pytest.mark.parametrize("format", FORMATS)
def test_valid(
    format: Format, write: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = write(tmp_path / "out", format)
    write_croissant(dataset)
    with caplog.at_level(logging.WARNING):
        issues = _open(dataset).metadata.issues
    assert not issues.errors
    # A date would make the file depend on when it was written.
    assert [one for one in issues.warnings if "datePublished" not in one] == []
    assert "not standard" not in caplog.text


@reads
@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_records(format: Format, write: Write, made: Made, tmp_path: Path) -> None:
    dataset = write(tmp_path / "out", format)
    write_croissant(dataset)
    records = list(_open(dataset).records("default"))
    assert len(records) == 34
    rows = {row["id"]: row for row in made[1]}
    splits = {row["id"]: split for split in dataset.splits for row in dataset.rows(["id"], split)}
    for record in records:
        row = rows[record["default/id"].decode()]
        assert record["default/split"].decode() == splits[row["id"]]
        assert record["default/warp_cuda_module"].decode() == row["warp_cuda_module"]
        assert record["default/statements"] == row["statements"]
        assert [op.decode() for op in record["default/ops"]] == row["ops"]
        assert record["default/jax_forward_verified"] == row["jax_forward_verified"]
        style = record["default/style"]
        assert {name.rpartition("/")[2]: value for name, value in style.items()} == row["style"]
        verdicts = [one["default/warp_verdicts/forward"] for one in record["default/warp_verdicts"]]
        assert [one.decode() for one in verdicts] == [
            one["forward"] for one in row["warp_verdicts"]
        ]


@reads
def test_views(write: Write, tmp_path: Path) -> None:
    dataset = write(tmp_path / "out", "parquet")
    write_view(dataset, "description_to_warp", Options(name="pairs"))
    write_croissant(dataset)
    sources = {row["id"]: row["warp_python"] for row in dataset.rows(["id", "warp_python"])}
    records = list(_open(dataset).records("pairs"))
    assert len(records) > 20
    for record in records:
        assert record["pairs/completion"].decode() == sources[record["pairs/id"].decode()]
    assert {record["pairs/split"] for record in records} == {b"train", b"test"}


def test_files(write: Write, tmp_path: Path) -> None:
    dataset = write(tmp_path / "out", "jsonl.zst")
    found = croissant(dataset)
    files = [one for one in found["distribution"] if one["@type"] == "cr:FileObject"]
    assert [one["contentUrl"] for one in files] == [file.name for file in dataset.manifest.files]
    for one in files:
        data = (dataset.folder / one["contentUrl"]).read_bytes()
        assert one["sha256"] == hashlib.sha256(data).hexdigest()
        assert one["contentSize"] == f"{len(data)} B"
    assert found["recordSet"] == []


def test_the_same_everywhere(write: Write, tmp_path: Path) -> None:
    texts: set[bytes] = set()
    for name in ("here", "there"):
        dataset = write(tmp_path / name, "parquet")
        write_croissant(dataset)
        texts.add((dataset.folder / layout.CROISSANT).read_bytes())
    (text,) = texts
    assert str(tmp_path) not in text.decode()
    assert json.loads(text)["conformsTo"] == "http://mlcommons.org/croissant/1.0"
