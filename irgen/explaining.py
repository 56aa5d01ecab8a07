"""Why a verdict is what it is: the worst lanes, and where certainty ended, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backends.base import Execution, Job, Limitation
from backends.registry import BACKENDS, Backend
from grammar.bounds.bounded import Bounded
from grammar.bounds.domain import Bounds
from grammar.bounds.known import Known
from grammar.gradient import gradient
from grammar.interpret import run
from grammar.passes.effects import written
from grammar.program import Unit
from grammar.text import print_program
from irgen import oracle, pool, vectors
from irgen.checking import require_defined
from irgen.claim import Unreadable, read
from irgen.errors import UserError
from irgen.lane import Address, judged
from irgen.pool import Lost
from irgen.recheck import LIMITS, Line, inspect_text
from irgen.service import draw
from irgen.streaming import known_execution
from irgen.vectors import Vectors
from irgen.verdict import Compared, Verdict
from irgen.watching import Ending, Watcher

WORST = 3
"""So many lanes of an array are shown."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to explain: a line of a file of rows, or the program at an address.

    Of a row, its own backend, seed and executions count.
    """

    line: bytes | None
    address: Address | None
    backend: str
    seed: int
    executions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LaneSeen:
    """One element: what came back, what should have, by how much they may differ (infinite where
    nothing is known), and by how many units in the last place they do."""

    index: tuple[int, ...]
    got: float | int | bool
    wanted: float | int | bool
    allowed: float
    ulps: float


@dataclass(frozen=True, slots=True)
class ArraySeen:
    """One array: its value in the program text, how its lanes compare, and the worst of them."""

    name: str
    compared: Compared
    worst: tuple[LaneSeen, ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """One execution: its verdict, its arrays, and where certainty ended. `recorded` tells that the
    numbers are those of the row, where they are others than came back now."""

    verdict: Verdict
    arrays: tuple[ArraySeen, ...]
    endings: tuple[Ending, ...]
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that can be said of a row; `problems` are what of the row is not what it should be."""

    title: str
    backend: str
    program: str
    problems: tuple[str, ...]
    explained: tuple[Explained, ...]
    limitations: tuple[Limitation, ...]


def explain(question: Question) -> Explanation | Lost:
    """Run a row in a process of its own and say why it is judged as it is.

    UserError for a line that is no row; BackendError where the backend cannot be used.
    """
    if question.line is None:
        BACKENDS[question.backend].installed()
    (found,) = pool.run(answer, [question], workers=1, limits=LIMITS)
    return found


def answer(questions: Sequence[Question]) -> list[Explanation]:
    """The explanation of each question; runs in a worker."""
    return [_answer(question) for question in questions]


def _answer(question: Question) -> Explanation:
    problems: tuple[str, ...] = ()
    recorded: Vectors | None = None
    if question.line is not None:
        claim = read(question.line)
        if isinstance(claim, Unreadable):
            what = f"{claim.field}: {claim.what}" if claim.field else claim.what
            raise UserError(what)
        drawn, recorded, backend = claim.drawn, claim.vectors, BACKENDS[claim.plan.backend]
        named = question.executions or claim.plan.executions
        if not claim.addressed:
            require_defined(drawn.program)
        (found,) = inspect_text([Line(1, question.line)])
        problems = tuple([str(problem) for problem in found])
    else:
        assert question.address is not None
        grammar, index = question.address
        drawn, backend = draw(grammar, question.seed, index), BACKENDS[question.backend]
        named = question.executions
    named = tuple([known_execution(backend, name) for name in named])
    names = named or backend.executions
    program = drawn.program
    rendered = backend.render(program, drawn.style)
    needed = frozenset(level for name in names for level in backend.needs(name))
    (captured,) = backend.capture([rendered], needed)
    job = Job(program, rendered, captured, *vectors.make(program))
    executions = _executed(backend, job, names, first=not named)
    ran = next((one for one in executions if one.outputs is not None), None)
    seen: list[Explained] = []
    for execution in executions:
        watcher = Watcher()
        expected = _expect(backend, job, execution.name, watcher)
        said = _recorded(job, execution, recorded) if recorded and execution is ran else None
        if said is not None:
            seen.append(replace(_explained(backend, job, expected, said, watcher), recorded=True))
        seen.append(_explained(backend, job, expected, execution, watcher))
    return Explanation(
        title=f"{drawn.grammar.name} seed {drawn.seed} index {drawn.index}",
        backend=backend.name,
        program=print_program(program),
        problems=problems,
        explained=tuple(seen),
        limitations=backend.limitations(program),
    )


def _executed(backend: Backend, job: Job, names: Sequence[str], *, first: bool) -> list[Execution]:
    """What came back of each execution; only up to the `first` that has all operations, if so."""
    done: list[Execution] = []
    for name in names:
        done += backend.execute([job], (name,))[0]
        if first and done[-1].reason != "not_interpretable":
            break
    return done


