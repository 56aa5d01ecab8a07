"""Kernels for the tests of others: a program, how it is spelled, and what can be done with it."""

from __future__ import annotations

import atexit
import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from numpy.typing import NDArray

from backends.base import Job, Rendered
from backends.registry import BACKENDS, Backend
from backends.style import Style, draw_style
from grammar.config import Grammar
from grammar.parse import parse_program
from grammar.program import Program
from grammar.reference import check_inputs
from grammar.reference import reference as run_reference
from grammar.strategies import DrawSource, programs
from irgen import input_strategy, loading, vectors
from irgen.errors import UserError
from irgen.fuzz.case import Case
from irgen.fuzz.defined import undefined
from irgen.fuzz.setup import BASE
from irgen.lane import judged
from irgen.pool import Lost, Session
from irgen.streaming import known_execution, limits
from irgen.vectors import Arrays, Optionals
from irgen.verdict import Verdict, lost

if TYPE_CHECKING:
    Checks = Session["Question", Verdict]


@dataclass(frozen=True, slots=True, repr=False)
class Kernel:
    """A program, and its source for one backend. Its repr is the source."""

    program: Program
    style: Style
    rendered: Rendered

    @property
    def backend(self) -> str:
        return self.rendered.backend

    @property
    def python(self) -> str:
        """The source text; `str` of a kernel."""
        return self.rendered.python

    @property
    def entry(self) -> str:
        """The name of what `load` gives."""
        return self.rendered.entry

    def load(self) -> Any:
        """The entry in a module of its own: a `warp.Kernel`, or for JAX, and for a program that
        launches kernels, a Python function.

        A Warp kernel can be launched until 64 others have been loaded. BackendError where the
        backend is not installed.
        """
        BACKENDS[self.backend].installed()
        return loading.load(self.rendered)

    def inputs(self, *, edges: bool = True) -> st.SearchStrategy[Arrays]:
        """A strategy for its inputs; see `irgen.inputs`."""
        return input_strategy.inputs(self.program, edges)

    def arguments(self, inputs: Sequence[NDArray[Any]]) -> list[Any]:
        """Inputs as `load()` takes them: Warp arrays on the CPU and values, or arrays for JAX,
        which are fewer where a kernel overwrites one without looking at it."""
        return loading.arguments(self.program, self.backend, tuple(inputs))

    def reference(self, inputs: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """What the program means, computed by NumPy; see `irgen.reference`."""
        return run_reference(self.program, inputs)

    def check(
        self,
        inputs: Sequence[NDArray[Any]] | None = None,
        cotangents: Sequence[NDArray[Any] | None] | None = None,
        *,
        execution: str | None = None,
    ) -> Verdict:
        """Compile it, run it forward and backward, and judge both, as `irgen.check` does.

        It runs in another process, which stays for the next check and is replaced where a kernel
        ends it; that is the verdict then. Inputs and cotangents follow from the program where none
        are given. The execution is one of compiled code where none is named. UserError where the
        program is not defined on the inputs; ValueError where they do not fit its parameters.
        """
        language = BACKENDS[self.backend]
        if self.program.entry.kind == "function":
            raise UserError("a function has no launch to check: use irgen.check on its program")
        name = known_execution(language, execution or BASE[self.backend])
        own = vectors.make(self.program)
        given = own[0] if inputs is None else tuple(inputs)
        back = own[1] if cotangents is None else tuple(cotangents)
        check_inputs(self.program.entry, given)
        _check_cotangents(back, own[1])
        case = Case(self.program, self.style, given, back)
        why = undefined(case)
        if why:
            raise UserError(f"the program is not defined on these inputs: {why}")
        found = _ask(language, Question(case, self.rendered, name))
        if isinstance(found, Lost):
            return lost(self.backend, name, found.reason, found.detail)
        return found

    def __str__(self) -> str:
        return self.python

    def __repr__(self) -> str:
        return f"<{self.backend} kernel {self.entry}\n{self.python}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What Hypothesis and IPython show: the source, indented as its surroundings are."""
        for number, line in enumerate(repr(self).splitlines()):
            if number:
                printer.break_()
            printer.text(line)


def kernel(program: Program | str, backend: str, style: Style) -> Kernel:
    """The kernel of a program, or of its text form, in one spelling."""
    made = parse_program(program) if isinstance(program, str) else program
    return Kernel(made, style, BACKENDS[backend].render(made, style))


@st.composite
def kernels(
    draw: st.DrawFn, backend: str, grammars: tuple[Grammar, ...], styles: bool = True
) -> Kernel:
    """Kernels of some grammars for one backend, in any spelling or only the plainest."""
    program = draw(programs(*grammars))
    return kernel(program, backend, draw_style(DrawSource(draw)) if styles else Style())


def _check_cotangents(given: Optionals, wanted: Optionals) -> None:
    """ValueError unless there is one cotangent per output that is a float, and None elsewhere."""
    shapes = [None if one is None else (one.dtype, one.shape) for one in given]
    needed = [None if one is None else (one.dtype, one.shape) for one in wanted]
    if shapes != needed:
        texts = ["None" if one is None else f"{one[0]}{list(one[1])}" for one in needed]
        raise ValueError(f"the cotangents needed are: {', '.join(texts)}")


@dataclass(frozen=True, slots=True)
class Question:
    """A case to judge, its source, and how to run it."""

    case: Case
    rendered: Rendered
    execution: str


def answer(backend: str, questions: Sequence[Question]) -> list[Verdict]:
    """The verdict of each question; runs in a worker."""
    return [_verdict(BACKENDS[backend], question) for question in questions]


def _verdict(language: Backend, question: Question) -> Verdict:
    case, name = question.case, question.execution
    (capture,) = language.capture([question.rendered], language.needs(name))
    job = Job(case.program, question.rendered, capture, case.inputs, case.cotangents)
    (executions,) = language.execute([job], (name,))
    return judged(language, job, executions)[1][0]


_sessions: dict[str, Checks] = {}
_lock = threading.Lock()


def _ask(language: Backend, question: Question) -> Verdict | Lost:
    """What the process that checks for this one says."""
    with _lock:
        session = _sessions.get(language.name)
        if session is None:
            language.installed()
            if not _sessions:
                atexit.register(end_checks)
            session = _sessions[language.name] = Session(
                functools.partial(answer, language.name),
                workers=1,
                limits=limits(language, 1),
                prepare=language.prepare,
            )
        kept = False
        try:
            (found,) = session.map([question])
            kept = True
        finally:
            # What is raised, or a test that is interrupted, leaves a session in no state to go on.
            if not kept:
                _sessions.pop(language.name).__exit__()
        return found


def end_checks() -> None:
    """End the processes that check."""
    while _sessions:
        _sessions.popitem()[1].__exit__()
