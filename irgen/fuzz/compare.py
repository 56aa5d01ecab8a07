"""Two releases on the same cases: a symptom is what shows at one of them only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from irgen.fuzz.case import Case, Examined, Symptom
from irgen.fuzz.setup import Setup

Examine = Callable[[Setup, Sequence[Case]], Sequence[Examined]]


def compare(examine: Examine, setup: Setup, cases: Sequence[Case]) -> list[Examined]:
    """Examine cases at both targets of a setup; the verdicts are those of the first one."""
    assert setup.target is not None
    assert setup.against is not None
    first = examine(replace(setup, against=None), cases)
    second = examine(replace(setup, target=setup.against, against=None), cases)
    return [
        Examined(
            (
                *_only(setup.target.name, here.symptoms, there.symptoms),
                *_only(setup.against.name, there.symptoms, here.symptoms),
            ),
            here.verdicts,
        )
        for here, there in zip(first, second, strict=True)
    ]


def _only(name: str, here: Sequence[Symptom], there: Sequence[Symptom]) -> list[Symptom]:
    """The symptoms of one target that the other does not have, the way to run it named by the
    target."""
    both = {one.signature for one in there}
    return [
        msgspec.structs.replace(one, way=f"{one.way} of {name}")
        for one in here
        if one.signature not in both
    ]
