"""Repros: a file that stands alone and shows a bug. It needs NumPy and the target, public API only.

It exits with 1 where the bug shows, 0 where it does not, and 2 where it cannot run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import libcst as cst
import numpy as np
from numpy.typing import NDArray

from backends import surface as s
from backends.cst import print_module
from backends.registry import BACKENDS
from grammar.reference import output_types
from grammar.types import scalar_of
from irgen import oracle
from irgen.errors import UserError
from irgen.fuzz import cost, repro_jax, repro_warp
from irgen.fuzz.case import SYMPTOMS, Case, Symptom
from irgen.fuzz.literals import expected, nested, number, one_bound
from irgen.fuzz.scene import (
    Place,
    Request,
    Scene,
    assign,
    call,
    dotted,
    imports_of,
    with_tapes,
)
from irgen.fuzz.wanted import wanted
from irgen.verdict import Verdict

SECONDS = 60.0
"""A program that does not end within this time hangs."""

MEMORY = 4 << 30
"""Bytes that no such program needs."""

TIMES = 200
"""Runs that are compared where one may differ from another."""

AROUND = 8
"""Statements that the code around a program counts for, where its size is judged."""

EXITS = "Exit code: 1 if the bug shows, 0 if not, 2 if it cannot run here."

_SCENES: dict[str, Callable[[Request], Scene]] = {
    "warp": repro_warp.scene,
    "jax": repro_jax.scene,
}


@dataclass(frozen=True, slots=True)
class _Script:
    """The statements of a repro, and the functions of `parts` that it has before the imports of
    packages and before its last statements."""

    modules: tuple[str, ...]
    early: tuple[str, ...]
    late: tuple[str, ...]
    before: tuple[s.Stmt, ...] = ()
    between: tuple[s.Stmt, ...] = ()
    after: tuple[s.Stmt, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What a repro is to show: a symptom of a case with a backend. `verdicts` tell which arrays
    are wrong, all of them where they do not. `avoided` spellings are not used."""

    backend: str
    case: Case
    symptom: Symptom
    verdicts: Sequence[Verdict] = ()
    avoided: frozenset[str] = frozenset()

    @property
    def way(self) -> str:
        """The way to run the case, without the target that it is run at."""
        return self.symptom.way.partition(" ")[0]


def repro(question: Question) -> str:
    """The text of the file.

    UserError for a function as the entry: nothing launches it.
    """
    if question.case.program.entry.kind == "function":
        raise UserError("a function has no repro: let a kernel call it")
    request = _request(question)
    scene = _SCENES[question.backend](request)
    script = _SCRIPTS[question.symptom.kind](question, scene)
    body: list[s.Stmt] = [
        *[s.Import(name) for name in script.modules],
        *_marks(script.early),
        _hook(script.early[0]),
        *_packages(question.backend, request.rendered.python),
        *scene.settings,
        *_marks([_SOURCE]),
        *scene.definitions,
        *script.before,
        *scene.inputs,
        *script.between,
        *scene.run,
        *_marks(script.late),
        *script.after,
    ]
    module = cst.parse_module(print_module(s.Module(tuple(body))))
    tapes = frozenset(
        one.test.id for one in scene.run if isinstance(one, s.If) and isinstance(one.test, s.Name)
    )
    whole = with_tapes(_with_parts(module, request.rendered.python), tapes)
    return _introduced(whole, question).code


def _hook(name: str) -> s.Stmt:
    """What is raised goes to a function of the file."""
    return s.Assign(dotted("sys.excepthook"), s.Name(name))


def _packages(backend: str, source: str) -> list[s.Import]:
    """The imports of packages, sorted as usual."""
    jax, numpy = s.Import("jax"), s.Import("numpy", "np")
    wanted = {*imports_of(source), numpy, *([jax] if backend == "jax" else [])}
    return sorted(wanted, key=lambda one: (bool(one.package), one.module))


def _request(question: Question) -> Request:
    """What of a case has to run for a symptom to show."""
    case, symptom = question.case, question.symptom
    program = case.program
    slope = oracle.differentiable(program) and symptom.direction != "forward"
    if slope and not symptom.direction and symptom.kind != "timed_out":
        slope = question.backend != "warp" or not repro_warp.may_hang(program)
    needs_outputs = symptom.direction != "gradient" or not slope
    rendered = BACKENDS[question.backend].render(program, case.style, avoided=question.avoided)
    return Request(case, rendered, question.way, needs_outputs, slope)


# Scripts: what is around the run of a case, by kind of symptom.


