"""Shrinking of cases by program edits, with the real compiler in the loop, and by Hypothesis."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import cast

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from backends.registry import BACKENDS
from backends.style import draw_style
from grammar.config import Grammar
from grammar.generate import draw_program
from grammar.presets import GRAMMARS
from grammar.program import Program
from grammar.provider import addressed
from grammar.strategies import DrawSource
from irgen.fuzz import examine
from irgen.fuzz.case import Case, Symptom, case
from irgen.fuzz.lesser import body_lines, key
from irgen.fuzz.setup import Setup
from irgen.fuzz.shrink import Witness, shrink
from irgen.service import Drawn, addresses, draw
from tests.bench.report import Cell, Table, plain

SEED = 0

SEARCHED = 20_000
"""Programs drawn for each family, over the presets where it is."""

MOST = 6
"""Body lines that a shrunk case may have, and in the median:"""
MEDIAN = 4

SECONDS = 60.0
"""Seconds that shrinking may take in the median."""

COMPARED = 5
"""Families on which Hypothesis shrinks too, in the same time."""

PRESETS: dict[str, tuple[str, ...]] = {
    "loop_exit": ("compound",),
    "while_loop": ("compound",),
    "overwritten_buffer": ("program",),
}
"""The presets to draw from, where not all are."""

_SUPPRESSED = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)

SETUP = Setup("warp", limitations=False)


@dataclass(frozen=True, slots=True)
class Hit:
    """A program with a wrong gradient that one family alone can explain."""

    family: str
    drawn: Drawn
    first: Case
    symptom: Symptom
    looked: int


def families(program: Program) -> list[str]:
    """The limitations of Warp that a program runs into."""
    return [one.name for one in BACKENDS["warp"].limitations(program)]


def hit(family: str, examiner: examine.Examiner) -> Hit:
    """The first program, by address, in which a family and no other shows. LookupError for none."""
    grammars: Sequence[Grammar] = [GRAMMARS[name] for name in PRESETS.get(family, tuple(GRAMMARS))]
    for looked, (grammar, index) in enumerate(addresses(grammars, 0, SEARCHED), 1):
        drawn = draw(grammar, SEED, index)
        if families(drawn.program) == [family]:
            first = case(drawn.program, drawn.style)
            for symptom in examiner([first])[0].symptoms:
                if symptom.kind == "wrong_gradient":
                    return Hit(family, drawn, first, symptom, looked)
    raise LookupError(f"none of {SEARCHED} programs shows {family}")


def only(family: str) -> Callable[[Case], bool]:
    """Whether no other family can show."""
    return lambda one: set(families(one.program)) <= {family}


def by_hypothesis(found: Hit, witness: Witness, seconds: float) -> tuple[Program, int]:
    """What Hypothesis' own shrinker comes to from the same choices in so many seconds, and how many
    programs it tried. It asks about one at a time."""
    grammar, admits = found.drawn.grammar, only(found.family)
    known: dict[str, bool] = {}
    best = found.first.program
    end = time.monotonic() + seconds

    with addressed(SEED, found.drawn.index) as backend:

        @settings(
            backend=backend,
            max_examples=8,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=_SUPPRESSED,
        )
        @given(st.data())
        def run(data: st.DataObject) -> None:
            nonlocal best
            source = DrawSource(cast(st.DrawFn, data.draw))
            program = draw_program(source, grammar)
            one = case(program, draw_style(source))
            name = key(one)
            if name not in known and time.monotonic() < end:
                known[name] = admits(one) and witness([one])[0]
            if known.get(name):
                best = min(best, program, key=body_lines)
                raise Shown

        try:
            run()
        except Shown:
            return best, len(known)
    raise LookupError(f"Hypothesis does not draw {grammar.name} {found.drawn.index}")


class Shown(Exception):
    """The witness holds."""


def campaign(only_families: Sequence[str] = ()) -> Iterator[Table]:
    """Every family of wrong gradients of Warp: found from a seed, shrunk, and some of them shrunk
    by Hypothesis as well."""
    rows: list[tuple[Cell, ...]] = []
    others: list[tuple[Cell, ...]] = []
    failures: list[str] = []
    seconds: list[float] = []
    lines: list[int] = []
    with examine.examiner(SETUP, 1) as examiner:
        for family in only_families or tuple(BACKENDS["warp"].known_limitations):
            try:
                found = hit(family, examiner)
            except LookupError as error:
                failures.append(str(error))
                continue
            witness = examine.witness(examiner, found.symptom)
            shrunk = shrink(found.first, witness, admits=only(family))
            before, after = body_lines(found.first.program), body_lines(shrunk.case.program)
            place = f"{found.drawn.grammar.name} {found.drawn.index}"
            row = (family, found.looked, place, before, after, shrunk.tried, shrunk.batches)
            rows.append((*row, shrunk.seconds, shrunk.finished))
            seconds.append(shrunk.seconds)
            lines.append(after)
            if after > MOST:
                failures.append(f"{family}: {after} body lines, at most {MOST}")
            if len(others) < COMPARED:
                program, tried = by_hypothesis(found, witness, SECONDS)
                others.append((family, before, after, body_lines(program), tried))
    if lines and median(lines) > MEDIAN:
        failures.append(f"{median(lines)} body lines in the median, at most {MEDIAN}")
    if seconds and median(seconds) > SECONDS:
        failures.append(f"{median(seconds):.0f} s in the median, at most {SECONDS:.0f}")
    columns = ("family", "looked at", "address", "lines", "shrunk", "tried", "batches", "seconds")
    yield Table(f"{len(rows)} families", (*columns, "finished"), tuple(rows), (), tuple(failures))
    columns = ("family", "lines", "by edits", "by Hypothesis", "programs it tried")
    yield Table(f"Hypothesis in {SECONDS:.0f} s", columns, tuple(others))


def main() -> Iterator[Table]:
    """The whole campaign."""
    return campaign()


if __name__ == "__main__":
    for table in campaign(sys.argv[1:]):
        sys.stdout.write(plain(table) + "\n")
