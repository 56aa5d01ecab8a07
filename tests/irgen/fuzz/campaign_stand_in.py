"""A stand-in for what examines programs in a campaign: some ops are bugs, by what FATES says.

Worker processes import it by name; `install` puts it in place of the oracles in this one.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from grammar.config import Grammar
from grammar.program import Program, walk
from irgen.fuzz import campaign, examine, finding
from irgen.fuzz.campaign import Tried
from irgen.fuzz.case import Case, Examined, Symptom, case
from irgen.fuzz.coverage import pairs
from irgen.fuzz.examine import PATIENCE
from irgen.fuzz.setup import Setup
from irgen.lane import Address
from irgen.pool import Lost
from irgen.service import draw_batch
from irgen.targets.target import Target
from irgen.verdict import Verdict

FATES = "IRGEN_TEST_FATES"
"""The environment variable that holds pairs of an op and a fate, such as `cos=wrong_value`."""

LOG = "IRGEN_TEST_LOG"
"""The environment variable that names a file for the indices that are examined, a line each."""

FEW = Grammar(
    name="few",
    statements=(1, 3),
    groups={"trigonometric": 1, "exponential": 1},
    types={"f32": 1},
    arrays=(1, 1),
    scalars=(0, 0),
)
"""Small programs: those at 1, 6, 14, 24, 28, 30, 32, 34, 36 and 38 of seed 0 hold a `cos`."""

SETUP = Setup("warp", limitations=False)

_WRONG = Symptom("wrong_value", "values", "forward", "cpu", "0.5 for 0")
_FOUND = {
    "wrong_value": _WRONG,
    "unsteady": _WRONG,
    "execution_error": Symptom(
        "execution_error", "failures", "forward", "cpu", "RuntimeError: no such function"
    ),
}


def ops(program: Program) -> set[str]:
    return {statement.op for statement in walk(program.entry.body)}


def examined(setup: Setup, cases: Sequence[Case], patience: int = PATIENCE) -> list[Examined]:
    """What FATES says of cases; `crashed` ends the process, and `unsteady` shows only once."""
    fates = dict(pair.split("=") for pair in os.environ[FATES].split())
    return [_examined(fates, ops(one.program), patience) for one in cases]


def _examined(fates: dict[str, str], found: set[str], patience: int) -> Examined:
    met = [fate for op, fate in fates.items() if op in found]
    if "crashed" in met:
        os.abort()
    symptoms = [_FOUND[one] for one in met if one != "unsteady" or patience == PATIENCE]
    told = "mismatch" if symptoms else "verified"
    return Examined(tuple(symptoms), (Verdict("warp", "cpu", told, "verified"),))


def work(setup: Setup, seed: int, batch: Sequence[Address]) -> list[Tried]:
    """As `campaign.work`, with the stand-in's oracles."""
    drawn = draw_batch(batch, seed)
    if LOG in os.environ:
        with Path(os.environ[LOG]).open("a") as file:
            file.writelines(f"{one.index}\n" for one in drawn)
    found = examined(setup, [case(one.program, one.style) for one in drawn])
    return [Tried(each, pairs(one.program)) for one, each in zip(drawn, found, strict=True)]


def prepare(setup: Setup) -> None:
    """Nothing needs to be started."""


def install(patch: pytest.MonkeyPatch, fates: str, *, processes: bool = False) -> None:
    """Let campaigns be examined by the stand-in, in this process unless `processes` are wanted."""
    patch.setenv(FATES, fates)
    patch.setattr(campaign, "work", work)
    patch.setattr(examine, "examine", examined)
    patch.setattr(examine, "prepare", prepare)
    patch.setattr(examine, "installed", lambda backend: Target("installed", backend, "python", ()))
    patch.setattr(finding, "confirmed", _confirmed)
    if not processes:
        patch.setattr(campaign.pool, "run", here)
        patch.setattr(examine, "examiner", _examiner)


def here(
    work: Callable[[Sequence[Any]], Sequence[Any]], tasks: Iterable[Any], **_: object
) -> Iterator[Any | Lost]:
    """As `pool.run`, without processes: one task at a time."""
    for task in tasks:
        yield from work([task])


@contextmanager
def _examiner(setup: Setup, workers: int, patience: int) -> Generator[examine.Examiner]:
    yield functools.partial(examined, setup, patience=patience)


def _confirmed(found: finding.Finding, python: str) -> finding.Finding:
    return msgspec.structs.replace(found, exit_code=1, shown="got 0.5, expected 0")
