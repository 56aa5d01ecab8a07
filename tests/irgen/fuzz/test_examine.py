"""Examining: each oracle sees its faults, and nothing else; what is no fault is no symptom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from backends.style import Style
from grammar.build import Builder, ProgramBuilder
from grammar.gradient import gradient
from grammar.passes.canonical import exact_hash
from grammar.presets import GRAMMARS
from grammar.program import Program, Value
from grammar.types import F32, I32, Array
from irgen import oracle
from irgen.fuzz import agreement, cost, examine
from irgen.fuzz.case import SYMPTOMS, Case, Examined, Symptom, case
from irgen.fuzz.differences import in_outputs
from irgen.fuzz.oracles import told
from irgen.fuzz.setup import ORACLES, REFERENCE, Setup, known_oracles
from irgen.fuzz.shaken import shaken
from irgen.fuzz.trial import Trial, begin, precision_of, ways_of
from irgen.fuzz.variants import RESTYLED, variants
from irgen.pool import Lost
from irgen.service import draw
from irgen.targets.execute import Measured
from tests.irgen.fuzz.stand_in import TARGET, Alter, element, failing, in_way, right, stand_in

LANES = 8
PLAIN = Style()


def kernel(body: Callable[..., None], *types: Any) -> Program:
    """A kernel of one axis over arrays, whose elements are of these types (f32 without any)."""
    units = ProgramBuilder()
    arrays = [Array(type_, (LANES,)) for type_ in types or (F32, F32)]
    units.kernel((LANES,), arrays, body)
    return units.finish()


def wavy() -> Program:
    """sin(x) - x / 3."""

    def body(b: Builder, lane: Value, given: Value, made: Value) -> None:
        x = b.load(given, lane)
        b.store(made, lane, b.op("sub", b.op("sin", x), b.op("div", x, b.const(F32, 3.0))))

    return kernel(body)


def rounded_decision() -> Program:
    """1 where a number, doubled and taken off again ever so often, is above its half, else -1:
    bounds grow too wide to tell."""

    def body(b: Builder, lane: Value, given: Value, made: Value) -> None:
        x = b.op("exp", b.op("sin", b.load(given, lane)))
        y = x
        for _ in range(24):
            y = b.op("sub", b.op("add", y, y), y)
        above = b.op("gt", y, b.op("mul", x, b.const(F32, 0.5)))
        b.store(made, lane, b.op("select", above, b.const(F32, 1.0), b.const(F32, -1.0)))

    return kernel(body)


def setup(*oracles: str, backend: str = "warp", limitations: bool = True) -> Setup:
    return Setup(backend, replace(TARGET, backend=backend), oracles, limitations)


def signatures(found: Examined) -> list[tuple[str, str, str, str]]:
    return [one.signature for one in found.symptoms]


def seen(
    monkeypatch: pytest.MonkeyPatch, setup: Setup, alter: Alter, program: Program | None = None
) -> list[tuple[str, str, str, str]]:
    stand_in(monkeypatch, alter)
    (found,) = examine.examine(setup, [case(program or wavy(), PLAIN)])
    return signatures(found)


def tripled(value: Any) -> Any:
    return value * np.float32(3.0) + np.float32(1.0)


def next_up(value: Any) -> Any:
    return np.nextafter(value, np.float32(np.inf))


def slow(made: Measured) -> Measured:
    return replace(made, compile_seconds=60.0)


def large(made: Measured) -> Measured:
    return replace(made, code_bytes=1 << 24)


FAULTS: dict[str, tuple[str, Alter, tuple[str, str, str]]] = {
    "values": (
        "warp",
        in_way("default", element("outputs", tripled)),
        ("wrong_value", "forward", "default"),
    ),
    "gradients": (
        "warp",
        in_way("default", element("gradients", tripled)),
        ("wrong_gradient", "gradient", "default"),
    ),
    "failures": (
        "warp",
        in_way("default", failing("compile_error", "no such function")),
        ("compile_error", "", "default"),
    ),
    "modes": (
        "jax",
        in_way("forward_mode", element("gradients", tripled)),
        ("wrong_gradient", "gradient", "forward_mode"),
    ),
    "levels": (
        "jax",
        in_way("eager", element("outputs", tripled)),
        ("wrong_value", "forward", "eager"),
    ),
    "repeat": (
        "warp",
        in_way("again", element("gradients", next_up)),
        ("nondeterministic", "gradient", "again"),
    ),
    "cost": ("warp", in_way("default", large), ("large_code", "", "default")),
}
"""By oracle: a backend, a fault that it alone sees, and the symptom."""


@pytest.mark.parametrize("name", FAULTS)
def test_an_oracle_sees_its_fault(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backend, alter, (kind, direction, way) = FAULTS[name]
    wanted = [(kind, name, direction, way)]
    assert seen(monkeypatch, setup(name, backend=backend), alter) == wanted


@pytest.mark.parametrize("name", FAULTS)
def test_an_oracle_that_is_off_sees_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    backend, alter, _ = FAULTS[name]
    offline = ("rewrites", "backends")
    others = [one for one in known_oracles(("all",), backend) if one not in (name, *offline)]
    if name == "values":  # a wrong value at the base is wrong again at every other way to look
        others.remove("repeat")
    if name == "gradients":
        others.remove("repeat")
    if name == "failures":
        others.remove("repeat")
    assert seen(monkeypatch, setup(*others, backend=backend), alter) == []


@pytest.mark.parametrize("backend", ["warp", "jax"])
def test_what_is_right_has_no_symptoms(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    oracles = [one for one in known_oracles(("all",), backend) if one != "backends"]
    drawn = [draw(grammar, 3, 0) for grammar in GRAMMARS.values()]
    cases = [case(one.program, one.style) for one in drawn]
    found = examine.examine(setup(*oracles, backend=backend), cases)
    assert [one.symptoms for one in found] == [()] * len(cases)
    assert all(verdict.forward == "verified" for one in found for verdict in one.verdicts)


def test_what_is_wrong_at_the_base_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def alter(job: Any, way: str, made: Measured) -> Measured:
        return element("outputs", tripled)(made)

    found = seen(monkeypatch, setup("values", "levels", "repeat"), alter)
    assert found == [("wrong_value", "values", "forward", "default")]


def test_rounding_is_no_symptom(monkeypatch: pytest.MonkeyPatch) -> None:
    alter = in_way("default", element("outputs", next_up))
    assert seen(monkeypatch, setup(*REFERENCE), alter) == []


def test_a_number_that_is_none_is_a_symptom(monkeypatch: pytest.MonkeyPatch) -> None:
    alter = in_way("default", element("outputs", lambda value: np.nan))
    found = seen(monkeypatch, setup("values"), alter)
    assert found == [("wrong_value", "values", "forward", "default")]


def test_an_error_near_the_bound_is_no_symptom() -> None:
    given = case(wavy(), PLAIN)
    back = gradient(given.program)
    precision = precision_of("warp", "default")
    expected = oracle.expect(given.program, back, given.inputs, given.cotangents, precision)
    (bound,) = expected.outputs
    for shares, wrong in ((1.5, 0), (3.0, 1)):
        outputs = np.asarray(bound.v + shares * bound.bound).astype(np.float64)
        got = replace(right_of(given), outputs=(outputs,))
        assert len(in_outputs(expected, got)) == wrong


def right_of(given: Case) -> Any:
    from backends.base import Capture, Job
    from backends.registry import BACKENDS

    source = BACKENDS["warp"].render(given.program, given.style)
    job = Job(given.program, source, Capture((), {}), given.inputs, given.cotangents)
    return right(job, "default").execution


@pytest.mark.parametrize("reason", ["source_error", "execution_error", "crashed", "timed_out"])
def test_every_failure_is_a_symptom(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = seen(monkeypatch, setup("failures"), in_way("default", failing(reason, "why")))
    assert found == [(reason, "failures", "", "default")]
    assert reason in SYMPTOMS


@pytest.mark.parametrize("reason", ["not_captured", "adjoint_disabled", "no_float_inputs"])
def test_what_does_not_run_on_purpose_is_none(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen(monkeypatch, setup("failures"), in_way("default", failing(reason))) == []


@pytest.mark.parametrize(("reason", "count"), [("timed_out", 0), ("crashed", 1)])
def test_eager_runs_may_take_their_time(
    reason: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    alter = in_way("eager", failing(reason))
    assert len(seen(monkeypatch, setup("levels", backend="jax"), alter)) == count


def test_a_death_in_one_way_is_not_that_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    alone: list[str] = []

    def run_on(connected: object, jobs: Sequence[Any], ways: Sequence[str]) -> Any:
        alone.extend(ways if len(ways) == 1 else ())
        dies = "O0" in ways
        made = [[right(job, way) for way in ways] for job in jobs]
        return [[failing("crashed")(one) if dies else one for one in row] for row in made]

    monkeypatch.setattr("irgen.fuzz.trial.execute.run_on", run_on)
    (found,) = examine.examine(setup("failures", "levels"), [case(wavy(), PLAIN)])
    assert signatures(found) == [("crashed", "levels", "", "O0")]
    assert alone == ["default", "O0", "O2"]


def test_compiling_slowly_once_may_be_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []

    def once(job: Any, way: str, made: Measured) -> Measured:
        runs.append(way)
        return slow(made) if len(runs) == 1 else made

    assert seen(monkeypatch, setup("cost"), once) == []
    assert runs == ["default", "default"]
    found = seen(monkeypatch, setup("cost"), in_way("default", slow))
    assert found == [("slow_compile", "cost", "", "default")]


def test_sizes_count_rounds_and_calls() -> None:
    def body(b: Builder, lane: Value, given: Value, made: Value) -> None:
        start, stop = b.const(I32, 0), b.const(I32, 4)
        zero = b.const(F32, 0.0)
        total = b.for_(
            start, stop, [zero], lambda i, s: b.op("add", s, b.load(given, lane)), bound=4
        )
        b.store(made, lane, *total)

    assert cost.size(wavy()) == 7
    assert cost.size(kernel(body)) > cost.size(wavy()) + 4


# Limitations


def square_of_sum() -> Program:
    """A loop whose carried value is squared: Warp's adjoint of it is known to be wrong."""
    text = draw(GRAMMARS["loop"], 0, 18).program
    return text


