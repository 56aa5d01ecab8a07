"""Which split a program falls into: by its structure alone, so that no structure is in two.

The ops of a program and its number of statements are part of its structure, and so programs that
are held out by them cannot leak either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from hashlib import blake2b
from itertools import combinations

from grammar.config import Grammar
from grammar.ops import OPS
from grammar.ops.array import ARRAY_OPS
from irgen.dataset.facts import ops_of
from irgen.dataset.settings import Splits
from irgen.errors import UserError
from irgen.service import addresses, draw_batch

Pair = tuple[str, str]

_KEY = b"irgen split"
"""The same for every data set: what is test in one is never train in another."""

_PAIR_KEY = b"irgen held-out pair"

_SAMPLE = 240
"""Programs of each grammar that the choice of pairs looks at, as of four where there are fewer."""

_SAMPLE_SEED = 0

_SHARE = Fraction(1, 500), Fraction(1, 50)
"""A pair is held out where the share of programs that have both ops lies between these."""

_ALONE = 4
"""Each op of such a pair is in so many times more programs than the pair."""

_WHOLE = 1 << 64


def check_splits(splits: Splits) -> None:
    """UserError where shares or counts of splits make no sense."""
    for name in ("validation", "test"):
        share: float = getattr(splits, name)
        if not 0 <= share < 1:
            raise UserError(f"{name} = {share:g} is no share: 0 to less than 1")
    if splits.validation + splits.test >= 1:
        total = splits.validation + splits.test
        raise UserError(f"validation and test sum to {total:g}, which leaves nothing to train")
    for name in ("heldout_pairs", "heldout_size"):
        count: int = getattr(splits, name)
        if count < 0:
            raise UserError(f"{name} = {count}: 0 or more")


class Splitter:
    """Says which split a program is in; `pairs` are those of `heldout_pairs`."""

    def __init__(self, splits: Splits, pairs: Sequence[Pair] = ()) -> None:
        self._pairs = [frozenset(pair) for pair in pairs]
        self._size = splits.heldout_size
        validation = Fraction(str(splits.validation))
        self._validation = int(validation * _WHOLE)
        self._test = int((validation + Fraction(str(splits.test))) * _WHOLE)

    def split(self, structure: bytes, size: int, ops: frozenset[str]) -> str:
        """The split of a program, by its structure hash (16 bytes), its number of statements and
        the names of its ops. Held out by ops goes before held out by size."""
        if any(pair <= ops for pair in self._pairs):
            return "heldout_ops"
        if 0 < self._size < size:
            return "heldout_size"
        place = int.from_bytes(blake2b(structure, digest_size=8, key=_KEY).digest(), "little")
        if place < self._validation:
            return "validation"
        return "test" if place < self._test else "train"


def heldout_pairs(grammars: Sequence[Grammar], count: int) -> tuple[Pair, ...]:
    """The pairs of ops to hold out: `count` of those that some programs of the grammars have.

    They follow from the grammars alone, whatever the seed of the data set. A pair is eligible
    where 0.2% to 2% of programs have both ops and each op alone is in at least four times as many,
    so that it is the combination that is new, not the op. Of the eligible, those with the least
    keyed hash are taken. UserError where there are too few.
    """
    if not count:
        return ()
    eligible = sorted(_eligible(grammars), key=_order)
    if len(eligible) < count:
        raise UserError(
            f"{count} pairs of ops to hold out: the grammars have {len(eligible)} that are "
            "neither rare nor everywhere"
        )
    return tuple(sorted(eligible[:count]))


def _order(pair: Pair) -> bytes:
    return blake2b("\n".join(pair).encode(), digest_size=16, key=_PAIR_KEY).digest()


def _eligible(grammars: Sequence[Grammar]) -> Iterator[Pair]:
    alone: Counter[str] = Counter()
    both: Counter[Pair] = Counter()
    sample = _SAMPLE * max(4, len(grammars))
    for drawn in draw_batch(addresses(grammars, 0, sample), _SAMPLE_SEED):
        ops = sorted([name for name in ops_of(drawn.program) if name in OPS or name in ARRAY_OPS])
        alone.update(ops)
        both.update(combinations(ops, 2))
    least, most = (sample * share for share in _SHARE)
    for pair, found in both.items():
        if least <= found <= most and _ALONE * found <= min(alone[name] for name in pair):
            yield pair
