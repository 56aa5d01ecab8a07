"""Bad input and bad outputs: one clear line on stderr, exit code 2, nothing half-written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from irgen.errors import nearest

ROOT = Path(__file__).parents[2]
STAND_IN = [sys.executable, str(ROOT / "tests/irgen/cli_stand_in.py")]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def refusal(*arguments: str, stdout: int = subprocess.PIPE) -> str:
    """The one line on stderr of a command that must be refused."""
    done = subprocess.run(
        [*STAND_IN, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        cwd=ROOT,
    )
    assert done.returncode == 2, done
    assert not done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("irgen: ")
    return line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sample", "--grammar", "compund"), ("compund", "did you mean 'compound'")),
        (("sample", "--backend", "wrap"), ("wrap", "did you mean 'warp'")),
        (("sample", "--view", "wid"), ("wid", "did you mean 'wide'")),
        (("sample", "--level", "cdua"), ("cdua", "did you mean 'cuda'")),
        (("sample", "--level", "python", "--level", "cppp"), ("cppp", "did you mean 'cpp'")),
        (("sample", "--backend", "jax", "--level", "cuda"), ("cuda", "jaxpr", "stablehlo")),
        (("show", "--level", "cdua"), ("cdua", "did you mean 'cuda'")),
        (("sample", "--format", "jsnol"), ("jsnol", "did you mean 'jsonl'")),
        (("sample", "--format", "text", "--view", "seed"), ("--view seed", "--format jsonl")),
        (("sample", "--count", "-1"), ("--count -1", "negative")),
        (("sample", "--count", "many"), ("--count", "integer")),
        (("sample", "--seed", "-1"), ("--seed -1", "out of range", "9223372036854775807")),
        (("sample", "--seed", "9223372036854775808"), ("--seed 9223372036854775808", "range")),
        (("sample", "--start", "-2"), ("--start -2", "out of range")),
        (("sample", "--start", "9223372036854775807", "-n", "2"), ("--count 2", "passes")),
        (("show", "9223372036854775808"), ("index 9223372036854775808", "out of range")),
        (("sample", "--level", "python,cdua"), ("'cdua'", "did you mean 'cuda'")),
        (("sample", "--balanced", "-g", "loop"), ("--balanced", "all presets", "--grammar")),
        (("sample", "--balanced", "-g", "compound"), ("--balanced", "--grammar")),
        (("sample", "--workers", "0"), ("--workers 0", "at least one")),
        (("sample", "-e", "cpu", "--no-verify"), ("--execute cpu", "--no-verify", "leave out")),
        (("verify", "--workers", "-1", "rows"), ("--workers -1", "at least one")),
        (("verify", "none.jsonl"), ("cannot read none.jsonl", "No such file")),
        (("verify", "docs"), ("cannot read docs", "directory")),
        (("verify", "-", "--format", "jsno"), ("'jsno'", "did you mean 'jsonl'")),
        (("verify",), ("FILE",)),
        (("ops", "addd"), ("addd", "did you mean 'add'")),
        (("ops", "add", "sofmax"), ("sofmax", "'softmax'")),
        (("ops", "lunch"), ("lunch", "'launch'")),
        (("sampel",), ("sampel", "sample")),
        (("sample", "--levle", "cpp"), ("--levle", "--level")),
        (("sample", "--grammar"), ("--grammar", "requires an argument")),
    ],
)
def test_bad_input_is_refused_in_one_line(
    arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    line = refusal(*arguments)
    assert [word for word in words if word not in line] == []


def test_bad_input_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    refusal("sample", "--view", "wid", "--output", str(path))
    refusal("sample", "--level", "cdua", "--output", str(path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("statements = [4, \n", ("own.toml", "end of document")),
        ("statements = \n", ("own.toml", "line 1")),
        ("statments = [4, 12]\n", ("own.toml", "statments", "statements")),
        ('statements = "many"\n', ("own.toml", "statements")),
    ],
)
def test_broken_grammar_files_are_named(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    line = refusal("sample", "--grammar", str(path))
    assert [word for word in words if word not in line] == []


def test_missing_grammar_file_is_named(tmp_path: Path) -> None:
    assert "none.toml" in refusal("sample", "--grammar", str(tmp_path / "none.toml"))


def test_unwritable_outputs_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "rows.jsonl"
    assert str(missing) in refusal("sample", "--output", str(missing))
    assert not missing.parent.exists()
    assert str(tmp_path) in refusal("sample", "--output", str(tmp_path))


def test_full_output_file_is_named() -> None:
    assert "/dev/full: No space left" in refusal("sample", "--output", "/dev/full")


@pytest.mark.parametrize(
    "arguments", [("sample", "-n", "50"), ("ops",), ("grammars",), ("--help",)]
)
def test_full_standard_output_is_named(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        line = refusal(*arguments, stdout=full.fileno())
    assert line.startswith("irgen: cannot write")
    assert "No space left" in line


def test_nearest_names_the_closest_and_lists_few() -> None:
    assert nearest("Wrap", ["warp", "jax"]) == "did you mean 'warp'? (one of warp, jax)"
    assert nearest("zzz", ["warp", "jax"]) == "choose from warp, jax"
    many = [f"op{i}" for i in range(100)] + ["compound"]
    assert nearest("compund", many) == "did you mean 'compound'?"
    assert nearest("zzz", many) == ""
    assert nearest("zzz", []) == ""
