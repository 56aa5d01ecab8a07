"""The service: streams of records by address, whatever the batches, levels and order of asking."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import islice

import msgspec
import pytest

from backends.base import REASONS
from backends.registry import BACKENDS
from backends.style import draw_style
from grammar.generate import draw_program
from grammar.parse import parse_program
from grammar.passes.canonical import exact_hash, structure_hash
from grammar.presets import GRAMMARS
from grammar.program import size
from grammar.source import ReplaySource
from grammar.text import print_program
from irgen import service, streaming
from irgen.record import Record, record_id

COMPOUND = GRAMMARS["compound"]
NONE = frozenset[str]()


def records(
    count: int,
    levels: frozenset[str] | None = NONE,
    backend: str = "warp",
    *,
    seed: int = 0,
    start: int = 0,
    batch: int = streaming.BATCH,
) -> list[Record]:
    found = streaming.stream(
        COMPOUND, backend, seed=seed, start=start, count=count, levels=levels, batch=batch
    )
    return list(found)


def test_records_come_in_order_of_address() -> None:
    found = records(5, seed=3, start=10)
    assert [(record.seed, record.index) for record in found] == [(3, 10 + k) for k in range(5)]
    assert len({record.id for record in found}) == 5


def test_an_endless_stream_begins_like_a_short_one() -> None:
    assert list(islice(streaming.stream(COMPOUND, "warp", levels=NONE), 4)) == records(4)


def test_no_records_are_asked_for() -> None:
    assert records(0) == []


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_a_record_is_the_same_whatever_the_batch(backend: str) -> None:
    wanted = frozenset({"stablehlo"} if backend == "jax" else {"cpp"})
    whole = records(6, wanted, backend, batch=32)
    assert records(6, wanted, backend, batch=1) == whole
    assert records(2, wanted, backend, start=4) == whole[4:]


def test_a_record_knows_its_program() -> None:
    for record in records(5):
        program = parse_program(record.program)
        assert (exact_hash(program), structure_hash(program)) == (
            record.exact_hash,
            record.structure_hash,
        )
        assert size(program) == record.statements


def test_choices_replay_program_and_style() -> None:
    for record in records(5):
        source = ReplaySource(record.choices)
        assert print_program(draw_program(source, COMPOUND)) == record.program
        assert draw_style(source) == record.sources[0].style


def test_the_id_is_of_the_address_and_the_grammar() -> None:
    other = dataclasses.replace(COMPOUND, depth=1)
    documented = dataclasses.replace(COMPOUND, doc="Other words.")
    assert record_id(COMPOUND, 0, 1) == records(1, start=1)[0].id
    assert record_id(documented, 0, 1) == record_id(COMPOUND, 0, 1)
    ids = {record_id(COMPOUND, 0, 1), record_id(other, 0, 1)}
    ids |= {record_id(COMPOUND, 1, 0), record_id(COMPOUND, 0, 11), record_id(COMPOUND, 1, 1)}
    assert len(ids) == 5


def test_the_content_hash_is_of_all_text() -> None:
    (bare,), (cpp,), (both,) = (
        records(1, frozenset(levels)) for levels in ((), ("cpp",), ("cpp", "cuda"))
    )
    assert len({bare.content_hash, cpp.content_hash, both.content_hash}) == 3
    assert bare.id == cpp.id == both.id
    assert records(1, frozenset({"cpp"}))[0].content_hash == cpp.content_hash


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_nothing_is_captured_where_no_level_is_asked_for(backend: str) -> None:
    (record,) = records(1, backend=backend)
    assert record.artifacts == []
    assert list(record.versions) == ["irgen"]
    assert record.sources[0].kernel_name in record.sources[0].python


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_every_artifact_asked_for_is_there_or_says_why_not(backend: str) -> None:
    language = BACKENDS[backend]
    for record in records(3, None, backend):
        asked = {(level.name, way) for level in language.levels for way in level.directions}
        assert {(found.level, found.direction) for found in record.artifacts} == asked
        for artifact in record.artifacts:
            assert (artifact.text is None) == (artifact.status != "ok")
            assert artifact.status == "ok" or artifact.reason in REASONS
        assert record.versions[language.distribution] == language.check()


def test_jax_records_have_costs_of_both_directions() -> None:
    costs = [record.sources[0].cost for record in records(4, None, "jax")]
    assert all(set(cost) <= {"forward", "backward"} and "forward" in cost for cost in costs)
    assert all(way.keys() == {"flops", "bytes"} for cost in costs for way in cost.values())
    assert any(cost["forward"]["bytes"] > 0 for cost in costs)


def test_balanced_presets_take_turns_each_by_its_own_index() -> None:
    count = 2 * len(GRAMMARS) + 1
    found = list(streaming.stream(COMPOUND, "warp", count=count, levels=NONE, balanced=True))
    names = list(GRAMMARS)
    assert [record.grammar for record in found] == [*names, *names, names[0]]
    assert [record.index for record in found] == [k // len(names) for k in range(count)]
    alone = streaming.stream(GRAMMARS[names[2]], "warp", start=1, count=1, levels=NONE)
    assert found[len(names) + 2] == next(alone)


def test_a_record_survives_json() -> None:
    for record in records(2, None):
        assert msgspec.json.decode(msgspec.json.encode(record), type=Record) == record


def test_a_stream_draws_no_more_than_it_must_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    draw = service.draw

    def counted(grammar: object, seed: int, index: int) -> service.Drawn:
        drawn.append(index)
        return draw(COMPOUND, seed, index)

    monkeypatch.setattr(service, "draw", counted)
    found: Iterator[Record] = streaming.stream(COMPOUND, "warp", levels=NONE)
    assert drawn == []
    next(found)
    assert drawn == [0]
