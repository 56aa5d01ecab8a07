"""`irgen validate`: what it finds in files, rows and texts, and that nothing foreign runs."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from irgen.dataset import layout
from irgen.dataset.building.rows import making
from irgen.dataset.checking import intact
from irgen.dataset.checking.inspection import Found, Inspecting, Task, inspect, prepare
from irgen.dataset.checking.validate import Checked, Depth, installed, validate
from irgen.dataset.columns import Row, records_of
from irgen.dataset.manifest import read_manifest, write_whole
from irgen.dataset.reading import Dataset
from irgen.record import with_verdicts
from tests.irgen.dataset import whole

COUNT = 8

NOTHING = Depth(compiled=0.0, closely=0.0, running=0.0)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return whole.make(tmp_path_factory.mktemp("whole") / "data", COUNT, shard_size=4)


@pytest.fixture
def dataset(original: Dataset, tmp_path: Path) -> Dataset:
    """A copy that a test may change."""
    return whole.copied(original, tmp_path / "data")


@pytest.fixture(scope="module")
def inspecting(original: Dataset) -> Inspecting:
    here, same, _ = installed(original.manifest.settings)
    made = Inspecting(making(original.manifest.settings), here, same)
    prepare(made)
    return made


@pytest.fixture(scope="module")
def rows(original: Dataset) -> list[Row]:
    return list(original.rows())


def problems(found: Iterator[Checked]) -> list[tuple[str, str, int | None, str]]:
    """What was found: kind, file, row, field."""
    return [(one.kind, one.file, one.row, one.field) for each in found for one in each.problems]


def of_files(dataset: Dataset) -> list[str]:
    found = [problem for _, found in intact.shards(dataset) for problem in found]
    return [str(problem) for problem in [*intact.documents(dataset), *found]]


def names(dataset: Dataset) -> list[str]:
    return [file.name for file in dataset.manifest.files]


# Whole data sets


@pytest.mark.parametrize("running", [0.0, 1.0])
def test_a_data_set_as_it_was_made(original: Dataset, running: float) -> None:
    found = list(validate(original.folder, Depth(closely=1.0, running=running)))
    assert problems(iter(found)) == []
    assert sum(one.rows for one in found) == COUNT
    assert sum(one.ran for one in found) == COUNT * running
    parsed = {level: sum(one.parsed.get(level, 0) for one in found) for level in found[-2].parsed}
    texts = {
        f"{name}_{direction}" for name in ("jaxpr", "hlo") for direction in ("forward", "backward")
    }
    expected = sum(row[f"jax_{text}"] is not None for row in original.rows() for text in texts)
    assert parsed["cpp"] == parsed["cuda"] == COUNT
    assert parsed["jaxpr"] + parsed["hlo"] == expected


def test_files_are_as_the_manifest_says(dataset: Dataset) -> None:
    assert of_files(dataset) == []


def test_a_shard_that_is_missing(dataset: Dataset) -> None:
    name = names(dataset)[0]
    (dataset.folder / name).unlink()
    assert of_files(dataset) == [f"{name}: is missing"]


def test_a_shard_under_another_name(dataset: Dataset) -> None:
    name = names(dataset)[0]
    (dataset.folder / name).rename(dataset.folder / "data/other.parquet")
    assert of_files(dataset) == [f"{name}: is missing: data/other.parquet has its bytes"]


def test_a_shard_too_many(dataset: Dataset) -> None:
    (dataset.folder / "data/other.parquet").write_bytes(b"PAR1")
    assert of_files(dataset) == ["data/other.parquet: is not in the manifest"]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda data: data[:-1], "bytes, not"),
        (lambda data: data[:99] + bytes([data[99] ^ 1]) + data[100:], "other bytes than"),
    ],
)
def test_a_shard_with_other_bytes(
    dataset: Dataset, edit: Callable[[bytes], bytes], words: str
) -> None:
    path = dataset.folder / names(dataset)[1]
    path.write_bytes(edit(path.read_bytes()))
    (found,) = of_files(dataset)
    assert found.startswith(f"{names(dataset)[1]}: has")
    assert words in found


def test_another_plan(dataset: Dataset) -> None:
    (dataset.folder / layout.ROWS).write_bytes(b"")
    assert of_files(dataset) == ["plan/rows.parquet: has other bytes than the manifest says"]


def test_other_settings(dataset: Dataset) -> None:
    changed = msgspec.structs.replace(dataset.manifest.settings, seed=9)
    (dataset.folder / layout.SETTINGS).write_bytes(msgspec.json.encode(changed))
    assert of_files(dataset) == ["plan/settings.json: differs from the manifest: seed 0 is now 9"]


def test_columns_of_a_shard(dataset: Dataset) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = dataset.manifest.files[0]
    path = dataset.folder / file.name
    table = pq.read_table(path)
    kept = table.drop_columns(["description"]).append_column("more", pa.array([1] * len(table)))
    seeds = table["seed"].cast(pa.int32())
    kept = kept.set_column(kept.schema.get_field_index("seed"), "seed", seeds)
    pq.write_table(kept.slice(1), path)
    assert [str(one) for one in intact.table(dataset, file)] == [
        f"{file.name}: column seed is int32, not int64 not null",
        f"{file.name}: has no column description",
        f"{file.name}: has a column more too many",
        f"{file.name}: has {file.rows - 1} rows, not {file.rows}",
    ]


def test_rows_out_of_order_and_rows_that_are_missing(dataset: Dataset) -> None:
    """The editor makes the hashes of files anew; the plan tells."""
    first, second = dataset.manifest.files[:2]
    before = [row["id"] for row in dataset.rows_of(first)]
    whole.changed(dataset, lambda rows: [rows[1], rows[0], *rows[2:]], hashes=True)
    whole.changed(dataset, lambda rows: rows[:-1], hashes=True, at=1)
    found = [one for each in validate(dataset.folder, NOTHING) for one in each.problems]
    assert [(one.kind, one.file, one.row, one.id) for one in found] == [
        ("order", first.name, 1, before[1]),
        ("order", first.name, 2, before[0]),
        ("file", second.name, None, ""),
        ("file", layout.MANIFEST, None, ""),
    ]
    assert found[2].what == f"has {second.rows - 1} rows, not {second.rows}"


def test_a_corrupt_shard_hides_only_its_own_rows(dataset: Dataset) -> None:
    path = dataset.folder / names(dataset)[0]
    path.write_bytes(b"PAR1" + b"\0" * 99)
    found = list(validate(dataset.folder, NOTHING))
    assert {file for _, file, _, _ in problems(iter(found))} == {names(dataset)[0]}
    assert sum(one.rows for one in found) == COUNT - dataset.manifest.files[0].rows


def test_a_text_that_ends_its_parser(tmp_path: Path) -> None:
    """XLA aborts on a parameter out of range; the row is named, the others are inspected."""
    dataset = whole.make(tmp_path / "data", 3, backends=("jax",))
    text = "HloModule m\nENTRY e {\n  ROOT p = f32[2]{0} parameter(1)\n}\n"

    def edited(rows: list[Row]) -> list[Row]:
        return [rows[0], _with_text(rows[1], "jax", "hlo", "forward", text), *rows[2:]]

    whole.changed(dataset, edited, hashes=True)
    found = list(validate(dataset.folder, NOTHING))
    assert problems(iter(found)) == [("lost", names(dataset)[0], 2, "")]
    (what,) = [one.what for each in found for one in each.problems]
    assert "SIGABRT" in what
    assert sum(one.rows for one in found) == 3


def test_other_versions_are_noted_and_their_texts_left(dataset: Dataset) -> None:
    settings = dataset.manifest.settings
    other = msgspec.structs.replace(settings, versions={**settings.versions, "warp-lang": "1.19.9"})
    here, same, notes = installed(other)
    assert (here, same) == ({"warp", "jax"}, {"jax"})
    assert [note.what for note in notes] == [
        f"made with warp-lang 1.19.9, here is {settings.versions['warp-lang']}: its texts are not "
        "parsed, and of what runs again only outcomes are compared"
    ]


def test_another_grammar_version_is_refused(dataset: Dataset) -> None:
    manifest = read_manifest(dataset.folder)
    settings = msgspec.structs.replace(manifest.settings, grammar_version=1)
    write_whole(
        dataset.folder / layout.MANIFEST,
        msgspec.json.encode(msgspec.structs.replace(manifest, settings=settings)),
    )
    ran = _cli("validate", str(dataset.folder))
    assert ran.returncode == 2
    assert "grammar version 1" in ran.stderr


# Rows


def _inspected(inspecting: Inspecting, row: Row, rows: list[Row], **how: bool) -> Found:
    settings = inspecting.making.settings
    numbers = {one.name: at for at, one in enumerate(settings.grammars)}
    original = next(one for one in rows if one["id"] == row["id"] or one["index"] == row["index"])
    planned = numbers[original["grammar"]], original["index"]
    (found,) = inspect(inspecting, [Task(row, planned, **how)])
    return found


def _with_text(row: Row, backend: str, level: str, direction: str, text: str) -> Row:
    """A row with a text of one unit replaced, its length and the content hash made anew."""
    made = copy.deepcopy(row)
    made[f"{backend}_{level}_{direction}"] = text
    parts = [
        one
        for one in made[f"{backend}_artifacts"]
        if (one["level"], one["direction"]) == (level, direction)
    ]
    assert len(parts) == 1
    parts[0]["characters"] = len(text)
    return made


def _rehashed(inspecting: Inspecting, row: Row) -> Row:
    for record in records_of(inspecting.making.settings, row):
        again = with_verdicts(record, record.vectors, record.verdicts)
        row[f"{record.sources[0].backend}_content_hash"] = again.content_hash
    return row


def _rehashed_if_it_can_be(inspecting: Inspecting, row: Row) -> Row:
    made = copy.deepcopy(row)
    try:
        return _rehashed(inspecting, made)
    except (msgspec.ValidationError, KeyError):
        return row


def _kernel(rows: list[Row]) -> Row:
    """A row of one kernel, verified on both backends, with gradients."""
    return next(
        row
        for row in rows
        if sum(one["direction"] == "module" for one in row["warp_artifacts"]) == 2
        and len(row["warp_artifacts"]) == 6
        and row["jax_hlo_backward"] is not None
        and row["warp_gradient_verified"]
        and any(row["jax_gradients"])
    )


FIELDS: dict[str, Callable[[Any], Any]] = {
    "program": lambda text: text.replace("f32", "f16", 1) + " ",
    "description": lambda text: text + ".",
    "statements": lambda count: count + 1,
    "depth": lambda depth: depth + 1,
    "ops": lambda ops: [*ops, "sin"],
    "exact_hash": lambda text: text[::-1],
    "structure_hash": lambda text: text[::-1],
    "choices": lambda choices: [*choices, 1],
    "style": lambda style: {**style, "salt": style["salt"] + 1},
    "versions": lambda versions: versions[:-1],
    "warp_python": lambda text: text + "\nimport os\n",
    "jax_python": lambda text: text.replace("import", "import ", 1),
    "warp_kernel_name": lambda name: name + "_",
    "jax_forward_verified": lambda flag: not flag,
}
"""Fields that follow from the address, or from others, and how each is changed."""


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_the_address_gives(
    inspecting: Inspecting, rows: list[Row], field: str
) -> None:
    row = {**rows[0], field: FIELDS[field](rows[0][field])}
    found = _inspected(inspecting, row, rows)
    assert ("altered", field) in {(kind, name) for kind, name, _ in found.said}
    assert not found.ran


def test_inputs_follow_from_the_program(inspecting: Inspecting, rows: list[Row]) -> None:
    row = copy.deepcopy(rows[0])
    row["inputs"][0]["data"] = row["inputs"][0]["data"][::-1]
    found = _inspected(inspecting, _rehashed(inspecting, row), rows)
    assert [(kind, name) for kind, name, _ in found.said] == [("altered", "inputs")]


@pytest.mark.parametrize("field", ["warp_cpp_module", "jax_jaxpr_forward", "jax_outputs"])
def test_what_compilers_made_is_hashed(inspecting: Inspecting, rows: list[Row], field: str) -> None:
    row = copy.deepcopy(_kernel(rows))
    if field == "jax_outputs":
        data = row[field][0]["data"]
        row[field][0]["data"] = ("B" if data[0] == "A" else "A") + data[1:]
    else:
        number = row[field].index("\n", len(row[field]) // 2)
        row[field] = row[field][:number] + " " + row[field][number + 1 :]
    found = _inspected(inspecting, row, rows)
    backend = field.split("_")[0]
    assert ("inconsistent", f"{backend}_content_hash") in {(k, name) for k, name, _ in found.said}


LEVELS = {
    "warp_cpp_module": ("wp::address(", "wp::adress("),
    "warp_cuda_module": ("wp::address(", "wp::adress("),
    "jax_jaxpr_forward": (":f32[", ":f31["),
    "jax_stablehlo_backward": ("stablehlo.", "stablehlow."),
    "jax_hlo_backward": ("parameter(0)", "parameter(1)x"),
    "jax_hlo_optimized_forward": ("parameter(0)", "parameters(0)"),
}
"""Texts, and an edit of each that its parser refuses."""


@pytest.mark.parametrize("column", LEVELS)
def test_each_level_has_a_parser(inspecting: Inspecting, rows: list[Row], column: str) -> None:
    backend, *level, direction = column.split("_")
    old, new = LEVELS[column]
    row = next(row for row in rows if row[column] and old in row[column] and _plain(row))
    text = row[column].replace(old, new, 1)
    edited = _with_text(row, backend, "_".join(level), direction, text)
    found = _inspected(inspecting, _rehashed(inspecting, edited), rows, closely=True)
    assert ("syntax", column) in {(kind, name) for kind, name, _ in found.said}


def _plain(row: Row) -> bool:
    return row["warp_forward_verified"] and row["jax_forward_verified"]


def test_cuda_that_has_other_statements_is_compiled(
    inspecting: Inspecting, rows: list[Row]
) -> None:
    row = _kernel(rows)
    text = row["warp_cuda_module"]
    forward = row["warp_cuda_forward"]
    other = forward.replace("// forward", "// forward\n        undeclared = 1;")
    edited = _with_text(row, "warp", "cuda", "forward", other)
    edited = _with_text(
        edited, "warp", "cuda", "module", text.replace(forward.rstrip("\n"), other.rstrip("\n"))
    )
    found = _inspected(inspecting, _rehashed(inspecting, edited), rows)
    assert [(kind, name) for kind, name, _ in found.said] == [("syntax", "warp_cuda_module")]
    assert "undeclared" in found.said[0][2]


def test_text_that_reads_files_is_not_compiled(
    inspecting: Inspecting, rows: list[Row], tmp_path: Path
) -> None:
    row = _kernel(rows)
    secret = tmp_path / "secret"
    secret.write_text("a secret here")
    text = row["warp_cpp_module"] + f'\n#include "{secret}"\n'
    edited = _with_text(row, "warp", "cpp", "module", text)
    found = _inspected(inspecting, _rehashed(inspecting, edited), rows)
    assert {name for kind, name, _ in found.said if kind == "syntax"} == {"warp_cpp_module"}
    assert "a secret" not in str(found.said)
    assert "preprocessor" in str(found.said)


def test_the_cost_is_that_of_the_text(inspecting: Inspecting, rows: list[Row]) -> None:
    row = copy.deepcopy(_kernel(rows))
    row["jax_cost"][0]["value"] += 1
    found = _inspected(inspecting, row, rows)
    assert [(kind, name) for kind, name, _ in found.said] == [("inconsistent", "jax_cost")]


def test_verdicts_are_of_the_recorded_text(inspecting: Inspecting, rows: list[Row]) -> None:
    row = _kernel(rows)
    text = row["jax_stablehlo_forward"].replace("dense<1.0", "dense<2.0", 1) + "\n"
    edited = _with_text(row, "jax", "stablehlo", "forward", text)
    found = _inspected(inspecting, _rehashed(inspecting, edited), rows)
    assert [(kind, name) for kind, name, _ in found.said] == [("inconsistent", "jax_verdicts")]


def test_outputs_are_judged_again(inspecting: Inspecting, rows: list[Row]) -> None:
    row = copy.deepcopy(_kernel(rows))
    name = "jax_outputs"
    at = next(at for at, one in enumerate(row[name]) if one["dtype"] == "float32")
    row[name][at]["data"] = "AACgQ" + row[name][at]["data"][5:]
    found = _inspected(inspecting, _rehashed(inspecting, row), rows, closely=True)
    assert ("inconsistent", "jax_verdicts") in {(kind, field) for kind, field, _ in found.said}


def test_running_again_finds_a_consistent_edit(inspecting: Inspecting, rows: list[Row]) -> None:
    """What no parser and no hash tells: another value in a text that nobody ran."""
    row = next(row for row in rows if "add" in (row["jax_hlo_optimized_forward"] or ""))
    text = row["jax_hlo_optimized_forward"].replace(" add(", " subtract(", 1)
    edited = _with_text(row, "jax", "hlo_optimized", "forward", text)
    edited = _rehashed(inspecting, edited)
    assert _inspected(inspecting, edited, rows).said == []
    found = _inspected(inspecting, edited, rows, running=True)
    assert [(kind, name) for kind, name, _ in found.said] == [
        ("outcome", "jax_hlo_optimized_forward")
    ]
    assert found.ran


@pytest.mark.parametrize(
    "edit",
    [
        lambda row: row.pop("warp_python"),
        lambda row: row.update(jax_verdicts=[{"backend": "jax"}]),
        lambda row: row.update(choices="none"),
        lambda row: row.update(style=None),
        lambda row: row.update(more=1),
        lambda row: row.update(jax_artifacts=[]),
        lambda row: row.update(index=-1),
        lambda row: row.update(warp_outputs=[]),
        lambda row: row["jax_outputs"].clear(),
        lambda row: row["jax_gradients"].clear(),
        lambda row: row["jax_outputs"][0].update(shape=[1, *row["jax_outputs"][0]["shape"]]),
    ],
)
def test_rows_that_are_none(
    inspecting: Inspecting, rows: list[Row], edit: Callable[[Row], object]
) -> None:
    row = copy.deepcopy(rows[0])
    edit(row)
    found = _inspected(inspecting, row, rows, closely=True)
    assert {kind for kind, _, _ in found.said} & {"altered", "inconsistent"}
    # The same from an editor who makes the hashes anew.
    if "jax_outputs" in row and "warp_python" in row and isinstance(row["style"], dict):
        edited = row if isinstance(row["choices"], str) else _rehashed_if_it_can_be(inspecting, row)
        found = _inspected(inspecting, edited, rows, closely=True)
        assert {kind for kind, _, _ in found.said} & {"altered", "inconsistent"}


# Files of rows, and the command


def _cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "irgen.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_a_hostile_row_is_named_and_never_run(
    original: Dataset, tmp_path: Path, rows: list[Row]
) -> None:
    """Rows of a data set and of `irgen sample`, alone in a file: no manifest says what is right."""
    marker = tmp_path / "marker"
    attack = f"open({str(marker)!r}, 'w').close()\n"
    hostile = {**rows[1], "warp_python": attack + rows[1]["warp_python"]}
    hostile["jax_python"] = attack + hostile["jax_python"]
    sampled = json.loads(_cli("sample", "-n", "1", "-f", "jsonl", "--no-verify").stdout)
    lines = [rows[0], hostile, {**sampled, "python": attack + sampled["python"]}, sampled]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines) + b"{cut")
    ran = _cli("validate", str(path), "--execute", "100%")
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert not marker.exists()
    assert (ran.returncode, ran.stderr) == (1, "")
    assert [(one["row"], one["kind"], one["field"]) for one in found[:-1]] == [
        (2, "altered", "warp_python"),
        (2, "altered", "jax_python"),
        (3, "altered", "python"),
        (5, "file", ""),
    ]
    assert (found[-1]["rows"], found[-1]["fine"]) == (5, 2)


def test_exit_codes(dataset: Dataset, tmp_path: Path) -> None:
    """0 for what is fine, in JSON lines in a pipe; 2 for what cannot be checked at all."""
    ran = _cli("validate", str(dataset.folder), "--execute", "0")
    assert (ran.returncode, ran.stderr) == (0, "")
    (total,) = [json.loads(line) for line in ran.stdout.splitlines()]
    assert (total["rows"], total["fine"], total["problems"]) == (COUNT, COUNT, {})
    for arguments, words in (
        ((str(tmp_path / "none"),), "no data set"),
        ((str(tmp_path),), "no data set"),
        ((str(dataset.folder), "--execute", "many"), "--execute many"),
    ):
        ran = _cli("validate", *arguments)
        assert ran.returncode == 2
        assert words in ran.stderr
        assert len(ran.stderr.splitlines()) == 1