@pytest.mark.parametrize(("limitations", "known"), [(True, "overwritten_cell"), (False, "")])
def test_limitations_explain_gradients_where_they_count(
    limitations: bool, known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, in_way("default", element("gradients", tripled)))
    given = setup("values", "gradients", limitations=limitations)
    (found,) = examine.examine(given, [case(square_of_sum(), PLAIN)])
    assert [(one.kind, one.known) for one in found.symptoms] == [("wrong_gradient", known)]
    assert bool(found.unexplained) is not limitations


def test_no_limitation_excuses_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, in_way("default", element("outputs", tripled)))
    (found,) = examine.examine(setup("values"), [case(square_of_sum(), PLAIN)])
    assert [one.kind for one in found.unexplained] == ["wrong_value"]


# Rewrites


def test_a_rewrite_that_changes_results_is_a_symptom(monkeypatch: pytest.MonkeyPatch) -> None:
    given = case(wavy(), PLAIN)
    own = exact_hash(given.program)
    names = {one.name for one in variants(given)} - {RESTYLED}
    assert names

    def alter(job: Any, way: str, made: Measured) -> Measured:
        changed = exact_hash(job.program) != own
        return element("outputs", tripled)(made) if changed else made

    found = seen(monkeypatch, setup("values", "rewrites"), alter)
    assert found == [("wrong_value", "rewrites", "forward", name) for name in _order(given)]
    (symptom, *_) = examine.examine(setup("values", "rewrites"), [given])[0].symptoms
    settled, there = examine.settled(setup("rewrites"), given, symptom)
    assert there.signature == ("wrong_value", "values", "forward", "default")
    assert exact_hash(settled.program) != own
    (again,) = examine.examine(setup("values"), [settled])
    assert signatures(again) == [there.signature]
    assert seen(monkeypatch, setup("values"), alter) == []


