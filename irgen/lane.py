"""The lane: what is done to a program from its address to its record.

`work` is what a worker process runs on a batch of addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from backends.base import Capture, Execution, Job, Rendered
from backends.registry import BACKENDS, Backend
from grammar.config import Grammar
from grammar.gradient import gradient
from grammar.program import Program
from grammar.types import scalar_of
from irgen import oracle, vectors
from irgen.record import Record, record_id
from irgen.service import Drawn, draw_batch, make_record, render_batch
from irgen.vectors import Vectors
from irgen.verdict import Verdict

SAMPLED = 64
"""One row in so many, by its id, also runs in the executions that are only sampled."""

Address = tuple[Grammar, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with every address of a run.

    `executions` run every row and `sampled` one in `SAMPLED`; with neither, rows are text only.
    `versions` are those to put on the records.
    """

    backend: str
    seed: int
    levels: frozenset[str]
    executions: tuple[str, ...]
    sampled: tuple[str, ...]
    versions: dict[str, str]


def work(plan: Plan, addresses: Sequence[Address]) -> list[Record]:
    """The records at several addresses."""
    return produce(plan, draw_batch(addresses, plan.seed))


def produce(plan: Plan, drawn: Sequence[Drawn]) -> list[Record]:
    """The records of drawn programs."""
    backend = BACKENDS[plan.backend]
    rendered = render_batch(drawn, backend)
    chosen = [_executions(plan, item) for item in drawn]
    needed = {level for names in chosen for name in names for level in backend.needs(name)}
    levels = plan.levels | needed
    captures = backend.capture(rendered, levels) if levels else [Capture((), {})] * len(drawn)
    verdicts = check(backend, [item.program for item in drawn], rendered, captures, chosen)
    made: list[Record] = []
    for item, source, capture, (vector, found) in zip(
        drawn, rendered, captures, verdicts, strict=True
    ):
        kept = [artifact for artifact in capture.artifacts if artifact.level in plan.levels]
        capture = replace(capture, artifacts=tuple(kept))
        made.append(make_record(item, source, capture, plan.versions, vector, found))
    return made


def _executions(plan: Plan, drawn: Drawn) -> tuple[str, ...]:
    sampled = int(record_id(drawn.grammar, drawn.seed, drawn.index)[:8], 16) % SAMPLED == 0
    return (*plan.executions, *plan.sampled) if sampled else plan.executions


def check(
    backend: Backend,
    programs: Sequence[Program],
    rendered: Sequence[Rendered],
    captures: Sequence[Capture],
    executions: Sequence[tuple[str, ...]],
) -> list[tuple[Vectors | None, list[Verdict]]]:
    """Run each program in each of its executions, and judge what came back."""
    fed = [
        vectors.make(program) if names else ((), ())
        for program, names in zip(programs, executions, strict=True)
    ]
    jobs = [
        Job(program, source, capture, inputs, cotangents)
        for program, source, capture, (inputs, cotangents) in zip(
            programs, rendered, captures, fed, strict=True
        )
    ]
    results = _executed(backend, jobs, executions)
    return [
        judged(backend, job, found) if found else (None, [])
        for job, found in zip(jobs, results, strict=True)
    ]


def _executed(
    backend: Backend, jobs: Sequence[Job], executions: Sequence[tuple[str, ...]]
) -> list[list[Execution]]:
    """What came back of each job, in each of its executions. A job that its executions cannot run,
    for want of an operation, is given to the next one that the backend has."""
    results: list[list[Execution]] = [[] for _ in jobs]
    _execute(backend, jobs, executions, results)
    spare: list[tuple[str, ...]] = []
    for found in results:
        lacks = bool(found) and all(one.reason == "not_interpretable" for one in found)
        left = backend.executions[len(found) :] if lacks else ()
        spare.append(left[:1])
    _execute(backend, jobs, spare, results)
    return results


def _execute(
    backend: Backend,
    jobs: Sequence[Job],
    executions: Sequence[tuple[str, ...]],
    results: list[list[Execution]],
) -> None:
    """Add to the results of each job those of some executions; jobs alike in these run together."""
    for names in dict.fromkeys(executions):
        if names:
            mine = [at for at, wanted in enumerate(executions) if wanted == names]
            found = backend.execute([jobs[at] for at in mine], names)
            for at, executed in zip(mine, found, strict=True):
                results[at] += executed


def judged(
    backend: Backend, job: Job, executions: Sequence[Execution]
) -> tuple[Vectors, list[Verdict]]:
    """The vectors of a job, and the verdict of each of its executions."""
    program = job.program
    back = gradient(program) if oracle.differentiable(program) else None
    limitations = backend.limitations(program)
    verdicts: list[Verdict] = []
    for execution in executions:
        precision = backend.precision(execution.name)
        expected = oracle.expect(program, back, job.inputs, job.cotangents, precision)
        verdicts.append(oracle.judge(program, backend.name, expected, execution, limitations))
    ran = next((one for one in executions if one.outputs is not None), executions[0])
    return _vectors(job, ran), verdicts


def _vectors(job: Job, execution: Execution) -> Vectors:
    """What a job was fed and what an execution gave back."""
    entry = job.program.entry
    outputs = [scalar_of(type_) for type_ in vectors.output_types(entry)]
    gradients = [scalar_of(value.type) for value in entry.parameters]
    return msgspec.structs.replace(
        vectors.fed(job.program, job.inputs, job.cotangents),
        outputs=vectors.encode_all(execution.outputs or (), outputs),
        gradients=vectors.encode_all(execution.gradients or (), gradients),
    )
