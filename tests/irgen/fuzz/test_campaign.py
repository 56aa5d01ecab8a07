"""Campaigns: the same findings however they are run, cut short and gone on with."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from grammar.passes.kernels import to_kernels
from grammar.presets import GRAMMARS
from irgen.errors import UserError
from irgen.fuzz import campaign, examine, finding
from irgen.fuzz.campaign import Plan, Step, leading, run
from irgen.fuzz.case import Case, Symptom, case
from irgen.fuzz.lesser import body_lines
from irgen.fuzz.setup import Setup
from irgen.fuzz.shrink import Shrunk, Witness
from irgen.fuzz.state import NAME, State
from irgen.pool import Lost
from irgen.service import draw
from irgen.targets.environment import resolve
from tests.irgen.fuzz import campaign_stand_in as stand_in
from tests.irgen.fuzz.campaign_stand_in import FEW, SETUP

COUNT = 31
FATES = "cos=wrong_value log=execution_error"
OF_COS, OF_LOG = "wrong-value-cos-", "execution-error-runtimeerror-log-"


def plan(out: Path, count: int | None = COUNT, **changed: Any) -> Plan:
    return replace(Plan(SETUP, (FEW,), 0, out, count=count), **changed)


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a campaign, its state without what the clock says."""
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    state = msgspec.json.decode(files[NAME])
    return {**files, NAME: msgspec.json.encode({**state, "seconds": 0})}


def state_in(folder: Path) -> State:
    return msgspec.json.decode((folder / NAME).read_bytes(), type=State)


def buckets(folder: Path) -> list[str]:
    return [one.bucket[:-6] for one in finding.all_findings(folder)]


def hits(folder: Path) -> dict[str, tuple[int, int]]:
    """Hits of each bucket, and the index of the first, by the words of its name."""
    met = state_in(folder).met
    return {name[:-6]: (one.count, one.first) for name, one in met.items() if one.first >= 0}


