"""Builds: the same bytes whoever makes them and however often they are cut short."""

from __future__ import annotations

import functools
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from backends.registry import BACKENDS
from grammar.presets import GRAMMARS
from irgen import lane, streaming
from irgen.dataset import arrow, layout
from irgen.dataset.building import build, local, lock, rows
from irgen.dataset.building.build import Progress, build_shard, finish, plan_only, read_settings
from irgen.dataset.building.request import BuildRequest, settings_of
from irgen.dataset.columns import Row, records_of
from irgen.dataset.manifest import read_manifest
from irgen.dataset.reading import open_dataset
from irgen.dataset.settings import FORMATS, Settings
from irgen.dataset.writing import encode, write_parts, write_shard
from irgen.errors import UserError
from irgen.pool import Limits, Lost

ROWS = 24


def settings(**changes: object) -> Settings:
    """Settings of a small data set of sources only, which needs no compiler."""
    request = BuildRequest(
        count=ROWS, grammars=("branch", "loop"), levels=("python",), verify=False, shard_size=7
    )
    return msgspec.structs.replace(settings_of(request), **changes)


@pytest.fixture(autouse=True)
def plain_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    """The documents have tests of their own."""

    def document(folder: Path, told: Callable[[Progress], None], now: Progress) -> None:
        told(now)
        for name in (layout.CARD, layout.CROISSANT):
            (folder / name).write_text("documents\n")

    monkeypatch.setattr(build, "_document", document)


def contents(folder: Path) -> dict[str, str]:
    """Every file of a folder, with a hash."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set that was built undisturbed."""
    folder = tmp_path_factory.mktemp("whole") / "set"
    with pytest.MonkeyPatch.context() as patch:
        plain_documents.__wrapped__(patch)  # type: ignore[attr-defined]
        build.build(folder, settings(), 1)
    return folder


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to / "set"))


def stop_at(number: int) -> Callable[[Progress], None]:
    """Ctrl-C as soon as so many rows are there."""

    def told(progress: Progress) -> None:
        if progress.phase == "rows" and progress.counts.rows >= number:
            raise KeyboardInterrupt

    return told


def test_rows_are_those_of_the_lane(whole: Path) -> None:
    dataset = open_dataset(whole)
    found = list(dataset.rows())
    assert len(found) == dataset.count == ROWS
    making = rows.making(dataset.manifest.settings)
    for row in found:
        address = GRAMMARS[row["grammar"]], row["index"]
        expected = [lane.work(one, [address])[0] for one in making.lanes]
        assert records_of(dataset.manifest.settings, row) == expected
    assert not (whole / layout.WORK).exists()


def test_bytes_do_not_depend_on_workers(whole: Path, tmp_path: Path) -> None:
    build.build(tmp_path / "set", settings(), 2)
    assert contents(tmp_path / "set") == contents(whole)


@pytest.mark.parametrize("format", FORMATS)
def test_an_interrupted_build_goes_on_where_it_was(
    format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "BATCH", 3)
    expected, folder = tmp_path / "expected", tmp_path / "set"
    wanted = settings(format=format)
    build.build(expected, wanted, 1)
    with pytest.raises(KeyboardInterrupt):
        build.build(folder, wanted, 2, progress=stop_at(11))
    shards = {path.name for path in (folder / layout.DATA).iterdir()}
    assert shards < {path.name for path in (expected / layout.DATA).iterdir()}
    assert not (folder / layout.MANIFEST).exists()
    with pytest.raises(UserError, match="not finished: run the same irgen build again"):
        open_dataset(folder)
    seen: list[Progress] = []
    built = build.build(folder, wanted, 1, progress=seen.append)
    assert built.rows <= ROWS - 11
    assert max(progress.earlier for progress in seen) >= 11
    assert contents(folder) == contents(expected)


def test_progress_tells_of_every_shard_once(tmp_path: Path) -> None:
    seen: list[Progress] = []
    built = build.build(tmp_path / "set", settings(), 1, progress=seen.append)
    finished = [one.finished.name for one in seen if one.finished is not None]
    assert sorted(finished) == sorted(file.name for file in built.manifest.files)
    making = [one for one in seen if one.phase == "rows"]
    assert (making[0].counts.rows, making[-1].whole) == (ROWS, len(finished))
    assert seen[-1].phase == "documents"


def test_a_finished_data_set_is_left_alone(whole: Path) -> None:
    before = contents(whole)
    seen: list[Progress] = []
    built = build.build(whole, settings(), 1, progress=seen.append)
    assert (built.made, built.rows, seen) == (0, 0, [])
    assert contents(whole) == before
    assert finish(whole) == built.manifest


def damage_missing(path: Path) -> None:
    path.unlink()


