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
    from backends.base import BackendError
    from backends.style import Style
    from grammar.config import Grammar
    from grammar.program import Program
    from irgen.api import (
        build,
        capture,
        check,
        draw,
        gradient,
        inputs,
        kernel,
        kernels,
        open_dataset,
        parse,
        programs,
        reference,
        render,
        sample,
        shrink,
        stream,
        verify,
    )
    from irgen.dataset.building.request import BuildRequest
    from irgen.dataset.english import describe
    from irgen.dataset.reading import Dataset
    from irgen.errors import UserError
    from irgen.extract import Pair, extract_ir, extract_with_grad
    from irgen.harness import Kernel
    from irgen.pipeline import SynthesisPipeline
    from irgen.record import Record
    from irgen.verdict import Verdict

_HOMES = {
    "BackendError": "backends.base",
    "BuildRequest": "irgen.dataset.building.request",
    "Dataset": "irgen.dataset.reading",
    "Grammar": "grammar.config",
    "Kernel": "irgen.harness",
    "Pair": "irgen.extract",
    "Program": "grammar.program",
    "Record": "irgen.record",
    "Style": "backends.style",
    "SynthesisPipeline": "irgen.pipeline",
    "UserError": "irgen.errors",
    "Verdict": "irgen.verdict",
    "build": "irgen.api",
    "capture": "irgen.api",
    "check": "irgen.api",
    "describe": "irgen.dataset.english",
    "draw": "irgen.api",
    "extract_ir": "irgen.extract",
    "extract_with_grad": "irgen.extract",
    "gradient": "irgen.api",
    "inputs": "irgen.api",
    "kernel": "irgen.api",
    "kernels": "irgen.api",
    "open_dataset": "irgen.api",
    "parse": "irgen.api",
    "programs": "irgen.api",
    "reference": "irgen.api",
    "render": "irgen.api",
    "sample": "irgen.api",
    "shrink": "irgen.api",
    "stream": "irgen.api",
    "verify": "irgen.api",
}

__all__ = [
    "BackendError",
    "BuildRequest",
    "Dataset",
    "Grammar",
    "Kernel",
    "Pair",
    "Program",
    "Record",
    "Style",
    "SynthesisPipeline",
    "UserError",
    "Verdict",
    "build",
    "capture",
    "check",
    "describe",
    "draw",
    "extract_ir",
    "extract_with_grad",
    "gradient",
    "inputs",
    "kernel",
    "kernels",
    "open_dataset",
    "parse",
    "programs",
    "reference",
    "render",
    "sample",
    "shrink",
    "stream",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'irgen' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
