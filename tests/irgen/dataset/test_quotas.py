"""Quotas hold, in every part of a data set, or say in one line why they cannot."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from grammar.generate import program_at
from grammar.presets import SAFE_GRAMMARS
from irgen.dataset.facts import ops_of
from irgen.dataset.planning import admission
from irgen.dataset.planning.admission import PATIENCE, Admission, Candidate
from irgen.dataset.planning.apportion import shares_of, tilted
from irgen.dataset.planning.plan import make_plan
from irgen.dataset.planning.quotas import Rules, parse_quota, quota_text, rules, size_range
from irgen.dataset.settings import Quota, Settings, named
from irgen.errors import UserError

FAMILIES = ("unary-safe", "branch-safe", "loop-safe", "ml-safe")


def settings_of(count: int, quotas: Sequence[str], families: Sequence[str] = FAMILIES) -> Settings:
    return Settings(
        count=count,
        grammars=named([SAFE_GRAMMARS[name] for name in families]),
        backends=["warp"],
        levels={"warp": []},
        versions={},
        quotas=[parse_quota(text, families) for text in quotas],
    )


@pytest.mark.parametrize("text", ["family:unary-safe=0.2", "size:1-8=0.3", "size:17-=1", "op:if=1"])
def test_a_quota_reads_as_it_is_written(text: str) -> None:
    assert quota_text(parse_quota(text, FAMILIES)) == text


def test_the_suffix_of_safe_grammars_may_be_left_out() -> None:
    assert parse_quota(" family:loop = 0.2 ", FAMILIES) == Quota("family", "loop-safe", 0.2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loop", r"^'loop' is no quota: write family:loop=0.2, size:1-8=0.3 or op:fmod=0.05$"),
        ("famly:loop=0.2", r"^unknown quota 'famly' in 'famly:loop=0.2': did you mean 'family'\?"),
        ("family:lop=0.2", r"^family:lop=0.2: no grammar 'lop' here: did you mean 'loop-safe'\?"),
        ("op:fmodd=0.2", r"^op:fmodd=0.2: unknown op 'fmodd': did you mean 'fmod'"),
        ("op:load=0.2", r"^op:load=0.2: unknown op 'load'"),
        ("size:8-1=0.2", r"^'8-1' is no range of statements: 1 is less than 8$"),
        ("size:big=0.2", r"^'big' is no range of statements: write 1-8, 17- or 5$"),
        ("op:if=much", r"^'much' in 'op:if=much' is no share"),
        ("op:if=0", r"^op:if=0: a share is more than 0 and at most 1$"),
        ("op:if=nan", r"^op:if=nan: a share"),
        ("op:if=1.5", r"^op:if=1.5: a share"),
    ],
)
def test_what_is_wrong_with_a_quota_is_said(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_quota(text, FAMILIES)


def test_sizes() -> None:
    assert [size_range(key) for key in ("1-8", "17-", "5")] == [(1, 8), (17, None), (5, 5)]


@pytest.mark.parametrize(
    ("quotas", "message"),
    [
        (["family:unary=0.5", "family:branch=0.5"], r"sum to 1, which leaves nothing to loop-safe"),
        (
            [f"family:{name}=0.2" for name in FAMILIES],
            r"^the shares of all families sum to 0.8: less than 1 leaves rows that nothing may",
        ),
        (["size:1-8=0.3", "size:9-=0.5"], r"^the shares of all sizes sum to 0.8"),
        (["op:if=0.1", "op:if=0.2"], r"^op:if has two quotas$"),
    ],
)
def test_quotas_that_cannot_be_met_are_refused(quotas: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        rules(settings_of(100, quotas))


def test_families_share_equally_what_no_quota_names() -> None:
    assert rules(settings_of(102, [])).most == (26, 26, 25, 25)
    found = rules(settings_of(100, ["family:loop=0.7"]))
    assert found.most == (10, 10, 70, 10)
    assert found.exact
    loose = rules(settings_of(100, [f"family:{name}=0.4" for name in FAMILIES]))
    assert (loose.most, loose.exact) == ((40, 40, 40, 40), False)


@given(st.integers(0, 500), st.lists(st.integers(1, 50), min_size=1, max_size=9))
def test_parts_sum_to_the_whole(total: int, weights: list[int]) -> None:
    shares = [Fraction(weight, sum(weights)) for weight in weights]
    parts = shares_of(total, shares)
    assert sum(parts) == total
    assert all(abs(part - total * share) < 1 for part, share in zip(parts, shares, strict=True))


@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 8)), min_size=1, max_size=9), st.data()
)
def test_rows_with_a_property_are_spread_as_families_have_it(
    given_families: list[tuple[int, int]], data: st.DataObject
) -> None:
    rows = [count for count, _ in given_families]
    found = [Fraction(hits, 8) for _, hits in given_families]
    total = data.draw(st.integers(0, sum(rows)))
    parts = tilted(total, rows, found)
    most = sum(count for count, share in zip(rows, found, strict=True) if share)
    least = sum(count for count, share in zip(rows, found, strict=True) if share == 1)
    if not least <= total <= most:
        assert parts is None
        return
    assert parts is not None
    assert sum(parts) == total
    for part, count, share in zip(parts, rows, found, strict=True):
        assert 0 <= part <= count
        if share in (0, 1):
            assert part == count * share


_CANDIDATES = st.builds(Candidate, st.integers(0, 2), st.integers(1, 12), st.integers(0, 3))


@given(
    st.lists(_CANDIDATES, min_size=1, max_size=400),
    st.integers(1, 60),
    st.lists(st.sampled_from((0.1, 0.35, 0.6)), min_size=2, max_size=2),
    st.sampled_from((0.25, 0.5, 1.0)),
    st.booleans(),
)
def test_no_quota_is_ever_broken(
    stream: list[Candidate], count: int, least: list[float], most: float, alone: bool
) -> None:
    """Caps hold at any time, and once there are enough rows, all quotas do."""
    settings = settings_of(count, [f"size:1-4={most}", f"op:if={least[0]}", f"op:for={least[1]}"])
    grammars = settings.grammars[: 1 if alone else 3]
    wanted = rules(msgspec.structs.replace(settings, grammars=grammars))
    if alone:
        stream = [Candidate(0, one.size, one.ops) for one in stream]
    try:
        admitting = Admission(wanted, stream)
    except UserError:
        assume(False)
        return
    rows: list[Candidate] = []
    for one in stream:
        if not admitting.done and not admitting.full(one.family) and admitting.admit(one):
            rows.append(one)
        assert sum(row.size <= 4 for row in rows) <= most * count + 1
    assert len(rows) == admitting.rows
    for family, places in enumerate(wanted.most):
        assert sum(row.family == family for row in rows) <= places
    if admitting.done:
        for bit, share in enumerate(least):
            assert sum(row.ops >> bit & 1 for row in rows) >= share * count


_SHARES = st.lists(st.sampled_from((0.1, 0.25, 0.4, 0.6)), min_size=3, max_size=3)


@given(st.integers(0, 10**6), st.integers(1, 60), _SHARES, st.sampled_from((0.25, 0.5, 1.0)))
def test_a_stream_with_all_there_is_fills_every_quota(
    seed: int, count: int, least: list[float], most: float
) -> None:
    ops = ("if", "for", "while")
    quotas = [f"op:{name}={share}" for name, share in zip(ops, least, strict=True)]
    wanted = rules(settings_of(count, [f"size:1-4={most}", *quotas], FAMILIES[:1]))
    random = Random(seed)
    admitting = Admission(wanted)
    rows: list[Candidate] = []
    while not admitting.done:
        bits = sum((random.random() < 0.3) << bit for bit in range(3))
        one = Candidate(0, random.randrange(1, 9), bits)
        if admitting.admit(one):
            rows.append(one)
    assert len(rows) == count
    assert sum(row.size <= 4 for row in rows) < most * count + 1
    for bit, share in enumerate(least):
        assert sum(row.ops >> bit & 1 for row in rows) >= share * count


def test_ops_that_never_meet_fill_their_quotas() -> None:
    quotas = ["op:if=0.4", "op:for=0.4", "op:while=0.2"]
    admitting = Admission(rules(settings_of(50, quotas, FAMILIES[:1])))
    rows: list[Candidate] = []
    for number in range(1_000):
        one = Candidate(0, 5, (0, 1, 2, 4)[number % 4])
        if not admitting.done and admitting.admit(one):
            rows.append(one)
    assert [sum(row.ops == bit for row in rows) for bit in (1, 2, 4)] == [20, 20, 10]


def test_every_part_of_a_data_set_is_like_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "STRETCH", 50)
    admitting = Admission(rules(settings_of(1_000, ["op:if=0.5"], FAMILIES[1:2])))
    rows: list[Candidate] = []
    number = 0
    while not admitting.done:
        one = Candidate(0, 5, number % 10 == 0)
        number += 1
        if admitting.admit(one):
            rows.append(one)
    for end in range(50, 1_001, 50):
        assert sum(row.ops for row in rows[:end]) >= end / 2
    assert number < 6_000


def _starve(wanted: Rules, candidate: Candidate) -> str:
    admitting = Admission(wanted, [candidate] * 300)
    for _ in range(admitting.rules.count):
        admitting.admit(candidate)
    rows = admitting.rows
    with pytest.raises(UserError) as raised:
        _admit_all(admitting, [candidate] * PATIENCE)
    assert admitting.rows == rows
    return str(raised.value)


def _admit_all(admitting: Admission, found: Sequence[Candidate]) -> None:
    for candidate in found:
        admitting.admit(candidate)


def test_the_quota_that_starves_is_named() -> None:
    found = _starve(rules(settings_of(100, ["op:if=0.2"], FAMILIES[:1])), Candidate(0, 5, 0))
    assert found.startswith("op:if starves: with 80 of 100 rows of unary-safe in, none of the next")
    found = _starve(rules(settings_of(100, ["size:1-8=0.2"], FAMILIES[:1])), Candidate(0, 5, 0))
    assert found.startswith("size:1-8=0.2 starves: with 20 of 100 rows of unary-safe in")


def test_what_no_family_can_fill_is_known_from_a_sample() -> None:
    wanted = rules(settings_of(100, ["op:if=0.6"], FAMILIES[:2]))
    sample = [Candidate(family, 5, family) for family in (0, 1)] * 300
    with pytest.raises(
        UserError, match=r"^op:if starves: 60 rows must have it, .* only branch-saf"
    ):
        Admission(wanted, sample)
    wanted = rules(settings_of(100, ["size:1-8=0.4"], FAMILIES[:2]))
    sample = [Candidate(0, 5, 0), Candidate(1, 9, 0)] * 300
    with pytest.raises(UserError, match=r"^size:1-8=0.4 starves: unary-safe draws no other size$"):
        Admission(wanted, sample)


def test_a_plan_meets_its_quotas(tmp_path: Path) -> None:
    """A quota on loops is met by the family that draws them, and no family goes short for it."""
    settings = settings_of(
        240, ["family:branch=0.4", "op:for=0.25", "op:tanh=0.3", "size:1-10=0.3"], FAMILIES[:3]
    )
    plan = make_plan(settings, tmp_path, 1)
    rows = [row for shard in plan.shards for row in plan.planned(shard)]
    assert plan.summary.families == {"unary-safe": 72, "branch-safe": 96, "loop-safe": 72}
    assert sum(row.statements <= 10 for row in rows) <= 72
    found = [ops_of(program_at(SAFE_GRAMMARS[row.grammar], 0, row.index)) for row in rows]
    assert sum("for" in ops for ops in found) >= 60
    assert sum("tanh" in ops for ops in found) >= 72
    assert plan.drawing.over_quota > 0
    assert plan.drawing.drawn == 240 + plan.drawing.over_quota + plan.drawing.duplicates


def test_an_op_that_no_grammar_draws_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "PATIENCE", 1_000)
    with pytest.raises(UserError, match=r"^op:matmul starves: none of the first 1,\d+ programs"):
        make_plan(settings_of(40, ["op:matmul=0.1"], FAMILIES[:2]), tmp_path, 1)
