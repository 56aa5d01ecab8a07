"""Settings from what a user says, and what differs between two of them in a user's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from backends.registry import BACKENDS
from grammar.config import Grammar
from grammar.presets import GRAMMARS, SAFE_GRAMMARS
from grammar.source import INDEX_LIMIT
from irgen.catalog import SOURCE_LEVEL, find_backend, find_grammar
from irgen.dataset.planning.quotas import parse_quota
from irgen.dataset.planning.splits import check_splits
from irgen.dataset.settings import FORMATS, Format, Named, Settings, Splits, changes, named
from irgen.errors import UserError, nearest
from irgen.service import installed_versions

SETS: dict[str, tuple[Grammar, ...]] = {
    "balanced": tuple(GRAMMARS.values()),
    "safe": tuple(SAFE_GRAMMARS.values()),
}
"""What stands for all presets, and for all of them in their differentiable-safe forms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """What a user asks for. Of the names, none at all means all levels or the usual executions.

    `grammars` are names of presets, TOML files, or keys of `SETS`; `quotas` are phrases such as
    "family:loop=0.2", "size:1-8=0.3" and "op:fmod=0.05"; `excluded` are files to decontaminate
    against.
    """

    count: int
    grammars: tuple[str | Grammar, ...] = ("balanced",)
    backends: tuple[str, ...] = ("warp", "jax")
    levels: tuple[str, ...] = ()
    seed: int = 0
    verify: bool = True
    execute: tuple[str, ...] = ()
    shard_size: int = 5_000
    format: str = "parquet"
    quotas: tuple[str, ...] = ()
    validation: float = 0.01
    test: float = 0.01
    heldout_pairs: int = 0
    heldout_size: int = 0
    excluded: tuple[Path, ...] = ()


def settings_of(request: BuildRequest) -> Settings:
    """The settings that a request comes to; UserError names what is wrong with it, BackendError a
    backend that is not installed."""
    _require(request.count >= 1, f"--count {request.count}: at least one row is needed")
    _require(request.shard_size >= 1, f"--shard-size {request.shard_size}: at least one is needed")
    _require(
        0 <= request.seed < INDEX_LIMIT,
        f"--seed {request.seed} is out of range: give 0 to {INDEX_LIMIT - 1}",
    )
    splits = Splits(request.validation, request.test, request.heldout_pairs, request.heldout_size)
    check_splits(splits)
    grammars = _grammars(request.grammars)
    families = [one.name for one in grammars]
    backends = [find_backend(name).name for name in dict.fromkeys(request.backends)]
    return Settings(
        count=request.count,
        grammars=grammars,
        backends=backends,
        levels=_levels(backends, request.levels),
        seed=request.seed,
        verify=request.verify,
        execute=_executions(backends, request),
        shard_size=request.shard_size,
        format=_format(request.format),
        quotas=[parse_quota(text, families) for text in request.quotas],
        splits=splits,
        excluded=_digests(request.excluded),
        versions=installed(backends),
    )


def installed(backends: Sequence[str]) -> dict[str, str]:
    """The versions of irgen and of what the backends need; BackendError where one is missing."""
    found: dict[str, str] = {}
    for name in backends:
        found |= installed_versions(BACKENDS[name], True, here=False)
    return found


def differences(before: Settings, now: Settings) -> list[str]:
    """What differs between two settings, a phrase each."""
    found = _versions(before.versions, now.versions)
    found += _named(before.grammars, now.grammars)
    alike = msgspec.structs.replace(now, versions=before.versions, grammars=before.grammars)
    return [*changes(before, alike), *found]


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise UserError(otherwise)


def _grammars(words: Sequence[str | Grammar]) -> list[Named]:
    found: list[Grammar] = []
    for word in words:
        if isinstance(word, Grammar):
            found.append(word)
        else:
            found += SETS.get(word) or (find_grammar(word),)
    chosen = list({grammar.digest: grammar for grammar in found}.values())
    names = [grammar.name for grammar in chosen]
    twice = next((name for name in names if names.count(name) > 1), None)
    _require(twice is None, f"--grammar: two different grammars are named {twice!r}")
    return named(chosen)


def _levels(backends: Sequence[str], names: Sequence[str]) -> dict[str, list[str]]:
    """The levels of each backend that are named, in order of lowering; all where none is."""
    known = {name: [level.name for level in BACKENDS[name].levels] for name in backends}
    every = [SOURCE_LEVEL, *dict.fromkeys(level for levels in known.values() for level in levels)]
    for name in names:
        if name not in every:
            raise UserError(f"unknown level {name!r}: {nearest(name, every)}")
    wanted = set(names) or set(every)
    return {name: [level for level in levels if level in wanted] for name, levels in known.items()}


def _executions(backends: Sequence[str], request: BuildRequest) -> list[str]:
    known = dict.fromkeys(
        execution
        for name in backends
        for execution in (*BACKENDS[name].executions, *BACKENDS[name].judged)
    )
    for name in request.execute:
        if name not in known:
            raise UserError(f"unknown execution {name!r}: {nearest(name, known)}")
    if request.execute and not request.verify:
        raise UserError(f"--execute {request.execute[0]} with --no-verify: leave out one of them")
    return list(dict.fromkeys(request.execute))


def _format(name: str) -> Format:
    for known in FORMATS:
        if known == name:
            return known
    raise UserError(f"unknown format {name!r}: {nearest(name, FORMATS)}")


def _digests(paths: Sequence[Path]) -> list[str]:
    if not paths:
        return []
    from irgen.dataset.planning.decontaminate import digest_of

    return [digest_of(path) for path in paths]


def _versions(before: dict[str, str], now: dict[str, str]) -> list[str]:
    return [
        f"{name} {before.get(name, 'not there')} is now {now.get(name, 'not there')}"
        for name in dict.fromkeys((*before, *now))
        if before.get(name) != now.get(name)
    ]


def _named(before: Sequence[Named], now: Sequence[Named]) -> list[str]:
    if list(before) == list(now):
        return []
    was, is_now = [one.name for one in before], [one.name for one in now]
    if was != is_now:
        return [f"grammars {', '.join(was)} are now {', '.join(is_now)}"]
    other = [one.name for one, two in zip(before, now, strict=True) if one != two]
    return [f"grammar {name} is now another" for name in other]
