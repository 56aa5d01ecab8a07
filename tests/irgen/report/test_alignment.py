"""Alignment says what the compilers say, and changing a line changes nothing but what it became."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from backends.base import Argument, Direction, Rendered, Unit
from backends.jax.located import file_name, located
from backends.registry import BACKENDS
from grammar.presets import SAFE_GRAMMARS
from irgen.report import hlo_lines, stablehlo_lines, warp_lines
from irgen.report.alignment import Aligned, Mismatch, anchors, merged
from irgen.service import draw

PRESETS = ("compound", "loop", "nested_branch", "vector", "ml", "program")

QUOTE = re.compile(r"<L (\d+)>$")
LITERAL = re.compile(r"(?<![\w.])(?<!jnp\.float32\()(?<!jnp\.float64\()\d+\.\d+(?![\w.])")


def drawn(backend: str, preset: str, index: int) -> Rendered:
    found = draw(SAFE_GRAMMARS[f"{preset}-safe"], 3, index)
    return BACKENDS[backend].render(found.program, found.style)


def texts(source: Rendered, *levels: str) -> dict[tuple[str, Direction], str]:
    (capture,) = BACKENDS[source.backend].capture([source], frozenset(levels))
    found: dict[tuple[str, Direction], list[str]] = {}
    for artifact in capture.artifacts:
        if artifact.text is not None and artifact.direction != "module":
            found.setdefault((artifact.level, artifact.direction), []).append(artifact.text)
    return {key: "\n".join(parts) for key, parts in found.items()}


def aligned_jax(source: Rendered, *levels: str) -> dict[tuple[str, Direction], Aligned]:
    levels = levels or ("stablehlo", "hlo_optimized")
    recorded = texts(source, *levels)
    again = located(source, frozenset(levels))
    found: dict[tuple[str, Direction], Aligned] = {}
    shared: dict[Direction, tuple[stablehlo_lines.Shared, ...]] = {}
    file = file_name(source)
    for level, direction in sorted(recorded, reverse=True):
        pair = again[level, direction], recorded[level, direction], file
        if level == "stablehlo":
            found[level, direction], shared[direction] = stablehlo_lines.align(*pair)
        else:
            found[level, direction] = hlo_lines.align(*pair, shared[direction])
    return found


def aligned_warp(source: Rendered) -> dict[tuple[str, Direction], Aligned]:
    return {
        key: warp_lines.align(text, source.python)
        for key, text in texts(source, "cpp", "cuda").items()
    }


def changes(source: Rendered, named: Iterable[int]) -> Iterator[tuple[int, Rendered]]:
    """The source with one constant changed, for one constant of each line named."""
    python = source.python.split("\n")
    for line in named:
        other = LITERAL.sub("1.6180339", python[line - 1], count=1)
        if other != python[line - 1]:
            changed = [*python[: line - 1], other, *python[line:]]
            yield line, replace(source, python="\n".join(changed))


def stated(aligned: Aligned) -> tuple[int, ...]:
    """The lines of Python that became statements of Warp: not those that only name a constant."""
    rows = zip(aligned.text.split("\n"), aligned.lines, strict=True)
    return merged(*[lines for text, lines in rows if not text.strip().startswith("//")])


def same_lines(text: str, line: int) -> str:
    """Text of Warp without the quotes of one line of the source."""
    return re.sub(rf"// (adj: )?.*<L {line}>$", "//", text, flags=re.MULTILINE)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_statement_of_warp_has_the_line_it_is_quoted_with(preset: str) -> None:
    source = drawn("warp", preset, 0)
    python = source.python.split("\n")
    for aligned in aligned_warp(source).values():
        written = aligned.text.split("\n")
        assert len(aligned.lines) == len(aligned.through) == len(written)
        named = merged(*aligned.lines, *aligned.through)
        assert named
        assert all(python[line - 1].strip() for line in named)
        for text, lines in zip(written, aligned.lines, strict=True):
            quote = QUOTE.search(text)
            if quote is not None:
                assert lines == (int(quote[1]),)
            if re.match(r"\s+(?:var_\d+ = |wp::\w+\().*;$", text):
                assert lines, text


@pytest.mark.parametrize("preset", PRESETS)
def test_a_constant_of_warp_changes_only_what_its_line_became(preset: str) -> None:
    tried = 0
    for index in range(2):
        source = drawn("warp", preset, index)
        before = aligned_warp(source)
        for line, other in changes(source, stated(before["cpp", "forward"])):
            after = texts(other, "cpp", "cuda")
            for key, aligned in before.items():
                old = same_lines(aligned.text, line).split("\n")
                new = same_lines(after[key], line).split("\n")
                if len(old) != len(new):
                    continue  # the constant was equal to another one and is not now
                tried += 1
                for a, b, own, via in zip(old, new, aligned.lines, aligned.through, strict=True):
                    assert a == b or line in (*own, *via), (line, a, b)
    assert tried


def test_the_adjoint_of_a_loop_and_a_branch_in_warp() -> None:
    python = (
        "import warp as wp\n\n\n@wp.kernel\n"
        "def walk(x: wp.array(dtype=wp.float32), n: wp.int32, y: wp.array(dtype=wp.float32)):\n"
        "    i = wp.tid()\n"
        "    total = wp.float32(0.0)\n"
        "    for k in range(n):\n"
        "        total = total + wp.sin(x[k])\n"
        "    if total > 1.0:\n"
        "        total = wp.cos(total)\n"
        "    y[i] = total\n"
    )
    source = Rendered("warp", python, "walk", (Unit("walk", "kernel"),), (), False)
    aligned = aligned_warp(source)
    wanted: dict[tuple[Direction, str], int] = {
        ("forward", "wp::range("): 8,
        ("forward", "goto start_for"): 9,
        ("forward", "= wp::sin("): 9,
        ("forward", "= wp::where("): 10,
        ("forward", "= wp::cos("): 11,
        ("backward", "wp::iter_reverse("): 8,
        ("backward", "wp::iter_next("): 8,
        ("backward", "goto start_for"): 8,
        ("backward", "wp::adj_sin("): 9,
        ("backward", "wp::adj_where("): 10,
        ("backward", "wp::adj_cos("): 11,
        ("backward", "wp::adj_array_store("): 12,
    }
    for (direction, words), line in wanted.items():
        for text in (aligned["cpp", direction], aligned["cuda", direction]):
            rows = list(zip(text.text.split("\n"), text.lines, strict=True))
            reverse = next((at for at, (row, _) in enumerate(rows) if "// reverse" in row), 0)
            found = [lines for row, lines in rows[reverse:] if words in row]
            assert found, words
            assert all(lines == (line,) for lines in found), (words, found)


def test_a_text_of_warp_that_quotes_another_source_is_not_aligned() -> None:
    source = drawn("warp", "compound", 0)
    text = texts(source, "cpp")["cpp", "forward"]
    with pytest.raises(Mismatch, match=r"line \d+ of the source is not"):
        warp_lines.align(text, source.python.replace("wp.tid()", "wp.tid() + 0"))
    with pytest.raises(Mismatch, match="line 999"):
        warp_lines.align(re.sub(r"<L \d+>", "<L 999>", text), source.python)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_location_of_jax_is_a_line_of_the_source(preset: str) -> None:
    source = drawn("jax", preset, 0)
    python = source.python.split("\n")
    found = aligned_jax(source)
    assert ("stablehlo", "forward") in found
    assert ("hlo_optimized", "forward") in found
    for (level, _), aligned in found.items():
        written = aligned.text.split("\n")
        assert len(aligned.lines) == len(aligned.through) == len(written)
        assert aligned.mapped
        for line in merged(*aligned.lines, *aligned.through):
            assert python[line - 1].strip()
        if level == "stablehlo":
            results = [at for at, text in enumerate(written) if re.match(r"\s+%\S+ = ", text)]
            assert sum(1 for at in results if aligned.lines[at]) >= 0.9 * len(results)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_constant_of_jax_changes_only_what_its_line_became(preset: str) -> None:
    """What is a constant in Python until it is used elsewhere, as `jnp.float32(0.5)` is, is passed
    over: nothing is lowered from its own line."""
    tried = 0
    for index in range(8):
        source = drawn("jax", preset, index)
        before = aligned_jax(source, "stablehlo")
        named = merged(*before["stablehlo", "forward"].lines)
        for line, other in changes(source, named):
            after = texts(other, "stablehlo")
            for direction in ("forward", "backward"):
                aligned = before.get(("stablehlo", direction))
                if aligned is None:
                    continue
                old, new = aligned.text.split("\n"), after["stablehlo", direction].split("\n")
                if len(old) != len(new):
                    continue
                for a, b, own in zip(old, new, aligned.lines, strict=True):
                    if a != b:
                        tried += 1
                        assert line in own, (line, a, b)
        if tried > 3:
            break
    assert tried


FUNCTION = """\
import jax.numpy as jnp


