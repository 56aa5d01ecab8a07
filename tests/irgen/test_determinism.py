"""The same text from every hash seed, and from Hypothesis' draws forced to an address."""

from __future__ import annotations

import sys

from grammar.generate import program_at
from grammar.presets import GRAMMARS
from grammar.text import print_program
from tests.quality.determinism import digest_lines, drawn_by_hypothesis
from tests.quality.digest import digests


def test_programs_and_sources_do_not_depend_on_the_hash_seed() -> None:
    presets = list(GRAMMARS)
    first, second = (digest_lines(sys.executable, seed, 6, presets) for seed in (1, 2))
    assert len(first) == len(GRAMMARS)
    assert first == second


def test_digests_see_every_program() -> None:
    here, there = digests("branch", 3), digests("branch", 3, start=1)
    assert here.keys() == {"program", "warp", "jax"}
    assert all(here[column] != there[column] for column in here)


def test_draw_source_forced_to_addresses_draws_what_random_source_draws() -> None:
    for preset in ("compound", "program"):
        grammar = GRAMMARS[preset]
        found = {print_program(program) for program in drawn_by_hypothesis(grammar, 9, 40)}
        expected = {print_program(program_at(grammar, 9, index)) for index in range(40)}
        assert expected <= found