def damage_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def damage_edited(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [damage_missing, damage_short, damage_edited])
def test_a_missing_or_wrong_shard_is_made_again(
    damage: Callable[[Path], None], whole: Path, tmp_path: Path
) -> None:
    folder = copied(whole, tmp_path)
    before = contents(folder)
    victim = folder / read_manifest(folder).files[1].name
    damage(victim)
    seen = damage is not damage_edited
    assert build.build(folder, settings(), 1).made == seen
    assert (contents(folder) == before) == seen
    assert build.build(folder, settings(), 1, check=True).made == (not seen)
    assert contents(folder) == before


def test_a_repair_that_was_cut_short_goes_on(whole: Path, tmp_path: Path) -> None:
    folder = copied(whole, tmp_path)
    (folder / read_manifest(folder).files[0].name).unlink()
    with pytest.raises(KeyboardInterrupt):
        build.build(folder, settings(), 1, progress=stop_at(1))
    assert build.build(folder, settings(), 1).made == 1
    assert contents(folder) == contents(whole)


def test_a_shard_that_comes_out_otherwise_is_refused(whole: Path, tmp_path: Path) -> None:
    folder = copied(whole, tmp_path)
    manifest = read_manifest(folder)
    first = msgspec.structs.replace(manifest.files[0], sha256="0" * 64)
    other = msgspec.structs.replace(manifest, files=[first, *manifest.files[1:]])
    (folder / layout.MANIFEST).write_bytes(msgspec.json.encode(other))
    for _ in range(2):
        with pytest.raises(UserError, match=r"is not what manifest\.json says of it"):
            build.build(folder, settings(), 1, check=True)
        assert not (folder / first.name).exists()


def test_lost_documents_are_written_again(whole: Path, tmp_path: Path) -> None:
    folder = copied(whole, tmp_path)
    (folder / layout.CARD).unlink()
    assert build.build(folder, settings(), 1).made == 0
    assert (folder / layout.CARD).exists()


def test_shards_made_one_by_one_are_the_same(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    plan = plan_only(folder, settings(), 1)
    with pytest.raises(UserError, match=r"00000-of-\d+.parquet is missing"):
        finish(folder)
    for shard in reversed(plan.shards):
        build_shard(folder, settings(), plan, shard, 1)
    assert finish(folder).drawing == plan.drawing
    assert contents(folder) == contents(whole)


def test_a_shard_of_other_versions_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    old = settings(versions={**settings().versions, "jax": "0.1.0"})
    plan = plan_only(folder, old, 1)
    with pytest.raises(UserError, match=r"other versions: jax 0\.1\.0 is now"):
        build_shard(folder, old, plan, plan.shards[0], 1)
    with pytest.raises(UserError, match="other settings: seed 0 is now 7: name another"):
        build_shard(folder, msgspec.structs.replace(old, seed=7), plan, plan.shards[0], 1)


def test_a_row_that_ends_its_process_is_tried_once_more(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No row is done in no time; what is tried alone has the usual limits.
    monkeypatch.setattr(rows, "limits", lambda making: Limits(seconds=0.0, patience=1))
    small = settings(count=1, backends=["warp"], levels={"warp": []}, format="jsonl")
    folder = tmp_path / "set"
    build.build(folder, small, 1)
    (row,) = open_dataset(folder).rows()
    making = rows.making(small)
    address = GRAMMARS[row["grammar"]], row["index"]
    assert records_of(small, row) == lane.work(making.lanes[0], [address])
    assert read_manifest(folder).lost == {}


def test_a_backend_that_ends_its_process_leaves_the_other_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    why = Lost("crashed", "SIGSEGV")

    def run(work: functools.partial, tasks: list, **_: object) -> object:
        (plan,) = work.args
        return iter([why if plan.backend == "jax" else work(tasks)[0]])

    monkeypatch.setattr(rows.pool, "run", run)
    monkeypatch.setattr(streaming.pool, "run", run)
    wanted = settings(levels={"warp": [], "jax": ["jaxpr"]}, format="jsonl", verify=True)
    making = rows.making(msgspec.structs.replace(wanted, backends=["jax"]))
    part = rows.lost_row(making, (0, 0, 3))
    assert part.counts.lost == {"crashed": 1}
    assert part.counts.outcomes == {"jax": {way: {"failed": 1} for way in ("forward", "gradient")}}
    assert part.counts.missing == {"jax": {"crashed": 2}}
    text = rows.lost_row(rows.making(settings(format="jsonl")), (0, 0, 3))
    assert text.counts.lost == {"crashed": 1}
    assert (text.counts.rows, text.counts.verified) == (1, 0)


def test_lanes_are_those_of_a_verified_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[lane.Plan] = []

    def survivors(plan: lane.Plan, *_: object) -> object:
        taken.append(plan)
        return iter(())

    monkeypatch.setattr(streaming, "survivors", survivors)
    wanted = settings_of(BuildRequest(count=1, grammars=("branch",), execute=("compiled",), seed=3))
    for name in BACKENDS:
        known = wanted.execute if name == "jax" else ()
        streaming.stream(
            GRAMMARS["branch"], name, seed=3, count=1, verify=True, execute=tuple(known)
        )
    assert list(rows.making(wanted).lanes) == taken


def test_two_builds_refuse_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    with lock.held(folder, folder), pytest.raises(UserError, match="set is in use by another"):
        build.build(folder, settings(), 1)
    with lock.held(folder, folder, shared=True), pytest.raises(UserError, match="in use"):
        build.build(folder, settings(), 1)
    plan = plan_only(folder, settings(), 1)
    shard = plan.shards[0]
    guard = folder / layout.WORK / f"{Path(shard.name).name}.lock"
    guard.parent.mkdir()
    guard.touch()
    with lock.held(guard, guard), pytest.raises(UserError, match=f"{shard.name} is in use"):
        build_shard(folder, settings(), plan, shard, 1)


def test_other_settings_are_refused_with_the_difference(whole: Path) -> None:
    other = settings(
        seed=1, count=25, versions={**settings().versions, "jax": "0.1.0"}, grammars=[]
    )
    with pytest.raises(UserError) as caught:
        build.build(whole, other, 1)
    for words in ("seed 0 is now 1", "count 24 is now 25", "jax ", " is now 0.1.0", "branch, loop"):
        assert words in str(caught.value)
    one = settings().grammars
    changed = [msgspec.structs.replace(one[0], canonical="{}"), one[1]]
    with pytest.raises(UserError, match="grammar branch is now another: name another folder"):
        build.build(whole, settings(grammars=changed), 1)
    assert read_settings(whole) == settings()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match=r"is not empty and no data set, it has mine\.txt"):
        build.build(tmp_path, settings(), 1)
    with pytest.raises(UserError, match=r"mine\.txt is a file: name a folder"):
        build.build(tmp_path / "mine.txt", settings(), 1)
    assert contents(tmp_path).keys() == {"mine.txt"}


def test_what_a_build_leaves_that_was_killed_at_once_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / layout.PLAN).mkdir()
    layout.partial(tmp_path / layout.SETTINGS).write_text("{")
    assert plan_only(tmp_path, settings(), 1).shards


