"""Views: the texts of rows as training data, which loads as it is."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import msgspec
import pyarrow.parquet as pq
import pytest

from grammar.parse import parse_program
from irgen.cli.app import main
from irgen.dataset import layout
from irgen.dataset.documents.stats import measure, write_stats
from irgen.dataset.manifest import write_whole
from irgen.dataset.reading import Dataset, open_dataset
from irgen.dataset.settings import Format
from irgen.dataset.training import curriculum
from irgen.dataset.training.difficulty import difficulty
from irgen.dataset.training.tasks import TASKS
from irgen.dataset.training.tokens import DEFAULT, tokenizer
from irgen.dataset.training.views import (
    ABOUT,
    FORMS,
    Form,
    Options,
    read_view,
    view_schema,
    write_about,
    write_view,
)
from irgen.errors import UserError

Write = Callable[..., Dataset]
Row = dict[str, Any]


def _changed(dataset: Dataset, **changes: Any) -> Dataset:
    """The data set with other settings in its manifest."""
    settings = msgspec.structs.replace(dataset.manifest.settings, **changes)
    manifest = msgspec.structs.replace(dataset.manifest, settings=settings)
    write_whole(dataset.folder / layout.MANIFEST, msgspec.json.encode(manifest))
    return open_dataset(dataset.folder)


def _files(dataset: Dataset, name: str) -> list[Path]:
    return sorted((dataset.folder / layout.VIEWS / name).glob("*.parquet"))


def _rows(dataset: Dataset, name: str, split: str = "train") -> list[Row]:
    return [
        row
        for path in _files(dataset, name)
        if path.name.startswith(f"{split}-")
        for row in pq.read_table(path).to_pylist()
    ]


def _bytes(dataset: Dataset, name: str) -> dict[str, bytes]:
    folder = dataset.folder / layout.VIEWS / name
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("task", ["python_to_cpp", "stablehlo_to_adjoint", "jax_to_warp"])
def test_prompts_hold_the_text_of_the_row(task: str, tmp_path: Path, write: Write) -> None:
    dataset = write(tmp_path)
    view = write_view(dataset, task)
    count = tokenizer(DEFAULT)
    of = TASKS[task]
    left = 0
    for split in dataset.splits:
        made = {row["id"]: row for row in _rows(dataset, task, split)}
        source = list(dataset.rows(split=split))
        fit = [
            row
            for row in source
            if row[of.wanted] and all(row[f"{name}_{what}_verified"] for name, what in of.judged)
        ]
        assert list(made) == [row["id"] for row in fit]
        assert view.rows[split] == len(made)
        left += len(source) - len(fit)
        for row in fit:
            one = made[row["id"]]
            assert one["prompt"] == f"{of.instruction}\n\n{row[of.given]}"
            assert one["completion"] == row[of.wanted]
            assert one["task"] == task
            assert one["difficulty"] == difficulty(parse_program(row["program"]))
            assert one["prompt_tokens"] == count(one["prompt"])
            assert one["completion_tokens"] == count(one["completion"])
    assert sum(view.dropped.values()) == left
    assert view.tokens["completion"] == sum(
        row["completion_tokens"] for split in dataset.splits for row in _rows(dataset, task, split)
    )
    assert read_view(tmp_path / layout.VIEWS / task) == view


def test_forms_say_the_same(tmp_path: Path, write: Write) -> None:
    dataset = write(tmp_path)
    for form in FORMS:
        write_view(dataset, "warp_to_jax", Options(form=form, name=form))
    pairs, messages, texts = (_rows(dataset, form) for form in FORMS)
    assert len(pairs) > 10
    for pair, message, text in zip(pairs, messages, texts, strict=True):
        prompt, completion = pair.pop("prompt"), pair.pop("completion")
        assert message.pop("messages") == [
            {"role": "user", "content": prompt},
            {"role": "assistant", "content": completion},
        ]
        assert text.pop("text") == f"{prompt}\n\n{completion}"
        assert pair == message == text


@pytest.mark.parametrize("form", FORMS)
def test_a_view_loads_without_a_network(
    form: Form, tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    from datasets import load_dataset

    dataset = write(tmp_path / "out")
    view = write_view(dataset, "python_to_cpp", Options(form=form))
    folder = dataset.folder / layout.VIEWS / "python_to_cpp"
    files = {split: str(folder / f"{split}-*.parquet") for split in view.rows}
    loaded: Any = load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))
    assert {split: part.num_rows for split, part in loaded.items()} == view.rows
    assert list(loaded["train"]) == _rows(dataset, "python_to_cpp")
    assert loaded["train"].column_names == view_schema(form).names


@pytest.mark.parametrize("format", get_args(Format))
def test_a_view_is_a_config_of_its_data_set(
    format: Format, tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    from datasets import load_dataset

    dataset = write(tmp_path / "out", format)
    write_stats(dataset, measure(dataset))
    view = write_view(dataset, "python_to_cpp", Options(name="pairs"))
    assert write_about(dataset)
    loaded: Any = load_dataset(str(dataset.folder), "pairs", cache_dir=str(tmp_path / "cache"))
    assert {split: part.num_rows for split, part in loaded.items()} == view.rows
    assert set(loaded["train"].column_names) == set(view_schema("prompt_completion").names)
    prompts = {row["prompt"] for row in loaded["test"]}
    for row in dataset.rows(split="test"):
        assert any(row["warp_python"] in prompt for prompt in prompts)


def test_a_curriculum_is_the_same_rows_easy_first(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curriculum, "AT_ONCE", 2)  # several passes over few rows
    dataset = _changed(write(tmp_path), shard_size=5)
    write_view(dataset, "python_to_cuda")
    write_view(dataset, "python_to_cuda", Options(order="curriculum", name="easy_first"))
    for split in dataset.splits:
        plain, ordered = (_rows(dataset, name, split) for name in ("python_to_cuda", "easy_first"))
        assert ordered == sorted(plain, key=lambda row: (row["difficulty"], row["id"]))
        assert ordered != plain
    names = [path.name for path in _files(dataset, "easy_first")]
    assert names == [path.name for path in _files(dataset, "python_to_cuda")]
    rows = len(_rows(dataset, "easy_first"))
    assert len([name for name in names if name.startswith("train")]) == -(-rows // 5)
    assert names[-1] == f"train-{-(-rows // 5) - 1:05d}-of-{-(-rows // 5):05d}.parquet"
    sizes = [pq.read_metadata(path).num_rows for path in _files(dataset, "easy_first")]
    assert sizes.count(5) == len(sizes) - 2
    assert set(_bytes(dataset, "easy_first")) == {*names, ABOUT}


@pytest.mark.parametrize("format", ["parquet", "jsonl", "jsonl.zst"])
def test_the_same_bytes_each_time(format: Format, tmp_path: Path, write: Write) -> None:
    dataset = write(tmp_path, format=format)
    found: list[dict[str, bytes]] = []
    for _ in range(2):
        write_view(dataset, "warp_to_jax", Options(order="curriculum"))
        found.append(_bytes(dataset, "warp_to_jax"))
    assert found[0] == found[1]
    assert {name.partition(".")[2] for name in found[0]} == {format, "json"}


def test_filters(tmp_path: Path, write: Write) -> None:
    dataset = write(tmp_path)
    write_view(dataset, "python_to_cpp")
    everything = _rows(dataset, "python_to_cpp")
    sizes = sorted(row["prompt_tokens"] + row["completion_tokens"] for row in everything)
    hard = sorted(row["difficulty"] for row in everything)
    limit, low, high = sizes[-4], hard[3], hard[-3]
    view = write_view(
        dataset,
        "python_to_cpp",
        Options(max_tokens=limit, min_difficulty=low, max_difficulty=high),
    )
    kept = _rows(dataset, "python_to_cpp")
    assert kept == [
        row
        for row in everything
        if low <= row["difficulty"] <= high
        and row["prompt_tokens"] + row["completion_tokens"] <= limit
    ]
    assert 0 < len(kept) < len(everything)
    assert set(view.dropped) >= {"difficulty", "tokens"}
    assert view.count + sum(view.dropped.values()) == dataset.count


def test_unverified_rows_only_where_asked_for(tmp_path: Path, write: Write) -> None:
    dataset = _marked(write(tmp_path), "warp_forward_verified", False)
    view = write_view(dataset, "python_to_cpp")
    assert view.dropped["unverified"] >= 1
    everything = write_view(dataset, "python_to_cpp", Options(include_unverified=True))
    assert everything.count == dataset.count
    assert "unverified" not in everything.dropped


def _marked(dataset: Dataset, column: str, value: object) -> Dataset:
    """The data set with one value of its first row changed."""
    path = dataset.folder / dataset.manifest.files[0].name
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[0][column] = value
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), path)
    return dataset


def test_a_text_with_a_part_that_failed_is_missing(tmp_path: Path, write: Write) -> None:
    dataset = write(tmp_path)
    artifacts = next(dataset.rows())["warp_artifacts"]
    for artifact in artifacts:
        if (artifact["level"], artifact["direction"]) == ("cpp", "forward"):
            artifact["status"] = "failed"
    _marked(dataset, "warp_artifacts", artifacts)
    view = write_view(dataset, "python_to_cpp", Options(include_unverified=True))
    assert view.dropped == {"missing": 1}
    assert "missing" not in write_view(dataset, "python_to_cuda").dropped


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(form="mesages"), "unknown form 'mesages': did you mean 'messages'"),  # type: ignore[arg-type]
        (Options(order="easy"), "unknown order 'easy': choose from dataset, curriculum"),  # type: ignore[arg-type]
        (Options(tokenizer="gpt-2"), "unknown tokenizer 'gpt-2': did you mean 'gpt2'"),
        (Options(name="../data"), "a view cannot be named '../data'"),
        (Options(name="default"), "a view cannot be named 'default'"),
        (Options(max_tokens=0), "--max-tokens is at least 1, not 0"),
        (Options(min_difficulty=0.8, max_difficulty=0.2), "not from 0.8 to 0.2"),
        (Options(max_tokens=1), r"no row is left for python_to_cpp: .*\d tokens"),
    ],
)
def test_what_is_refused(options: Options, message: str, tmp_path: Path, write: Write) -> None:
    dataset = write(tmp_path)
    with pytest.raises(UserError, match=message):
        write_view(dataset, "python_to_cpp", options)
    assert not (tmp_path / layout.VIEWS).exists()


def test_without_verdicts_they_must_be_waived(tmp_path: Path, write: Write) -> None:
    dataset = _changed(write(tmp_path), verify=False)
    with pytest.raises(UserError, match="built without verification: pass --include-unverified"):
        write_view(dataset, "python_to_cpp")


def test_a_view_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*view\.json"):
        read_view(tmp_path)
    (tmp_path / ABOUT).write_text("{}")
    with pytest.raises(UserError, match=r"view\.json cannot be read"):
        read_view(tmp_path)


def test_an_earlier_view_outlives_a_failure(tmp_path: Path, write: Write) -> None:
    dataset = write(tmp_path)
    write_view(dataset, "python_to_cpp")
    before = _bytes(dataset, "python_to_cpp")
    test_shard = dataset.folder / dataset.manifest.files[-1].name
    test_shard.write_bytes(b"damaged")
    with pytest.raises(UserError, match="cannot be read"):
        write_view(dataset, "python_to_cpp", Options(form="text"))
    assert _bytes(dataset, "python_to_cpp") == before
    assert [path.name for path in (tmp_path / layout.VIEWS).iterdir()] == ["python_to_cpp"]


def test_a_view_returns_after_a_kill_between_two_renames(tmp_path: Path, write: Write) -> None:
    dataset = write(tmp_path)
    write_view(dataset, "python_to_cpp")
    before = _bytes(dataset, "python_to_cpp")
    folder = tmp_path / layout.VIEWS / "python_to_cpp"
    folder.rename(folder.with_name(".python_to_cpp.before"))
    (tmp_path / layout.VIEWS / ".python_to_cpp.partial").mkdir()
    with pytest.raises(UserError, match="no row is left"):
        write_view(dataset, "python_to_cpp", Options(max_tokens=1))
    assert _bytes(dataset, "python_to_cpp") == before


def test_a_full_disk_leaves_nothing(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    dataset = write(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"cannot write .*python_to_cpp: No space left on device"):
        write_view(dataset, "python_to_cpp")
    assert not (tmp_path / layout.VIEWS).exists()


def test_the_card_names_the_views(tmp_path: Path, write: Write) -> None:
    from irgen.dataset.documents.stats import measure, write_stats

    dataset = write(tmp_path)
    assert not write_about(dataset)
    write_stats(dataset, measure(dataset))
    write_view(dataset, "warp_to_jax", Options(name="pairs"))
    assert write_about(dataset)
    assert "views/pairs/train-*.parquet" in (tmp_path / layout.CARD).read_text()


def _run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[Any, str, str]:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    found = capsys.readouterr()
    return end.value.code, found.out, found.err


def test_the_command(tmp_path: Path, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = write(tmp_path)
    code, out, _ = _run(
        ["views", str(tmp_path), "-t", "warp_to_jax,python_to_cpp", "--form", "text"], capsys
    )
    assert code == 0
    lines = [line.split("\t") for line in out.splitlines()]
    assert lines[0][:4] == ["view", "form", "train", "test"]
    assert [line[:3] for line in lines[1:]] == [
        [name, "text", str(len(_rows(dataset, name)))] for name in ("warp_to_jax", "python_to_cpp")
    ]


def test_the_command_lists_tasks(
    tmp_path: Path, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = _run(["views", "--list"], capsys)
    assert code == 0
    assert [line.split("\t")[0] for line in out.splitlines()] == ["task", *TASKS]
    dataset = write(tmp_path)
    _changed(dataset, levels={**dataset.manifest.settings.levels, "warp": []})
    _, out, _ = _run(["views", str(tmp_path), "--list"], capsys)
    has = {line.split("\t")[0]: line.split("\t")[-1] for line in out.splitlines()}
    assert has["python_to_cpp"] == "no"
    assert has["warp_to_jax"] == "yes"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a data set: irgen views OUT --task NAME; or list tasks with --list"),
        (["{out}"], "name a task: --task NAME, or --task all; irgen views --list lists them"),
        (["{out}", "-t", "python_to_cp"], "unknown task 'python_to_cp': did you mean"),
        (["{out}", "-t", "all", "--name", "a"], f"--name names one view, and {len(TASKS)} tasks"),
        (["{out}/missing", "-t", "all"], "is no data set: it has no manifest.json"),
        (["{out}/manifest.json", "-t", "all"], "is a file: irgen views reads a folder"),
    ],
)
def test_the_command_refuses(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    write: Write,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tmp_path)
    code, _, error = _run(["views", *[word.format(out=tmp_path) for word in arguments]], capsys)
    assert code == 2
    assert error.startswith("irgen: ")
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / layout.VIEWS).exists()


def test_all_goes_on_where_a_task_has_no_rows(
    tmp_path: Path, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = write(tmp_path)
    _changed(dataset, backends=["warp"], levels={"warp": ["cpp"]})
    path = tmp_path / dataset.manifest.files[1].name
    shutil.copy(path, tmp_path / dataset.manifest.files[0].name)  # fewer rows, sooner done
    code, out, _ = _run(["views", str(tmp_path), "-t", "all", "--max-tokens", "200"], capsys)
    assert code == 0
    rows = {line.split("\t")[0]: line.split("\t")[2:4] for line in out.splitlines()[1:]}
    assert rows["cpp_to_adjoint"] == ["0", "0"]
    assert not _files(dataset, "cpp_to_adjoint")
    assert _files(dataset, "description_to_warp")


def test_the_command_needs_pyarrow(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, _, error = _run(["views", str(tmp_path), "-t", "all"], capsys)
    assert code == 2
    assert "pyarrow is not installed: pip install 'irgen[data]'" in error
