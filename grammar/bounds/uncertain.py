"""The mark of values that carry more than a number."""

from __future__ import annotations


class Uncertain:
    """The base of values with error bounds and of partly known integers: the functions of
    `grammar.numeric` treat them by rules of their own."""

    __slots__ = ()
