"""The pytest plugin, in runs of pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import irgen
from irgen.chosen import CHOSEN
from irgen.pytest_plugin import TITLE

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]

SETUP = """
import irgen
import pytest
from hypothesis import Phase, example, given, settings, strategies as st

settings.register_profile(
    "inner",
    deadline=None,
    database=None,
    derandomize=True,
    max_examples=60,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
settings.load_profile("inner")
"""

LOOP = """
@given({drawn})
def test_loops({name}):
    assert " for " not in str({program})
"""

KERNEL = LOOP.format(drawn='irgen.kernels(grammar="loop")', name="kernel", program="kernel.program")
PROGRAM = LOOP.format(drawn='irgen.programs("loop")', name="program", program="program")


@pytest.fixture(autouse=True, scope="module")
def _imported() -> None:
    """A run within this process forgets what it imports, which NumPy does not bear."""
    for backend in ("warp", "jax"):
        irgen.kernel(irgen.draw("unary"), backend)


@pytest.fixture(autouse=True)
def _only_this_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def run(pytester: pytest.Pytester, source: str, *options: str) -> tuple[pytest.RunResult, str]:
    """A run over one file, every warning an error: the result, and the section on the example."""
    pytester.makepyfile(SETUP + source)
    result = pytester.runpytest_inprocess(
        "-p", "irgen.pytest_plugin", "-p", "no:cacheprovider", "-W", "error", "--tb=short", *options
    )
    text = result.stdout.str()
    sections = text.split(f" {TITLE} ")
    if len(sections) == 1:
        return result, ""
    return result, sections[1].split("\n", 1)[1].split("\n===")[0].split("\n___")[0]


@pytest.mark.parametrize(
    ("options", "backend", "line"),
    [
        ((), "warp", "import warp as wp"),
        (("--irgen-backend=jax",), "jax", "import jax.numpy as jnp"),
    ],
    ids=["by default", "by the option"],
)
@pytest.mark.parametrize(
    ("source", "name"), [(KERNEL, "kernel"), (PROGRAM, "program")], ids=["kernel", "program"]
)
def test_a_failing_example_is_shown_in_the_language_of_the_backend(
    pytester: pytest.Pytester,
    options: tuple[str, ...],
    backend: str,
    line: str,
    source: str,
    name: str,
) -> None:
    result, section = run(pytester, source, *options)
    result.assert_outcomes(failed=1)
    assert section.startswith(f"{name}, for {backend}:\n\n{line}\n")
    assert section.count("for ") < 8  # the least program: one loop, in source and in text
    assert f"@example({name}=irgen." in section
    assert len(section.splitlines()) < 60


@pytest.mark.parametrize("source", [KERNEL, PROGRAM], ids=["kernel", "program"])
def test_the_line_that_is_shown_replays_the_example(pytester: pytest.Pytester, source: str) -> None:
    _, section = run(pytester, source)
    replay = section[section.index("@example") :]
    result, again = run(pytester, source.replace("@given", f"{replay}\n@given"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*explicit*test_loops(*"])
    assert again == section


def test_a_style_is_replayed_too(pytester: pytest.Pytester) -> None:
    source = """
@given(irgen.kernels("jax", "unary"))
def test_styles(kernel):
    assert kernel.style.naming < 20
"""
    _, section = run(pytester, source)
    assert "irgen.Style(salt=0, idiom=0, naming=20, inlining=0)" in section
    replay = section[section.index("@example") :]
    result, again = run(pytester, source.replace("@given", f"{replay}\n@given"))
    result.assert_outcomes(failed=1)
    assert again == section


def test_what_is_no_argument_and_what_comes_with_others_is_assigned(
    pytester: pytest.Pytester,
) -> None:
    _, section = run(
        pytester,
        """
@given(st.data(), st.integers())
def test_data(data, number):
    kernel = data.draw(irgen.kernels("jax", "unary"))
    inputs = data.draw(kernel.inputs())
    assert number < 3
""",
    )
    assert section.startswith("kernel, for jax:\n")
    assert "\nkernel = irgen.kernel(" in section
    assert "@example" not in section


def test_each_of_several_bugs_is_shown(pytester: pytest.Pytester) -> None:
    result, _ = run(
        pytester,
        """
@settings(max_examples=400)
@given(irgen.programs("conditional"))
def test_two(program):
    assert " select " not in str(program)
    if " if " in str(program):
        raise KeyError(program)
""",
    )
    assert result.stdout.str().count(f" {TITLE} ") == 2


def test_a_program_that_is_not_valid_is_shown_as_text(pytester: pytest.Pytester) -> None:
    _, section = run(
        pytester,
        '''
def test_invalid():
    program = irgen.parse("""irgen 1
function @0(%0: f32) -> f32 {
  return %0
}
""")
    from dataclasses import replace
    program = replace(program, units=(replace(program.units[0], results=()),))
    assert False
''',
    )
    assert section.startswith("program is not valid: ")
    assert 'program = irgen.parse("""irgen 1\nfunction @0(%0: f32)' in section


def test_other_failures_get_no_section(pytester: pytest.Pytester) -> None:
    result, section = run(
        pytester,
        """
def test_plain():
    irgen.draw("unary")
    assert False

@pytest.fixture
def broken():
    program = irgen.draw("unary")
    assert False

def test_setup(broken):
    pass

@pytest.mark.skip
def test_skipped():
    pass

@pytest.mark.xfail(strict=True)
def test_expected():
    assert False
""",
    )
    result.assert_outcomes(failed=1, errors=1, skipped=1, xfailed=1)
    assert not section


def test_defaults_are_for_tests_that_name_nothing(pytester: pytest.Pytester) -> None:
    before = CHOSEN.backend, CHOSEN.grammar
    result, _ = run(
        pytester,
        """
@settings(max_examples=10)
@given(irgen.kernels(), irgen.kernels("warp", "unary"), irgen.programs(), irgen.programs("unary"))
def test_names(mine, theirs, program, unary):
    assert mine.backend == "jax"
    assert theirs.backend == "warp"
    assert program.entry.kind == mine.program.entry.kind == "program"
    assert unary.entry.kind == "kernel"

def test_fixture(irgen_backend):
    assert irgen_backend == "jax"
    assert irgen.kernel(irgen.draw("unary")).backend == "jax"
""",
        *("--irgen-backend", "jax", "--irgen-grammar", "program"),
    )
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["irgen: backend jax, grammar program"])
    assert (CHOSEN.backend, CHOSEN.grammar) == before


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("--irgen-backend=wrap", "ERROR: irgen: unknown backend 'wrap': did you mean 'warp'? *"),
        ("--irgen-grammar=lop", "ERROR: irgen: unknown grammar 'lop': did you mean 'loop' *"),
    ],
)
def test_an_unknown_name_is_one_line(pytester: pytest.Pytester, option: str, line: str) -> None:
    result, _ = run(pytester, KERNEL, option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([line])
    assert len([text for text in result.errlines if text]) == 1


def test_nothing_heavy_is_imported_at_the_start() -> None:
    script = (
        "import sys, irgen.pytest_plugin; heavy = {'numpy', 'hypothesis', 'warp', 'jax', 'libcst',"
        " 'grammar', 'backends'}; print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"


def test_options_and_sections_pass_through_xdist(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile(SETUP + PROGRAM)
    result = pytester.runpytest_subprocess(
        *("-p", "irgen.pytest_plugin", "-p", "xdist", "-n1", "-W", "error", "--irgen-backend=jax")
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{TITLE}*", "program, for jax:", "import jax.numpy as jnp"])


def test_pytest_finds_the_plugin() -> None:
    declared = (ROOT / "pyproject.toml").read_text()
    assert '[project.entry-points.pytest11]\nirgen = "irgen.pytest_plugin"\n' in declared
    assert metadata.EntryPoint("irgen", "irgen.pytest_plugin", "pytest11").load() is not None
