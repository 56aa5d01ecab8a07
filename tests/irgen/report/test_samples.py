"""Which rows a report shows, and that nothing of them is trusted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from irgen.dataset.columns import Row
from irgen.report.choosing import choose
from irgen.report.samples import Lane, samples
from tests.irgen.report.conftest import Made

HOSTILE = "import pathlib\npathlib.Path({path!r}).touch()\n"


def _light(made: Made, count: int) -> list[Row]:
    """More rows, of the same families and several sizes."""
    return [
        {
            **made.rows[0],
            "id": f"{at:032x}",
            "grammar": f"family{at % 5}",
            "statements": 1 + at // 5,
        }
        for at in range(count)
    ]


def test_samples_are_spread_over_families_and_sizes(made: Made, tmp_path: Path) -> None:
    dataset = made.write(tmp_path, _light(made, 100))
    chosen = choose(dataset, 20, ["id", "grammar", "statements"])
    assert Counter(one.row["grammar"] for one in chosen) == {f"family{at}": 4 for at in range(5)}
    for family in range(5):
        sizes = [one.row["statements"] for one in chosen if one.row["grammar"] == f"family{family}"]
        assert len({size.bit_length() for size in sizes}) == 4
        assert sizes == sorted(sizes)
    assert [one.row["id"] for one in choose(dataset, 20, ["id"])] == [
        one.row["id"] for one in chosen
    ]
    assert len(choose(dataset, 1_000, ["id"])) == 100
    assert choose(dataset, 0, ["id"]) == []


def test_samples_keep_their_split(made: Made, tmp_path: Path) -> None:
    dataset = made.write(tmp_path)
    splits = {one.row["id"]: one.split for one in choose(dataset, 6, ["id"])}
    assert splits == {row["id"]: "train" if at < 4 else "test" for at, row in enumerate(made.rows)}


def test_every_level_of_every_sample_is_aligned(made: Made, tmp_path: Path) -> None:
    dataset = made.write(tmp_path)
    found = list(samples(dataset, 3))
    assert len(found) == 3
    for sample in found:
        for lane in sample.lanes:
            assert not lane.note
            assert any(lane.anchors)
            for panel in lane.panels:
                column = f"{lane.backend}_{panel.level}_{panel.direction}"
                if panel.aligned is None:
                    assert panel.missing
                    assert sample.row[column] is None
                else:
                    assert panel.aligned.text == sample.row[column]
                    assert panel.aligned.mapped


def _edited(made: Made, folder: Path, **changes: object) -> list[Lane]:
    """The lanes of a sample whose row was changed by hand."""
    folder.mkdir()
    dataset = made.write(folder, [{**made.rows[0], **changes}])
    (sample,) = samples(dataset, 1)
    return list(sample.lanes)


def test_source_that_irgen_did_not_print_is_shown_and_never_run(made: Made, tmp_path: Path) -> None:
    trace = tmp_path / "it-ran"
    hostile = HOSTILE.format(path=str(trace))
    lanes = _edited(made, tmp_path / "a", warp_python=hostile, jax_python=hostile)
    for lane in lanes:
        assert "not what its address gives" in lane.note
        assert lane.python == hostile
        assert not any(lane.anchors)
        assert not any(panel.aligned.mapped for panel in lane.panels if panel.aligned is not None)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("changes", "warp", "jax"),
    [
        ({"id": "0" * 32}, "not what its address", "not what its address"),
        ({"grammar": "unheard of"}, "does not say what drew it", "does not say what drew it"),
        ({"index": -1}, "not what its address", "not what its address"),
        ({"jax_stablehlo_forward": "module {}"}, "", "lowering again gave another text"),
        ({"jax_hlo_optimized_forward": "HloModule f"}, "", "compiling again gave another text"),
        ({"warp_cpp_forward": "// forward\n// x <L 1>"}, "line 1 of the source is not 'x'", ""),
    ],
)
def test_what_was_edited_is_not_aligned(
    made: Made, tmp_path: Path, changes: dict[str, object], warp: str, jax: str
) -> None:
    notes = [lane.note for lane in _edited(made, tmp_path / "a", **changes)]
    for note, wanted in zip(notes, (warp, jax), strict=True):
        assert wanted in note
        assert bool(note) == bool(wanted)