@pytest.fixture
def bugs(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in.install(monkeypatch, FATES)


# What a campaign finds.


@pytest.mark.usefixtures("bugs")
def test_bugs_become_findings_of_their_least_case(tmp_path: Path) -> None:
    steps = list(run(plan(tmp_path)))
    found = finding.all_findings(tmp_path)
    assert [step.found[0] for step in steps if step.found] == [found[1], found[0]]
    assert buckets(tmp_path) == [OF_LOG, OF_COS]
    for one in found:
        assert body_lines(finding.case_of(one).program) <= 2
        assert (one.exit_code, one.finished) == (1, True)
        assert finding.read(tmp_path / one.bucket) == one
    state = state_in(tmp_path)
    # Programs at 1, 6, 14, 24, 28 and 30 hold a cos, and more of them, or others, a log.
    assert (state.next, state.unconfirmed) == (COUNT, 0)
    assert hits(tmp_path)[OF_COS][1] == 1
    assert state.verified + state.symptomatic == COUNT
    assert max(step.state.next for step in steps) == COUNT


@pytest.mark.usefixtures("bugs")
def test_what_its_own_repro_does_not_show_is_no_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = finding.confirmed

    def confirmed(found: finding.Finding, python: str) -> finding.Finding:
        absent = found.bucket.startswith(OF_COS)
        told = shown(found, python)
        return msgspec.structs.replace(told, exit_code=0) if absent else told

    monkeypatch.setattr(finding, "confirmed", confirmed)
    steps = list(run(plan(tmp_path)))
    assert buckets(tmp_path) == [OF_LOG]
    assert any(step.unconfirmed for step in steps)
    assert state_in(tmp_path).unconfirmed > 0


@pytest.mark.usefixtures("bugs")
def test_likely_hits_of_a_known_bug_are_shrunk_ever_more_rarely(tmp_path: Path) -> None:
    steps = run(plan(tmp_path, 60))
    shrunk = [step.doing for step in steps if "wrong_value" in step.doing]
    with_cos = [index for index in range(60) if "cos" in stand_in.ops(draw(FEW, 0, index).program)]
    # The first of all is new; then come the first, second, fourth, eighth of those like it.
    expected = [with_cos[at] for at in (0, 1, 2, 4, 8, 16) if at < len(with_cos)]
    assert shrunk == [f"shrinking wrong_value at few {index}" for index in expected]
    assert hits(tmp_path)[OF_COS] == (len(expected), 1)
    assert len(expected) < len(with_cos)


@pytest.mark.parametrize(
    ("symptoms", "expected"),
    [
        ("", None),
        ("large_code:cost: crashed:failures: slow_compile:cost:", "crashed"),
        ("wrong_gradient:gradients:O0 wrong_value:rewrites:x", "wrong_value:rewrites:x"),
        ("wrong_value:levels:O2 wrong_value:values:cpu", "wrong_value:values:cpu"),
        ("wrong_value:levels:O2 wrong_value:levels:O0", "wrong_value:levels:O0"),
    ],
)
def test_the_most_telling_symptom_leads(symptoms: str, expected: str | None) -> None:
    given: list[Symptom] = []
    for words in symptoms.split():
        kind, oracle, way = words.split(":")
        given.append(Symptom(kind, oracle, "", way))
    for ordered in (given, given[::-1]):
        found = leading(ordered)
        if expected is None:
            assert found is None
        else:
            assert found is not None
            assert f"{found.kind}:{found.oracle}:{found.way}".startswith(expected)


def test_what_does_not_show_again_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.install(monkeypatch, "cos=unsteady")
    told = [step.unconfirmed for step in run(plan(tmp_path, 7)) if step.unconfirmed]
    assert [one.kind for one in told] == ["wrong_value"] * 2
    state = state_in(tmp_path)
    assert (state.unconfirmed, state.symptomatic, state.next) == (2, 2, 7)
    assert finding.all_findings(tmp_path) == []


def test_a_death_that_is_known_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(work: Callable[..., Any], tasks: Iterator[Any], **_: object) -> Iterator[Lost]:
        for _task in tasks:
            yield Lost("timed_out", "20 s")

    stand_in.install(monkeypatch, "cos=wrong_value")
    monkeypatch.setattr(campaign.pool, "run", lost)
    compound = GRAMMARS["compound"]
    index = next(
        index
        for index in itertools.count()
        if examine.base_of(SETUP) == "cpu" and _may_not_end(draw(compound, 0, index).program)
    )
    setup = replace(SETUP, limitations=True)
    (*_, last) = run(plan(tmp_path, index + 1, grammars=(compound,), setup=setup))
    assert last.state.explained["unending_adjoint"] == 1
    # The others time out as well, and do not do so again.
    assert last.state.unconfirmed == index


def _may_not_end(program: Any) -> bool:
    from backends.warp.loops import may_not_end

    return may_not_end(to_kernels(program))


# However it is run.


def test_findings_are_the_same_with_two_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.install(monkeypatch, FATES, processes=True)
    made: list[dict[str, bytes]] = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        list(run(plan(folder, 7, workers=workers)))
        made.append(contents(folder))
    assert len(made[0]) > 10
    assert made[0] == made[1]


def test_a_death_is_a_finding_that_shrinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong = (_case(index) for index in (4, 2))

    def brief(first: Case, witness: Witness, **_: object) -> Shrunk:
        # Each death takes its time, so few are asked for.
        assert list(witness([right, wrong])) == [False, True]
        return Shrunk(wrong, 2, 1, 0.0, True)

    stand_in.install(monkeypatch, "tanh=crashed", processes=True)
    monkeypatch.setattr(campaign, "shrink", brief)
    (*_, last) = run(plan(tmp_path, 1))
    (found,) = finding.all_findings(tmp_path)
    assert (found.symptom.kind, found.symptom.detail) == ("crashed", "SIGABRT")
    assert found.bucket.startswith("crashed-sigabrt-")
    assert "tanh" in found.source
    assert finding.case_of(found).program == wrong.program
    assert (last.state.verified, last.state.symptomatic, last.state.unconfirmed) == (0, 1, 0)


def _case(index: int) -> Case:
    drawn = draw(FEW, 0, index)
    return case(drawn.program, drawn.style)


@pytest.mark.usefixtures("bugs")
def test_going_on_does_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv(stand_in.LOG, str(log))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    list(run(plan(whole)))
    log.unlink()
    for count in (7, 7, 20, COUNT, 5):
        list(run(plan(parts, count)))
    assert contents(parts) == contents(whole)
    assert log.read_text().split() == [str(index) for index in range(COUNT)]


class Killed(BaseException):
    """Stands for the end of the process: nothing is written from here on."""


@pytest.mark.usefixtures("bugs")
def test_whenever_it_is_killed_it_goes_on_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, count = tmp_path / "whole", 6
    list(run(plan(whole, count)))
    expected = contents(whole)
    writes: list[str] = []
    for fatal in itertools.count():
        folder = tmp_path / str(fatal)
        with monkeypatch.context() as patch:
            writes = _fatal(patch, fatal)
            reported: list[str] = []
            killed = False
            try:
                for step in run(plan(folder, count)):
                    reported += [step.found[0].bucket] if step.found else []
            except Killed:
                killed = True
        there = {one.bucket for one in finding.all_findings(folder)}
        assert set(reported) <= there
        list(run(plan(folder, count)))
        assert contents(folder) == expected
        if not killed:
            break
    assert len(writes) > 12


def _fatal(patch: pytest.MonkeyPatch, at: int) -> list[str]:
    """Let the process end after so many writes: of findings, in the middle of each too, and of the
    state. The list grows by each write."""
    writes: list[str] = []

    def counted(word: str, write: Callable[..., Any]) -> Callable[..., Any]:
        def written(*arguments: Any) -> Any:
            if len(writes) >= at:
                raise Killed
            writes.append(word)
            return write(*arguments)

        return written

    patch.setattr(finding, "_sync", counted("sync", finding._sync))
    patch.setattr(finding, "write", counted("finding", finding.write))
    patch.setattr(campaign, "save", counted("state", campaign.save))
    return writes


@pytest.mark.usefixtures("bugs")
@pytest.mark.parametrize("place", ["shrink", "bucket", "confirmed"])
def test_ctrl_c_counts_no_program_by_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    owner = {"shrink": campaign, "bucket": campaign.buckets, "confirmed": finding}[place]

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, place, interrupt)
        with pytest.raises(KeyboardInterrupt):
            list(run(plan(tmp_path / "cut")))
    state = state_in(tmp_path / "cut")
    assert (state.next, state.symptomatic, state.met) == (1, 0, {})
    list(run(plan(tmp_path / "cut")))
    list(run(plan(tmp_path / "whole")))
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


