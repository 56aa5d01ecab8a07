"""Each short cut of Warp gives exactly what the plain way gives; a kept header is always whole."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from backends import tricks
from backends.base import Capture, Rendered
from backends.registry import BACKENDS
from backends.warp import capture as driver
from backends.warp import kept_header, overloads, private, private_run
from grammar.presets import GRAMMARS
from irgen.service import draw_batch, render_batch

LEVELS = frozenset(level.name for level in driver.LEVELS)
SHORT = ("overloads", "one_build", "young_collection")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def programs() -> list[Rendered]:
    """Two programs of each preset."""
    addresses = [(g, i) for g in GRAMMARS.values() for i in (400, 401)]
    return render_batch(draw_batch(addresses, 0), BACKENDS["warp"])


def captured(
    sources: Sequence[Rendered], plain: str, monkeypatch: pytest.MonkeyPatch
) -> list[Capture]:
    """What is captured without the short cuts named, tables empty."""
    overloads._overloads.clear()
    overloads._ctypes.clear()
    with monkeypatch.context() as patch:
        patch.setenv(tricks.VARIABLE, plain)
        return driver.capture(sources, LEVELS)


def test_programs_of_all_presets_are_captured_byte_for_byte_as_without(
    programs: list[Rendered], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = captured(programs, tricks.ALL, monkeypatch)
    assert captured(programs, "", monkeypatch) == expected
    assert driver.capture(programs, LEVELS) == expected  # tables full
    assert all(a.status != "failed" for one in expected for a in one.artifacts)


@pytest.mark.parametrize("name", SHORT)
def test_each_can_be_left_out_alone(
    name: str, programs: list[Rendered], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = captured(programs[::5], "", monkeypatch)
    assert captured(programs[::5], name, monkeypatch) == expected


def test_what_is_left_out_does_not_run(
    programs: list[Rendered], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object, **named: object) -> Any:
        raise AssertionError("a short cut ran")

    built: list[str] = []
    found = private.Builder.__init__

    def build(self: private.Builder, loaded: private.Loaded, target: str) -> None:
        built.append(target)
        found(self, loaded, target)

    monkeypatch.setenv(tricks.VARIABLE, tricks.ALL)
    monkeypatch.setattr(private, "memoised", refuse)
    monkeypatch.setattr(driver.gc, "collect", refuse)
    monkeypatch.setattr(private.Builder, "__init__", build)
    driver.capture(programs[:1] * driver.COLLECT_EVERY, LEVELS)
    assert built == ["cpu", "cuda"] * driver.COLLECT_EVERY


@pytest.mark.parametrize("cold", [True, False], ids=["cold", "warm"])
def test_rows_depend_on_neither_batch_nor_order(cold: bool, programs: list[Rendered]) -> None:
    chosen = [programs[at] for at in (0, 5, 19, 21, 33)]

    def captures(sources: Sequence[Rendered]) -> list[Capture]:
        if cold:
            overloads._overloads.clear()
            overloads._ctypes.clear()
        return driver.capture(sources, LEVELS)

    together = captures(chosen)
    assert captures(chosen[::-1])[::-1] == together
    assert captures([*chosen[2:], *chosen[:2]]) == [*together[2:], *together[:2]]
    assert [captures([source])[0] for source in chosen] == together
    assert captures([*chosen, *chosen]) == together * 2


CONTENT = bytes(range(256)) * 64


class Compiler:
    """Stands for Clang: counts what it makes and what it is asked to accept."""

    def __init__(self, *, picky: bool = False) -> None:
        self.made = self.asked = 0
        self.picky = picky

    def make(self, folder: Path) -> Path:
        self.made += 1
        path = folder / "any.pch"
        path.write_bytes(CONTENT)
        return path

    def accepts(self, path: Path) -> bool:
        self.asked += 1
        assert path.read_bytes() == CONTENT
        return not self.picky

    def provide(self, folder: Path, *parts: str) -> bytes:
        folder.mkdir(exist_ok=True)
        target = folder / "builtin.pch"
        kept_header.provide(target, parts, self.make, self.accepts)
        return target.read_bytes()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(tricks.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert kept_header.folder() == tmp_path / "cache" / "irgen" / "warp"
    return kept_header.folder()


def test_a_header_is_made_once_for_each_of_what_it_depends_on(tmp_path: Path, cache: Path) -> None:
    clang = Compiler()
    for number, parts in enumerate((["1.19"], ["1.19"], ["1.20"], ["1.20", "-w"], ["1.19"])):
        assert clang.provide(tmp_path / str(number), *parts) == CONTENT
    assert (clang.made, clang.asked) == (3, 2)
    assert len(list(cache.iterdir())) == 3


@pytest.mark.parametrize(
    "damaged", [b"", CONTENT[:-1], CONTENT[:-1] + b"?", CONTENT + b"?"], ids=len
)
def test_a_header_that_is_not_whole_is_made_again(
    damaged: bytes, tmp_path: Path, cache: Path
) -> None:
    clang = Compiler()
    clang.provide(tmp_path / "first")
    [path] = cache.iterdir()
    path.write_bytes(damaged)
    assert clang.provide(tmp_path / "second") == CONTENT
    assert (clang.made, clang.asked) == (2, 0)
    assert [one.read_bytes() for one in cache.iterdir()] == [CONTENT]


def test_a_header_that_clang_refuses_is_made_again(tmp_path: Path, cache: Path) -> None:
    clang = Compiler(picky=True)
    for name in ("first", "second"):
        assert clang.provide(tmp_path / name) == CONTENT
    assert (clang.made, clang.asked) == (2, 1)


def test_left_out_nothing_is_kept_nor_read(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(tricks.VARIABLE, "kept_header")
    clang = Compiler()
    for name in ("first", "second"):
        assert clang.provide(tmp_path / name) == CONTENT
    assert (clang.made, clang.asked) == (2, 0)
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder should be")
    clang = Compiler()
    for name in ("first", "second"):
        assert clang.provide(tmp_path / name) == CONTENT
    assert clang.made == 2


def test_starts_at_the_same_time_leave_one_whole_header(tmp_path: Path, cache: Path) -> None:
    clang = Compiler()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: clang.provide(tmp_path / str(n)), range(64)))
    assert found == [CONTENT] * 64
    assert [path.read_bytes() for path in cache.iterdir()] == [CONTENT]


def test_the_header_of_warp_is_kept_and_accepted(tmp_path: Path, cache: Path) -> None:
    program = (
        "from backends.warp import private_run\n"
        "from backends.warp.compiled import prepare\n"
        "made = []\n"
        "found = private_run.precompile\n"
        "private_run.precompile = lambda folder: (made.append(1), found(folder))[1]\n"
        "folder = prepare()\n"
        "assert private_run.accepts(folder, folder / 'builtin.pch')\n"
        "print(len(made), (folder / 'builtin.pch').stat().st_size)\n"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.split()
        for _ in range(2)
    ]
    assert [made for made, _ in said] == ["1", "0"]
    assert said[0][1] == said[1][1]
    broken = tmp_path / "broken.pch"
    broken.write_bytes(b"CPCH, but nothing else")
    private_run.start()
    assert not private_run.accepts(tmp_path, broken)
