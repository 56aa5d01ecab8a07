"""Declared limitations: each is real, named where it is, and not where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import irgen
from backends.jax import limit_examples as jax_examples
from backends.jax import limits as jax_limits
from backends.style import Style
from backends.warp.limit_examples import RIGHT, WRONG
from backends.warp.limits import LIMITATIONS, limitations
from docs.limitations import PAGE, page
from grammar.parse import parse_program
from grammar.text import print_program
from grammar.types import Array, scalar_of
from grammar.verify import verify
from tests.backends.limit_cases import CASES
from tests.backends.tapes import Values, gradients_agree, jax_gradients, warp_gradients

PLAIN = Style(0, 0, 0, 0)
EXAMPLES = [*((name, WRONG[name]) for name in WRONG), *((name, RIGHT[name]) for name in RIGHT)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A kernel cache of this module's own."""
    import warp as wp

    before, level = wp.config.kernel_cache_dir, wp.config.log_level
    wp.config.kernel_cache_dir = str(tmp_path_factory.mktemp("kernels"))
    wp.config.log_level = wp.LOG_ERROR
    yield
    wp.config.kernel_cache_dir, wp.config.log_level = before, level


def names(text: str) -> list[str]:
    return [limitation.name for limitation in limitations(parse_program(text))]


def inputs(text: str) -> Values:
    """Different numbers above zero; loops run three times; what is written starts as zeros."""
    unit = parse_program(text).entry
    values: Values = []
    for value in unit.parameters:
        if isinstance(value.type, Array):
            numbers = np.array([1.3, 0.7, 1.1, 0.45])
            values.append(numbers if value.type.shape == (4,) else np.zeros(value.type.shape))
        else:
            assert scalar_of(value.type).kind == "int"
            values.append(3)
    return values


def test_every_limitation_has_words_a_reference_and_two_programs() -> None:
    assert list(WRONG) == list(RIGHT) == list(LIMITATIONS)
    for name, limitation in LIMITATIONS.items():
        assert (limitation.name, limitation.backend) == (name, "warp")
        assert limitation.doc
        assert limitation.reference.startswith("https://github.com/NVIDIA/warp/")


@pytest.mark.parametrize("text", [text for _, text in EXAMPLES])
def test_examples_are_programs(text: str) -> None:
    program = parse_program(text)
    verify(program)
    assert print_program(program) == text


@pytest.mark.parametrize("name", WRONG)
def test_examples_show_their_limitation_alone(name: str) -> None:
    assert names(WRONG[name]) == [name]


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_is_not_named(name: str) -> None:
    assert names(RIGHT[name]) == []


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("name", WRONG)
def test_gradients_are_wrong_where_named(name: str, tmp_path: Path) -> None:
    text = WRONG[name]
    found, wanted = warp_gradients(parse_program(text), inputs(text), PLAIN, tmp_path)
    assert not gradients_agree(found, wanted)
    assert gradients_agree(jax_gradients(parse_program(text), inputs(text), PLAIN), wanted)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("name", RIGHT)
def test_gradients_are_right_next_to_it(name: str, tmp_path: Path) -> None:
    text = RIGHT[name]
    found, wanted = warp_gradients(parse_program(text), inputs(text), PLAIN, tmp_path)
    assert gradients_agree(found, wanted)
    assert gradients_agree(jax_gradients(parse_program(text), inputs(text), PLAIN), wanted)


@pytest.mark.parametrize("name", CASES)
def test_constructs_are_judged(name: str) -> None:
    program, wanted = CASES[name]
    verify(program)
    assert {limitation.name for limitation in limitations(program)} == wanted


def test_jax_differentiates_what_a_branch_discards() -> None:
    assert set(jax_limits.LIMITATIONS) == set(jax_examples.WRONG) == set(jax_examples.RIGHT)
    for name in jax_limits.LIMITATIONS:
        wrong, right = (
            parse_program(text[name]) for text in (jax_examples.WRONG, jax_examples.RIGHT)
        )
        assert [found.name for found in jax_limits.limitations(wrong)] == [name]
        assert jax_limits.limitations(right) == ()
        assert irgen.check(wrong, "jax").gradient == "known_wrong"
        assert irgen.check(right, "jax").verified
        assert irgen.check(wrong, "warp").verified


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m docs.limitations`"
