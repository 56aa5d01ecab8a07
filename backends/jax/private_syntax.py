"""The parsers of MLIR and XLA in jaxlib, and XLA's analysis of what an HLO module costs.

JAX prints StableHLO and HLO and has no public way to read them.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

NAMES = (
    ("jax._src.interpreters.mlir", "make_ir_context"),
    ("jax._src.xla_bridge", "get_backend"),
    ("jaxlib._hlo", "hlo_module_from_text"),
    ("jaxlib._jax", "hlo_module_cost_analysis"),
    ("jaxlib.mlir.ir", "Module.parse"),
)

MODULES_PER_CONTEXT = 200
"""An MLIR context keeps every constant it has seen; so it is replaced now and then."""


@dataclass(slots=True)
class _Parsing:
    """The MLIR context in use, and how many modules went through it."""

    context: Any = None
    uses: int = 0


_parsing = _Parsing()


def missing() -> str:
    """The first name used here that the installed JAX lacks, or ""."""
    for module, path in NAMES:
        found: Any = None
        try:
            found = importlib.import_module(module)
            for part in path.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError):
            return f"{module}.{path}"
    return ""


def parse_stablehlo(text: str) -> Any:
    """The MLIR module of a text, verified; raises what MLIR raises for one that is none."""
    ir: Any = importlib.import_module("jaxlib.mlir.ir")
    if _parsing.uses % MODULES_PER_CONTEXT == 0:
        private: Any = importlib.import_module("backends.jax.private")
        _parsing.context = private.new_context()
    _parsing.uses += 1
    with _parsing.context:
        return ir.Module.parse(text)


def parse_hlo(text: str) -> Any:
    """The HLO module of a text; raises what XLA raises for one that is none."""
    return importlib.import_module("jaxlib._hlo").hlo_module_from_text(text)


def cost(module: Any) -> dict[str, float]:
    """Flops and bytes of an HLO module, as XLA counts them for the CPU."""
    jaxlib: Any = importlib.import_module("jaxlib._jax")
    bridge: Any = importlib.import_module("jax._src.xla_bridge")
    analysis = jaxlib.hlo_module_cost_analysis(bridge.get_backend("cpu"), module)
    return {
        "flops": float(analysis.get("flops", 0.0)),
        "bytes": float(analysis.get("bytes accessed", 0.0)),
    }
