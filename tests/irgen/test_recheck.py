"""Rows checked: what is altered is named and not run, what is left is run again."""

from __future__ import annotations

import base64
import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backends.registry import BACKENDS
from grammar.presets import GRAMMARS
from irgen import recheck, vectors
from irgen.claim import Claim, Unreadable, read
from irgen.lane import work
from irgen.pool import Lost
from irgen.recheck import Line, Problem, inspect
from irgen.record import Record, content_hash, with_verdicts
from irgen.vectors import Vectors
from irgen.verdict import Verdict, lost
from irgen.views import Row
from tests.irgen.rows import OUTSIDE, TIED, line_of, plan, record_of, row_of

ROOT = Path(__file__).parents[2]
PLANS = {"warp": plan(), "jax": plan("jax", "stablehlo", ("interpreter",))}


@pytest.fixture(scope="module")
def records() -> dict[str, Record]:
    """A record with values and gradients, by backend."""
    return {name: work(made, [(GRAMMARS["unary"], 1)])[0] for name, made in PLANS.items()}


@pytest.fixture
def row(records: dict[str, Record]) -> Row:
    """A row to alter."""
    return row_of(records["warp"])


def problems(*rows: object) -> list[tuple[Problem, ...]]:
    """What is wrong with rows."""
    return inspect([Line(number, line_of(row)) for number, row in enumerate(rows, 1)])


def found_in(row: object) -> set[tuple[str, str]]:
    """The kinds of problems of a row, and their fields."""
    (found,) = problems(row)
    return {(problem.kind, problem.field) for problem in found}


@pytest.mark.parametrize("view", ["wide", "record"])
@pytest.mark.parametrize("backend", list(BACKENDS))
def test_rows_are_what_they_say(backend: str, view: str, records: dict[str, Record]) -> None:
    assert problems(row_of(records[backend], view)) == [()]


def test_rows_of_text_alone_are_compared_and_not_run(records: dict[str, Record]) -> None:
    bare = with_verdicts(records["warp"], None, [])
    assert problems(row_of(bare), row_of(bare, "record")) == [(), ()]


def _bytes(vector: dict[str, Any]) -> None:
    """Change one bit of a vector."""
    raw = bytearray(base64.b64decode(vector["data"]))
    raw[0] ^= 1
    vector["data"] = base64.b64encode(raw).decode()


def _field(name: str, change: Callable[[Any], Any]) -> Callable[[Row], None]:
    def alter(row: Row) -> None:
        row[name] = change(row[name])

    return alter


ALTERED: dict[str, tuple[Callable[[Row], None], set[str]]] = {
    "python": (_field("python", lambda text: text + "# more\n"), {"python"}),
    "name": (_field("kernel_name", lambda text: text + "_"), {"kernel_name"}),
    "cpp text": (_field("cpp_forward", lambda text: text.replace(";", " ;", 1)), {"cpp_forward"}),
    "no cpp text": (lambda row: row.pop("cpp_backward"), {"cpp_backward"}),
    "program": (_field("program", lambda text: text.replace("load", "laod")), {"program"}),
    "choices": (_field("choices", lambda choices: [*choices[:-1], choices[-1] + 1]), {"choices"}),
    "fewer choices": (_field("choices", lambda choices: choices[:-1]), {"choices"}),
    "style": (_field("style", lambda style: style | {"salt": 1}), {"style"}),
    "hash": (_field("exact_hash", lambda text: "0" + text[1:]), {"exact_hash"}),
    "content hash": (_field("content_hash", lambda text: "g" + text[1:]), {"content_hash"}),
    "statements": (_field("statements", lambda count: count + 1), {"statements"}),
    "verified": (_field("forward_verified", lambda yes: not yes), {"forward_verified"}),
    "another column": (lambda row: row.update(note="x"), {"note"}),
    "inputs": (lambda row: _bytes(row["vectors"]["inputs"][0]), {"vectors.inputs"}),
    "cotangents": (lambda row: _bytes(row["vectors"]["cotangents"][0]), {"vectors.cotangents"}),
    "outputs": (lambda row: _bytes(row["vectors"]["outputs"][0]), {"content_hash"}),
    "verdict": (lambda row: row["verdicts"][0].update(source_hash="0"), {"content_hash"}),
    "outcome": (
        lambda row: row["verdicts"][0].update(forward="mismatch"),
        {"forward_verified"},
    ),
}


