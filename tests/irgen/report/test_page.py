"""What the page of a report holds, before any browser sees it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from irgen.errors import UserError
from irgen.report.page import report
from tests.irgen.report.conftest import Made

LIMIT = 5_000_000

DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def test_the_page_is_one_file_that_needs_no_other(page: Path) -> None:
    text = page.read_text()
    assert len(text) < LIMIT
    assert not re.search(r'(?:src|href)="(?!#)', text)
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    identifiers = re.findall(r' id="([^"]*)"', text)
    assert len(identifiers) == len(set(identifiers))


def test_the_page_lets_only_its_own_script_run(page: Path) -> None:
    text = page.read_text()
    data, script = re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert json.loads(data)["samples"]


def test_the_page_has_the_numbers_and_plots(page: Path) -> None:
    text = page.read_text()
    assert "irgen build OUT --count 6" in text
    for name in ("verdicts", "families", "texts", "pairs", "statements", "depth", "cost"):
        assert f'id="plot-{name}"' in text
    assert text.count("<svg ") == text.count("<figure ")
    assert not re.search(r'(?:fill|stroke)="#', text), "a colour that knows no dark"


def test_the_same_data_set_gives_the_same_page(made: Made, page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kernels"
    folder.mkdir()
    made.write(folder)
    again = report(folder, tmp_path / "again.html", count=6, workers=2)
    assert again.read_text() == page.read_text()


def test_a_report_without_samples(made: Made, tmp_path: Path) -> None:
    made.write(tmp_path)
    text = report(tmp_path, count=0).read_text()
    (data,) = DATA.findall(text)
    assert json.loads(data)["samples"] == []


def test_the_command(made: Made, tmp_path: Path) -> None:
    made.write(tmp_path)
    output = tmp_path / "page.html"
    arguments = ["report", str(tmp_path), "--samples", "1", "-o", str(output)]
    done = subprocess.run(
        [sys.executable, "-m", "irgen.cli", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{output}\n", "")
    (data,) = DATA.findall(output.read_text())
    assert len(json.loads(data)["samples"]) == 1


def test_bad_input_is_refused(made: Made, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no manifest\.json"):
        report(tmp_path)
    made.write(tmp_path)
    with pytest.raises(UserError, match="--samples -1 is negative"):
        report(tmp_path, count=-1)
    with pytest.raises(UserError, match="--workers 0: at least one is needed"):
        report(tmp_path, workers=0)
    with pytest.raises(UserError, match=r"cannot write .*absent/report\.html: No such file"):
        report(tmp_path, tmp_path / "absent" / "report.html", count=0)
