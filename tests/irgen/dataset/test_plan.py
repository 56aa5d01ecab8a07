"""A plan follows from its settings alone, and is made to the end or not at all."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from grammar.config import Grammar
from grammar.generate import program_at
from grammar.passes.canonical import exact_hash, structure_hash
from grammar.presets import GRAMMARS, SAFE_GRAMMARS
from grammar.program import size
from irgen.dataset import layout
from irgen.dataset.extras import need
from irgen.dataset.facts import depth_of, facts, ops_of
from irgen.dataset.planning import admission, drawn
from irgen.dataset.planning.drawing import CANDIDATE
from irgen.dataset.planning.plan import Plan, Planned, load_plan, make_plan
from irgen.dataset.planning.seen import Seen
from irgen.dataset.settings import Quota, Settings, Splits, named
from irgen.errors import UserError
from irgen.record import record_id

FEW = (SAFE_GRAMMARS["unary-safe"], SAFE_GRAMMARS["branch-safe"], SAFE_GRAMMARS["ml-safe"])

TINY = Grammar(
    name="tiny",
    statements=(1, 1),
    groups={"arithmetic": 0},
    ops={"neg": 1},
    arrays=(1, 1),
    scalars=(0, 0),
    extents=(16,),
)
"""It has two programs."""


def settings_of(count: int, grammars: tuple[Grammar, ...] = FEW, **others: object) -> Settings:
    empty = Settings(
        count=count,
        grammars=named(grammars),
        backends=["warp", "jax"],
        levels={"warp": [], "jax": []},
        versions={},
    )
    return msgspec.structs.replace(empty, **others)


def planned(plan: Plan) -> list[Planned]:
    return [row for shard in plan.shards for row in plan.planned(shard)]


def test_a_plan_says_of_each_row_what_drawing_it_gives(tmp_path: Path) -> None:
    settings = settings_of(90, seed=7, shard_size=40, splits=Splits(0.1, 0.1))
    plan = make_plan(settings, tmp_path, 1)
    rows = planned(plan)
    assert len(rows) == 90
    for row in rows:
        grammar = FEW[row.number % 3]
        program = program_at(grammar, 7, row.index)
        assert (row.grammar, row.index) == (grammar.name, row.number // 3)
        assert row.id == record_id(grammar, 7, row.index)
        assert row.exact_hash == exact_hash(program)
        assert row.structure_hash == structure_hash(program)
        assert row.statements == size(program)
    order = [(layout.SPLITS.index(row.split), row.number) for row in rows]
    assert order == sorted(order)
    for shard in plan.shards:
        found = plan.planned(shard)
        assert len(found) == shard.rows <= 40
        assert {(row.split, row.shard) for row in found} == {(shard.split, shard.number)}
        assert [(g.canonical, i) for g, i in plan.addresses(shard)] == [
            (FEW[row.number % 3].canonical, row.index) for row in found
        ]
        assert shard.name == layout.shard_name(shard.split, shard.number, shard.of, "parquet")


def test_of_equal_programs_the_first_is_in(tmp_path: Path) -> None:
    unary = replace(GRAMMARS["unary"], name="short", statements=(1, 2))
    plan = make_plan(settings_of(400, (unary,)), tmp_path, 1)
    rows = sorted(planned(plan), key=lambda row: row.number)
    first: dict[str, int] = {}
    for number in range(rows[-1].number + 1):
        first.setdefault(exact_hash(program_at(unary, 0, number)), number)
    assert [row.number for row in rows] == sorted(first.values())
    assert plan.drawing.duplicates == rows[-1].number + 1 - 400 > 20
    assert plan.drawing.drawn == 400 + plan.drawing.duplicates


def _bytes_of(folder: Path) -> str:
    return hashlib.sha256((folder / layout.ROWS).read_bytes()).hexdigest()


_SCRIPT = """
import sys
from pathlib import Path
import msgspec
from irgen.dataset.planning import drawing, drawn
from irgen.dataset.planning.plan import make_plan
from irgen.dataset.settings import Settings

