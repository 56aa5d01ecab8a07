"""What the commands print: on a terminal, in a pipe, in a file."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from backends.registry import BACKENDS
from grammar.generate import program_at
from grammar.ops import OPS
from grammar.ops.array import ARRAY_OPS
from grammar.presets import GRAMMARS
from grammar.program import size
from grammar.structural import STRUCTURAL
from irgen.cli.doctor import doctor

ROOT = Path(__file__).parents[2]
STAND_IN = [sys.executable, str(ROOT / "tests/irgen/cli_stand_in.py")]
IRGEN = [sys.executable, "-m", "irgen.cli"]
INHERITED = {
    name: value
    for name, value in os.environ.items()
    if name not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE")
}
ENVIRONMENT = {**INHERITED, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
COLOUR = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def output_of(*command: str) -> str:
    """Standard output of a command that must succeed and say nothing on stderr."""
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def table_of(*command: str) -> list[dict[str, str]]:
    header, *lines = output_of(*command).splitlines()
    return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]


def on_terminal(columns: int, *command: str, environment: dict[str, str] = ENVIRONMENT) -> str:
    """What a command prints on a terminal of that many columns, without its colours."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=ROOT
    )
    os.close(slave)
    text = _drain(master)
    assert process.wait() == 0, text
    return COLOUR.sub("", text)


def _drain(master: int) -> str:
    chunks: list[bytes] = []
    while True:
        try:
            chunk = os.read(master, 1 << 16)
        except OSError:  # how Linux says that the other side has closed
            chunk = b""
        if not chunk:
            os.close(master)
            return b"".join(chunks).decode()
        chunks.append(chunk)


def test_rows_in_a_pipe_are_json_lines() -> None:
    text = output_of(*STAND_IN, "sample", "-n", "3", "--start", "7", "-s", "5", "-g", "loop")
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["index"] for row in rows] == [7, 8, 9]
    assert {(row["grammar"], row["seed"], row["view"]) for row in rows} == {("loop", 5, "wide")}


def test_no_programs_are_no_rows() -> None:
    assert output_of(*STAND_IN, "sample", "--count", "0") == ""


@pytest.mark.parametrize(
    ("options", "levels"),
    [
        ((), ["cpp", "cuda"]),
        (("--level", "python"), []),
        (("--level", "cuda"), ["cuda"]),
        (("--level", "python", "-l", "cpp"), ["cpp"]),
        (("--level", "python,cpp"), ["cpp"]),
        (("--level", "cpp, cuda"), ["cpp", "cuda"]),
        (("-l", "python,cpp", "-l", "cuda"), ["cpp", "cuda"]),
    ],
)
def test_only_the_levels_asked_for_are_captured(
    options: tuple[str, ...], levels: list[str]
) -> None:
    (row,) = map(json.loads, output_of(*STAND_IN, "sample", *options).splitlines())
    assert row["levels"] == levels


def test_view_and_balance_are_passed_on() -> None:
    row = json.loads(output_of(*STAND_IN, "sample", "--view", "seed", "--balanced"))
    assert (row["view"], row["balanced"]) == ("seed", True)


@pytest.mark.parametrize(
    ("options", "executions", "workers"),
    [
        ((), ["cpu"], 1),
        (("--no-verify",), [], 1),
        (("--verify", "--workers", "3"), ["cpu"], 3),
        (("-b", "jax", "-e", "compiled"), ["cpu", "compiled"], 1),
        (("--level", "python"), ["cpu"], 1),
    ],
)
def test_programs_are_run_unless_told_otherwise(
    options: tuple[str, ...], executions: list[str], workers: int
) -> None:
    row = json.loads(output_of(*STAND_IN, "sample", *options))
    assert (row["executions"], row["workers"]) == (executions, workers)


def test_output_goes_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    assert output_of(*STAND_IN, "sample", "-n", "2", "--output", str(path)) == ""
    assert [json.loads(line)["index"] for line in path.read_text().splitlines()] == [0, 1]


