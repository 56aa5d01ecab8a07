"""The plan of a data set: which programs are in, in which split and shard.

A plan follows from the settings alone. It is made by drawing and hashing, before anything is
compiled, and is a file; rows are then made shard by shard, in any order and anywhere. Candidates
are looked at by their number, and of equal programs the first is in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from grammar.config import Grammar
from irgen.dataset import layout
from irgen.dataset.manifest import Drawing, write_whole
from irgen.dataset.planning.decontaminate import digest_of, read_all
from irgen.dataset.planning.drawing import Recipe
from irgen.dataset.planning.drawn import Drawn
from irgen.dataset.planning.planfile import Summary, read_summary, reading, write_plan
from irgen.dataset.planning.quotas import Rules, rules
from irgen.dataset.planning.sifting import Told, sift
from irgen.dataset.planning.splits import Splitter, check_splits, heldout_pairs
from irgen.dataset.settings import Settings, changes, digest, grammar_of
from irgen.errors import UserError

_DRAWN = f"{layout.WORK}/drawn"

__all__ = ["Plan", "Planned", "Shard", "Summary", "load_plan", "make_plan"]


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard to make: the `number`-th `of` those of its split, its name below the folder, and how
    many rows it has."""

    split: str
    number: int
    of: int
    name: str
    rows: int


class Planned(msgspec.Struct, frozen=True):
    """A row that is planned: the `number` of its candidate, its address but for the seed, and what
    is known of it by then."""

    number: int
    split: str
    shard: int
    grammar: str
    index: int
    id: str
    exact_hash: str
    structure_hash: str
    statements: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Which programs are in a data set, and where; their rows are read when asked for."""

    folder: Path
    settings: Settings
    shards: tuple[Shard, ...]
    summary: Summary

    @property
    def drawing(self) -> Drawing:
        """How many programs were drawn, and why some are not in."""
        return self.summary.drawing

    def planned(self, shard: Shard) -> list[Planned]:
        """The rows of a shard. UserError where the plan's file is gone or cannot be read."""
        with reading(self.folder / layout.ROWS) as table:
            rows = table.read_row_group(self.shards.index(shard)).to_pylist()
        return msgspec.convert(rows, list[Planned])

    def addresses(self, shard: Shard) -> Sequence[tuple[Grammar, int]]:
        """The grammar and index of each row of a shard, in order."""
        grammars = [grammar_of(one) for one in self.settings.grammars]
        turns = len(grammars)
        with reading(self.folder / layout.ROWS) as table:
            column = table.read_row_group(self.shards.index(shard), columns=["number"])["number"]
            numbers: list[int] = column.to_pylist()
        return [(grammars[number % turns], number // turns) for number in numbers]


def make_plan(
    settings: Settings,
    folder: Path,
    workers: int,
    excluded: Sequence[Path] = (),
    progress: Told | None = None,
) -> Plan:
    """Make the plan of a data set, or take the one that its folder has.

    `excluded` are the files of `settings.excluded`, and `progress` hears how many programs were
    drawn. A planning that was killed goes on where it was, with any number of `workers`.

    UserError where the folder has a plan for other settings, an excluded file cannot be read or
    has changed, or quotas cannot be met; then nothing is left behind. OSError passes through.
    """
    if (folder / layout.ROWS).exists():
        return load_plan(folder, settings)
    if workers < 1:
        raise UserError(f"{workers} workers: at least one is needed")
    wanted = rules(settings)
    check_splits(settings.splits)
    recipe = _recipe(settings, wanted, excluded)
    path = folder / layout.SETTINGS
    if path.exists():
        _require_same(folder, settings)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, msgspec.json.format(msgspec.json.encode(settings)))
    kept = Drawn(folder / _DRAWN, digest(settings))
    try:
        found = sift(recipe, wanted, kept, workers, progress or _silent)
    except UserError:
        # Nothing can come of these settings: others are welcome.
        kept.remove()
        path.unlink()
        with suppress(OSError):
            (folder / layout.WORK).rmdir()
        raise
    summary = Summary(
        digest(settings),
        found.drawing,
        found.passed,
        found.by_split(),
        dict(zip(wanted.families, found.by_family, strict=True)),
        found.structures,
        found.points,
        list(recipe.pairs),
    )
    write_plan(folder / layout.ROWS, summary, recipe, kept, found.fates, settings.shard_size)
    kept.remove()
    return load_plan(folder, settings)


def load_plan(folder: Path, settings: Settings) -> Plan:
    """The plan that a folder has; UserError where it has none, or one for other settings."""
    summary = read_summary(folder / layout.ROWS)
    if summary.settings != digest(settings):
        _require_same(folder, settings)
        raise UserError(
            f"{folder / layout.ROWS} is the plan of other settings than {layout.SETTINGS}: "
            "remove it and build again"
        )
    return Plan(folder, settings, tuple(_shards(settings, summary)), summary)


def _require_same(folder: Path, settings: Settings) -> None:
    """UserError where a folder names other settings, with what differs."""
    path = folder / layout.SETTINGS
    try:
        before = msgspec.json.decode(path.read_bytes(), type=Settings)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    found = changes(before, settings)
    if found:
        raise UserError(f"{folder} has a plan for other settings: {'; '.join(found)}")


def _recipe(settings: Settings, wanted: Rules, excluded: Sequence[Path]) -> Recipe:
    now = [digest_of(path) for path in excluded]
    if now != settings.excluded:
        raise UserError("the files to keep out are not those of the settings, or have changed")
    grammars = tuple([grammar_of(one) for one in settings.grammars])
    pairs = heldout_pairs(grammars, settings.splits.heldout_pairs)
    return Recipe(
        grammars,
        tuple([wanted.families.index(grammar.name) for grammar in grammars]),
        settings.seed,
        wanted.ops,
        pairs,
        Splitter(settings.splits, pairs),
        tuple(settings.backends),
        read_all(excluded) if excluded else None,
    )


def _shards(settings: Settings, summary: Summary) -> Iterator[Shard]:
    size = settings.shard_size
    for split, rows in summary.rows.items():
        of = -(-rows // size)
        for number in range(of):
            name = layout.shard_name(split, number, of, settings.format)
            yield Shard(split, number, of, name, min(size, rows - number * size))


def _silent(drawn: int) -> None:
    pass
