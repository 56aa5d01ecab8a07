"""Sinks: lines are written whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from irgen import sinks
from irgen.sinks import LineSink, open_output


def test_lines_are_written_one_after_another(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with open_output(path) as sink:
        sink.write(b"one\n")
        sink.write(b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


def test_an_output_is_emptied_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"old\n")
    with open_output(path):
        pass
    assert path.read_bytes() == b""


def test_standard_output_is_used_where_no_file_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with open_output(None) as sink:
        sink.write(b"row\n")
    os.write(1, b"still open\n")
    assert capfd.readouterr().out == "row\nstill open\n"


def test_a_write_that_fails_half_way_leaves_only_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.jsonl"
    real = os.write
    room = 10

    def write(descriptor: int, data: bytes) -> int:
        nonlocal room
        if room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = real(descriptor, data[: min(3, room)])
        room -= done
        return done

    with open_output(path) as sink:
        monkeypatch.setattr(sinks.os, "write", write)
        sink.write(b"first\n")
        with pytest.raises(OSError, match="No space"):
            sink.write(b"second\n")
        room = 100
        sink.write(b"third\n")
    assert path.read_bytes() == b"first\nthird\n"


def test_a_full_device_raises() -> None:
    with open_output(Path("/dev/full")) as sink, pytest.raises(OSError, match="No space"):
        sink.write(b"row\n")


def test_a_closed_pipe_raises() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with LineSink(writing, owned=True) as sink, pytest.raises(BrokenPipeError):
        sink.write(b"row\n")


def test_what_a_pipe_was_given_of_a_line_is_not_sought() -> None:
    """A file named on the command line may be a pipe; the error is the pipe's own."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    line = b"x" * (1 << 20)  # more than a pipe holds
    with LineSink(writing, owned=True) as sink, pytest.raises(BlockingIOError):
        sink.write(line)
    os.close(reading)


def test_an_output_that_cannot_be_opened_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_output(tmp_path / "missing" / "rows.jsonl")
    with pytest.raises(IsADirectoryError):
        open_output(tmp_path)
