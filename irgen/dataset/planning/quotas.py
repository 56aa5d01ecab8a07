"""Quotas: what users write, what they come to in rows, and which programs have a place left.

- "family" and "size" are the most that a share of the rows may be, "op" is the least.
- With several grammars, families that no quota names share equally what is left.
- Where the shares of the families sum to 1, as they do by default, each family fills its own rows,
  and quotas by size and op are spread over the families by what each draws by itself: a family
  that draws an op often has more of the rows with it (see `irgen.dataset.planning.apportion`).
- Quotas hold at every thousandth row of a family too, not at the end only, so that a part of a
  data set is like the whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from irgen.dataset.facts import NAMED_OPS
from irgen.dataset.planning.apportion import shares_of
from irgen.dataset.settings import Quota, Settings
from irgen.errors import UserError, nearest

KINDS = ("family", "size", "op")

_QUOTA = re.compile(r"(?P<kind>[^:=]+):(?P<key>[^=]+)=(?P<share>[^=]+)")
_SIZE = re.compile(r"(\d+)(-?)(\d*)")
_FORM = "family:loop=0.2, size:1-8=0.3 or op:fmod=0.05"

MOST_OPS = 64
"""So many ops may have quotas."""


def parse_quota(text: str, families: Sequence[str]) -> Quota:
    """The quota that a text such as "family:loop=0.2" asks for; UserError says what is wrong.

    `families` are the names of the grammars. Of a differentiable-safe one, the name without
    "-safe" will do.
    """
    match = _QUOTA.fullmatch(text.strip())
    if match is None:
        raise UserError(f"{text!r} is no quota: write {_FORM}")
    kind, key = match["kind"].strip(), match["key"].strip()
    if kind not in KINDS:
        raise UserError(f"unknown quota {kind!r} in {text!r}: {nearest(kind, KINDS)}")
    try:
        share = float(match["share"])
    except ValueError:
        raise UserError(f"{match['share']!r} in {text!r} is no share: write {_FORM}") from None
    if kind == "family" and key not in families and f"{key}-safe" in families:
        key = f"{key}-safe"
    quota = Quota(kind, key, share)
    check_quota(quota, families)
    return quota


def quota_text(quota: Quota) -> str:
    """What a user writes for a quota."""
    return f"{quota.kind}:{quota.key}={quota.share:g}"


def size_range(key: str) -> tuple[int, int | None]:
    """The least and the most statements of a size: "1-8", "17-" (no most) or "5"."""
    match = _SIZE.fullmatch(key)
    if match is None:
        raise UserError(f"{key!r} is no range of statements: write 1-8, 17- or 5")
    least = int(match[1])
    most = int(match[3]) if match[3] else None if match[2] else least
    if most is not None and most < least:
        raise UserError(f"{key!r} is no range of statements: {most} is less than {least}")
    return least, most


def check_quota(quota: Quota, families: Sequence[str]) -> None:
    """UserError where a quota names what there is not, or its share is none."""
    text = quota_text(quota)
    if not 0 < quota.share <= 1:
        raise UserError(f"{text}: a share is more than 0 and at most 1")
    match quota.kind:
        case "family":
            if quota.key not in families:
                raise UserError(
                    f"{text}: no grammar {quota.key!r} here: {nearest(quota.key, families)}"
                )
        case "size":
            size_range(quota.key)
        case "op":
            if quota.key not in NAMED_OPS:
                raise UserError(
                    f"{text}: unknown op {quota.key!r}: {nearest(quota.key, NAMED_OPS)}"
                )


@dataclass(frozen=True, slots=True)
class Size:
    """A quota by size: rows of `least` to `most` statements."""

    least: int
    most: int | None
    share: Fraction
    text: str

    def holds(self, size: int) -> bool:
        return self.least <= size and (self.most is None or size <= self.most)


@dataclass(frozen=True, slots=True)
class Rules:
    """Quotas in rows.

    `families` are the names, and `most` the rows that each may fill; where `exact`, these sum to
    `count`. `ops` are the names of ops with a quota, `needs` the rows that must have each.
    """

    count: int
    families: tuple[str, ...]
    most: tuple[int, ...]
    exact: bool
    sizes: tuple[Size, ...]
    ops: tuple[str, ...]
    needs: tuple[int, ...]

    @property
    def spread(self) -> bool:
        """Whether quotas are spread over families, for which it must be known what each draws."""
        return self.exact and len(self.families) > 1 and bool(self.sizes or self.ops)


def rules(settings: Settings) -> Rules:
    """What the quotas of settings come to; UserError where they cannot be met."""
    count = settings.count
    if count < 1:
        raise UserError(f"{count} rows: at least one is needed")
    families = tuple(dict.fromkeys(one.name for one in settings.grammars))
    known: set[tuple[str, str]] = set()
    for quota in settings.quotas:
        check_quota(quota, families)
        if (quota.kind, quota.key) in known:
            raise UserError(f"{quota.kind}:{quota.key} has two quotas")
        known.add((quota.kind, quota.key))
    named = {q.key: _exactly(q.share) for q in settings.quotas if q.kind == "family"}
    shares = _family_shares(families, named)
    exact = sum(shares) == 1
    most = shares_of(count, shares) if exact else tuple([_up(count * share) for share in shares])
    if sum(most) < count:
        raise UserError(
            f"the shares of all families sum to {float(sum(shares)):g}: less than 1 leaves rows "
            "that nothing may fill"
        )
    sizes = tuple(
        [
            Size(*size_range(q.key), _exactly(q.share), quota_text(q))
            for q in settings.quotas
            if q.kind == "size"
        ]
    )
    _check_sizes(sizes)
    ops = {q.key: _exactly(q.share) for q in settings.quotas if q.kind == "op"}
    if len(ops) > MOST_OPS:
        raise UserError(f"{len(ops)} ops have quotas: at most {MOST_OPS} may")
    needs = tuple([_up(count * share) for share in ops.values()])
    return Rules(count, families, most, exact, sizes, tuple(ops), needs)


def _family_shares(families: Sequence[str], named: dict[str, Fraction]) -> list[Fraction]:
    others = len(families) - len(named)
    left = 1 - sum(named.values(), Fraction(0))
    if others and left <= 0:
        name = next(name for name in families if name not in named)
        raise UserError(
            f"the shares of families sum to {float(1 - left):g}, which leaves nothing to {name}: "
            "leave that grammar out or lower the shares"
        )
    return [named[name] if name in named else left / others for name in families]


def _check_sizes(sizes: Sequence[Size]) -> None:
    """UserError where sizes with a quota are all there are and sum to less than 1."""
    if sum(size.share for size in sizes) >= 1:
        return
    ordered = sorted(sizes, key=lambda size: size.least)
    covered = 1
    for size in ordered:
        if size.least > covered:
            return
        if size.most is None:
            total = float(sum(size.share for size in sizes))
            raise UserError(
                f"the shares of all sizes sum to {total:g}: less than 1 leaves rows that nothing "
                "may fill"
            )
        covered = max(covered, size.most + 1)


def _exactly(share: float) -> Fraction:
    """The number that a user wrote: 0.1 is a tenth."""
    return Fraction(str(share))


def _up(number: Fraction) -> int:
    return -(-number.numerator // number.denominator)
