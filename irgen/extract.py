"""IR of a user's own functions: any callable JAX can trace, and any Warp kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from backends.base import Capture, Direction
from backends.registry import BACKENDS


@dataclass(frozen=True, slots=True)
class Pair:
    """Python source and the text the compiler made of it, in one direction.

    `texts` maps level to text, `missing` maps level to the reason there is none; `cost_analysis`
    holds flops and bytes where the backend reports them.
    """

    python_source: str
    direction: Direction
    texts: dict[str, str]
    missing: dict[str, str]
    cost_analysis: dict[str, float]

    @property
    def stablehlo_ir(self) -> str | None:
        """The StableHLO text of a JAX function; None for a Warp kernel."""
        return self.texts.get("stablehlo")

    @property
    def cpp_ir(self) -> str | None:
        """The C++ text of a Warp kernel; None for a JAX function."""
        return self.texts.get("cpp")

    @property
    def cuda_ir(self) -> str | None:
        """The CUDA text of a Warp kernel; None for a JAX function."""
        return self.texts.get("cuda")


def extract_ir(fn: Callable[..., Any], *args: Any) -> Pair:
    """The IR of `fn(*args)`, forward.

    `fn` is a function JAX can trace, with arrays, scalars, pytrees or `jax.ShapeDtypeStruct`s as
    arguments, or a `warp.Kernel`, which needs none. What `fn` raises comes through.
    """
    return _extract(fn, args)[0]


def extract_with_grad(fn: Callable[..., Any], *args: Any) -> tuple[Pair, Pair]:
    """(forward, backward) of `fn(*args)`.

    The backward of a JAX function pulls a cotangent of the result back to all inexact inputs; a
    scalar result means cotangent 1, so the backward is the gradient. A kernel's is its adjoint.
    """
    return _extract(fn, args)


def _extract(fn: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Pair, Pair]:
    backend = "warp" if _is_warp_kernel(fn) else "jax"
    module = import_module(f"{BACKENDS[backend].package}.extract")
    levels = frozenset(level.name for level in BACKENDS[backend].levels)
    inputs = (fn, levels) if backend == "warp" else (fn, args, levels)
    captured: Capture = module.extract(*inputs)
    source: str = module.python_source(fn)
    return _pair(source, captured, "forward"), _pair(source, captured, "backward")


def _is_warp_kernel(fn: Callable[..., Any]) -> bool:
    return type(fn).__name__ == "Kernel" and type(fn).__module__.split(".")[0] == "warp"


def _pair(source: str, captured: Capture, direction: Direction) -> Pair:
    texts: dict[str, str] = {}
    missing: dict[str, str] = {}
    for artifact in captured.artifacts:
        if artifact.direction != direction:
            continue
        if artifact.text is None:
            missing[artifact.level] = artifact.reason
        else:
            before = texts.get(artifact.level)
            texts[artifact.level] = (
                artifact.text if before is None else f"{before}\n{artifact.text}"
            )
    return Pair(source, direction, texts, missing, captured.cost.get(direction, {}))