def blend(x, y):
    low = jnp.where(x > 0.5, jnp.sin(x), y)
    high = jnp.where(y > 0.25, jnp.cos(y), x)
    return low * high, jnp.tanh(
        low
    )
"""


def function() -> Rendered:
    arguments = (Argument("x", "float32", (16,)), Argument("y", "float32", (16,)))
    return Rendered("jax", FUNCTION, "blend", (Unit("blend", "function"),), arguments, False)


def test_a_library_function_is_of_all_lines_that_call_it() -> None:
    found = aligned_jax(function())
    forward = found["stablehlo", "forward"]
    rows = list(zip(forward.text.split("\n"), forward.lines, strict=True))
    assert [lines for text, lines in rows if "call @_where" in text] == [(5,), (6,)]
    (body,) = [lines for text, lines in rows if "stablehlo.select" in text]
    assert body == (5, 6)
    assert [lines for text, lines in rows if "stablehlo.sine" in text] == [(5,)]
    assert [lines for text, lines in rows if "stablehlo.cosine" in text] == [(6,)]
    assert [lines for text, lines in rows if "dense<2.5" in text] == [(6,)]
    optimized = found["hlo_optimized", "forward"]
    rows = list(zip(optimized.text.split("\n"), optimized.lines, strict=True))
    assert {lines for text, lines in rows if " sine(" in text} == {(5,)}
    assert {lines for text, lines in rows if " select(" in text} == {(5, 6)}
    assert {lines for text, lines in rows if " multiply(" in text} == {(7,)}


def test_the_adjoint_of_jax_keeps_the_lines_of_the_forward() -> None:
    backward = aligned_jax(function())["stablehlo", "backward"]
    rows = list(zip(backward.text.split("\n"), backward.lines, strict=True))
    # The slope of the sine is a cosine of the same line.
    assert {lines for text, lines in rows if "stablehlo.cosine" in text} == {(5,), (6,)}
    assert {lines for text, lines in rows if "stablehlo.tanh" in text} == {(7,)}


def test_other_text_of_jax_is_not_aligned() -> None:
    source = function()
    recorded = texts(source, "stablehlo", "hlo_optimized")
    again = located(source, frozenset(["stablehlo", "hlo_optimized"]))
    file = file_name(source)
    with pytest.raises(Mismatch, match="lowering again"):
        stablehlo_lines.align(
            again["stablehlo", "forward"],
            recorded["stablehlo", "forward"].replace("sine", "cosine"),
            file,
        )
    with pytest.raises(Mismatch, match="compiling again"):
        hlo_lines.align(
            again["hlo_optimized", "forward"],
            recorded["hlo_optimized", "forward"].replace("sine", "cosine"),
            file,
        )


def test_lines_of_a_statement_stand_together() -> None:
    python = "def f(\n    a,\n):\n    b = g(\n        a\n    )\n    return b\n"
    assert anchors(python, [1, 4, 7]) == (1, 1, 1, 4, 4, 4, 7, 0)
    assert anchors(python, [1, 4, 5, 7]) == (1, 1, 1, 4, 5, 4, 7, 0)
    assert anchors(python, []) == (0,) * 8
