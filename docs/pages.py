"""Pages of the documentation: their blocks, and running the examples among them.

An example is a `sh` block whose commands begin with `irgen`, or a `python` block. A `text`, `py`,
`cpp` or `json` block right after one is its output; a line of three dots stands for any lines. A
`toml` block that begins with `# name.toml` is a file that the examples of its page may use. The
examples of a page run in one folder in order, its Python in one process.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OUTPUTS = ("text", "py", "cpp", "json")
_EXIT = re.compile(r"\s+# exit (\d+)$")
_DOTS = "..."

_MEASURED = re.compile(r"largest error \S+ of its bound \(\S+ ulp\)|, exact$", re.MULTILINE)
"""Errors of floats: machines differ in the last digits of some functions."""

# Runs blocks of one page in one namespace. Each is a file, so that its source can be read back.
_RUNNER = """
import contextlib, io, json, pathlib, sys
namespace = {"__name__": "__main__"}
outputs = []
for number, text in enumerate(json.load(sys.stdin)):
    path = pathlib.Path(f"block_{number}.py").resolve()
    path.write_text(text)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(text, str(path), "exec"), namespace)
    outputs.append(output.getvalue())
sys.__stdout__.write(json.dumps(outputs))
"""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, and where its text lies in the page."""

    language: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Example:
    """A block to run, and the block that shows its output, if one does."""

    block: Block
    output: Block | None


@dataclass(frozen=True, slots=True)
class Page:
    """The text of a page, its examples in order, and its files by name."""

    text: str
    examples: tuple[Example, ...]
    files: dict[str, str]


def read_page(text: str) -> Page:
    """The examples and files of a page."""
    blocks = [Block(m[1], m[2], m.start(2), m.end(2)) for m in _FENCE.finditer(text)]
    examples: list[Example] = []
    files: dict[str, str] = {}
    for block, after in zip(blocks, [*blocks[1:], None], strict=False):  # a page may have none
        named = re.match(r"# (\S+\.toml)\n", block.text)
        if block.language == "toml" and named:
            files[named[1]] = block.text
        if _runs(block):
            follows = after is not None and text[block.end + 3 : after.start - 3].split("```")
            shown = after if follows and not follows[0].strip() else None
            examples.append(Example(block, shown if shown and shown.language in _OUTPUTS else None))
    return Page(text, tuple(examples), files)


def _runs(block: Block) -> bool:
    if block.language == "sh":
        return all(line.startswith("irgen") for line in commands(block.text))
    return block.language == "python"


def commands(text: str) -> list[str]:
    """The commands of a `sh` block, continued lines joined."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def run_page(page: Page, folder: Path) -> Iterator[tuple[Example, str]]:
    """Each example with what it printed, shell examples first. RuntimeError where one fails."""
    for name, text in page.files.items():
        (folder / name).write_text(text)
    python = [example for example in page.examples if example.block.language == "python"]
    for example in page.examples:
        if example.block.language == "sh":
            yield example, "".join(_shell(line, folder) for line in commands(example.block.text))
    if python:
        texts = [example.block.text for example in python]
        printed = _run([sys.executable, "-c", _RUNNER], folder, json.dumps(texts))
        yield from zip(python, json.loads(printed), strict=True)


def _shell(line: str, folder: Path) -> str:
    expected = _EXIT.search(line)
    command = ["bash", "-o", "pipefail", "-c", _EXIT.sub("", line)]
    return _run(command, folder, "", int(expected[1]) if expected else 0)


def _run(command: list[str], folder: Path, given: str, status: int = 0) -> str:
    """What a command prints; its errors only where it is to fail."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    done = subprocess.run(
        command,
        cwd=folder,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path, "COLUMNS": "80", "PYTHONPATH": str(ROOT)},
    )
    if done.returncode != status:
        raise RuntimeError(f"{command[-1]}\nexit {done.returncode}\n{done.stderr}")
    return done.stdout + (done.stderr if status else "")


def matches(shown: str, printed: str) -> bool:
    """Whether the output shown is the one printed, up to lines of three dots and the errors of
    floats."""
    shown, printed = (_MEASURED.sub("", text) for text in (shown, printed))
    parts = [_DOTS if line.strip() == _DOTS else line.rstrip() for line in shown.splitlines()]
    pattern = "".join(
        r"(?:.*\n)*?" if part == _DOTS else re.escape(part) + r"[ ]*\n" for part in parts
    )
    return re.fullmatch(pattern, printed.rstrip("\n") + "\n") is not None


def refreshed(page: Page, printed: list[tuple[Example, str]]) -> str:
    """The page with outputs as printed; those with elided lines are left as they stand."""
    text = page.text
    outputs = {example.output: output for example, output in printed if example.output}
    for block in sorted(outputs, key=lambda block: -block.start):
        if not any(line.strip() == _DOTS for line in block.text.splitlines()):
            shown = "\n".join(line.rstrip() for line in outputs[block].splitlines()).strip("\n")
            text = f"{text[: block.start]}{shown}\n{text[block.end :]}"
    return text
