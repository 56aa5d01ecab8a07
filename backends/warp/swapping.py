"""Replacing attributes for a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def swapped(owner: Any, values: Mapping[str, Any]) -> Iterator[None]:
    """Set attributes of a module or class; put back the very objects that stood there."""
    found = {name: vars(owner)[name] for name in values}
    try:
        for name, value in values.items():
            setattr(owner, name, value)
        yield
    finally:
        for name, value in found.items():
            setattr(owner, name, value)
