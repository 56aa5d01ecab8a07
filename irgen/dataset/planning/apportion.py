"""Rows apportioned to families, exactly and the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

_STEPS = 60


def shares_of(total: int, shares: Sequence[Fraction]) -> tuple[int, ...]:
    """`total` in whole parts like `shares`, which sum to 1: by largest remainders, then first."""
    exact = [total * share for share in shares]
    parts = [int(part) for part in exact]
    order = sorted(range(len(parts)), key=lambda at: (parts[at] - exact[at], at))
    for at in order[: total - sum(parts)]:
        parts[at] += 1
    return tuple(parts)


def tilted(total: int, rows: Sequence[int], found: Sequence[Fraction]) -> tuple[int, ...] | None:
    """How `total` rows with some property are spread over families of `rows` each.

    `found` is the share of each family's programs that have it. Its odds change by one factor for
    all families, which is the least change that gives the sum: a family whose programs all have
    the property keeps it in all of its rows, and one of which none has it in none. Families are
    given whole rows, never more than they have. None where no factor gives so many, or so few.
    """
    most = sum(count for count, share in zip(rows, found, strict=True) if share > 0)
    least = sum(count for count, share in zip(rows, found, strict=True) if share == 1)
    if not least <= total <= most:
        return None
    low, high = Fraction(0), Fraction(1)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if sum(_at(middle, rows, found)) < total:
            low = middle
        else:
            high = middle
    parts = _at(high, rows, found)
    return shares_of(total, [part / sum(parts) for part in parts]) if total else (0,) * len(rows)


def _at(weight: Fraction, rows: Sequence[int], found: Sequence[Fraction]) -> list[Fraction]:
    """The rows with the property where its odds count `weight` against 1 - `weight`."""
    made: list[Fraction] = []
    for count, share in zip(rows, found, strict=True):
        has, lacks = weight * share, (1 - weight) * (1 - share)
        made.append(count * has / (has + lacks) if has else Fraction(0))
    return made