def _expect(backend: Backend, job: Job, name: str, watcher: Watcher) -> oracle.Expected:
    """What may come back, as `oracle.expect` has it, under the eyes of a watcher."""
    program, entry = job.program, job.program.entry
    domain = Bounds(backend.precision(name), oracle.wide(program))
    outputs = run(program, job.inputs, domain, watch=watcher.watch(domain, program, "values"))
    gradients: list[Any] = [None] * len(entry.parameters)
    if oracle.differentiable(program):
        back = gradient(program)
        given = [*job.inputs, *[array for array in job.cotangents if array is not None]]
        seen = watcher.watch(domain, back.program, "gradients")
        found = run(back.program, given, domain, back.replayed, seen)
        for at, value in zip(oracle.carrying(entry), found, strict=True):
            gradients[at] = value
    return oracle.Expected(tuple(outputs), tuple(gradients), dict(domain.reasons))


def _recorded(job: Job, execution: Execution, said: Vectors) -> Execution | None:
    """The numbers of the row, where they are others than came back now."""
    now, _ = judged(BACKENDS[job.rendered.backend], job, [execution])
    outputs = [vector for vector in said.outputs if vector is not None]
    if (said.outputs, said.gradients) == (now.outputs, now.gradients) or not outputs:
        return None
    shapes = [vector and vector.shape for vector in (*said.outputs, *said.gradients)]
    if shapes != [vector and vector.shape for vector in (*now.outputs, *now.gradients)]:
        return None
    try:
        return replace(
            execution,
            outputs=tuple([vectors.decode(vector) for vector in outputs]),
            gradients=tuple([vector and vectors.decode(vector) for vector in said.gradients])
            if said.gradients
            else execution.gradients,
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"vectors: {error}") from None


def _explained(
    backend: Backend, job: Job, expected: oracle.Expected, got: Execution, watcher: Watcher
) -> Explained:
    program = job.program
    verdict = oracle.judge(program, backend.name, expected, got, backend.limitations(program))
    names = {"output": output_names(program.entry), "gradient": parameter_names(program.entry)}
    wanted = {"output": expected.outputs, "gradient": expected.gradients}
    came = {"output": got.outputs, "gradient": got.gradients}
    arrays: list[ArraySeen] = []
    for compared in verdict.compared:
        role, at = compared.role, compared.position
        found = came[role]
        assert found is not None
        worst = _worst(compared, wanted[role][at], np.asarray(found[at]))
        arrays.append(ArraySeen(names[role][at], compared, worst))
    return Explained(verdict, tuple(arrays), watcher.endings)


def parameter_names(entry: Unit) -> list[str]:
    """The parameters of an entry as its text names them."""
    return [f"%{value.id}" for value in entry.parameters]


def output_names(entry: Unit) -> list[str]:
    """The outputs of an entry as its text names them."""
    if entry.kind == "kernel":
        return [f"%{entry.parameters[at].id}" for at in sorted(written(entry))]
    return [f"%{value.id}" for value in entry.body.end.values]


def _worst(compared: Compared, wanted: Any, got: NDArray[Any]) -> tuple[LaneSeen, ...]:
    """The lanes that say most: those that differ most as a share of what they may; or where too
    few could be compared, those with the widest bounds."""
    middle, bound, spacing = _parts(wanted, got)
    with np.errstate(all="ignore"):
        error = np.abs(got.astype(middle.dtype) - middle)
        share = np.where(bound > 0, error / bound, np.where(error > 0, np.inf, 0))
        share = np.where(np.isfinite(bound), np.nan_to_num(share, nan=np.inf), -1)
        width = bound / np.maximum(np.abs(middle), spacing)
    vague = compared.not_comparable > 0 and not compared.mismatched
    order = np.argsort(-(width if vague else share), axis=None, kind="stable")
    count = WORST if compared.mismatched or compared.not_comparable else 1
    return tuple(
        [
            LaneSeen(
                index=tuple([int(i) for i in np.unravel_index(at, got.shape)]),
                got=got.flat[at].item(),
                wanted=_plain(wanted, middle.flat[at]),
                allowed=float(bound.flat[at]),
                ulps=float(error.flat[at] / spacing.flat[at]),
            )
            for at in map(int, order[:count])
        ]
    )


def _plain(wanted: Any, value: Any) -> float | int | bool:
    return float(value) if isinstance(wanted, Bounded) else value.item()


def _parts(wanted: Any, got: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The reference value of every element of an array, its bound, and a unit in its last place."""
    if isinstance(wanted, Bounded):
        middle, bound = _shaped(wanted.v, got), _shaped(wanted.bound, got)
        format = wanted.format
        size = np.maximum(np.abs(middle), format.normal)
        return middle, bound, np.exp2(np.floor(np.log2(size)) + 1 - format.scalar.digits)
    known = isinstance(wanted, Known)
    middle = _shaped(wanted.v if known else wanted, got)
    certain = _shaped(wanted.ok if known else np.True_, got)
    # Truth values have no difference.
    middle = middle.astype(np.int64) if middle.dtype == np.bool_ else middle
    return middle, np.where(certain, 0.0, np.inf), np.ones(got.shape)


def _shaped(array: Any, like: NDArray[Any]) -> NDArray[Any]:
    """An array in the shape of another, axes for single elements added."""
    same = np.size(array) == like.size
    return np.broadcast_to(np.reshape(array, like.shape) if same else array, like.shape)
