"""What every backend shares: rendered source, levels, artifacts, and the table of reasons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from grammar.program import Program

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
    """Everything captured from one rendered source.

    `cost` maps a direction to flops and bytes. `kept` maps a direction to the positions, among all
    that the function takes, of the arguments that its text still has: a compiler may drop others.
    A backward takes the arguments of the entry, then the cotangents.
    """

    artifacts: tuple[Artifact, ...]
    cost: dict[str, dict[str, float]]
    kept: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])


@dataclass(frozen=True, slots=True)
class Job:
    """A program to execute: its source, what was captured from that, and what to feed it.

    `inputs` holds one array per parameter of the entry (element axes trailing; a scalar parameter
    has shape () or that of its element), `cotangents` one per output, None for outputs that are no
    floats. A kernel's outputs are the arrays it writes, in the order of its parameters; those of a
    program or function are its results. bfloat16 travels as float32 arrays of such values.
    """

    program: Program
    rendered: Rendered
    capture: Capture
    inputs: tuple[NDArray[Any], ...]
    cotangents: tuple[NDArray[Any] | None, ...]


@dataclass(frozen=True, slots=True)
class Execution:
    """What came back from one way to run a job.

    `outputs` and `gradients` are None where that direction did not run; `reason` (a key of
    `REASONS`) and `detail` then say why, for forward and backward apart. `gradients` has one entry
    per parameter, None for those that carry no gradient: integers, truth values, and arrays that a
    kernel overwrites without looking. `source_hash` is that of the recorded text which ran.
    """

    name: str
    outputs: tuple[NDArray[Any], ...] | None
    gradients: tuple[NDArray[Any] | None, ...] | None
    source_hash: str = ""
    reason: str = ""
    detail: str = ""
    gradient_reason: str = ""
    gradient_detail: str = ""


@dataclass(frozen=True, slots=True)
class Limitation:
    """What a backend documents as wrong or missing in gradients: explains a gradient that differs,
    never a value. `reference` is the upstream issue or documentation."""

    name: str
    backend: str
    doc: str
    reference: str


REASONS: dict[str, str] = {
    "no_float_inputs": "no input has a floating type, so there is nothing to differentiate",
    "no_float_outputs": "no output has a floating type, so there is no cotangent to pull back",
    "adjoint_disabled": "the kernel or module was declared with enable_backward=False",
    "not_a_device_unit": "a driver runs on the host; its kernels hold the device code",
    "source_error": "the source did not load: Python or the kernel decorator rejected it",
    "compile_error": "the compiler rejected the source; the detail holds its message",
    "not_captured": "there is no recorded text of this level to run",
    "not_interpretable": "the interpreter has no such operation; the detail names it",
    "execution_error": "running it raised an error; the detail holds its message",
    "unending_adjoint": "the backend's adjoint of a loop that is left early may never end: not run",
    "crashed": "the process that ran it died; the detail names the signal",
    "timed_out": "it ran past the limit on time, alone and with ten times the usual limit",
    "out_of_memory": "it ran past the limit on memory",
}
"""Every reason an artifact or an execution may be missing or failed. Closed: no other key is
used."""


class BackendError(Exception):
    """The backend cannot be used here; the message is one line that says what to do."""