@pytest.mark.parametrize("what", list(ALTERED))
def test_what_is_altered_is_named(what: str, row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    alter, fields = ALTERED[what]
    alter(row)

    def refuse(*_: object) -> None:
        raise AssertionError("an altered row is run")

    monkeypatch.setattr(recheck, "surprises", refuse)
    found = {(kind, field) for kind, field in found_in(row) if field != "content_hash"}
    wanted = {("altered", field) for field in fields}
    assert wanted <= found | found_in(row)
    assert found <= wanted


def test_texts_in_the_view_record_are_compared(records: dict[str, Record]) -> None:
    row = row_of(records["warp"], "record")
    row["artifacts"][0]["text"] += " "
    (found,) = problems(row)
    assert [(problem.kind, problem.field) for problem in found] == [("altered", "artifacts")]
    assert "entry 0, text: line" in found[0].what
    row = row_of(records["warp"], "record")
    row["sources"][0]["python"] += "import os\n"
    (found,) = problems(row)
    assert "is 'import os', not 'nothing'" in found[0].what


def hashed(row: Row) -> Row:
    """The row with the content hash of what it says: whoever alters a row can do that too."""
    claim = read(line_of(row))
    assert isinstance(claim, Claim)
    (again,) = work(PLANS["warp"], [(GRAMMARS["unary"], 1)])
    digest = content_hash(again.sources, again.artifacts, claim.vectors, claim.verdicts)
    return row | {"content_hash": digest}


@pytest.mark.parametrize(
    ("alter", "field", "words"),
    [
        (lambda row: _bytes(row["vectors"]["outputs"][0]), "vectors.outputs", "array 0 differs in"),
        (
            lambda row: _bytes(row["vectors"]["gradients"][0]),
            "vectors.gradients",
            "1 of",
        ),
        (lambda row: row["vectors"]["outputs"].pop(), "vectors.outputs", "were 0 arrays"),
        (
            lambda row: row["vectors"]["outputs"][0].update(data="!"),
            "vectors.outputs",
            "cannot be read",
        ),
        (
            lambda row: row["vectors"]["outputs"][0].update(shape=[1]),
            "vectors.outputs",
            "another type or shape",
        ),
        (
            lambda row: (
                row["verdicts"][0].update(gradient="known_wrong")
                or row.update(gradient_verified=False)
            ),
            "verdicts.cpu.gradient",
            "was known_wrong, is verified",
        ),
        (
            lambda row: row["verdicts"][0].update(source_hash="0"),
            "verdicts.cpu.source_hash",
            "was 0, is",
        ),
        (
            lambda row: row["verdicts"][0]["compared"][0].update(exact=0),
            "verdicts.cpu.compared",
            "this time",
        ),
    ],
)
def test_what_only_a_run_can_tell_is_run_again(
    alter: Callable[[Row], None], field: str, words: str, row: Row
) -> None:
    alter(row)
    (found,) = problems(hashed(row))
    assert [(problem.kind, problem.field) for problem in found] == [("outcome", field)]
    assert words in found[0].what


def test_foreign_python_is_never_executed(records: dict[str, Record], tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    python = f"open({str(trace)!r}, 'w').close()\n"
    wide, full = row_of(records["warp"]), row_of(records["warp"], "record")
    wide["python"] = python + wide["python"]
    full["sources"][0]["python"] = python + full["sources"][0]["python"]
    own = row_of(record_of(TIED))
    own["python"] = python
    fields = [{problem.field for problem in found} for found in problems(wide, full, own)]
    assert "python" in fields[0]
    assert "sources" in fields[1]
    assert "python" in fields[2]
    assert not trace.exists()


def test_the_address_belongs_to_the_program(row: Row) -> None:
    for field, value in (("id", "0" * 32), ("index", 2), ("seed", 7)):
        assert found_in(row | {field: value}) == {("unreadable", "id")}
    assert found_in(row | {"index": -1, "id": "0" * 32}) >= {("note", "grammar")}


def test_rows_of_another_compiler_are_compared_in_part(row: Row) -> None:
    row["versions"]["warp-lang"] = "1.18.0"
    row["cpp_forward"] += "// another version wrote this\n"
    _bytes(row["vectors"]["outputs"][0])
    (found,) = problems(row)
    assert [(problem.kind, problem.field) for problem in found] == [("note", "versions")]
    assert "made with warp-lang 1.18.0, here is 1.19" in found[0].what
    altered = copy.deepcopy(row)
    altered["python"] += "#\n"
    assert ("altered", "python") in found_in(altered)
    altered = copy.deepcopy(row)
    altered["verdicts"][0]["gradient"] = "mismatch"
    altered["gradient_verified"] = False
    assert ("outcome", "verdicts.cpu.gradient") in found_in(altered)


def test_own_programs_are_checked_by_their_text() -> None:
    row = row_of(record_of(TIED))
    assert found_in(row) == {("note", "grammar")}
    assert ("altered", "python") in found_in(row | {"program": TIED.replace("-3.0", "-2.0")})
    (found,) = problems(row | {"program": TIED.replace("= sin", "= sine")})
    assert [(problem.kind, problem.field) for problem in found] == [("unreadable", "program")]
    assert "line 4" in found[0].what
    (found,) = problems(row | {"program": TIED.replace("store %2, %0, %12", "store %2, %0, %10")})
    assert [(problem.kind, problem.field) for problem in found] == [("unreadable", "program")]


def test_a_program_that_leaves_its_arrays_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    row = row_of(record_of(TIED))
    # What compiled code would do with such an index is anybody's guess, so a row of it is made of
    # another one, and only its program is looked at.
    monkeypatch.setattr(recheck, "differences", lambda *_: [])
    (found,) = problems(row | {"program": OUTSIDE})
    told = [problem for problem in found if problem.kind == "unreadable"]
    assert [problem.field for problem in told] == ["program"]
    assert "index [100]" in told[0].what


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"id": "12', "no JSON: Input data was truncated; the line has no end"),
        (b'{"id": "12\n', "no JSON"),
        (b"\xff\xfe\n", "no JSON"),
        (b"[" * 100_000 + b"\n", "no JSON"),
        (b"[1]\n", "a row is a JSON object, not list"),
        (b"{}\n", "no row of the views wide and record: Object missing required field `id`"),
        (b'{"sources": [1]}\n', "no row of the views"),
    ],
)
def test_lines_that_are_no_rows_say_why(line: bytes, words: str) -> None:
    found = read(line)
    assert isinstance(found, Unreadable)
    assert words in found.what


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"schema_version": 1}, "schema_version", "1, where 2 is read"),
        ({"backend": "wrap"}, "backend", "'wrap' is none of warp, jax"),
        ({"index": "2"}, "", "Expected `int`, got `str` - at `$.index`"),
        ({"choices": ["2"]}, "", "Expected `int`, got `str` - at `$.choices[0]`"),
    ],
)
def test_rows_that_cannot_be_made_again_say_why(
    change: Row, field: str, words: str, row: Row
) -> None:
    found = read(json.dumps(row | change).encode())
    assert isinstance(found, Unreadable)
    assert found.field == field
    assert words in found.what