drawing._FEW = 0
drawn.CHUNK = 256
settings = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Settings)
make_plan(settings, Path(sys.argv[2]), int(sys.argv[3]), (), lambda drawn: print(drawn, flush=True))
"""


def _plan_apart(
    settings: Settings, folder: Path, workers: int, hashes: str
) -> subprocess.Popen[str]:
    path = folder.with_suffix(".json")
    path.write_bytes(msgspec.json.encode(settings))
    return subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(path), str(folder), str(workers)],
        env={**os.environ, "PYTHONHASHSEED": hashes, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_bytes_depend_on_the_settings_alone(tmp_path: Path) -> None:
    settings = settings_of(
        300,
        FEW[:2],
        quotas=[Quota("op", "tanh", 0.2), Quota("size", "1-8", 0.3)],
        splits=Splits(0.1, 0.1, 3, 18),
    )
    plan = make_plan(settings, tmp_path / "here", 1)
    assert set(plan.summary.rows) == set(layout.SPLITS)
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        made = _plan_apart(settings, folder, workers, str(workers))
        made.communicate()
        assert made.returncode == 0
        assert _bytes_of(folder) == _bytes_of(tmp_path / "here")
        assert not list(folder.glob("work/*"))


def test_a_killed_planning_goes_on(tmp_path: Path) -> None:
    settings = settings_of(1_500)
    folder = tmp_path / "killed"
    running = _plan_apart(settings, folder, 2, "0")
    assert running.stdout is not None
    for line in running.stdout:
        if int(line) > 600:
            break
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert not (folder / layout.ROWS).exists()
    parts = sorted((folder / "work" / "drawn").iterdir())
    assert len(parts) >= 2
    parts[-1].write_bytes(parts[-1].read_bytes()[:-1] + b"!")

    heard: list[int] = []
    make_plan(settings, folder, 1, (), heard.append)
    make_plan(settings, tmp_path / "whole", 1)
    assert heard[0] >= 256
    assert _bytes_of(folder) == _bytes_of(tmp_path / "whole")
    assert not (folder / "work" / "drawn").exists()


def test_candidates_kept_for_other_settings_are_not_taken_over(tmp_path: Path) -> None:
    candidates = np.zeros(drawn.CHUNK, CANDIDATE)
    drawn.Drawn(tmp_path, "one").add(candidates)
    assert [len(found) for found in drawn.Drawn(tmp_path, "one")] == [drawn.CHUNK]
    assert not list(drawn.Drawn(tmp_path, "two"))


def test_a_plan_that_is_there_is_loaded(tmp_path: Path) -> None:
    settings = settings_of(40)
    made = make_plan(settings, tmp_path, 1)
    before = (tmp_path / layout.ROWS).stat().st_mtime_ns
    assert make_plan(settings, tmp_path, 2) == load_plan(tmp_path, settings) == made
    assert (tmp_path / layout.ROWS).stat().st_mtime_ns == before
    with pytest.raises(UserError, match=r"plan for other settings: seed 0 is now 1"):
        make_plan(msgspec.structs.replace(settings, seed=1), tmp_path, 1)


def test_a_damaged_plan_is_named(tmp_path: Path) -> None:
    settings = settings_of(40)
    make_plan(settings, tmp_path, 1)
    path = tmp_path / layout.ROWS
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(UserError, match=r"rows\.parquet cannot be read: .*remove it"):
        load_plan(tmp_path, settings)
    pq.write_table(pa.table({"number": [1]}), path)
    with pytest.raises(UserError, match=r"rows\.parquet is no plan"):
        load_plan(tmp_path, settings)
    path.unlink()
    with pytest.raises(UserError, match=r"rows\.parquet is missing"):
        load_plan(tmp_path, settings)


def test_a_grammar_with_too_few_programs_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "PATIENCE", 300)
    with pytest.raises(UserError, match=r"^tiny starves: with 2 of 3 rows of tiny in.*fewer"):
        make_plan(settings_of(3, (TINY,)), tmp_path, 1)
    assert not (tmp_path / layout.SETTINGS).exists()
    assert not (tmp_path / "work").exists()


def test_saturation_counts_structures(tmp_path: Path) -> None:
    plan = make_plan(settings_of(300, (FEW[0],)), tmp_path, 1)
    rows = sorted(planned(plan), key=lambda row: row.number)
    points = plan.summary.saturation
    assert [point.rows for point in points] == [1, 2, 5, 10, 20, 50, 100, 200, 300]
    for point in points:
        assert point.structures == len({row.structure_hash for row in rows[: point.rows]})
        assert point.drawn == rows[point.rows - 1].number + 1
    assert plan.summary.structures == points[-1].structures
    assert plan.summary.rows == {
        split: sum(row.split == split for row in rows) for split in plan.summary.rows
    }


def test_seen_is_a_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("irgen.dataset.planning.seen._LONGEST", 300)
    seen, model = Seen(), set[int]()
    random = np.random.default_rng(0)
    for _ in range(60):
        keys = random.integers(0, 4_000, 70, np.uint64)
        assert seen.known(keys).tolist() == [key in model for key in keys.tolist()]
        fresh = np.array(sorted(set(keys.tolist()) - model), np.uint64)
        seen.add(fresh)
        model |= set(fresh.tolist())
    assert seen.count == len(model)
    assert seen.nbytes == 8 * len(model)


def test_facts_of_a_program() -> None:
    program = program_at(GRAMMARS["nested_branch"], 0, 3)
    found = facts(program)
    assert found["ops"] == sorted(ops_of(program))
    assert found["depth"] == depth_of(program) == _deepest(str(program)) > 1
    assert not {"const", "load", "store"} & set(found["ops"])


def _deepest(text: str) -> int:
    """How deep control nests, by the indentation of the lines that open it."""
    opening = [line for line in text.splitlines() if line.endswith("{") and " @" not in line]
    return max(((len(line) - len(line.lstrip())) // 2 for line in opening), default=0)


def test_a_missing_library_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"^pyarrow is not installed: pip install 'irgen\[data\]'$"):
        need("pyarrow")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"^ray is not installed: pip install 'irgen\[cluster\]'$"):
        need("ray")
