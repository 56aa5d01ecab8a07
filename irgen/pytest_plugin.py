"""The pytest plugin: which backend kernels are drawn for, and failing examples shown as source.

It is imported at the start of every pytest, so nothing heavy is imported here. PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from types import CodeType, FrameType, TracebackType
from typing import TYPE_CHECKING, Any, cast

import pytest

from irgen.chosen import CHOSEN

if TYPE_CHECKING:
    from typing_extensions import TypeIs

    from grammar.program import Program
    from irgen.harness import Kernel

TITLE = "irgen: failing example"

_before = pytest.StashKey[tuple[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of irgen."""
    group = parser.getgroup("irgen", "kernel programs")
    group.addoption(
        "--irgen-backend",
        metavar="NAME",
        help="Backend of irgen.kernels() where a test names none (warp).",
    )
    group.addoption(
        "--irgen-grammar",
        metavar="NAME",
        help="Grammar of irgen.kernels() and irgen.programs() where a test names none (compound).",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Note what was chosen; one line for a name that is unknown."""
    config.stash[_before] = CHOSEN.backend, CHOSEN.grammar
    backend: str | None = config.getoption("--irgen-backend")
    grammar: str | None = config.getoption("--irgen-grammar")
    if backend is None and grammar is None:
        return
    from irgen import api
    from irgen.errors import UserError

    try:
        if backend is not None:
            CHOSEN.backend = api.find_backend(backend).name
        if grammar is not None:
            api.programs(grammar)
            CHOSEN.grammar = grammar
    except UserError as error:
        raise pytest.UsageError(f"irgen: {error}") from None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Forget what was chosen, and end what checks kernels."""
    if _before in config.stash:
        CHOSEN.backend, CHOSEN.grammar = config.stash[_before]
    harness = sys.modules.get("irgen.harness")
    if harness is not None:
        harness.end_checks()


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what was chosen, if anything was."""
    if config.getoption("--irgen-backend") or config.getoption("--irgen-grammar"):
        return [f"irgen: backend {CHOSEN.backend}, grammar {CHOSEN.grammar}"]
    return []


@pytest.fixture(scope="session")
def irgen_backend() -> str:
    """The name of the backend that `irgen.kernels()` takes where none is named."""
    return CHOSEN.backend


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add a section to the report of a test that failed on a program or kernel of irgen."""
    report = yield
    error = None if call.excinfo is None else call.excinfo.value
    if error is not None and report.when == "call" and "grammar.program" in sys.modules:
        code = _body(item)
        texts = dict.fromkeys(_example(one, code) for one in _errors(error))
        report.sections += [(TITLE, text) for text in texts if text]
    return report


def _body(item: pytest.Item) -> CodeType | None:
    """The code of what a test's author wrote, below what decorators made of it."""
    function: Any = getattr(item, "function", None)
    inner: Any = getattr(getattr(function, "hypothesis", None), "inner_test", function)
    return getattr(inner, "__code__", None)


def _errors(error: BaseException) -> Iterator[BaseException]:
    """An error, or those of a group: Hypothesis raises one where it has found several bugs."""
    if isinstance(error, BaseExceptionGroup):
        for one in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _errors(one)
    else:
        yield error


def _example(error: BaseException, code: CodeType | None) -> str:
    """What a test was run on when it raised; "" where that is none of irgen's."""
    frame = _frame(error.__traceback__, code)
    if frame is None or code is None:
        return ""
    values, kinds = frame.f_locals, _kinds()
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    taken = [name for name in names if name != "self"]
    given = [name for name in taken if isinstance(values.get(name), kinds)]
    shown = given or [name for name in values if isinstance(values[name], kinds)]
    if not shown:
        return ""
    made = {name: _made(values[name]) for name in shown}
    if given and given == taken:
        arguments = ", ".join([f"{name}={text}" for name, text in made.items()])
        replay = f"to replay it, above the test:\n\n@example({arguments})\n"
    else:
        lines = "\n".join([f"{name} = {text}" for name, text in made.items()])
        replay = f"to replay it:\n\n{lines}\n"
    return "\n".join([*[_source(name, values[name]) for name in shown], replay])


def _frame(traceback: TracebackType | None, code: CodeType | None) -> FrameType | None:
    while traceback is not None:
        if traceback.tb_frame.f_code is code:
            return traceback.tb_frame
        traceback = traceback.tb_next
    return None


def _kinds() -> tuple[type, ...]:
    """The types of what is shown, without importing what the test did not."""
    places = (("grammar.program", "Program"), ("irgen.harness", "Kernel"))
    return tuple([getattr(sys.modules[name], kind) for name, kind in places if name in sys.modules])


def _source(name: str, value: Program | Kernel) -> str:
    """A kernel's source, or that of a program for the backend chosen."""
    from grammar.verify import VerifyError, verify
    from irgen import api

    try:
        verify(value if _is_program(value) else value.program)
    except VerifyError as error:
        return f"{name} is not valid: {error}\n"
    kernel = api.kernel(value) if _is_program(value) else value
    return f"{name}, for {kernel.backend}:\n\n{kernel.python}"


def _made(value: Program | Kernel) -> str:
    """The Python that makes it again."""
    if _is_program(value):
        return f'irgen.parse("""{value}""")'
    style = value.style
    spelled = "" if style == type(style)() else f", irgen.{style!r}"
    return f'irgen.kernel("""{value.program}""", "{value.backend}"{spelled})'


def _is_program(value: Program | Kernel) -> TypeIs[Program]:
    return isinstance(value, sys.modules["grammar.program"].Program)
