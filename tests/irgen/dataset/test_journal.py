"""Journals: what was added is there after any end, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from irgen.dataset.building.counts import Counts, outcome
from irgen.dataset.building.journal import Journal, Part, parts
from irgen.verdict import Outcome, lost

KEY = "0123"
PARTS = [
    Part(Counts(rows, 1, {"warp": {"forward": {"verified": rows}}}), bytes([rows]) * 100)
    for rows in (3, 1, 5)
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "work" / "shard.journal"
    with Journal(path, KEY) as journal:
        for part in PARTS:
            journal.append(part)
    return path


def test_a_journal_gives_back_what_was_added(path: Path) -> None:
    assert list(parts(path, KEY)) == PARTS
    with Journal(path, KEY) as journal:
        assert journal.rows == 9
        assert journal.counts.outcomes == {"warp": {"forward": {"verified": 9}}}
        journal.append(PARTS[0])
    assert list(parts(path, KEY)) == [*PARTS, PARTS[0]]


def test_an_end_that_was_cut_off_anywhere_costs_one_part(path: Path) -> None:
    data = path.read_bytes()
    ends = [len(data)]
    for size in range(len(data)):
        path.write_bytes(data[:size])
        found = list(parts(path, KEY))
        assert found == PARTS[: len(found)]
        assert len(found) < 3
        if size % 37 == 0:
            with Journal(path, KEY) as journal:
                assert journal.rows == sum(part.counts.rows for part in found)
                for part in PARTS[len(found) :]:
                    journal.append(part)
            assert path.read_bytes() == data
            ends.append(size)
    assert len(ends) > 5


def test_a_flipped_bit_ends_a_journal(path: Path) -> None:
    data = path.read_bytes()
    for at in range(20, len(data), 13):
        path.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        found = list(parts(path, KEY))
        assert found == PARTS[: len(found)]
        assert len(found) < 3


def test_a_journal_of_something_else_is_started_anew(path: Path) -> None:
    assert list(parts(path, "4567")) == []
    with Journal(path, "4567") as journal:
        assert journal.rows == 0
    assert list(parts(path, KEY)) == []


def test_a_part_that_does_not_fit_leaves_the_others(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(path, KEY) as journal:
        whole = journal._write

        def half(data: bytes) -> None:
            whole(data[: len(data) // 2])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(journal, "_write", half)
        with pytest.raises(OSError, match="No space"):
            journal.append(PARTS[0])
        monkeypatch.undo()
        assert journal.rows == 9
        journal.append(PARTS[1])
    assert list(parts(path, KEY)) == [*PARTS, PARTS[1]]


@pytest.mark.parametrize(
    ("outcomes", "found"),
    [
        (("verified", "mismatch"), "mismatch"),
        (("not_comparable", "verified"), "verified"),
        (("verified", "known_wrong"), "known_wrong"),
        (("failed", "not_comparable"), "not_comparable"),
        (("none", "failed"), "none"),
    ],
)
def test_executions_that_differ_have_one_outcome(
    outcomes: tuple[Outcome, ...], found: Outcome
) -> None:
    verdicts = []
    for name in outcomes:
        verdict = lost("warp", "cpu", "crashed", "")
        verdicts.append(type(verdict)(**{**to_dict(verdict), "gradient": name}))
    assert outcome(verdicts, "gradient") == found
    assert outcome(verdicts, "forward") == "failed"


def to_dict(verdict: object) -> dict:
    return {name: getattr(verdict, name) for name in verdict.__struct_fields__}  # type: ignore[attr-defined]
