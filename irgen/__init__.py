"""irgen: typed kernel programs, rendered for Warp and JAX, and what their compilers make of them.

    import irgen

    record = irgen.sample("compound", backend="warp")
    forward, backward = irgen.extract_with_grad(lambda x: (x * x).sum(), x)

Everything heavy is imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grammar.config import Grammar
    from grammar.program import Program
    from irgen.api import capture, programs, render, sample, stream
    from irgen.errors import UserError
    from irgen.extract import Pair, extract_ir, extract_with_grad
    from irgen.pipeline import SynthesisPipeline
    from irgen.record import Record

_HOMES = {
    "Grammar": "grammar.config",
    "Pair": "irgen.extract",
    "Program": "grammar.program",
    "Record": "irgen.record",
    "SynthesisPipeline": "irgen.pipeline",
    "UserError": "irgen.errors",
    "capture": "irgen.api",
    "extract_ir": "irgen.extract",
    "extract_with_grad": "irgen.extract",
    "programs": "irgen.api",
    "render": "irgen.api",
    "sample": "irgen.api",
    "stream": "irgen.api",
}

__all__ = [
    "Grammar",
    "Pair",
    "Program",
    "Record",
    "SynthesisPipeline",
    "UserError",
    "capture",
    "extract_ir",
    "extract_with_grad",
    "programs",
    "render",
    "sample",
    "stream",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'irgen' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
