"""What a terminal shows of a program: unwrapped Python beside the statements of its IR."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from backends.registry import BACKENDS
from grammar.presets import GRAMMARS
from irgen.cli.display import plain, side_by_side
from irgen.cli.excerpt import excerpt
from irgen.record import Record
from irgen.streaming import stream

ADDRESS = "1 -g composite -b warp -s 0"
LEVELS = BACKENDS["warp"].levels
UNDERLINE = re.compile(r"\x1b\[(?:[0-9;]*;)?4(?:;[0-9;]*)?m")

TEXT = """\
struct args {
    float x;
};
void scale(args *a)
{
    float var_0;
    //---------
    // forward
    // y = x * 2.0                                          <L 7>
    var_0 = mul(x, 2.0);
    if (c) {
        // z = 1                                            <L 8>
        var_0 = 1;
    }
}
"""


@pytest.fixture(scope="module")
def record() -> Record:
    (made,) = stream(GRAMMARS["composite"], "warp", seed=0, start=1, count=1)
    return made


def shown(record: Record, width: int, *, colour: bool = False) -> str:
    """What the terminal shows with the first level on the right."""
    file = io.StringIO()
    console = Console(
        file=file, width=width, force_terminal=colour, color_system="standard" if colour else None
    )
    side_by_side(record, LEVELS[:1], ADDRESS, console)
    return file.getvalue()


def test_an_excerpt_begins_below_the_mark_and_ends_before_the_function_does() -> None:
    found = excerpt(TEXT, "cpp", "forward")
    assert found.above == 8
    assert found.text == (
        "// y = x * 2.0  <L 7>\n"
        "var_0 = mul(x, 2.0);\n"
        "if (c) {\n"
        "    // z = 1  <L 8>\n"
        "    var_0 = 1;\n"
        "}"
    )


@pytest.mark.parametrize("level", ["hlo", "jaxpr"])
def test_an_excerpt_of_a_level_without_a_mark_is_everything(level: str) -> None:
    found = excerpt(TEXT, level, "forward")
    assert (found.above, found.text) == (0, TEXT.rstrip())


def test_an_excerpt_of_a_text_without_the_mark_is_everything() -> None:
    found = excerpt(TEXT, "cpp", "backward")
    assert (found.above, found.text) == (0, TEXT.rstrip())


def test_every_text_of_warp_has_its_mark(record: Record) -> None:
    texts = [a for a in record.artifacts if a.direction != "module"]
    assert {(a.level, a.direction) for a in texts} == {
        (level, direction) for level in ("cpp", "cuda") for direction in ("forward", "backward")
    }
    for artifact in texts:
        assert artifact.text is not None
        found = excerpt(artifact.text, artifact.level, artifact.direction)
        lines = found.text.splitlines()
        assert 0 < found.above < len(artifact.text.splitlines()) - len(lines)
        assert not re.search(r"  +<L", found.text.replace("  <L", ""))
        kept = [line.split("  <L")[0].strip() for line in lines]
        whole = [re.split(" +<L", line)[0].strip() for line in artifact.text.splitlines()]
        assert kept == whole[found.above : found.above + len(kept)]


@pytest.mark.parametrize("width", [110, 130, 160, 220])
def test_python_is_never_wrapped(record: Record, width: int) -> None:
    lines = shown(record, width).splitlines()
    starts = 0
    for line in filter(None, record.sources[0].python.splitlines()):
        assert any(found.startswith(line) for found in lines[starts:]), line
        starts = next(i for i in range(starts, len(lines)) if lines[i].startswith(line))
    assert max(map(len, lines)) <= width


def test_wide_terminals_begin_with_statements(record: Record) -> None:
    lines = shown(record, 160).splitlines()
    assert re.fullmatch(r"python \(warp\) +cpp forward \w+ *", lines[1])
    assert re.search(r"  \d+ lines above *$", lines[2])
    assert re.search(r"  // def \w+\(.*<L \d+> *$", lines[3])
    text = "\n".join(lines)
    assert "var_0;" not in text
    assert "cpp backward" in text
    notes = ["also captured: cuda (--level prints one)", f"every line: irgen show {ADDRESS}"]
    assert lines[-2:] == notes


def test_the_ir_stands_below_where_it_would_be_too_narrow(record: Record) -> None:
    longest = max(map(len, record.sources[0].python.splitlines()))
    for width, beside in ((longest + 80, True), (longest + 30, False), (100, False)):
        lines = shown(record, width).splitlines()
        assert lines[1].startswith("python (warp)")
        assert ("cpp forward" in lines[1]) == beside


def test_colours_underline_nothing(record: Record) -> None:
    text = shown(record, 160, colour=True)
    assert "\x1b[" in text
    assert not UNDERLINE.search(text)
    assert UNDERLINE.search("\x1b[4;96mwp\x1b[0m")


def test_plain_text_is_whole(record: Record) -> None:
    text = plain(record, LEVELS[:1])
    for artifact in record.artifacts:
        if artifact.level == "cpp" and artifact.direction != "module":
            assert artifact.text is not None
            assert artifact.text.rstrip() in text
