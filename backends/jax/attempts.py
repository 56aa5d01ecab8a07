"""Steps that may raise anything, because they run generated source, and what becomes of that."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from backends.base import Status

Result = TypeVar("Result")
Guard = Callable[[Callable[[], Any], str], Any]

ADDRESS = re.compile(r" at 0x[0-9a-f]+")
DETAIL_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a step gave nothing: a key of `REASONS`, and the compiler's message in one line."""

    status: Status
    reason: str
    detail: str = ""


def load_jax() -> Any:
    """Import JAX, on the CPU unless the user has chosen platforms or imported it already."""
    if "jax" not in sys.modules:
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    return importlib.import_module("jax")


def attempt(step: Callable[[], Result], reason: str) -> Result | Failure:
    """The result of `step`, or a `Failure` for `reason` with the message of what it raised."""
    try:
        return step()
    # Generated source can make Python, JAX or XLA raise anything at all, and one bad source must
    # not end the batch. What was raised is not lost: it becomes the artifact's detail.
    except (Exception, SystemExit) as error:
        return Failure("failed", reason, one_line(error))


def one_line(error: BaseException) -> str:
    """Type and first line of an exception's message, without addresses, at most 300 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return ADDRESS.sub("", text)[:DETAIL_LIMIT]
