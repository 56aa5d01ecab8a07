"""JAX lowering: golden sources, formatting, and values and backwards in every idiom."""

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.base import Rendered
from backends.cst import print_module
from backends.jax.frame import IDIOMS
from backends.jax.lower import lower, render
from backends.style import Style
from grammar.build import Builder, ProgramBuilder
from grammar.passes.effects import written
from grammar.presets import GRAMMARS
from grammar.program import Program, Value
from grammar.types import BF16, BOOL, F16, F32, F64, I8, I32, I64, U32, Array, Matrix, Vector
from tests.backends.jax_runs import agree, inputs, lower_backward, results, run
from tests.grammar.evaluate import Buffer, evaluate
from tests.grammar.examples import EXAMPLES
from tests.grammar.random_units import random_function, random_kernel

GOLDEN = Path(__file__).parent.parent / "golden" / "jax"
PLAIN = tuple(Style(idiom=number) for number in range(len(IDIOMS)))
RICH = tuple(
    Style(salt=7 + number, idiom=number, naming=11 * number + 5, inlining=number % 4)
    for number in range(len(IDIOMS))
)
INTERPRETED = tuple(name for name in EXAMPLES if name != "vectors")
LINE = Array(F32, (8,))


def golden() -> dict[Path, str]:
    """Every golden file and the text it should hold."""
    kinds = {"arrays": PLAIN[0], "lanes": PLAIN[1], "scans": RICH[4], "styled": RICH[3]}
    return {
        GOLDEN / f"{name}_{kind}.py": print_module(lower(program, style))
        for name, program in EXAMPLES.items()
        for kind, style in kinds.items()
    }


def cells(values: Any) -> Buffer:
    """An array for the test interpreter."""
    made = Buffer(values.shape)
    for place in np.ndindex(values.shape):
        made.set(place, values[place].item())
    return made


def interpreted(program: Program, source: Rendered, given: list[Any]) -> list[Any]:
    """What the entry gives for these arguments, by the test interpreter."""
    entry = program.entry
    how = written(entry) if entry.kind == "kernel" else {}
    rest = iter(given)
    values: list[Any] = []
    for position, value in enumerate(entry.parameters):
        if how.get(position) == "out":
            assert isinstance(value.type, Array)
            values.append(Buffer(value.type.shape))
        elif isinstance(value.type, Array):
            values.append(cells(np.asarray(next(rest))))
        else:
            values.append(np.asarray(next(rest)).item())
    found = list(evaluate(program, entry, values)) or [values[at] for at in sorted(how)]
    return [
        np.array([one.get(place) for place in np.ndindex(one.shape)]).reshape(one.shape)
        if isinstance(one, Buffer)
        else np.array(one)
        for one in found
    ]


def check_by_interpreter(program: Program, style: Style) -> None:
    """Run a source and compare it with the interpreter."""
    source = render(program, style)
    given = inputs(source.arguments, seed=style.salt)
    found = run(source, given)
    assert [(one.shape, str(one.dtype)) for one in found] == results(program), source.python
    wanted = interpreted(program, source, given)
    for one, other in zip(found, wanted, strict=True):
        assert agree(one, other.astype(one.dtype)), source.python


def check_idioms_agree(program: Program, styles: tuple[Style, ...] = PLAIN) -> None:
    """Every idiom gives the same, in the declared shapes and dtypes."""
    first: list[Any] | None = None
    for style in styles:
        source = render(program, style)
        found = run(source)
        assert [(one.shape, str(one.dtype)) for one in found] == results(program), source.python
        first = found if first is None else first
        assert all(map(agree, found, first)), source.python


def test_golden_files() -> None:
    expected = golden()
    assert sorted(GOLDEN.glob("*.py")) == sorted(expected)
    assert {path: path.read_text() for path in expected} == expected


def test_sources_are_formatted(tmp_path: Path) -> None:
    drawn = {name: grammar.program_at(0, 1) for name, grammar in PRESETS.items()}
    for name, program in (EXAMPLES | drawn).items():
        for number, style in enumerate(PLAIN + RICH):
            path = tmp_path / f"{name}_{number}.py"
            path.write_text(render(program, style, main=number % 2 == 1).python)
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--check", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", INTERPRETED)
@pytest.mark.parametrize("number", range(len(IDIOMS)))
def test_examples_give_what_the_interpreter_gives(name: str, number: int) -> None:
    check_by_interpreter(EXAMPLES[name], RICH[number] if number % 2 else PLAIN[number])
