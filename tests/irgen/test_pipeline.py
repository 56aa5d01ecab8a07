"""`SynthesisPipeline`: pairs saved as files, statistics, and going on where it stopped."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

import irgen
from grammar.presets import GRAMMARS
from irgen.record import Record


def saved(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_pair_is_saved_as_its_record(tmp_path: Path) -> None:
    pipeline = irgen.SynthesisPipeline(output_dir=tmp_path, seed=5)
    record = pipeline.generate_single(category="loop", save=True)
    assert saved(tmp_path) == ["loop_000000.json"]
    data = (tmp_path / "loop_000000.json").read_bytes()
    assert msgspec.json.decode(data, type=Record) == record
    assert record == irgen.sample("loop", seed=5)


def test_nothing_is_written_where_nothing_is_saved(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    pipeline = irgen.SynthesisPipeline(output_dir=folder)
    pipeline.generate_single("branch", save=False)
    assert not folder.exists()
    statistics = pipeline.get_statistics()
    assert (statistics["total_pairs"], statistics["generated"]) == (0, 1)


def test_a_batch_takes_the_categories_in_turn(tmp_path: Path) -> None:
    count = len(GRAMMARS) + 2
    pipeline = irgen.SynthesisPipeline(output_dir=tmp_path)
    records = pipeline.generate_batch(count=count)
    assert [record.grammar for record in records] == [*GRAMMARS, *list(GRAMMARS)[:2]]
    assert [record.index for record in records] == [0] * len(GRAMMARS) + [1, 1]
    assert len(saved(tmp_path)) == count
    statistics = pipeline.get_statistics()
    assert statistics["total_pairs"] == statistics["generated"] == count
    assert statistics["by_category"]["elementwise"] == 2
    assert sum(statistics["by_category"].values()) == count
    assert statistics["mean_statements"] > 1


def test_a_pipeline_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    first = irgen.SynthesisPipeline(output_dir=tmp_path).generate_single("unary")
    again = irgen.SynthesisPipeline(output_dir=tmp_path)
    assert again.get_statistics()["total_pairs"] == 1
    assert again.generate_single("unary").index == first.index + 1
    assert again.get_statistics()["total_pairs"] == 2


def test_verbose_prints_a_line_for_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipeline = irgen.SynthesisPipeline(output_dir=tmp_path)
    records = pipeline.generate_batch(count=2, save=False, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        [f"[{k}/2]", record.grammar] for k, record in enumerate(records, 1)
    ]


def test_jax_pairs(tmp_path: Path) -> None:
    record = irgen.SynthesisPipeline(tmp_path, backend="jax").generate_single("unary")
    assert {artifact.level for artifact in record.artifacts} >= {"jaxpr", "hlo_optimized"}


def test_wrong_input_is_refused_in_one_line(tmp_path: Path) -> None:
    pipeline = irgen.SynthesisPipeline(output_dir=tmp_path)
    with pytest.raises(irgen.UserError, match="unknown grammar 'lop': did you mean 'loop'"):
        pipeline.generate_single("lop")
    with pytest.raises(irgen.UserError, match="count -1 is negative"):
        pipeline.generate_batch(count=-1)
    with pytest.raises(irgen.UserError, match="unknown backend 'jaxx'"):
        irgen.SynthesisPipeline(output_dir=tmp_path, backend="jaxx")
    assert saved(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    pipeline = irgen.SynthesisPipeline(output_dir=blocked / "inside")
    with pytest.raises(irgen.UserError, match="cannot write"):
        pipeline.generate_single("unary")
    assert pipeline.get_statistics()["total_pairs"] == 0


def test_a_file_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    pipeline = irgen.SynthesisPipeline(output_dir=tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", half)
        with pytest.raises(irgen.UserError, match=r"cannot write .*unary_000000.json: No space"):
            pipeline.generate_single("unary")
    assert not list(tmp_path.glob("*.json"))
    assert pipeline.get_statistics()["total_pairs"] == 0
