"""What a campaign keeps between runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from irgen.errors import UserError
from irgen.fuzz import baseline
from irgen.fuzz.case import Examined, Symptom
from irgen.fuzz.state import NAME, State, load, save
from irgen.verdict import Verdict


def _verdict(forward: str, gradient: str) -> Verdict:
    return Verdict("warp", "cpu", forward, gradient)  # type: ignore[arg-type]


def test_a_state_reads_back(tmp_path: Path) -> None:
    state = State({"seed": "3"}, next=7, pairs=[("", "add"), ("add", "mul")])
    state.hits("a").add(5)
    state.hits("a").add(9)
    save(tmp_path, state)
    assert load(tmp_path, {"seed": "3"}) == state
    assert (state.met["a"].count, state.met["a"].first) == (2, 5)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_folder_without_a_state_begins_one(tmp_path: Path) -> None:
    assert load(tmp_path / "none", {"seed": "3"}).next == 0


def test_other_settings_are_refused_with_the_difference(tmp_path: Path) -> None:
    save(tmp_path, State({"seed": "3", "backend": "warp"}))
    with pytest.raises(UserError, match="with seed 3, not 4: name another folder"):
        load(tmp_path, {"seed": "4", "backend": "warp"})
    with pytest.raises(UserError, match="with oracles nothing, not values"):
        load(tmp_path, {"seed": "3", "backend": "warp", "oracles": "values"})


def test_what_is_no_state_is_named(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"next": "seven"}')
    with pytest.raises(UserError, match=r"state\.json is no state of a campaign"):
        load(tmp_path, {})


def test_programs_are_counted_once_by_what_is_said_of_them() -> None:
    state = State({})
    state.count(Examined((), (_verdict("verified", "none"),)))
    state.count(Examined((), (_verdict("verified", "not_comparable"),)))
    known = Symptom("wrong_gradient", "gradients", "gradient", "cpu", known="loop_value")
    state.count(Examined((known, known), (_verdict("verified", "known_wrong"),)))
    new = Symptom("wrong_value", "values", "forward", "cpu")
    state.count(Examined((new,), (_verdict("mismatch", "verified"),)))
    state.count(Examined(()))
    assert (state.verified, state.not_comparable, state.symptomatic) == (1, 1, 1)
    assert state.explained == {"loop_value": 1}


def test_a_baseline_reads_back_and_takes_notes(tmp_path: Path) -> None:
    path = tmp_path / "baseline.txt"
    path.write_text("# known\n" + baseline.text(["b-2", "a-1"]) + "\nc-3  # reported\n")
    assert baseline.read(path) == {"a-1", "b-2", "c-3"}


def test_a_baseline_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*none"):
        baseline.read(tmp_path / "none")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="is no text"):
        baseline.read(tmp_path / "bytes")