def test_text_in_a_pipe_is_plain() -> None:
    text = output_of(*STAND_IN, "sample", "--format", "text", "--level", "cpp", "--start", "3")
    assert "\x1b" not in text
    assert text == (
        "# compound seed 0 index 3\n"
        "# cpu: values verified 1/1; gradient known to be wrong: "
        "while_loop, https://github.com/NVIDIA/warp/issues/729\n"
        "# -- python (warp)\ndef scale(row):\n    return row * 2.0\n"
        "# -- cpp forward scale\n// cpp\nvoid scale() {\n    row * 2.0;\n}\n"
        "# -- cpp backward scale\n"
        "missing: no input has a floating type, so there is nothing to differentiate\n\n"
    )


def test_wide_terminals_have_python_beside_its_ir() -> None:
    lines = on_terminal(140, *STAND_IN, "sample").splitlines()
    assert any(re.search(r"def scale\(row\):\s+// cpp", line) for line in lines)
    assert any("also captured: cuda" in line for line in lines)
    assert not any("whole cpp" in line for line in lines)


def test_terminals_show_verdicts_and_how_to_ask_why() -> None:
    known, fine = (on_terminal(80, *STAND_IN, "sample", "--start", n) for n in ("3", "4"))
    assert "cpu: verified: values 1/1 arrays, gradients 1/1, exact" in fine
    assert "gradient known to be wrong: while_loop" in known
    assert "why: irgen explain 3 -g compound -b warp -s 0" in known
    assert "irgen explain" not in fine
    assert "cpu: " not in on_terminal(80, *STAND_IN, "sample", "--no-verify")
    assert "cpu: verified" in on_terminal(80, *STAND_IN, "show", "4")


def test_the_first_record_is_waited_for_in_words(tmp_path: Path) -> None:
    out = ("--output", str(tmp_path / "rows.jsonl"))
    words = "starting a worker"
    assert words in on_terminal(80, *STAND_IN, "sample", *out)
    assert words not in on_terminal(80, *STAND_IN, "sample", "--no-verify", *out)


def test_long_runs_show_the_share_that_is_verified(tmp_path: Path) -> None:
    options = ("-n", "6", "-o", str(tmp_path / "rows.jsonl"))
    environment = ENVIRONMENT | {"SECONDS": "0.4"}
    text = on_terminal(100, *STAND_IN, "sample", *options, environment=environment)
    assert "75.0% verified" in text
    assert re.search(r"[45]/6 .*/s", text)


def test_narrow_terminals_stack() -> None:
    lines = [line.rstrip() for line in on_terminal(80, *STAND_IN, "sample").splitlines()]
    assert lines.index("def scale(row):") < lines.index("// cpp")


def test_show_prints_every_level() -> None:
    for columns in (80, 160):
        text = on_terminal(columns, *STAND_IN, "show", "4")
        parts = ("index 4", "kernel scale", "def scale", "// cpp", "// whole cpp", "// cuda")
        places = [text.index(part) for part in parts]
        assert places == sorted(places)
    (row,) = map(json.loads, output_of(*STAND_IN, "show", "4").splitlines())
    assert (row["index"], row["view"]) == (4, "record")


@pytest.mark.parametrize("backend", ["warp", "jax"])
def test_sample_of_the_real_service(backend: str) -> None:
    text = output_of(*IRGEN, "sample", "-b", backend, "-n", "2", "-l", "python")
    sources = [json.loads(line)["python"] for line in text.splitlines()]
    assert len(set(sources)) == 2
    for source in sources:
        compile(source, "<row>", "exec")
    captured = output_of(*IRGEN, "sample", "-b", backend, "--format", "text")
    assert sources[0].rstrip() in captured
    assert " forward " in captured


