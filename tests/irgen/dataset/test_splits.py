"""Splits go by structure, and what is held out stays out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grammar.generate import program_at
from grammar.passes.canonical import structure_hash
from grammar.presets import GRAMMARS, SAFE_GRAMMARS
from grammar.program import size
from irgen.dataset.facts import ops_of
from irgen.dataset.planning.splits import Splitter, check_splits, heldout_pairs
from irgen.dataset.settings import Splits
from irgen.errors import UserError

GRAMMAR = SAFE_GRAMMARS["elementwise-safe"]


def test_no_structure_is_in_two_splits() -> None:
    """Over programs of which many are alike but for constants."""
    short = [GRAMMARS["unary"], GRAMMARS["matrix"]]
    splitter = Splitter(Splits(0.2, 0.2, 0, 9), [("sin", "tanh")])
    found: dict[str, set[str]] = {}
    programs = [program_at(grammar, 1, index) for grammar in short for index in range(1_500)]
    for program in programs:
        structure = structure_hash(program)
        split = splitter.split(bytes.fromhex(structure), size(program), ops_of(program))
        found.setdefault(structure, set()).add(split)
    assert len(found) < len(programs) - 50
    assert all(len(splits) == 1 for splits in found.values())
    assert len(set[str]().union(*found.values())) == 5


@given(st.binary(min_size=16, max_size=16), st.integers(1, 40), st.sets(st.sampled_from("abcd")))
def test_what_is_held_out_is_nowhere_else(structure: bytes, count: int, ops: set[str]) -> None:
    splitter = Splitter(Splits(0.1, 0.1, 1, 20), [("a", "b")])
    split = splitter.split(structure, count, frozenset(ops))
    assert (split == "heldout_ops") == ({"a", "b"} <= ops)
    if split != "heldout_ops":
        assert (split == "heldout_size") == (count > 20)


def test_shares_are_kept_and_grow_without_moving_rows() -> None:
    digests = [index.to_bytes(16, "big") for index in range(20_000)]
    small = [Splitter(Splits(0.05, 0.1)).split(one, 1, frozenset()) for one in digests]
    large = [Splitter(Splits(0.1, 0.1)).split(one, 1, frozenset()) for one in digests]
    assert abs(small.count("validation") / 20_000 - 0.05) < 0.01
    assert abs(small.count("test") / 20_000 - 0.1) < 0.01
    assert all(
        new == "validation" for old, new in zip(small, large, strict=True) if old == "validation"
    )


def test_no_shares_hold_nothing_out() -> None:
    splitter = Splitter(Splits(0, 0))
    for index in range(500):
        assert splitter.split(index.to_bytes(16, "big"), 90, frozenset("ab")) == "train"


def test_pairs_are_of_ops_that_are_seen_apart() -> None:
    pairs = heldout_pairs((GRAMMAR,), 6)
    assert pairs == heldout_pairs((GRAMMAR,), 6)
    assert set(heldout_pairs((GRAMMAR,), 3)) < set(pairs)
    assert len({name for pair in pairs for name in pair}) > 8
    drawn = [ops_of(program_at(GRAMMAR, 5, index)) for index in range(1_000)]
    for pair in pairs:
        both = sum(set(pair) <= ops for ops in drawn)
        assert both <= 40
        assert all(sum(name in ops for ops in drawn) > 2 * both for name in pair)
    assert sum(any(set(pair) <= ops for pair in pairs) for ops in drawn) >= 10


def test_too_many_pairs_are_refused() -> None:
    with pytest.raises(UserError, match=r"^9999 pairs of ops to hold out: the grammars have \d+ "):
        heldout_pairs((GRAMMAR,), 9_999)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (Splits(1.0, 0), r"^validation = 1 is no share"),
        (Splits(0, -0.1), r"^test = -0.1 is no share"),
        (Splits(0.5, 0.5), r"^validation and test sum to 1, which leaves nothing to train$"),
        (Splits(0.1, 0.1, -1), r"^heldout_pairs = -1: 0 or more$"),
        (Splits(0.1, 0.1, 0, -2), r"^heldout_size = -2: 0 or more$"),
    ],
)
def test_splits_that_make_no_sense_are_refused(splits: Splits, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_splits(splits)