def test_settings_of_another_format_are_named(tmp_path: Path) -> None:
    plan_only(tmp_path, settings(), 1)
    path = tmp_path / layout.SETTINGS
    path.write_text('{"format_version": 99}')
    with pytest.raises(UserError, match=r"settings\.json is of format 99, where"):
        build.build(tmp_path, settings(), 1)
    path.write_text("{")
    with pytest.raises(UserError, match=r"settings\.json cannot be read"):
        build.build(tmp_path, settings(), 1)


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(UserError) as caught:
        build.build(tmp_path / "set", settings(), 1)
    assert str(caught.value) == f"cannot write {tmp_path / 'set'}: Permission denied"


def test_a_full_disk_is_said_and_the_same_command_goes_on(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "set"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(local, "write_whole", full)
        with pytest.raises(UserError, match=r"No space left on device; with more space, the same"):
            build.build(folder, settings(), 1)
    assert list(folder.rglob("*.partial")) == []
    build.build(folder, settings(), 1)
    assert contents(folder) == contents(whole)


def test_documents_that_were_cut_short_are_written_again(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "set"

    def cut(folder: Path, *_: object) -> None:
        (folder / layout.CARD).write_text("half")
        (folder / layout.CROISSANT).write_text("half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(build, "_document", cut)
        with pytest.raises(KeyboardInterrupt):
            build.build(folder, settings(), 1)
    assert build.build(folder, settings(), 1).made == 0
    assert contents(folder) == contents(whole)


def test_a_worker_that_cannot_write_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rows.lane, "produce", full)
    with pytest.raises(UserError, match="a worker cannot write: No space left on device"):
        rows.work(rows.making(settings()), [(0, 0, 0)])
    monkeypatch.setattr(rows.lane, "produce", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        rows.work(rows.making(settings()), [(0, 0, 0)])


def test_parts_do_not_show_in_the_bytes(
    made: tuple[Settings, list[Row]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrow, "ROW_GROUP", 10)
    for format in FORMATS:
        wanted = msgspec.structs.replace(made[0], format=format)
        found = set()
        for size in (1, 7, 34):
            cut = [made[1][at : at + size] for at in range(0, len(made[1]), size)]
            parts = [(len(one), encode(wanted, one)) for one in cut]
            found.add(write_parts(tmp_path, wanted, "rows", "train", parts).sha256)
        found.add(write_shard(tmp_path, wanted, "rows", "train", made[1]).sha256)
        assert len(found) == 1