def test_grammars_in_a_pipe_are_tab_separated() -> None:
    rows = table_of(*IRGEN, "grammars")
    assert [row["name"] for row in rows] == list(GRAMMARS)
    assert "compound" in on_terminal(80, *IRGEN, "grammars")
    sizes = {row["name"]: int(row["median statements"]) for row in rows}
    loops = sorted(size(program_at(GRAMMARS["loop"], 0, index)) for index in range(25))
    assert sizes["loop"] == loops[12]
    assert sizes["program"] > 2 * sizes["compound"]


def test_ops_lists_every_table() -> None:
    rows = table_of(*IRGEN, "ops")
    assert [row["name"] for row in rows] == [*OPS, *ARRAY_OPS, *STRUCTURAL]
    assert all(row["signature"] and row["types"] and row["backends"] for row in rows)
    groups = {row["name"]: row["group"] for row in rows}
    assert (groups["add"], groups["softmax"], groups["while"]) == (
        "arithmetic",
        "array",
        "structural",
    )


def test_ops_shows_single_ops_in_the_order_asked_for() -> None:
    launch, take, add = table_of(*IRGEN, "ops", "launch", "segment_sum", "add")
    assert launch["signature"] == STRUCTURAL["launch"].form
    assert take["signature"] == "array, array {number of segments} -> array"
    assert add["derivative"] == "da = g; db = g"
    assert add["backends"] == "warp, jax"


def test_ops_explains_signatures_on_a_terminal_only() -> None:
    note = on_terminal(100, *IRGEN, "ops", "add").partition("Signatures:")[2]
    words = {word for op in OPS.values() for word in re.findall(r"[A-Z]\w*", op.signature)}
    used = {re.sub(r"\d", "n", word) for word in words}
    assert used >= {"E", "F", "Vn"}
    assert [word for word in used if not re.search(rf"\b{word}\b", note)] == []
    assert "Signatures:" not in output_of(*IRGEN, "ops", "add")


def test_version_is_that_of_the_distribution() -> None:
    assert output_of(*IRGEN, "--version") == f"irgen {metadata.version('irgen')}\n"


def test_doctor_reports_backends_levels_and_devices() -> None:
    rows = {(row["what"], row["name"]): row["state"] for row in table_of(*IRGEN, "doctor")}
    assert rows["backend", "warp"] == rows["backend", "jax"] == "usable"
    assert "backward" in rows["level", "warp cuda"]
    assert "backward" in rows["level", "jax stablehlo"]
    assert rows["device", "warp cpu"] == "found"


def test_doctor_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "hide.py").write_text(
        "import importlib.metadata as metadata\n"
        "real = metadata.version\n"
        "def version(name):\n"
        "    if name == 'jax':\n"
        "        raise metadata.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        "metadata.version = version\n"
        "from irgen.cli import main\n"
        "main()\n"
    )
    rows = table_of(sys.executable, str(tmp_path / "hide.py"), "doctor")
    (jax,) = (row for row in rows if (row["what"], row["name"]) == ("backend", "jax"))
    assert jax["state"] == "not usable"
    assert "pip install 'irgen[jax]'" in jax["detail"]


