"""Connections: what becomes of a request that raises, prints, crashes, hangs or fills memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from backends.base import BackendError
from irgen.pool.limits import Lost, WorkError
from irgen.targets.connection import Connection, Reply, Request
from irgen.targets.target import Target

TARGET = Target("this one", "jax", sys.executable, ())
X = np.arange(4, dtype=np.float32)


def request(source: str, *ways: str) -> Request:
    """Run `f` of a source, a function of four floats that gives as many."""
    described = {"dtype": "float32", "shape": [4]}
    header = {
        "source": source,
        "entry": "f",
        "unit": "function",
        "grid": [],
        "wide": False,
        "parameters": [{**described, "element": [], "array": True}],
        "results": [described],
        "takes": [0],
        "writes": [],
        "differentiates": [0],
        "inputs": [0],
        "cotangents": [1],
        "backward": True,
        "ways": list(ways or ("default",)),
    }
    return Request(header, (X, np.ones(4, np.float32)))


TWICE = request("def f(x):\n    return x * 2\n")


def before(statements: str) -> Request:
    """A request whose source does something when it is loaded."""
    return request(f"{statements}\ndef f(x):\n    return x * 2\n")


def is_twice(reply: Reply | Lost) -> bool:
    if isinstance(reply, Lost):
        return False
    (way,) = reply.header["ways"]
    outputs, gradients = ([reply.arrays[at] for at in way[key]] for key in ("outputs", "gradients"))
    return np.array_equal(outputs, [X * 2]) and np.array_equal(gradients, [np.full(4, 2.0)])


def failure(reply: Reply | Lost) -> tuple[str, str]:
    assert isinstance(reply, Reply)
    (way,) = reply.header["ways"]
    assert way["outputs"] is None
    assert way["gradients"] is None
    assert way["gradient_reason"]
    return way["reason"], way["detail"]


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    with Connection(TARGET) as connected:
        yield connected


def test_it_says_what_it_runs_on(connection: Connection) -> None:
    hello = connection.hello
    assert hello.backend == "jax"
    assert hello.versions["python"] == sys.version.split()[0]
    assert hello.versions["numpy"] == np.__version__
    assert hello.versions["jax"]
    assert set(hello.ways) == {"default", "again", "O0", "eager", "forward_mode"}


def test_what_a_source_prints_disturbs_nothing(connection: Connection) -> None:
    noise = "import os\nprint('noise')\nos.write(1, b'more' * 100)\nos.system('echo still more')"
    assert [*map(is_twice, connection.run([before(noise), TWICE]))] == [True, True]


@pytest.mark.parametrize(
    ("source", "reason", "detail"),
    [
        ("def f(x:\n", "source_error", "SyntaxError: '(' was never closed (<f>, line 1)"),
        ("g = 1\n", "source_error", "KeyError: 'f'"),
        ("raise MemoryError('no room')\n", "out_of_memory", "MemoryError: no room"),
        ("def f(x):\n    return x + y\n", "compile_error", "NameError: name 'y' is not defined"),
        (
            "def f(x):\n    return x[:2]\n",
            "execution_error",
            "result 0 has shape [2], not [4]",
        ),
    ],
)
def test_what_is_raised_is_a_reason(
    connection: Connection, source: str, reason: str, detail: str
) -> None:
    found, then = connection.run([request(source), TWICE])
    assert failure(found) == (reason, detail)
    assert is_twice(then)


def test_a_way_that_the_release_lacks_is_named(connection: Connection) -> None:
    (reply,) = connection.run([request("def f(x):\n    return x\n", "O7")])
    assert failure(reply)[0] == "not_captured"


def test_a_crash_names_the_signal_and_spares_the_others(connection: Connection) -> None:
    crash = before("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    found = connection.run([TWICE, crash, TWICE])
    assert found[1] == Lost("crashed", "SIGSEGV")
    assert is_twice(found[0])
    assert is_twice(found[2])


def test_last_words_are_kept(connection: Connection) -> None:
    words = "Check failed: n == 3 at /some/where/file.cc"
    (found,) = connection.run([before(f"import os\nos.write(2, b'F0101 1 {words}')\nos.abort()")])
    assert found == Lost("crashed", "SIGABRT: Check failed: n == 3 at file.cc")


def test_who_crashes_once_is_not_blamed(connection: Connection, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    once = f"""
import os, pathlib
if not pathlib.Path({str(mark)!r}).exists():
    pathlib.Path({str(mark)!r}).touch()
    os.abort()
"""
    (found,) = connection.run([before(once)])
    assert is_twice(found)
    assert mark.exists()


def test_limits_on_time_and_memory() -> None:
    hang = before("while True: pass")
    hoard = before("hoard = b'x' * (1 << 30)\nwhile True: pass")
    with Connection(TARGET, seconds=0.2, patience=2.0) as connected:
        assert connected.run([hang]) == [Lost("timed_out", "0.4 s")]
    with Connection(TARGET, seconds=20.0, memory=1 << 29) as connected:
        assert connected.run([hoard]) == [Lost("out_of_memory", "more than 0.5 GiB")]


def test_a_worker_that_is_killed_while_it_waits_is_replaced(connection: Connection) -> None:
    assert is_twice(connection.run([TWICE])[0])
    assert connection.worker is not None
    pid = connection.worker.pid
    os.kill(pid, signal.SIGKILL)
    assert is_twice(connection.run([TWICE])[0])
    assert connection.worker.pid != pid


def test_memory_stays_flat(connection: Connection) -> None:
    def resident() -> int:
        assert connection.worker is not None
        return connection.worker.resident()

    requests = [request(f"def f(x):\n    return x * {n}\n", "O0") for n in range(60)]
    connection.run(requests[:20])
    found = resident()
    connection.run(requests[20:])
    assert resident() - found < 32 << 20


def children(pid: int) -> set[int]:
    """The processes that a process started and that still run."""
    found: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except FileNotFoundError:
            continue
        if int(parent) == pid and state != "Z":
            found.add(int(stat.parent.name))
    return found


def test_nothing_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    others = children(os.getpid())
    with Connection(TARGET) as connected:
        assert connected.hello
        assert len(children(os.getpid()) - others) == 1
        assert list(tmp_path.iterdir())
    assert children(os.getpid()) == others
    assert not list(tmp_path.iterdir())


def test_a_worker_ends_with_its_parent() -> None:
    code = f"""
import os, signal
from irgen.targets.connection import Connection
from irgen.targets.target import Target
connected = Connection(Target("this one", "jax", {sys.executable!r}, ()))
connected.hello
print(connected.worker.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=root, check=False
    )
    assert done.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while Path(f"/proc/{int(done.stdout)}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{int(done.stdout)}").exists()


def test_an_interpreter_that_cannot_serve_is_refused(tmp_path: Path) -> None:
    missing = Target("gone", "jax", str(tmp_path / "python"), ())
    with Connection(missing) as connected, pytest.raises(BackendError, match="cannot start"):
        connected.run([TWICE])
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    empty = Target("empty", "jax", str(bare / "bin" / "python"), ())
    with Connection(empty) as connected, pytest.raises(BackendError) as raised:
        connected.run([TWICE])
    assert str(raised.value) == (
        "empty cannot be used: ModuleNotFoundError: No module named 'numpy'"
    )


def test_a_request_that_the_worker_cannot_read_raises(connection: Connection) -> None:
    with pytest.raises(WorkError, match="KeyError: 'ways'"):
        connection.run([Request({}, ())])
    assert is_twice(connection.run([TWICE])[0])