def _wrong(question: Question, scene: Scene) -> _Script:
    """Compare arrays with what they should be."""
    compared = wanted(
        question.backend, question.case, question.symptom, question.way, question.verdicts
    )
    calls = [
        _check(scene, place, value, bound)
        for place, (value, bound) in compared.items()
        if place in scene.results
    ]
    if not calls:
        raise UserError("nothing can be compared: the backend gives none of the arrays")
    helpers = dict.fromkeys(one.func.id for one in calls if isinstance(one.func, s.Name))
    widened = ("widened",) if question.backend == "warp" and _has_bf16(question.case) else ()
    after: list[s.Stmt] = [s.Assign(s.Name("wrong"), calls[0])]
    after += [s.AugAssign(s.Name("wrong"), "|", one) for one in calls[1:]]
    return _Script(
        ("sys",), ("stop",), (*widened, *helpers), after=(*after, _exit(s.Name("wrong")))
    )


def _check(scene: Scene, place: Place, value: NDArray[Any], bound: NDArray[Any]) -> s.Call:
    result = scene.results[place]
    name = s.Literal(f'"{result.name}"')
    if value.dtype.kind != "f" and np.isfinite(bound).all():
        flat = [one.item() for one in value.ravel()]
        return call("check_exact", name, result.value, nested(flat, value.shape))
    values, bounds = expected(value.astype(np.longdouble), bound)
    single = one_bound(values, bounds)
    limit = nested(bounds, value.shape) if single is None else number(single)
    return call("check", name, result.value, nested(values, value.shape), limit)


def _raises(question: Question, scene: Scene) -> _Script:
    return _Script(("sys",), ("fail",), (), after=tuple(_shown(scene)))


def _alone(part: str, *arguments: s.Expr) -> Callable[[Question, Scene], _Script]:
    """Run the case in a process of its own."""

    def script(question: Question, scene: Scene) -> _Script:
        child = s.Binary("!=", s.Subscript(dotted("sys.argv"), (s.Slice(s.Literal("1")),)), _RUN)
        before = s.If(child, (s.Do(call("sys.exit", call(part, *arguments))),))
        modules = ("subprocess", "sys")
        return _Script(modules, ("stop", part), (), before=(before,), after=tuple(_shown(scene)))

    return script


_RUN = s.List((s.Literal('"run"'),))


def _again(question: Question, scene: Scene) -> _Script:
    arrays = tuple([call("np.array", one.value) for one in scene.results.values()])
    run = s.FunctionDef("run_once", (), (*scene.run, s.Return(s.List(arrays))))
    test = call("check_again", s.Name("run_once"), s.Literal(str(TIMES)))
    return _Script(("sys",), ("stop",), ("check_again",), after=(run, _exit(test)))


def _slow(question: Question, scene: Scene) -> _Script:
    allowed = cost.ALLOWED[question.backend]
    each = allowed.seconds_each * cost.size(question.case.program)
    limit = number(round(allowed.seconds + each, 2))
    clock = call("time.process_time")
    seconds = s.Name("seconds")
    after = (
        *_shown(scene),
        s.Assign(seconds, s.Binary("-", clock, s.Name("start"))),
        s.Do(call("print", s.Literal('"expected seconds:"'), limit)),
        s.Do(call("print", s.Literal('"got seconds:"'), seconds)),
        _exit(s.Binary(">", seconds, limit)),
    )
    return _Script(
        ("sys", "tempfile", "time"),
        ("stop",),
        (),
        before=_fresh_cache(question),
        between=(assign("start", clock),),
        after=after,
    )


def _large(question: Question, scene: Scene) -> _Script:
    each = cost.ALLOWED[question.backend].bytes
    most = each * (cost.size(question.case.program) + AROUND)
    limit, size = number(int(most)), s.Name("size")
    warp = question.backend == "warp"
    measured = call("code_bytes", s.Name("cache")) if warp else repro_jax.code_size(scene)
    after = (
        s.Assign(size, measured),
        s.Do(call("print", s.Literal('"expected size of the code:"'), limit)),
        s.Do(call("print", s.Literal('"got size of the code:"'), size)),
        _exit(s.Binary(">", size, limit)),
    )
    modules = ("pathlib", "sys", "tempfile") if warp else ("sys",)
    late = ("code_bytes",) if warp else ()
    return _Script(modules, ("stop",), late, before=_fresh_cache(question), after=after)


def _fresh_cache(question: Question) -> tuple[s.Stmt, ...]:
    """Nothing that was compiled before is used."""
    if question.backend != "warp":
        return ()
    cache_folder = s.Name("cache")
    return (
        s.Assign(cache_folder, call("tempfile.mkdtemp")),
        s.Assign(dotted("wp.config.kernel_cache_dir"), cache_folder),
    )


