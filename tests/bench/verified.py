"""Verified lanes against the plain loops one would write: compile each program by itself with the
default settings, run it forward and backward, read everything back.

Both sides get the same sources and inputs and take turns at going first. The first block warms up
and is not counted.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from backends.base import Execution, Job, Rendered
from backends.registry import BACKENDS, Backend
from grammar.passes.effects import written
from grammar.presets import GRAMMARS
from grammar.types import Array, element_shape, scalar_of
from irgen import vectors
from irgen.lane import judged
from irgen.service import draw_batch, render_batch
from tests.bench.measure import Ratio, pin, seconds, shares, table
from tests.bench.report import Table

TEXT, FEED, RUN, JUDGE = "text", "inputs", "run", "judge"
LANE, PLAIN = "verified", "plain loop"
FASTER = 1 / 5
"""Target: the verified lane takes at most this share of the plain loop's time."""
JUDGING = 0.15
"""Target: judging takes at most this share of the verified lane."""

Side = Callable[[Sequence[Job]], object]


def warp(blocks: int = 5, block: int = 32, grammar: str = "compound") -> Table:
    """C++ and CUDA text, compilation, launch, adjoint launch and judging; against one module a
    kernel at default settings with a tape."""
    note = pin()
    import warp as wp

    wp.config.log_level = wp.LOG_ERROR
    with tempfile.TemporaryDirectory() as folder:
        wp.config.kernel_cache_dir = folder

        def plain(jobs: Sequence[Job]) -> None:
            for job in jobs:
                plain_warp(job, Path(folder))

        return _table("Warp, verified", "warp", grammar, blocks, block, plain, note)


def jax(blocks: int = 5, block: int = 16, grammar: str = "compound") -> Table:
    """StableHLO text, the interpreter forward and backward, and judging; against a full compile
    and execution of both."""
    note = pin()
    BACKENDS["jax"].check()

    def plain(jobs: Sequence[Job]) -> None:
        for job in jobs:
            plain_jax(job)

    return _table("JAX, verified", "jax", grammar, blocks, block, plain, note)


def _table(
    title: str, name: str, grammar: str, blocks: int, block: int, plain: Side, note: str
) -> Table:
    backend = BACKENDS[name]
    levels = frozenset({"cpp", "cuda"} if name == "warp" else {"stablehlo"})
    times: list[dict[str, float]] = []
    for number in range(blocks + 1):
        taken: dict[str, float] = {}
        addresses = [(GRAMMARS[grammar], number * block + at) for at in range(block)]
        programs, sources = _sources(addresses, backend)
        taken[FEED], fed = seconds(
            lambda programs=programs: [vectors.make(program) for program in programs]
        )
        bare = [
            Job(program, source, None, *vector)  # type: ignore[arg-type]
            for program, source, vector in zip(programs, sources, fed, strict=True)
        ]
        sides = [True, False] if number % 2 else [False, True]
        for ours in sides:
            if ours:
                _lane(backend, levels, bare, taken)
            else:
                taken[PLAIN], _ = seconds(lambda bare=bare: plain(bare))
        times.append(taken)
    counted = times[1:]
    ratios = shares(counted, PLAIN, {LANE: FASTER}, block, "the plain loop")
    ratios += shares(counted, LANE, {JUDGE: JUDGING}, block, "the verified lane")
    parts = ", ".join(
        f"{part} {sum(t[part] for t in counted) / len(counted) / block * 1e3:.1f} ms"
        for part in (TEXT, RUN, JUDGE, PLAIN)
    )
    notes = (f"{blocks} blocks of {block} {grammar} programs; {note}", f"each: {parts}")
    return table(title, ratios, notes)


def _sources(addresses: list[Any], backend: Backend) -> tuple[list[Any], list[Rendered]]:
    drawn = draw_batch(addresses, 0)
    return [item.program for item in drawn], render_batch(drawn, backend)


def _lane(
    backend: Backend, levels: frozenset[str], bare: Sequence[Job], taken: dict[str, float]
) -> None:
    sources = [job.rendered for job in bare]
    taken[TEXT], captures = seconds(lambda: backend.capture(sources, levels))
    jobs = [
        Job(job.program, job.rendered, capture, job.inputs, job.cotangents)
        for job, capture in zip(bare, captures, strict=True)
    ]
    names = backend.executions[:1]
    taken[RUN], results = seconds(lambda: backend.execute(jobs, names))
    taken[JUDGE], _ = seconds(lambda: _judge(backend, jobs, results))
    taken[JUDGE] += taken[FEED]
    taken[LANE] = taken[TEXT] + taken[RUN] + taken[JUDGE]


