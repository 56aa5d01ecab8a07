"""Functions that stand in repros, read from this file and written there without their types.

They need the standard library and NumPy alone.
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def stop(*error: Any) -> None:
    """Whatever is raised: this cannot run here."""
    sys.__excepthook__(*error)
    sys.exit(2)


def fail(*error: Any) -> None:
    """Whatever is raised is the bug, but for a package that is not installed."""
    sys.__excepthook__(*error)
    sys.exit(2 if issubclass(error[0], ImportError) else 1)


def widened(bits: Any) -> Any:
    """The numbers of bfloat16 bits, as float32."""
    return (np.asarray(bits).astype(np.uint32) << 16).view(np.float32)


def check(name: str, got: Any, expected: Any, bound: Any) -> bool:
    """Print an array, and tell whether an element is off by more than the bound."""
    got, expected = np.asarray(got), np.asarray(expected)
    close = np.isclose(got, expected, rtol=0, atol=bound, equal_nan=True)
    wrong = ~close & np.isfinite(bound)
    print(f"{name}: expected {expected.tolist()} +- {bound}")
    print(f"{name}: got      {got.tolist()}")
    if wrong.any():
        worst = np.where(wrong, abs(got - expected), -1).argmax()
        print(f"{name}: WRONG, most at", *np.unravel_index(worst, wrong.shape))
    return bool(wrong.any())


def check_exact(name: str, got: Any, expected: Any) -> bool:
    """Print an array, and tell whether an element differs."""
    got, expected = np.asarray(got), np.asarray(expected)
    print(f"{name}: expected {expected.tolist()}")
    print(f"{name}: got      {got.tolist()}")
    places = np.argwhere(got != expected).tolist()
    if places:
        print(f"{name}: WRONG at {places}")
    return bool(places)


def check_again(run: Callable[[], Sequence[Any]], times: int) -> bool:
    """Whether runs on the same inputs give other bits than the first one."""
    first = run()
    for number in range(1, times):
        for at, array in enumerate(run()):
            if array.tobytes() != first[at].tobytes():
                print(f"expected the first run: {first[at].tolist()}")
                print(f"got in run {number}: {array.tolist()}")
                return True
    return False


def crashes() -> int:
    """Run this file in a process of its own: 1 if that dies of a signal."""
    code = subprocess.run([sys.executable, __file__, "run"], timeout=600).returncode
    print(f"expected exit code 0, got {code}")
    return 1 if code < 0 else 2 if code else 0


def hangs(seconds: float) -> int:
    """Run this file in a process of its own: 1 if that does not end in time."""
    command = [sys.executable, __file__, "run"]
    try:
        code = subprocess.run(command, timeout=seconds).returncode
    except subprocess.TimeoutExpired:
        print(f"expected an end, got none within {seconds} s")
        return 1
    return 2 if code else 0


def swells(limit: int) -> int:
    """Run this file in a process of its own: 1 if that needs more bytes of memory."""
    import resource

    code = subprocess.run(
        [sys.executable, __file__, "run"],
        timeout=600,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),
    ).returncode
    print(f"expected an end within {limit} bytes of memory, got exit code {code}")
    return 1 if code else 0


def code_bytes(folder: str) -> int:
    """The bytes of C++ that kernels became."""
    return sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*.cpp"))
