"""Shrinking: programs found in bulk come down to a few statements that still witness."""

from __future__ import annotations

import pytest

from grammar.presets import GRAMMARS
from grammar.program import size
from grammar.source import RandomSource
from grammar.strategies import shrink
from grammar.verify import verify
from tests.quality.shrinking import MOST, find, shrunk
from tests.quality.witnesses import WITNESSES


@pytest.mark.parametrize("witness", ["exp", "matmat", "if", "atomic_add"])
def test_witnesses_shrink_to_few_statements(witness: str) -> None:
    one = shrunk(witness)
    assert WITNESSES[witness](one.program)
    verify(one.program)
    assert one.before > MOST >= one.after


def test_steps_bound_the_programs_tried() -> None:
    grammar = GRAMMARS["compound"]
    _, program, choices = find("exp", grammar)
    tried = 0

    def counted(candidate: object) -> bool:
        nonlocal tried
        tried += 1
        return WITNESSES["exp"](candidate)  # type: ignore[arg-type]

    least = shrink(grammar, choices, counted, steps=30)
    assert tried <= 40
    assert size(least) <= size(program)


def test_choices_that_are_no_witness_are_refused() -> None:
    source = RandomSource(0, 0)
    with pytest.raises(ValueError, match="do not replay to a witness"):
        shrink(GRAMMARS["unary"], source.choices, lambda program: False)
