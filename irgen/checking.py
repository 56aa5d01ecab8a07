"""One program checked on one backend, in a process of its own."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from backends.registry import BACKENDS, Backend
from backends.style import Style
from grammar.passes.entry import as_kernel
from grammar.program import Program
from grammar.verify import verify
from irgen import pool
from irgen.errors import UserError, nearest
from irgen.lane import check as check_batch
from irgen.pool import Lost
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

    UserError for an unknown execution, ValueError for a program that does not verify.
    """
    name = execution or backend.executions[0]
    if name not in backend.executions:
        raise UserError(f"unknown execution {name!r}: {nearest(name, backend.executions)}")
    verify(program)
    job = functools.partial(answer, backend.name, name)
    question = Question(as_kernel(program, LANES), style)
    (found,) = pool.run(job, [question], workers=1, limits=pool.Limits())
    if not isinstance(found, Lost):
        return found
    return lost(backend.name, name, found.reason, found.detail)


def answer(backend: str, execution: str, questions: Sequence[Question]) -> list[Verdict]:
    """The verdict of each program; runs in a worker."""
    language = BACKENDS[backend]
    programs = [question.program for question in questions]
    rendered = [language.render(question.program, question.style) for question in questions]
    captures = language.capture(rendered, language.needs(execution))
    names = [(execution,)] * len(questions)
    return [
        verdicts[0] for _, verdicts in check_batch(language, programs, rendered, captures, names)
    ]
