"""Style: the few integers from which every spelling choice of a rendered source follows.

A program says what is computed, a style how a person would have typed it. The choices a renderer
makes at one site are a pure function of the style and the site's number, so a style records and
replays as it stands, and a zero salt is the plainest spelling everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from backends.words import RESERVED, WORDS

_MASK = (1 << 64) - 1


class Chooser(Protocol):
    """The one primitive of a choice source: an integer in [0, n)."""

    def below(self, n: int, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Style:
    """`salt` varies single sites, `idiom` the shape of the whole source, `naming` the words, and
    `inlining` (0 to 3) how readily a value used once moves into the expression that uses it."""

    salt: int = 0
    idiom: int = 0
    naming: int = 0
    inlining: int = 0

    def choose(self, site: int, n: int) -> int:
        """The choice in [0, n) at a site; 0 everywhere when the salt is 0."""
        return 0 if self.salt == 0 or n < 2 else _mix(self.salt, site) % n


IDIOMS = 12
"""Idiom numbers are drawn below this; a backend takes them modulo its own count."""


def draw_style(source: Chooser) -> Style:
    """Draw a style; all zeros is the plainest."""
    return Style(
        salt=source.below(1 << 16),
        idiom=source.below(IDIOMS),
        naming=source.below(1 << 16),
        inlining=source.below(4),
    )


def _mix(salt: int, site: int) -> int:
    """A 64-bit finalizer (multiply and xor-shift, constants of splitmix64) over salt and site."""
    x = (salt * 0x9E3779B97F4A7C15 + (site + 1) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


class Names:
    """Hands out identifiers for one source: by role, never twice, never a reserved word."""

    def __init__(self, style: Style, taken: Iterable[str] = ()) -> None:
        self._naming = style.naming
        self._taken = {*taken, *RESERVED}
        self._drawn = 0
        self._scopes = 0

    def scope(self) -> Names:
        """Names for the inside of one unit: apart from those handed out so far, but free to agree
        with those of another scope."""
        self._scopes += 1
        inner = Names.__new__(Names)
        inner._naming = self._naming
        inner._taken = set(self._taken)
        inner._drawn = self._scopes * 1000
        inner._scopes = 0
        return inner

    def fresh(self, role: str) -> str:
        """A new identifier for a role of `WORDS`, starting at a place the style decides."""
        words = WORDS[role]
        self._drawn += 1
        start = 0 if self._naming == 0 else _mix(self._naming, self._drawn) % len(words)
        for suffix in ("", "_next", "_alt", "_two", "_new"):
            for step in range(len(words)):
                name = words[(start + step) % len(words)] + suffix
                if name not in self._taken:
                    self._taken.add(name)
                    return name
        number = 2
        while f"{words[start]}_{number}" in self._taken:
            number += 1
        self._taken.add(f"{words[start]}_{number}")
        return f"{words[start]}_{number}"
