"""One program checked on one backend, in a process of its own."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from backends.registry import BACKENDS, Backend
from backends.style import Style
from grammar.interpret import UndefinedBehaviour
from grammar.passes.entry import as_kernel
from grammar.program import Program
from grammar.reference import reference
from grammar.verify import verify
from irgen import pool, vectors
from irgen.errors import UserError
from irgen.lane import check as check_batch
from irgen.pool import Lost
from irgen.streaming import known_execution, limits
from irgen.verdict import Verdict, lost

LANES = 16
"""A function is checked on so many arguments."""


@dataclass(frozen=True, slots=True)
class Question:
    """A program to check, and how it is spelled."""

    program: Program
    style: Style


def check(program: Program, backend: Backend, execution: str | None, style: Style) -> Verdict:
    """The verdict of one execution, the backend's first where none is named.

    UserError for an unknown execution and for a program that leaves the defined ground on the
    inputs that follow from it; ValueError for one that does not verify.
    """
    name = known_execution(backend, execution or backend.executions[0])
    backend.installed()
    verify(program)
    (found,) = pool.run(
        functools.partial(answer, backend.name, name),
        [Question(as_kernel(program, LANES), style)],
        workers=1,
        limits=limits(backend),
        prepare=backend.prepare,
    )
    if not isinstance(found, Lost):
        return found
    return lost(backend.name, name, found.reason, found.detail)


def answer(backend: str, execution: str, questions: Sequence[Question]) -> list[Verdict]:
    """The verdict of each program; runs in a worker."""
    language = BACKENDS[backend]
    programs = [question.program for question in questions]
    for program in programs:
        require_defined(program)
    rendered = [language.render(question.program, question.style) for question in questions]
    captures = language.capture(rendered, language.needs(execution))
    names = [(execution,)] * len(questions)
    return [
        verdicts[0] for _, verdicts in check_batch(language, programs, rendered, captures, names)
    ]


def require_defined(program: Program) -> None:
    """UserError where a program, run on its inputs, does what programs must not do: compiled code
    would do it too."""
    try:
        reference(program, vectors.make(program)[0])
    except UndefinedBehaviour as error:
        raise UserError(f"the program is not defined on its inputs: {error}") from None