_SCRIPTS: dict[str, Callable[[Question, Scene], _Script]] = {
    "wrong_value": _wrong,
    "wrong_gradient": _wrong,
    "source_error": _raises,
    "compile_error": _raises,
    "execution_error": _raises,
    "crashed": _alone("crashes"),
    "timed_out": _alone("hangs", number(SECONDS)),
    "out_of_memory": _alone("swells", number(MEMORY)),
    "nondeterministic": _again,
    "slow_compile": _slow,
    "large_code": _large,
}
assert set(_SCRIPTS) == set(SYMPTOMS)


def _shown(scene: Scene) -> list[s.Stmt]:
    """Print all results: what is never looked at may never be computed."""
    return [
        s.Do(call("print", s.Literal(f'"{one.name}:"'), one.value))
        for one in scene.results.values()
    ]


def _exit(shows: s.Expr) -> s.Stmt:
    return s.Do(call("sys.exit", s.Conditional(shows, s.Literal("1"), s.Literal("0"))))


def _has_bf16(case: Case) -> bool:
    entry = case.program.entry
    types = [*[value.type for value in entry.parameters], *output_types(entry)]
    return any(scalar_of(type_).name == "bf16" for type_ in types)


# Putting the file together.

_MARK = "part_"
_SOURCE = "source"
"""Stands for the definitions of the rendered source."""


def _marks(names: Sequence[str]) -> list[s.Stmt]:
    """Definitions that stand for functions of `parts`."""
    return [s.FunctionDef(_MARK + name, (), (s.Pass(),)) for name in names]


def _with_parts(module: cst.Module, source: str) -> cst.Module:
    """The module with those definitions replaced by the functions, and by those of a source."""
    body: list[Any] = []
    for statement in module.body:
        if not isinstance(statement, cst.FunctionDef):
            body.append(statement)
            continue
        name = statement.name.value
        if name == _MARK + _SOURCE:
            rendered = cst.parse_module(source)
            body += [one for one in rendered.body if not _is_import(one)]
        elif name.startswith(_MARK):
            found = parts()[name.removeprefix(_MARK)]
            body.append(found.with_changes(leading_lines=statement.leading_lines))
        else:
            body.append(statement)
    return module.with_changes(body=body)


@cache
def parts() -> dict[str, cst.FunctionDef]:
    """The functions of `irgen.fuzz.parts`, without the types that their file states."""
    text = files("irgen.fuzz").joinpath("parts.py").read_text(encoding="utf-8")

    class Untyped(cst.CSTTransformer):
        def leave_Param(  # noqa: N802
            self, original_node: cst.Param, updated_node: cst.Param
        ) -> cst.Param:
            return updated_node.with_changes(annotation=None)

        def leave_FunctionDef(  # noqa: N802
            self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
        ) -> cst.FunctionDef:
            return updated_node.with_changes(returns=None)

    module = cst.ensure_type(cst.parse_module(text).visit(Untyped()), cst.Module)
    return {one.name.value: one for one in module.body if isinstance(one, cst.FunctionDef)}


def _introduced(module: cst.Module, question: Question) -> cst.Module:
    """The module with words at its top, and a blank line after them."""
    lines = [f"{_TITLES[question.backend]}: {SYMPTOMS[question.symptom.kind]}.", ""]
    lines += [*_reasons(question), EXITS, ""]
    text = '"""' + "\n".join(lines) + '"""'
    docstring = cst.SimpleStatementLine((cst.Expr(cst.SimpleString(text)),))
    body: list[Any] = [docstring]
    for statement in module.body:
        # Imports stand apart from what is before them.
        apart = _is_import(statement) and not _is_import(body[-1])
        blank = statement.with_changes(leading_lines=[cst.EmptyLine(indent=False)])
        body.append(blank if apart else statement)
    return module.with_changes(body=body)


def _is_import(statement: Any) -> bool:
    if not isinstance(statement, cst.SimpleStatementLine):
        return False
    return isinstance(statement.body[0], cst.Import | cst.ImportFrom)


_TITLES = {"warp": "NVIDIA Warp", "jax": "JAX"}


def _reasons(question: Question) -> list[str]:
    """Why what the file asks for is right."""
    defined = "Well defined: no index out of bounds, no integer overflow, no race, loops end."
    if question.symptom.kind not in ("wrong_value", "wrong_gradient"):
        return [defined]
    return [
        defined,
        "Expected values are from higher precision; bounds cover any rounding of the steps.",
    ]
