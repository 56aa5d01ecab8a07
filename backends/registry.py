"""The backends there are. Their packages are imported when first used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

from backends.base import BackendError, Capture, Execution, Job, Level, Limitation, Rendered

if TYPE_CHECKING:
    from backends.style import Style
    from grammar.bounds.precision import Precision
    from grammar.program import Program


@dataclass(frozen=True, slots=True)
class Backend:
    """One kernel language: `package` holds its renderer, its capture and its extraction.

    `distribution` is the package to install for it, `extra` the extra of irgen that does.
    `executions` are the ways to run a program everywhere, the one that every row gets first, and
    `seconds` is what a batch of programs may take, compiling and all, before it is given up.
    `devices` is Python code that prints a line per device: name, tab, kind.
    """

    name: str
    package: str
    distribution: str
    extra: str
    doc: str
    executions: tuple[str, ...]
    seconds: float
    devices: str

    def _member(self, module: str, name: str) -> Any:
        return getattr(import_module(f"{self.package}.{module}"), name)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels it captures, in order of lowering."""
        return import_module(f"{self.package}.capture").LEVELS

    def check(self) -> str:
        """The installed version; BackendError where it cannot be used."""
        return self._member("capture", "check")()

    def installed(self) -> str:
        """The installed version, without importing it; BackendError where there is none."""
        try:
            return metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            raise BackendError(
                f"{self.distribution} is not installed: pip install 'irgen[{self.extra}]'"
            ) from None

    def render(
        self,
        program: Program,
        style: Style,
        *,
        main: bool = False,
        avoided: frozenset[str] = frozenset(),
    ) -> Rendered:
        """The program as source text; with `main`, a file that makes inputs and runs itself.

        `avoided` are spellings to do without, for releases that lack them: of ops as
        `backends.spelling.avoidable` names them, and constructs by the backend's own names.
        """
        return self._member("lower", "render")(program, style, main=main, avoided=avoided)

    def capture(self, sources: Sequence[Rendered], levels: frozenset[str]) -> list[Capture]:
        """Compile each source and keep the text at the levels asked for."""
        return self._member("capture", "capture")(sources, levels)

    @property
    def judged(self) -> tuple[str, ...]:
        """Every way to run a program whose rounding is known, also those that need a device."""
        return tuple(self._member("precision", "PRECISION"))

    def prepare(self) -> None:
        """Do once in a process what comes before its first program; BackendError where the backend
        cannot be used."""
        self._member("run", "prepare")()

    def needs(self, execution: str) -> frozenset[str]:
        """The levels whose recorded text an execution runs."""
        return self._member("run", "needs")(execution)

    def execute(self, jobs: Sequence[Job], executions: Sequence[str]) -> list[list[Execution]]:
        """Run each job, forward and backward, in each of the ways named."""
        return self._member("run", "execute")(jobs, executions)

    def precision(self, execution: str) -> Precision:
        """How far values may be from exact ones in an execution."""
        return self._member("precision", "PRECISION")[execution]

    @property
    def known_limitations(self) -> Mapping[str, Limitation]:
        """All that the backend is known to get wrong or lack in gradients, by name."""
        return self._member("limits", "LIMITATIONS")

    def limitations(self, program: Program) -> tuple[Limitation, ...]:
        """What the backend is known to get wrong or lack in the gradient of a program."""
        return self._member("limits", "limitations")(program)


_WARP_DEVICES = """
import warp
warp.config.log_level = warp.LOG_ERROR
warp.init()
for device in warp.get_devices():
    print(device.alias, device.name, sep="\\t")
"""

_JAX_DEVICES = """
import jax
for device in jax.devices():
    print(f"{device.platform}:{device.id}", device.device_kind, sep="\\t")
"""

BACKENDS: dict[str, Backend] = {
    backend.name: backend
    for backend in (
        Backend(
            name="warp",
            package="backends.warp",
            distribution="warp-lang",
            extra="warp",
            doc="NVIDIA Warp: C++ and CUDA",
            executions=("cpu",),
            seconds=10.0,
            devices=_WARP_DEVICES,
        ),
        Backend(
            name="jax",
            package="backends.jax",
            distribution="jax",
            extra="jax",
            doc="JAX: jaxpr, StableHLO and HLO",
            executions=("interpreter", "compiled"),
            seconds=30.0,
            devices=_JAX_DEVICES,
        ),
    )
}
"""Backends by name."""