def _order(given: Case) -> list[str]:
    return [one.name for one in variants(given) if one.name != RESTYLED]


def test_variants_follow_from_the_program() -> None:
    drawn = draw(GRAMMARS["compound"], 1, 4)
    given = case(drawn.program, drawn.style)
    assert variants(given) == variants(given)
    first, *others = variants(given)
    assert (first.name, first.case.program) == (RESTYLED, given.program)
    assert first.case.style != given.style
    assert all(one.case.inputs is given.inputs for one in others)


# Two backends


def test_shaken_runs_agree_where_rounding_does_not_decide() -> None:
    given = case(rounded_decision(), PLAIN)
    (runs,) = shaken(given.program, given.inputs)
    assert len(runs) == 24
    assert np.abs(runs - 1.0).max() < 1e-3
    (moved,) = shaken(wavy(), case(wavy(), PLAIN).inputs)
    assert (moved.std(0) > 0).all()


def _two(monkeypatch: pytest.MonkeyPatch, mine: Any, theirs: Any) -> list[Symptom]:
    """What is said of two backends that give these outputs where bounds tell nothing."""
    stand_in(monkeypatch)
    given = case(rounded_decision(), PLAIN)
    made: list[Trial] = []
    for backend, value in (("warp", mine), ("jax", theirs)):
        (trial,) = begin(setup(backend=backend), [given])
        output = np.full(LANES, value, np.float32)
        trial.runs[trial.base] = replace(right(trial.job, trial.base).execution, outputs=(output,))
        made.append(trial)
    return agreement.against(*made)