@pytest.mark.parametrize(
    ("code", "name", "state", "detail"),
    [
        ("print('npu:0', 'a device', sep='\\t')", "warp npu:0", "found", "a device"),
        ("print('cpu', 'CPU', sep='\\t')", "warp gpu", "none", "captured without one"),
        ("raise SystemExit('no driver')", "warp", "failed", "no driver"),
        ("import os; os.abort()", "warp", "failed", "exit status -6"),
    ],
)
def test_doctor_looks_for_devices_by_the_row_of_a_backend(
    code: str,
    name: str,
    state: str,
    detail: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = replace(BACKENDS["warp"], devices=code)
    monkeypatch.delitem(BACKENDS, "jax")
    monkeypatch.setitem(BACKENDS, "warp", row)
    doctor()
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    found = {line[1]: line[2:] for line in lines if line[0] == "device"}
    assert found[name][0] == state
    assert detail in found[name][1]


def test_doctor_writes_the_lower_bound_first() -> None:
    rows = {row["name"]: row["detail"] for row in table_of(*IRGEN, "doctor")}
    assert re.fullmatch(r"supported: >=[\d.]+,<[\d.]+", rows["libcst"])


def test_help_imports_no_compiler_and_no_library_it_does_not_need() -> None:
    code = (
        "import sys\n"
        "from irgen.cli import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit as done:\n    assert done.code == 0\n"
        "print('modules', *sys.modules)\n"
    )
    loaded = output_of(sys.executable, "-c", code).split("modules ")[-1].split()
    assert "typer" in loaded
    assert not {"warp", "jax", "jaxlib", "libcst", "hypothesis", "numpy"}.intersection(loaded)


def test_help_takes_at_most_twice_the_import_of_typer_and_rich() -> None:
    def seconds(*command: str) -> float:
        started = time.perf_counter()
        output_of(sys.executable, *command)
        return time.perf_counter() - started

    # Interleaved, and the best of each: another process slows both.
    pairs = [
        (seconds("-m", "irgen.cli", "--help"), seconds("-c", "import typer, rich"))
        for _ in range(9)
    ]
    mine, theirs = (min(times) for times in zip(*pairs, strict=True))
    assert mine <= 2 * theirs


def test_no_arguments_print_the_help() -> None:
    assert output_of(*IRGEN) == output_of(*IRGEN, "--help")


def test_closed_pipe_ends_quietly() -> None:
    command = [*STAND_IN, "sample", "-n", "100000000"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["index"] == 0
        process.stdout.close()
        assert process.wait(timeout=30) == 0
        assert process.stderr.read() == b""


@pytest.mark.parametrize("command", ["ops", "grammars"])
def test_closed_pipe_ends_listings_quietly(command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*IRGEN, command], stdout=writer, stderr=subprocess.PIPE, env=ENVIRONMENT, cwd=ROOT
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_interrupt_leaves_whole_rows_in_a_pipe() -> None:
    # A row is many times what a pipe holds, so the signal comes in the middle of one.
    with subprocess.Popen(
        [*STAND_IN, "sample", "-n", "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT | {"ROW_BYTES": "1000000"},
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        start = os.read(process.stdout.fileno(), 1000)
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        text = start + process.stdout.read()
        assert process.wait(timeout=30) == 130
        assert process.stderr.read() == b""
    rows = text.splitlines(keepends=True)
    assert rows
    assert all(row.endswith(b"\n") and json.loads(row) for row in rows)


def test_interrupt_leaves_whole_rows_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with subprocess.Popen(
        [*STAND_IN, "sample", "-n", "100000", "-o", str(path)],
        stderr=subprocess.PIPE,
        env=ENVIRONMENT | {"ROW_BYTES": "100000", "SECONDS": "0.005"},
        cwd=ROOT,
    ) as process:
        assert process.stderr is not None
        deadline = time.monotonic() + 30
        while not (path.exists() and path.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
        assert process.stderr.read() == b""
    rows = path.read_bytes().splitlines(keepends=True)
    assert rows
    assert [json.loads(row)["index"] for row in rows] == list(range(len(rows)))
    assert rows[-1].endswith(b"\n")


def test_long_runs_show_their_rate_on_a_terminal() -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*STAND_IN, "sample", "-n", "40"],
        stdout=subprocess.PIPE,
        stderr=slave,
        env=ENVIRONMENT | {"SECONDS": "0.04"},
        cwd=ROOT,
    )
    os.close(slave)
    assert process.stdout is not None
    with process.stdout as stdout:
        rows = stdout.read().splitlines()
    progress = _drain(master)
    assert process.wait() == 0
    assert len(rows) == 40
    assert re.search(r"\d+/40", progress)
    assert re.search(r"\d+\.\d/s", progress)
