"""The command that makes a data set again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from backends.registry import BACKENDS
from grammar.presets import ALL_GRAMMARS
from irgen.dataset.building.request import SETS, BuildRequest
from irgen.dataset.planning.quotas import quota_text
from irgen.dataset.settings import Named, Settings, grammar_of, named

_DEFAULTS = BuildRequest(count=1)


def command(settings: Settings) -> str:
    """The command line, without what is the default anyway.

    A grammar that does not ship with irgen stands as NAME.toml, and a file for decontamination,
    of which a data set keeps the digest alone, as FILE.
    """
    return " ".join(["irgen build OUT", *_options(settings)])


def grammars(settings: Settings) -> list[tuple[str, str]]:
    """The name and digest of each grammar."""
    return [(one.name, grammar_of(one).digest) for one in settings.grammars]


def _options(settings: Settings) -> Iterator[str]:
    yield f"--count {settings.count}"
    if settings.backends != list(_DEFAULTS.backends):
        yield f"--backend {','.join(settings.backends)}"
    chosen = _chosen(settings.grammars)
    if (chosen,) != _DEFAULTS.grammars:
        yield f"--grammar {shlex.quote(chosen)}"
    if levels := _levels(settings):
        yield f"--level {levels}"
    if settings.seed != _DEFAULTS.seed:
        yield f"--seed {settings.seed}"
    if not settings.verify:
        yield "--no-verify"
    if settings.execute:
        yield f"--execute {','.join(settings.execute)}"
    if settings.shard_size != _DEFAULTS.shard_size:
        yield f"--shard-size {settings.shard_size}"
    if settings.format != _DEFAULTS.format:
        yield f"--format {settings.format}"
    for quota in settings.quotas:
        yield f"--quota {shlex.quote(quota_text(quota))}"
    splits = settings.splits
    for option, value, default in (
        ("--validation", splits.validation, _DEFAULTS.validation),
        ("--test", splits.test, _DEFAULTS.test),
        ("--heldout-pairs", splits.heldout_pairs, _DEFAULTS.heldout_pairs),
        ("--heldout-size", splits.heldout_size, _DEFAULTS.heldout_size),
    ):
        if value != default:
            yield f"{option} {value}"
    yield from ["--decontaminate FILE"] * len(settings.excluded)


def _chosen(found: list[Named]) -> str:
    for name, grammars in SETS.items():
        if found == named(grammars):
            return name
    return ",".join(one.name if _ships(one) else f"{one.name}.toml" for one in found)


def _ships(one: Named) -> bool:
    preset = ALL_GRAMMARS.get(one.name)
    return preset is not None and preset.canonical == one.canonical


def _levels(settings: Settings) -> str:
    """The levels by name; empty where all are kept."""
    every = {name: [level.name for level in BACKENDS[name].levels] for name in settings.backends}
    if settings.levels == every:
        return ""
    kept = [level for name in settings.backends for level in settings.levels[name]]
    return ",".join(dict.fromkeys(kept)) or "python"