def test_backends_differ_where_bounds_tell_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = _two(monkeypatch, -1.0, 1.0)
    assert found.signature[:3] == ("wrong_value", "backends", "forward")
    assert "jax" in found.way
    assert _two(monkeypatch, 1.0, 1.0) == []
    assert _two(monkeypatch, 1.0, -1.0) == []  # the other one is wrong
    assert _two(monkeypatch, 0.0, -1.0) == []  # who is right is open


def test_the_reference_alone_tells_nothing_there(monkeypatch: pytest.MonkeyPatch) -> None:
    alter = in_way("default", element("outputs", lambda value: -1.0))
    assert seen(monkeypatch, setup("values"), alter, rounded_decision()) == []


def test_the_other_backend_confirms(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    given = case(wavy(), PLAIN)
    mine, theirs = (begin(setup(backend=one), [given])[0] for one in ("warp", "jax"))
    wrong = element("outputs", tripled)
    mine.runs["default"] = wrong(right(mine.job, "default")).execution
    for alter, word in ((lambda made: made, "agrees with"), (wrong, "differs from")):
        theirs.runs["default"] = alter(right(theirs.job, "default")).execution
        (told_,) = agreement.confirmed(mine, theirs, told(mine, ["values"]))
        assert f"jax {word} the reference there" in told_.detail


# Processes


def test_a_death_is_a_symptom_of_failures() -> None:
    found = examine.lost(setup("failures"), Lost("crashed", "SIGSEGV"))
    assert signatures(found) == [("crashed", "failures", "", "default")]
    assert examine.lost(setup("values"), Lost("crashed", "SIGSEGV")) == Examined(())


def test_a_witness_knows_its_symptom() -> None:
    first = Symptom("wrong_gradient", "gradients", "gradient", "cpu")
    excused = Symptom("wrong_gradient", "gradients", "gradient", "cpu", known="loop_value")
    other = Symptom("wrong_value", "values", "forward", "cpu")
    answers = [Examined(found) for found in ((first,), (excused,), (other, first), (other,), ())]

    def examined(cases: Sequence[Case]) -> list[Examined]:
        return answers

    assert examine.witness(examined, first)([]) == [True, False, True, False, False]
    assert examine.witness(examined, excused)([]) == [True, True, True, False, False]


def test_limits_leave_room_for_interpreters() -> None:
    plain = examine.limits(Setup("warp"))
    apart = examine.limits(Setup("warp", TARGET))
    assert apart.seconds > plain.seconds
    assert apart.batch < plain.batch
    assert examine.limits(Setup("warp"), patience=2).patience == 2


def test_ways_are_those_that_oracles_need() -> None:
    assert ways_of(Setup("warp")) == ()
    assert ways_of(Setup("warp", oracles=("repeat", "levels"))) == ("default", "again", "O0", "O2")
    assert ways_of(setup("repeat")) == ("again",)
    assert set(ORACLES) >= set(known_oracles(("all",), "jax"))
