"""Shrinking of cases by program edits, with the real compiler in the loop, and by Hypothesis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from backends.registry import BACKENDS
from backends.style import draw_style
from grammar.config import Grammar
from grammar.generate import draw_program
from grammar.presets import GRAMMARS
from grammar.program import Program
from grammar.source import ReplaySource
from irgen.fuzz import examine
from irgen.fuzz.case import Case, Symptom, case
from irgen.fuzz.lesser import body_lines
from irgen.fuzz.setup import Setup
from irgen.fuzz.shrink import Witness, shrink
from irgen.service import Drawn, addresses, draw
from tests.bench.report import Table

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
    programs it tried. Its choices are those of the program, as a list of bounded integers."""
    grammar, choices = found.drawn.grammar, found.drawn.choices
    admits = only(found.family)
    best, tried = found.first.program, 0
    end = time.monotonic() + seconds

    def holds(stored: list[int]) -> bool:
        nonlocal best, tried
        if time.monotonic() >= end:
            return False
        source = ReplaySource(stored)
        program = draw_program(source, grammar)
        one = case(program, draw_style(source))
        tried += 1
        if not (admits(one) and witness([one])[0]):
            return False
        best = min(best, program, key=body_lines)
        return True

    @settings(
        max_examples=1,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.integers(0, 1 << 16)))
    def run(stored: list[int]) -> None:
        assert not holds(stored)

    forced(run, choices)
    return best, tried


def forced(run: Callable[[], None], choices: Sequence[int]) -> None:
    raise NotImplementedError
