"""Examining what is compiled for real: faults of sources and adjoints, and none."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import pytest

from backends.registry import BACKENDS
from grammar.presets import GRAMMARS
from irgen.fuzz import examine
from irgen.fuzz.case import Case, case
from irgen.fuzz.setup import REFERENCE, Setup, known_oracles
from irgen.pool import Lost
from irgen.service import draw
from tests.irgen.fuzz.test_examine import PLAIN, signatures, wavy
from tests.quality import faults

EARLY = 4
"""The case at which a fault is found."""


def drawn(count: int, seed: int = 11) -> list[Case]:
    grammars = list(GRAMMARS.values())[:count]
    return [case(one.program, one.style) for one in (draw(g, seed, 0) for g in grammars)]


def _selected(*words: str) -> list[faults.Fault]:
    return [one for one in faults.faults("warp") if any(word in one.name for word in words)]


@pytest.mark.parametrize(
    "fault",
    _selected("warp sub: b - a", "store lost", "sub: wp::adj", "div:", "branch inverted"),
    ids=lambda one: one.name,
)
def test_faults_are_found(fault: faults.Fault) -> None:
    found = faults.show(fault, EARLY)
    assert found.found
    assert found.alarms == 0
    assert set(found.oracles) <= {"values", "gradients"}


def test_an_adjoint_is_no_business_of_values() -> None:
    (fault,) = [one for one in faults.faults("warp") if one.name.startswith("warp sub: wp::adj")]
    assert set(faults.show(fault, EARLY).oracles) == {"gradients"}
    assert faults.show(fault, EARLY, ("values", "failures")).found == 0


def test_a_source_that_does_not_load_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    from backends.warp import lower

    right = lower.render

    def wrong(*given: Any, **named: Any) -> Any:
        made = right(*given, **named)
        text = made.python.replace("wp.sin", "wp.no_such_function")
        return type(made)(made.backend, text, made.entry, made.units, made.arguments, made.wide)

    monkeypatch.setattr(lower, "render", wrong)
    (found,) = examine.examine(Setup("warp"), [case(wavy(), PLAIN)])
    assert [one.oracle for one in found.symptoms] == ["failures"]
    assert found.symptoms[0].kind in ("source_error", "compile_error")
    (unseen,) = examine.examine(Setup("warp", oracles=("values",)), [case(wavy(), PLAIN)])
    assert unseen.symptoms == ()


@pytest.mark.parametrize("backend", BACKENDS)
def test_all_oracles_agree_on_what_is_right(backend: str) -> None:
    setup = Setup(backend, oracles=known_oracles(("all",), backend))
    found = examine.examine(setup, [case(wavy(), PLAIN)])
    assert [one.symptoms for one in found] == [()]
    assert [verdict.verified for one in found for verdict in one.verdicts] == [True]


def test_examiners_work_in_processes() -> None:
    cases = drawn(3)
    with examine.examiner(Setup("warp"), workers=1) as examined:
        apart = examined(cases)
        again = examined(cases[:1])
    here = examine.examine(Setup("warp"), cases)
    assert [signatures(one) for one in apart] == [signatures(one) for one in here]
    assert [one.verdicts for one in apart] == [one.verdicts for one in here]
    assert again[0].verdicts == here[0].verdicts


def test_a_case_that_ends_its_process_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    class Deadly:
        def __init__(self, *given: Any, **named: Any) -> None: ...

        def __enter__(self) -> Deadly:
            return self

        def __exit__(self, *given: object) -> None: ...

        def map(self, tasks: Sequence[Case]) -> list[Lost]:
            return [Lost("crashed", "SIGFPE") for _ in tasks]

    monkeypatch.setattr(examine, "Session", Deadly)
    with examine.examiner(Setup("warp"), workers=1) as examined:
        (found,) = examined([case(wavy(), PLAIN)])
    (symptom,) = found.symptoms
    assert symptom.signature == ("crashed", "failures", "", "cpu")
    assert symptom.detail == "SIGFPE"
    holds = examine.witness(functools.partial(_always, found), symptom)
    assert holds([case(wavy(), PLAIN)]) == [True]


def _always(found: Any, cases: Sequence[Case]) -> list[Any]:
    return [found for _ in cases]


def test_faults_of_ways_are_seen_by_their_oracle_alone() -> None:
    made = list(faults.ways())
    assert {oracle for _, _, oracle, _ in made} == {"levels", "modes", "repeat"}
    for name, backend, oracle, alter in made[::5]:
        assert faults.seen(backend, (oracle,), alter, EARLY), name
        assert faults.seen(backend, REFERENCE, alter, EARLY) == 0