@pytest.mark.usefixtures("bugs")
def test_a_campaign_ends_when_its_time_is_up(tmp_path: Path) -> None:
    ticks = itertools.count()
    steps = list(run(plan(tmp_path, None, seconds=40.0), lambda: float(next(ticks))))
    done = steps[-1].state.next
    assert 0 < done < 40
    assert state_in(tmp_path).next == done


@pytest.mark.usefixtures("bugs")
def test_grammars_take_turns(tmp_path: Path) -> None:
    other = replace(FEW, name="other", statements=(1, 4))
    steps: list[Step] = list(run(plan(tmp_path, 30, grammars=(FEW, other))))
    assert {step.doing.split()[-2] for step in steps if step.doing} == {"few", "other"}
    before = contents(tmp_path)
    list(run(plan(tmp_path, 30, grammars=(FEW, other))))
    assert contents(tmp_path) == before


# What is refused.


@pytest.mark.usefixtures("bugs")
def test_two_at_a_time_are_refused(tmp_path: Path) -> None:
    first = run(plan(tmp_path))
    next(first)
    with pytest.raises(UserError, match="in use by another campaign"):
        next(run(plan(tmp_path)))
    first.close()
    list(run(plan(tmp_path, 3)))


@pytest.mark.usefixtures("bugs")
def test_other_settings_are_refused(tmp_path: Path) -> None:
    list(run(plan(tmp_path, 3)))
    before = contents(tmp_path)
    others = {
        "seed 0, not 1": {"seed": 1},
        "oracles values gradients failures, not values": {
            "setup": replace(SETUP, oracles=("values",))
        },
        "limitations off, not on": {"setup": Setup("warp")},
        "grammars few, not unary": {"grammars": (GRAMMARS["unary"],)},
    }
    for words, changed in others.items():
        with pytest.raises(UserError, match=words):
            list(run(plan(tmp_path, 3, **changed)))
    assert contents(tmp_path) == before


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write .*file/out"):
        list(run(plan(tmp_path / "file" / "out")))


# With Warp itself.


def test_a_bug_of_warp_is_found_and_shown(tmp_path: Path) -> None:
    (*_, last) = run(Plan(SETUP, (GRAMMARS["loop"],), 35, tmp_path, count=1))
    assert last.found is not None
    found, folder = last.found
    assert found.bucket.startswith("wrong-gradient-nonlinear-overwrite-")
    assert (found.exit_code, found.finished) == (1, True)
    assert body_lines(finding.case_of(found).program) <= 4
    assert finding.read(folder) == found


def test_a_target_differs_from_itself_in_nothing(tmp_path: Path) -> None:
    target = resolve(sys.executable, "warp")
    setup = replace(SETUP, target=target, against=replace(target, name="the same again"))
    (*_, last) = run(Plan(setup, (GRAMMARS["loop"],), 35, tmp_path, count=2))
    assert (last.state.symptomatic, last.state.next) == (0, 2)
    assert finding.all_findings(tmp_path) == []
