"""Errors for users: one line that says what is wrong, where, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SHORT_LIST = 24


class UserError(Exception):
    """Bad input, or a machine that cannot do what was asked. The message is one line."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """What to say after an unknown `word`: the closest of `choices`, and all of them if few.

    Returns for example "did you mean 'compound'? (one of branch, compound, loop)".
    """
    names = list(choices)
    folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(word.casefold(), folded, n=3, cutoff=0.5)
    guess = " or ".join(repr(folded[key]) for key in close)
    parts = [f"did you mean {guess}?"] if guess else []
    if names and len(names) <= _SHORT_LIST:
        listed = ", ".join(names)
        parts.append(f"(one of {listed})" if guess else f"choose from {listed}")
    return " ".join(parts)
