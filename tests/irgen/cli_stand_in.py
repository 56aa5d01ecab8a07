"""The command line over a service that draws nothing: rows of any size, at any pace, for ever.

Run as a script with the arguments of `irgen`. ROW_BYTES pads the Python of a row; SECONDS is the
time one row takes. Of the rows that are to be verified, every fourth is not.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

from backends.base import Artifact
from irgen.verdict import Compared, Verdict

PYTHON = "def scale(row):\n    return row * 2.0\n"
IR = "void scale() {\n    row * 2.0;\n}\n"


def stream(
    grammar: Any,
    backend: str,
    *,
    seed: int,
    start: int,
    count: int,
    levels: frozenset[str],
    balanced: bool,
    verify: bool,
    execute: tuple[str, ...],
    workers: int,
) -> Iterator[Any]:
    padding = "#" * int(os.environ.get("ROW_BYTES", "0"))
    for index in range(start, start + count):
        time.sleep(float(os.environ.get("SECONDS", "0")))
        artifacts: list[Artifact] = []
        for level in sorted(levels):
            artifacts.append(Artifact(backend, "scale", level, "forward", f"// {level}\n{IR}"))
            artifacts.append(
                Artifact(backend, "scale", level, "backward", None, "missing", "no_float_inputs")
            )
            artifacts.append(Artifact(backend, "", level, "module", f"// whole {level}\n"))
        yield SimpleNamespace(
            grammar=grammar.name,
            seed=seed,
            index=index,
            program="kernel scale",
            sources=[SimpleNamespace(backend=backend, python=PYTHON + padding)],
            artifacts=artifacts,
            levels=sorted(levels),
            balanced=balanced,
            verdicts=[_verdict(backend, name, index) for name in ("cpu", *execute) if verify],
            workers=workers,
        )


def _verdict(backend: str, execution: str, index: int) -> Verdict:
    gradient = "known_wrong" if index % 4 == 3 else "verified"
    compared = [
        Compared(role, 0, 8, 8, 0, 0, 0, 0, 0.0, 0.0, [0]) for role in ("output", "gradient")
    ]
    return Verdict(
        backend=backend,
        execution=execution,
        forward="verified",
        gradient=gradient,
        compared=compared,
        limitations=["while_loop"],
    )


def _row(view: str) -> Any:
    def flatten(record: Any) -> dict[str, Any]:
        return {
            "view": view,
            "grammar": record.grammar,
            "seed": record.seed,
            "index": record.index,
            "python": record.sources[0].python,
            "levels": record.levels,
            "balanced": record.balanced,
            "executions": [verdict.execution for verdict in record.verdicts],
            "workers": record.workers,
        }

    return flatten


if __name__ == "__main__":
    streaming = ModuleType("irgen.streaming")
    streaming.__dict__["stream"] = stream
    views = ModuleType("irgen.views")
    views.__dict__["VIEWS"] = {name: _row(name) for name in ("record", "wide", "seed")}
    sys.modules |= {"irgen.streaming": streaming, "irgen.views": views}

    from irgen.cli import main

    main()
