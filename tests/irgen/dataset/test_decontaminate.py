"""What is like a file that the user names stays out, and nothing in such a file ever runs."""

from __future__ import annotations

import io
import json
import keyword
import tokenize
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backends.registry import BACKENDS
from grammar.generate import program_at
from grammar.passes.canonical import structure_hash
from grammar.presets import SAFE_GRAMMARS
from irgen.dataset.manifest import sha256
from irgen.dataset.planning.decontaminate import _tokens, digest_of, pieces, read_all
from irgen.dataset.planning.plan import make_plan
from irgen.dataset.settings import Settings, named
from irgen.errors import UserError
from irgen.service import draw

GRAMMAR = SAFE_GRAMMARS["branch-safe"]

KERNEL = """
import warp as wp


@wp.kernel
def move(values: wp.array(dtype=wp.float32), moved: wp.array(dtype=wp.float32)):
    i = wp.tid()
    scale = 2.5  # how far
    if values[i] > scale:
        moved[i] = wp.sin(values[i]) * scale + wp.exp(values[i])
    else:
        moved[i] = wp.cos(values[i]) - scale
"""

RENAMED = '''
@wp.kernel
def shift(a: wp.array(dtype=wp.float32), b: wp.array(dtype=wp.float32)):
    """Not the same words."""
    lane = wp.tid()

    factor = 0.125
    if a[lane] > factor:
        b[lane] = wp.sin(a[lane]) * factor + wp.exp(a[lane])
    else:
        b[lane] = wp.cos(a[lane]) - factor
'''.replace('    """Not the same words."""\n', "")


def source_of(index: int, backend: str = "warp") -> str:
    drawn = draw(GRAMMAR, 0, index)
    return BACKENDS[backend].render(drawn.program, drawn.style).python


def test_names_literals_and_layout_do_not_matter() -> None:
    (one,), (other,) = pieces(KERNEL), pieces(RENAMED)
    assert one.tolist() == other.tolist()
    assert pieces(KERNEL.replace("wp.sin", "wp.tan"))[0].tolist() != one.tolist()
    assert pieces("x = 1\n" * 50) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.py", KERNEL),
        ("a.txt", KERNEL),
        ("a.md", f"Look (and\n\n```python\n{KERNEL}```\n\nThat was it.\n"),
        ("a.jsonl", json.dumps({"task": 1, "prompt": KERNEL}) + "\n\n"),
        ("a.json", json.dumps([{"completion": f"```python\n{KERNEL}```"}])),
        ("one.json", json.dumps({"warp_python": KERNEL})),
    ],
)
def test_texts_are_found_in_files_of_every_kind(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    foreign = read_all([path])
    assert foreign.shared(RENAMED) == 1
    assert foreign.resembles(RENAMED)
    assert not foreign.resembles(source_of(0))


def test_tokens_are_those_of_python() -> None:
    """Compared with the module `tokenize`, on rendered sources and on this one."""
    sources = [source_of(index, backend) for index in range(20) for backend in ("warp", "jax")]
    for source in [*sources, KERNEL, "x = ('a' 'b')  # c\ny = [1.5e-3, 0x1F,\n\n  .5]\n"]:
        found = [text for text, _ in _tokens(source.lstrip())]
        assert found == list(_by_tokenize(source.lstrip()))


def _by_tokenize(source: str) -> Iterator[str]:
    silent = (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    kinds = {tokenize.NUMBER: "number", tokenize.STRING: "string", tokenize.NEWLINE: "\n"}
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in silent:
            text = kinds.get(token.type, token.string)
            if token.type == tokenize.NAME and before != "." and not keyword.iskeyword(text):
                text = "name"
            yield text
            before = text


def test_each_function_may_come_from_another_file(tmp_path: Path) -> None:
    other = KERNEL.replace("wp.sin", "wp.log").replace("wp.exp", "wp.tanh").replace(">", "<=")
    (tmp_path / "a.py").write_text(KERNEL)
    (tmp_path / "b.py").write_text(other)
    both = KERNEL + other
    assert read_all([tmp_path / "a.py", tmp_path / "b.py"]).shared(both) == 1
    assert not read_all([tmp_path / "a.py"]).resembles(both)


def _settings(count: int, excluded: list[Path]) -> Settings:
    return Settings(
        count=count,
        grammars=named([GRAMMAR]),
        backends=["warp"],
        levels={"warp": []},
        versions={},
        excluded=[digest_of(path) for path in excluded],
    )


def test_a_plan_leaves_out_what_is_named(tmp_path: Path) -> None:
    rows = tmp_path / "rows.parquet"
    structures = [structure_hash(program_at(GRAMMAR, 0, index)) for index in (2, 5)]
    pq.write_table(pa.table({"structure_hash": structures, "python": ["", ""]}), rows)
    texts = tmp_path / "texts.jsonl"
    texts.write_text(json.dumps({"code": source_of(7).replace("value", "thing")}))
    excluded = [rows, texts]
    plan = make_plan(_settings(30, excluded), tmp_path / "out", 1, excluded)
    numbers = {row.number for shard in plan.shards for row in plan.planned(shard)}
    assert not {2, 5, 7} & numbers
    assert plan.drawing.contaminated >= 3
    assert len(numbers) == 30


def test_changed_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(KERNEL)
    assert digest_of(path) == sha256(path)
    settings = _settings(3, [path])
    path.write_text(RENAMED)
    with pytest.raises(UserError, match="not those of the settings, or have changed"):
        make_plan(settings, tmp_path / "out", 1, [path])
    assert not (tmp_path / "out").exists()
    assert msgspec.structs.replace(settings, excluded=[]) == _settings(3, [])


def test_nothing_is_run(tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    hostile = f"import pathlib\npathlib.Path({str(trap)!r}).touch()\n{KERNEL}"
    for name in ("a.py", "a.txt"):
        (tmp_path / name).write_text(hostile)
    (tmp_path / "a.jsonl").write_text(json.dumps({"python": hostile}))
    foreign = read_all([tmp_path / name for name in ("a.py", "a.txt", "a.jsonl")])
    assert foreign.resembles(RENAMED)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"x", r"a\.csv is of no kind that can be compared with: \.parquet"),
        ("a.parquet", b"PAR1 and nothing", r"cannot read .*a\.parquet: "),
        ("a.jsonl", b'{"text": 1}\n{"te', r"a\.jsonl, line 2: "),
        ("a.jsonl.zst", b"no zstd", r"a\.jsonl\.zst"),
        ("a.json", b"[1]", r"a\.json cannot be read: "),
        ("b.jsonl", b'{"words": "x"}\n', r"b\.jsonl has nothing to compare with: no row has text"),
        ("a.py", b"\xff\xfe", r"a\.py is no text"),
    ],
)
def test_a_file_that_says_nothing_is_named(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_all([path])


@pytest.mark.parametrize("name", ["a.py", "a.parquet", "a.jsonl", "a.json", "a.jsonl.zst"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"^cannot read .*/a\."):
        read_all([tmp_path / name])
    with pytest.raises(UserError, match=r"^cannot read .*/a\..*: No such file"):
        digest_of(tmp_path / name)


def test_what_is_no_python_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(
        "def kernel(' \x00 {{{ \n\tunindent\n  what\n" + "__global__ void f() {}\n" * 40
    )
    assert not read_all([path]).resembles(KERNEL)
