"""The backends there are. Their packages are imported when first used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from backends.base import Capture, Level, Rendered

if TYPE_CHECKING:
    from backends.style import Style
    from grammar.program import Program


@dataclass(frozen=True, slots=True)
class Backend:
    """One kernel language: `package` holds its renderer, its capture and its extraction.

    `distribution` is the package to install for it, `extra` the extra of irgen that does. `devices`
    is Python code that prints a line per device: name, tab, kind.
    """

    name: str
    package: str
    distribution: str
    extra: str
    doc: str
    devices: str

    def _function(self, module: str, name: str) -> Callable[..., Any]:
        return getattr(import_module(f"{self.package}.{module}"), name)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels it captures, in order of lowering."""
        return import_module(f"{self.package}.capture").LEVELS

    def check(self) -> str:
        """The installed version; BackendError where it cannot be used."""
        return self._function("capture", "check")()

    def render(self, program: Program, style: Style, *, main: bool = False) -> Rendered:
        """The program as source text; with `main`, a file that makes inputs and runs itself."""
        return self._function("lower", "render")(program, style, main=main)

    def capture(self, sources: Sequence[Rendered], levels: frozenset[str]) -> list[Capture]:
        """Compile each source and keep the text at the levels asked for."""
        return self._function("capture", "capture")(sources, levels)


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
            devices=_WARP_DEVICES,
        ),
        Backend(
            name="jax",
            package="backends.jax",
            distribution="jax",
            extra="jax",
            doc="JAX: jaxpr, StableHLO and HLO",
            devices=_JAX_DEVICES,
        ),
    )
}
"""Backends by name."""