def _judge(backend: Backend, jobs: Sequence[Job], results: list[list[Execution]]) -> None:
    """ValueError where a program did not run: a failure is quick, and would flatter the figures."""
    for job, found in zip(jobs, results, strict=True):
        _, verdicts = judged(backend, job, found)
        if verdicts[0].forward == "failed":
            raise ValueError(f"{job.rendered.entry}: {verdicts[0].reason} {verdicts[0].detail}")


def plain_warp(job: Job, folder: Path) -> list[Any]:
    """Import a file with one kernel, launch it on a tape, and go back: outputs and gradients."""
    import warp as wp

    source = job.rendered.python
    name = f"run_{sha256(source.encode()).hexdigest()[:16]}"
    path = folder / f"{name}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    unit = job.program.entry
    given: list[Any] = []
    for value, parameter in zip(job.inputs, unit.parameters, strict=True):
        if not isinstance(parameter.type, Array):
            given.append(value.item() if not value.shape else value)
            continue
        scalar = getattr(wp, scalar_of(parameter.type).dtype)
        match element_shape(parameter.type.element):
            case ():
                dtype = scalar
            case (size,):
                dtype = wp.types.vector(size, scalar)
            case shape:
                dtype = wp.types.matrix(shape, scalar)
        grad = scalar_of(parameter.type).kind == "float"
        given.append(wp.array(value, dtype=dtype, requires_grad=grad, device="cpu"))
    tape = wp.Tape()
    with tape:
        wp.launch(getattr(module, job.rendered.entry), dim=unit.grid, inputs=given, device="cpu")
    outputs = [given[at] for at in sorted(written(unit))]
    for output, cotangent in zip(outputs, job.cotangents, strict=True):
        if cotangent is not None:
            output.grad.assign(wp.array(cotangent, dtype=output.dtype, device="cpu"))
    tape.backward()
    arrays = [array for array in given if isinstance(array, wp.array)]
    return [o.numpy() for o in outputs] + [a.grad.numpy() for a in arrays if a.grad is not None]


def plain_jax(job: Job) -> list[Any]:
    """Load a file, compile its function and its backward, run both."""
    import jax as jax_
    import jax.numpy as jnp

    source = job.rendered
    namespace: dict[str, Any] = {"__name__": source.entry}
    exec(source.python, namespace)
    function = namespace[source.entry]
    unit = job.program.entry
    effects = written(unit) if unit.kind == "kernel" else {}
    with jax_.enable_x64(source.wide):
        args = [jnp.asarray(v) for at, v in enumerate(job.inputs) if effects.get(at) != "out"]
        compiled = jax_.jit(function).lower(*args).compile()
        compiled.as_text()
        out = jax_.tree.leaves(compiled(*args))
        floats = [i for i, a in enumerate(args) if jnp.issubdtype(a.dtype, jnp.floating)]
        kept = [i for i, o in enumerate(out) if jnp.issubdtype(o.dtype, jnp.floating)]
        if not floats or not kept:
            return [np.asarray(o) for o in out]

        def backward(args: Sequence[Any], ct: Any) -> Any:
            def smooth(*values: Any) -> Any:
                changed = dict(zip(floats, values, strict=True))
                found = jax_.tree.leaves(
                    function(*(changed.get(i, arg) for i, arg in enumerate(args)))
                )
                return [found[i] for i in kept]

            return jax_.vjp(smooth, *(args[i] for i in floats))[1](ct)

        ct = [jnp.asarray(c) for c in job.cotangents if c is not None]
        pulled = jax_.jit(backward).lower(args, ct).compile()
        pulled.as_text()
        return [np.asarray(o) for o in (*out, *pulled(args, ct))]


def workers(blocks: int = 2, records: int = 1024) -> Table:
    """Verified rows by two workers against one, wall time of the same addresses."""
    import time

    from irgen.streaming import stream

    times: list[dict[str, float]] = []
    for number in range(blocks):
        taken: dict[str, float] = {}
        for count in (1, 2) if number % 2 else (2, 1):
            start = time.perf_counter()
            rows = stream(GRAMMARS["compound"], "warp", count=records, verify=True, workers=count)
            assert sum(1 for _ in rows) == records
            taken[str(count)] = time.perf_counter() - start
        times.append(taken)
    ratio = Ratio(
        what="two workers' time",
        against="one worker's",
        ratios=tuple(taken["2"] / taken["1"] for taken in times),
        target=1 / 1.8,
        measured=records * blocks / sum(taken["2"] for taken in times),
        reference=records * blocks / sum(taken["1"] for taken in times),
        unit="rows/s",
    )
    return table("Workers", [ratio], (f"{blocks} blocks of {records} verified compound rows",))
