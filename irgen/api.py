"""The functions of `import irgen` that draw, render and capture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from backends.base import Capture, Rendered
from backends.style import Style
from grammar.config import Grammar
from grammar.generate import program_at
from grammar.gradient import gradient as differentiate
from grammar.parse import parse_program as parse
from grammar.presets import GRAMMARS, SAFE_GRAMMARS
from grammar.program import Program
from grammar.reduce import reduce
from grammar.reference import reference as run_reference
from grammar.verify import verify
from irgen import checking, streaming
from irgen.catalog import find_backend, find_grammar, find_levels
from irgen.chosen import CHOSEN
from irgen.errors import UserError
from irgen.record import Record
from irgen.verdict import Verdict

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from irgen.dataset.building.request import BuildRequest
    from irgen.dataset.reading import Dataset
    from irgen.harness import Kernel
    from irgen.vectors import Arrays

Grammars = str | Grammar | Sequence[str | Grammar]
"""A preset's name, the path of a TOML file, a `Grammar`, several of these, or one of `BALANCED`."""

BALANCED = {"all": tuple(GRAMMARS.values()), "safe": tuple(SAFE_GRAMMARS.values())}
"""What stands for all presets, and for all of them in their differentiable-safe forms."""

__all__ = [
    "build",
    "capture",
    "check",
    "draw",
    "gradient",
    "inputs",
    "kernel",
    "kernels",
    "open_dataset",
    "parse",
    "programs",
    "reference",
    "render",
    "sample",
    "shrink",
    "stream",
    "verify",
]


def stream(
    grammar: str | Grammar = "compound",
    backend: str = "warp",
    *,
    seed: int = 0,
    start: int = 0,
    count: int | None = None,
    levels: tuple[str, ...] | None = None,
    verify: bool = False,
    execute: tuple[str, ...] = (),
    workers: int = 1,
) -> Iterator[Record]:
    """Records from index `start` on, without end when `count` is None.

    `grammar` is a preset's name, the path of a TOML file, or a `Grammar`; `levels` name the
    compiler levels to capture, all by default, none with `()`. With `verify` every program is
    executed and judged in `workers` processes, in the backend's first execution and in those that
    `execute` names. UserError names what is unknown.
    """
    language = find_backend(backend)
    wanted = find_levels(language, levels)
    return streaming.stream(
        _grammar(grammar),
        backend,
        seed=seed,
        start=start,
        count=count,
        levels=wanted,
        verify=verify,
        execute=execute,
        workers=workers,
    )


def sample(
    grammar: str | Grammar = "compound",
    backend: str = "warp",
    *,
    seed: int = 0,
    index: int = 0,
    levels: tuple[str, ...] | None = None,
    verify: bool = False,
) -> Record:
    """The record at one address; see `stream`."""
    found = stream(grammar, backend, seed=seed, start=index, count=1, levels=levels, verify=verify)
    return next(found)


def draw(grammar: str | Grammar = "compound", *, seed: int = 0, index: int = 0) -> Program:
    """The program at one address; `str` of it is its text form."""
    return program_at(_grammar(grammar), seed, index)


def render(
    program: Program, backend: str = "warp", style: Style | None = None, *, main: bool = False
) -> Rendered:
    """A program as source text, in the plainest style unless one is given.

    With `main` the source makes small inputs and runs itself when started as a file.
    """
    return find_backend(backend).render(program, style or Style(), main=main)


def capture(
    source: Program | Rendered, backend: str = "warp", levels: tuple[str, ...] | None = None
) -> Capture:
    """What the backend's compiler makes of a program or a rendered source, at the levels named."""
    language = find_backend(source.backend if isinstance(source, Rendered) else backend)
    rendered = source if isinstance(source, Rendered) else language.render(source, Style())
    return language.capture([rendered], find_levels(language, levels))[0]


def reference(program: Program, inputs: Sequence[Any]) -> list[NDArray[Any]]:
    """What a program means: its outputs, in its own types, computed by NumPy.

    `inputs` has one array per parameter of the entry, element axes trailing; outputs are the arrays
    that a kernel writes, or the results of a program or function. ValueError where inputs do not
    fit the parameters or a program leaves the defined ground (an index out of range).
    """
    return run_reference(program, inputs)


def gradient(program: Program) -> Program:
    """The gradient of a program, as a program: it takes the inputs and a cotangent per float
    output, and gives a cotangent per float input. ValueError where there is none."""
    return differentiate(program).program


