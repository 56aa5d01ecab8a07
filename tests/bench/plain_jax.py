"""The plain loop that captures StableHLO of JAX source, and a paired timing against the driver."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backends.base import Argument, Rendered
from backends.jax import capture as driver


@dataclass(frozen=True, slots=True)
class Paired:
    """Seconds of CPU per source for the plain loop and for the driver, on the same sources."""

    plain: float
    driver: float

    @property
    def ratio(self) -> float:
        """How many times faster the driver is."""
        return self.plain / self.driver


def plain_capture(source: str, entry: str, arguments: Sequence[Argument]) -> tuple[str, str]:
    """StableHLO of a file's function and of its backward, as one writes it by hand.

    All inexact arguments are differentiated; outputs must be inexact. x64 is the caller's.
    """
    jax = driver.load_jax()
    namespace: dict[str, Any] = {"__name__": entry}
    exec(source, namespace)
    function = namespace[entry]
    args = [
        jax.ShapeDtypeStruct(argument.shape, jax.numpy.dtype(argument.dtype))
        for argument in arguments
    ]
    inexact = [
        i for i, arg in enumerate(args) if jax.numpy.issubdtype(arg.dtype, jax.numpy.inexact)
    ]
    forward = jax.jit(function).lower(*args)

    def backward(args: Sequence[Any], ct: Any) -> Any:
        def differentiable(*values: Any) -> Any:
            changed = dict(zip(inexact, values, strict=True))
            return function(*(changed.get(i, arg) for i, arg in enumerate(args)))

        return jax.vjp(differentiable, *(args[i] for i in inexact))[1](ct)

    backward.__name__ = f"{entry}_backward"
    return forward.as_text(), jax.jit(backward).lower(args, forward.out_info).as_text()


def paired(
    sources: Sequence[Rendered], levels: frozenset[str], *, cost: bool, block: int = 25
) -> Paired:
    """Time both on the same sources in one run, in turn over blocks of sources.

    CPU time of the process is counted, so that other work on the machine matters less. The first
    block is run by both beforehand and not counted.
    """
    blocks = [sources[start : start + block] for start in range(0, len(sources), block)]
    seconds = {"plain": 0.0, "driver": 0.0}
    for index, part in enumerate([blocks[0], *blocks[1:]]):
        order = ("plain", "driver") if index % 2 else ("driver", "plain")
        for side in order:
            start = time.process_time()
            if side == "plain":
                for source in part:
                    plain_capture(source.python, source.entry, source.arguments)
            else:
                driver.capture(part, levels, cost=cost)
            if index:
                seconds[side] += time.process_time() - start
    counted = len(sources) - len(blocks[0])
    return Paired(seconds["plain"] / counted, seconds["driver"] / counted)