def test_an_unknown_execution_is_named(row: Row) -> None:
    row["verdicts"][0]["execution"] = "gpu"
    found = read(line_of(row))
    assert isinstance(found, Unreadable)
    assert (found.field, "'gpu'" in found.what) == ("verdicts", True)


def as_lost(record: Record, reason: str) -> bytes:
    """The row of a record that would not run."""
    verdicts: list[Verdict] = [lost("warp", "cpu", reason, "SIGSEGV")]
    assert record.vectors is not None
    fed: Vectors = msgspec.structs.replace(record.vectors, outputs=[], gradients=[])
    return line_of(row_of(with_verdicts(record, fed, verdicts)))


def test_a_row_that_crashes_says_so_or_is_reported(records: dict[str, Record]) -> None:
    why = Lost("crashed", "SIGSEGV")
    honest = Line(3, as_lost(records["warp"], "crashed"))
    assert recheck._without_running(honest, why) == ()
    for line in (as_lost(records["warp"], "timed_out"), line_of(row_of(records["warp"]))):
        (found,) = recheck._without_running(Line(3, line), why)
        assert (found.line, found.kind, found.field) == (3, "outcome", "verdicts")
        assert "crashed (SIGSEGV) this time" in found.what


def test_vectors_follow_from_the_program(records: dict[str, Record]) -> None:
    claim = read(line_of(row_of(records["jax"])))
    assert isinstance(claim, Claim)
    assert claim.addressed
    made = vectors.fed(claim.drawn.program, *vectors.make(claim.drawn.program))
    assert claim.vectors is not None
    assert made.inputs == claim.vectors.inputs


# The command.


def run(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """`irgen` with arguments."""
    return subprocess.run(
        [sys.executable, "-m", "irgen.cli", *arguments], cwd=ROOT, input=given, capture_output=True
    )


def test_the_command_tells_of_every_line_and_goes_on(
    records: dict[str, Record], row: Row, tmp_path: Path
) -> None:
    good = line_of(row_of(records["warp"]))
    path = tmp_path / "rows.jsonl"
    path.write_bytes(good + line_of(row | {"python": "#\n"}) + good[:200] + b"\n\n" + good[:-40])
    done = run("verify", str(path), "-", given=good)
    assert done.returncode == 1
    told = [line.split(": ")[0] for line in done.stderr.decode().splitlines()]
    assert told == [f"{path}:{number}" for number in (2, 3, 5)]
    assert b"the line has no end" in done.stderr
    assert done.stdout.decode().splitlines() == [
        "5 rows: 2 ok, 1 altered, 2 unreadable, 0 with another outcome"
    ]


def test_the_command_writes_problems_as_rows(row: Row) -> None:
    given = line_of(row) + line_of(row | {"statements": 1})
    done = run("verify", "-", "--format", "jsonl", given=given)
    problem, counts = map(json.loads, done.stdout.splitlines())
    assert (done.returncode, done.stderr) == (1, b"")
    assert problem == {
        "file": "-",
        "line": 2,
        "kind": "altered",
        "field": "statements",
        "what": f"is 1, not {row['statements']}",
    }
    assert (counts["rows"], counts["ok"], counts["altered"]) == (2, 1, 1)


def test_no_rows_are_all_right() -> None:
    done = run("verify", "-")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"0 rows: 0 ok, 0 altered, 0 unreadable, 0 with another outcome\n"
