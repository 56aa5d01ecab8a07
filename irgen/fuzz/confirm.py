"""Running the text of a repro, as its readers will run it."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

from irgen.targets.releases import clean

SHOWS = 1
"""The exit code of a repro where the bug shows."""

ABSENT = 0
"""The exit code of a repro where it does not."""

UNSURE = -1
"""Stands for an exit code where two runs differ, or one did not end."""

LONGEST = 4000
"""So many characters of what a repro prints are kept, the last ones."""

_BESIDES = re.compile(r"Warp |   |Module |\s*\d* \| |.*: note: ")
_PLACE = re.compile(r"/\S*/(?=(?:site-packages|python\d[\d.]*)/)|[^\s\"]*/(?=wp_\w+\.cpp)")


def ran(text: str, python: str, seconds: float) -> tuple[int, str]:
    """The exit code of a repro and what it prints; killed, with its children, after the seconds."""
    with tempfile.TemporaryDirectory(prefix="irgen-repro-") as folder:
        path = Path(folder, "repro.py")
        path.write_text(text, encoding="utf-8")
        environment = {**clean(), "WARP_CACHE_PATH": folder}
        process = subprocess.Popen(
            [python, str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            output, _ = process.communicate()
            return UNSURE, f"no end within {seconds} s"
        return process.returncode, _told(output, folder)


def _told(output: str, folder: str) -> str:
    """What a repro prints, without the greetings of Warp, what compilers quote and note besides
    their errors, and where things lie on this machine."""
    told = [line for line in output.splitlines() if not _BESIDES.match(line)]
    text = "\n".join(told).replace(f"{folder}{os.sep}", "")
    return _PLACE.sub("", text)[-LONGEST:]
