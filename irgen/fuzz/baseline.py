"""A baseline: the buckets that are known already, one name a line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from irgen.errors import UserError


def read(path: Path) -> frozenset[str]:
    """The names in a file: the first word of each line; empty lines and `#` comments do not count.

    UserError where it cannot be read.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text: a baseline holds one bucket a line") from None
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return frozenset(words[0] for words in lines if words)


def text(buckets: Iterable[str]) -> str:
    """The buckets as a file holds them."""
    return "".join(f"{name}\n" for name in sorted(buckets))