def check(
    program: Program,
    backend: str = "warp",
    *,
    execution: str | None = None,
    style: Style | None = None,
) -> Verdict:
    """Compile a program, run it forward and backward in a process of its own, and judge both.

    Inputs follow from the program. `execution` is one of the backend's (its first by default); a
    program that is a function is run over an array of arguments. UserError names what is unknown.
    """
    return checking.check(program, find_backend(backend), execution, style or Style())


def programs(grammar: Grammars | None = None) -> SearchStrategy[Program]:
    """A Hypothesis strategy for programs, to use with `@given` and `@example`.

    `grammar` is a preset's name, the path of a TOML file, a `Grammar`, several of these, "all" for
    all presets or "safe" for their differentiable-safe forms; "compound" where none is given, or
    what pytest was told by `--irgen-grammar`. UserError names what is unknown.
    """
    from grammar import strategies

    return strategies.programs(*_grammars(grammar))


def inputs(program: Program, *, edges: bool = True) -> SearchStrategy[Arrays]:
    """A Hypothesis strategy for the inputs of a program: a tuple of one array per parameter.

    Arrays have the dtype and shape of their parameter, vector and matrix axes trailing, bfloat16 as
    float32 values that it can hold. Their elements lie where programs are defined: floats in
    [-4, 4], or [-1, 1] where the entry is a program, signed integers in [-8, 8], others in [0, 15].
    Zeros, minus zero, equal elements and the ends are frequent. Failing examples shrink towards
    zeros, then few other elements, 1 and simple numbers.

    Without `edges` floats are neither zero nor at an end, and equal only by chance.
    """
    from irgen import input_strategy

    return input_strategy.inputs(program, edges)


def kernel(
    program: Program | str, backend: str | None = None, style: Style | None = None
) -> Kernel:
    """The `Kernel` of a program, or of its text form, as `kernels` draws them; in the plainest
    style unless one is given. UserError names an unknown backend."""
    from irgen import harness

    return harness.kernel(program, find_backend(backend or CHOSEN.backend).name, style or Style())


def kernels(
    backend: str | None = None, grammar: Grammars | None = None, *, styles: bool = True
) -> SearchStrategy[Kernel]:
    """A Hypothesis strategy for programs together with their source for a backend.

    The backend is "warp" where none is named, or what pytest was told by `--irgen-backend`; it need
    not be installed until a kernel is loaded or checked. `grammar` is as in `programs`. With
    `styles` the spelling is drawn too. A failing example is shown as its source. UserError names
    what is unknown.
    """
    from irgen import harness

    chosen = find_backend(backend or CHOSEN.backend).name
    return harness.kernels(chosen, _grammars(grammar), styles)


def build(folder: str | Path, request: BuildRequest, workers: int = 1) -> Dataset:
    """Build a data set, or go on with the one in `folder`, in `workers` processes.

    UserError where the folder holds something else, or a data set that was asked for otherwise;
    BackendError where a backend cannot be used.
    """
    from irgen.dataset.building.build import build
    from irgen.dataset.building.request import settings_of

    build(Path(folder), settings_of(request), workers, request.excluded)
    return open_dataset(folder)


def open_dataset(folder: str | Path) -> Dataset:
    """The data set in a folder; UserError where there is none that is finished."""
    from irgen.dataset.reading import open_dataset

    return open_dataset(Path(folder))


def shrink(
    grammar: str | Grammar,
    choices: Sequence[int],
    witness: Callable[[Program], bool],
    *,
    steps: int = 60_000,
) -> Program:
    """The simplest program found for which `witness` holds, from the `choices` of a record.

    At most `steps` programs are tried. ValueError when the choices are no witness to begin with.
    """
    return reduce(_grammar(grammar), choices, witness, steps=steps).program


def _grammars(named: Grammars | None) -> tuple[Grammar, ...]:
    grammars = CHOSEN.grammar if named is None else named
    if isinstance(grammars, str):
        return BALANCED.get(grammars) or (find_grammar(grammars),)
    if isinstance(grammars, Grammar):
        return (grammars,)
    found = tuple([_grammar(one) for one in grammars])
    if not found:
        raise UserError("no grammar is given: name one, or leave it out")
    return found


def _grammar(grammar: str | Grammar) -> Grammar:
    return find_grammar(grammar) if isinstance(grammar, str) else grammar
