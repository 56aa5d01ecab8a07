"""What every backend shares: rendered source, levels, artifacts, and the table of reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

UnitKind = Literal["function", "kernel", "program"]
Direction = Literal["forward", "backward", "module"]
Status = Literal["ok", "missing", "failed"]


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an entry: its name in the source, NumPy dtype name and shape.

    `shape` is that of the array the backend sees, vector and matrix axes trailing; () is a scalar.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """A named kernel, function or driver within a rendered source."""

    name: str
    kind: UnitKind


@dataclass(frozen=True, slots=True)
class Rendered:
    """Source text in one kernel language, and what a driver must know to compile it.

    `units` stand in source order, callees first; `entry` is the name of the last one. `wide` is
    true when a 64-bit type occurs anywhere in the program (JAX then needs x64).
    """

    backend: str
    python: str
    entry: str
    units: tuple[Unit, ...]
    arguments: tuple[Argument, ...]
    wide: bool


@dataclass(frozen=True, slots=True)
class Level:
    """One compiler level: its name, the directions it is captured in, its text's syntax."""

    name: str
    directions: tuple[Direction, ...]
    syntax: str
    doc: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """One captured text, or the reason why there is none.

    `unit` is the kernel or function it belongs to ("" for a whole module); `reason` is a key of
    `REASONS` unless the status is "ok"; `detail` is the compiler's own message, one line.
    """

    backend: str
    unit: str
    level: str
    direction: Direction
    text: str | None
    status: Status = "ok"
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Capture:
    """Everything captured from one rendered source. `cost` maps a direction to flops and bytes."""

    artifacts: tuple[Artifact, ...]
    cost: dict[str, dict[str, float]]


REASONS: dict[str, str] = {
    "no_float_inputs": "no input has a floating type, so there is nothing to differentiate",
    "no_float_outputs": "no output has a floating type, so there is no cotangent to pull back",
    "adjoint_disabled": "the kernel or module was declared with enable_backward=False",
    "not_a_device_unit": "a driver runs on the host; its kernels hold the device code",
    "source_error": "the source did not load: Python or the kernel decorator rejected it",
    "compile_error": "the compiler rejected the source; the detail holds its message",
}
"""Every reason an artifact may be missing or failed. Closed: drivers use no other key."""


class BackendError(Exception):
    """The backend cannot be used here; the message is one line that says what to do."""
