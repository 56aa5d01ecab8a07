"""The card says what is so, and Hugging Face's own library loads what it names."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from huggingface_hub import DatasetCard

from backends.registry import BACKENDS
from grammar.presets import GRAMMARS, SAFE_GRAMMARS
from irgen.cli import build
from irgen.cli.app import main
from irgen.dataset import layout
from irgen.dataset.arrow import schema
from irgen.dataset.building.request import BuildRequest, settings_of
from irgen.dataset.columns import Row, columns
from irgen.dataset.documents.card import card, share, size, write_card
from irgen.dataset.documents.card_header import size_category
from irgen.dataset.documents.command import command
from irgen.dataset.documents.configs import configs
from irgen.dataset.documents.licences import LICENCES
from irgen.dataset.documents.near import write_clusters
from irgen.dataset.documents.stats import Stats, measure
from irgen.dataset.manifest import write_whole
from irgen.dataset.reading import Dataset, open_dataset
from irgen.dataset.settings import FORMATS, Format, Quota, Settings, Splits
from irgen.dataset.writing import write_shard

Write = Callable[[Path, Format], Dataset]
Made = tuple[Settings, list[Row]]


@pytest.fixture(scope="module")
def dataset(write: Write, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    dataset = write(tmp_path_factory.mktemp("card") / "out", "parquet")
    write_clusters(dataset)
    return dataset


@pytest.fixture(scope="module")
def stats(dataset: Dataset) -> Stats:
    return measure(dataset)


def _load(folder: Path, cache: Path, name: str | None = None) -> Any:
    import datasets

    return datasets.load_dataset(str(folder), name, cache_dir=str(cache))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither asks the network nor looks for anything but what is given."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")


# What `datasets` and its own dependencies warn of is not irgen's.
loads = pytest.mark.filterwarnings("ignore")


@loads
@pytest.mark.parametrize("format", FORMATS)
def test_every_split_loads(
    format: Format, write: Write, stats: Stats, made: Made, tmp_path: Path, offline: None
) -> None:
    dataset = write(tmp_path / "out", format)
    write_card(dataset, stats)
    loaded = _load(dataset.folder, tmp_path / "cache")
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 28, "test": 6}
    for split, rows in loaded.items():
        assert rows.features.arrow_schema.names == schema(made[0]).names
        assert [field.type for field in rows.features.arrow_schema] == [
            field.type for field in schema(made[0])
        ]
        assert rows.to_list() == list(dataset.rows(split=split))


@loads
@pytest.mark.parametrize("format", FORMATS)
def test_columns_without_a_value_load(
    format: Format, made: Made, stats: Stats, write: Write, tmp_path: Path, offline: None
) -> None:
    """All null, in the first rows or in all of them: what JSON alone does not tell the type of."""
    dataset = write(tmp_path / "out", format)
    settings, rows = dataset.manifest.settings, made[1]
    optional = [column.name for column in columns(settings) if not column.required]
    lists = ["warp_verdicts", "jax_verdicts", "jax_cost"]
    bare = [{**row, **dict.fromkeys(optional), **{name: [] for name in lists}} for row in rows]
    cuts = {"train": bare, "test": [*bare[:3], *rows[:3]]}
    files = [
        write_shard(dataset.folder, settings, layout.shard_name(split, 0, 1, format), split, found)
        for split, found in cuts.items()
    ]
    manifest = msgspec.structs.replace(dataset.manifest, files=files)
    write_whole(dataset.folder / layout.MANIFEST, msgspec.json.encode(manifest))
    write_card(open_dataset(dataset.folder), stats)
    loaded = _load(dataset.folder, tmp_path / "cache")
    assert loaded["train"].features == loaded["test"].features
    assert [field.type for field in loaded["train"].features.arrow_schema] == [
        field.type for field in schema(settings)
    ]
    assert loaded["train"][0]["jax_outputs"] is None
    assert loaded["train"][0]["jax_verdicts"] == []
    assert loaded["test"][5]["jax_outputs"] == rows[2]["jax_outputs"]


@loads
def test_every_view_loads(write: Write, stats: Stats, tmp_path: Path, offline: None) -> None:
    dataset = write(tmp_path / "out", "parquet")
    for task, split, number in (("text", "train", 0), ("text", "train", 1), ("text", "test", 0)):
        of = 2 if split == "train" else 1
        path = dataset.folder / layout.view_name(task, split, number, of, "parquet")
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"id": ["a", "b"], "text": ["x", "y"]}), path)
    (dataset.folder / layout.VIEWS / "text" / ".train-00000-of-00002.parquet.partial").touch()
    (dataset.folder / layout.VIEWS / "empty").mkdir()
    shutil.copytree(path.parent, dataset.folder / layout.VIEWS / ".other.partial")
    write_card(dataset, stats)
    assert [config.name for config in configs(dataset)] == ["default", "text"]
    lines = msgspec.structs.replace(dataset.manifest.settings, format="jsonl")
    other = Dataset(dataset.folder, msgspec.structs.replace(dataset.manifest, settings=lines))
    assert [config.name for config in configs(other)] == ["default"]
    loaded = _load(dataset.folder, tmp_path / "cache", "text")
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 4, "test": 2}
    assert len(_load(dataset.folder, tmp_path / "cache")["train"]) == 28


def test_header(dataset: Dataset, stats: Stats, tmp_path: Path) -> None:
    text = card(dataset, stats)
    header: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    assert header["license"] == "apache-2.0"
    assert header["size_categories"] == ["n<1K"]
    assert {"nvidia-warp", "jax", "synthetic"} <= set(header["tags"])
    assert header["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": "train", "path": "data/train-*.parquet"},
                {"split": "test", "path": "data/test-*.parquet"},
            ],
            "default": True,
        }
    ]
    path = tmp_path / "README.md"
    path.write_text(text)
    assert DatasetCard.load(path).data.to_dict()["pretty_name"] == header["pretty_name"]


@pytest.mark.parametrize(
    ("rows", "category"),
    [(1, "n<1K"), (1_000, "1K<n<10K"), (100_000, "100K<n<1M"), (10**6, "1M<n<10M")],
)
def test_size_category(rows: int, category: str) -> None:
    assert size_category(rows) == category


def test_the_same_everywhere(dataset: Dataset, stats: Stats, write: Write, tmp_path: Path) -> None:
    other = write(tmp_path / "elsewhere", "parquet")
    write_clusters(other)
    write_card(other, measure(other))
    text = (other.folder / layout.CARD).read_text()
    assert text == card(dataset, stats)
    assert str(tmp_path) not in text
    assert not list(other.folder.glob(".*"))


def test_text(dataset: Dataset, stats: Stats, made: Made) -> None:
    text = card(dataset, stats)
    for column in columns(made[0]):
        assert f"| `{column.name}` |" in text
    for grammar in made[0].grammars:
        assert f"| {grammar.name} |" in text
    for name in made[0].backends:
        for limitation in BACKENDS[name].known_limitations:
            assert f"- `{limitation}`" in text
    sections = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert len(sections) == len(set(sections)) == 11
    assert "None" not in text.split("---\n", 2)[2]


def test_tables_are_whole(dataset: Dataset, stats: Stats) -> None:
    blocks = re.split(r"^```.*?^```$", card(dataset, stats), flags=re.MULTILINE | re.DOTALL)
    tables = [
        part.splitlines()
        for block in blocks
        for part in block.split("\n\n")
        if part.startswith("| ")
    ]
    assert len(tables) >= 10
    for lines in tables:
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
        assert len(cells) == 1, lines[0]
        assert len(lines) > 2, lines[0]


def test_without_anything_run(made: Made, write: Write, tmp_path: Path) -> None:
    dataset = write(tmp_path / "out", "parquet")
    levels = {name: list[str]() for name in made[0].backends}
    settings = msgspec.structs.replace(made[0], verify=False, levels=levels)
    file = write_shard(
        dataset.folder, settings, layout.shard_name("train", 0, 1, "parquet"), "train",
        [{**row, **_unjudged(made[0])} for row in made[1]],
    )  # fmt: skip
    manifest = msgspec.structs.replace(dataset.manifest, settings=settings, files=[file])
    write_whole(dataset.folder / layout.MANIFEST, msgspec.json.encode(manifest))
    bare = open_dataset(dataset.folder)
    text = card(bare, measure(bare))
    assert "Nothing was run" in text
    assert "--level python --no-verify" in text
    assert "verified**" not in text


def _unjudged(settings: Settings) -> Row:
    row: Row = {}
    for name in settings.backends:
        flags = (f"{name}_forward_verified", f"{name}_gradient_verified")
        row |= dict.fromkeys(flags) | {f"{name}_verdicts": [], f"{name}_artifacts": []}
    return row


_REQUESTS = (
    BuildRequest(count=7),
    BuildRequest(count=20, grammars=("safe",), backends=("jax",), seed=3, format="jsonl.zst"),
    BuildRequest(
        count=20,
        grammars=("loop", "fuzz"),
        levels=("cpp", "stablehlo"),
        shard_size=10,
        execute=("compiled",),
        quotas=("family:loop=0.2", "size:1-8=0.3"),
        validation=0.2,
        heldout_pairs=3,
        heldout_size=40,
    ),
    BuildRequest(count=5, levels=("python",), verify=False, test=0.0),
)


@pytest.mark.parametrize("request_", _REQUESTS)
def test_the_command_makes_it_again(
    request_: BuildRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(request_)
    asked: list[BuildRequest] = []
    monkeypatch.setattr(build, "build", lambda request, options: asked.append(request))
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(command(settings))[1:])
    assert not ended.value.code
    assert settings_of(asked[0]) == settings


def test_the_command_names_what_it_cannot_know() -> None:
    own = dataclasses.replace(GRAMMARS["loop"], name="mine")
    settings = settings_of(BuildRequest(count=5, grammars=(own, SAFE_GRAMMARS["loop-safe"])))
    settings = msgspec.structs.replace(settings, excluded=["0" * 64])
    assert command(settings).endswith("--grammar mine.toml,loop-safe --decontaminate FILE")


def test_other_splits_and_quotas_are_in_the_command() -> None:
    settings = msgspec.structs.replace(
        settings_of(BuildRequest(count=5)),
        splits=Splits(validation=0.5),
        quotas=[Quota("op", "fmod", 0.05)],
    )
    assert command(settings) == "irgen build OUT --count 5 --quota op:fmod=0.05 --validation 0.5"


@pytest.mark.parametrize("name", LICENCES)
def test_licences_are_those_of_the_packages(name: str) -> None:
    licence = LICENCES[name]
    data = importlib.metadata.metadata(licence.distribution).json
    assert (data.get("license_expression") or data.get("license")) == licence.name


def test_the_text_of_warp_is_what_the_card_says(made: Made) -> None:
    """The native library is included by name; nothing of its text is in any module."""
    for row in made[1]:
        text = row["warp_cuda_module"]
        assert '#include "builtin.h"' in text
        assert "Copyright" not in text
        assert "namespace wp" not in text


def test_words() -> None:
    assert [share(*one) for one in ((0, 0), (0, 9), (9, 9), (1, 10_000), (9_999, 10_000))] == [
        "-", "0%", "100%", "0.1%", "99.9%",
    ]  # fmt: skip
    assert [size(one) for one in (0, 999, 1_000, 34_567_890)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "34.6 MB",
    ]
