"""Looking up private names of JAX and jaxlib before they are used."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Sequence
from typing import Any


def missing(*names: tuple[str, str]) -> str:
    """The first of some (module, attribute path) that is not there, "" if all are."""
    for module, path in names:
        try:
            functools.reduce(getattr, path.split("."), importlib.import_module(module))
        except (ImportError, AttributeError):
            return f"{module}.{path}"
    return ""


def missing_parameter(module: str, path: str, parameters: Sequence[str]) -> str:
    """The first parameter that a callable which is there does not take, "" if it takes all."""
    found: Any = functools.reduce(getattr, path.split("."), importlib.import_module(module))
    accepted = inspect.signature(found).parameters
    for name in parameters:
        if name not in accepted:
            return f"{module}.{path}({name}=)"
    return ""
