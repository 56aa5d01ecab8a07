"""The worker's file: its frames, how it stores bfloat16, and that it stands alone."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from backends.warp import values
from grammar.types import BF16, F32
from irgen.targets import worker

FILE = Path(worker.__file__)
DTYPES = ("bool", "int8", "uint8", "int16", "int32", "uint64", "float16", "float32", "float64")

HEADERS = st.dictionaries(
    st.text().filter(lambda key: key != "arrays"),
    st.none() | st.integers(-(2**53), 2**53) | st.text() | st.lists(st.booleans()),
    max_size=4,
)
ARRAYS = st.lists(
    st.sampled_from(DTYPES).flatmap(
        lambda name: arrays.arrays(
            name, arrays.array_shapes(min_dims=0, min_side=0, max_dims=4, max_side=4)
        )
    ),
    max_size=4,
)


def unpacked(frame: bytes) -> tuple[dict[str, Any], list[Any]]:
    found = worker.read_frame(io.BufferedReader(cast("Any", io.BytesIO(frame))))
    assert found is not None
    return found


def bits(array: Any) -> tuple[str, tuple[int, ...], bytes]:
    return array.dtype.name, array.shape, array.tobytes()


@given(HEADERS, ARRAYS)
def test_what_is_packed_is_unpacked(header: dict[str, Any], given_arrays: list[Any]) -> None:
    found, read = unpacked(worker.pack(header, given_arrays))
    assert found == header
    assert [*map(bits, read)] == [*map(bits, given_arrays)]


@given(ARRAYS)
def test_byte_order_and_strides_do_not_matter(given_arrays: list[Any]) -> None:
    odd = [array.T.astype(array.dtype.newbyteorder(">")) for array in given_arrays]
    _, read = unpacked(worker.pack({}, odd))
    assert [*map(bits, read)] == [
        bits(np.ascontiguousarray(a.T).reshape(a.T.shape)) for a in given_arrays
    ]


def test_frames_follow_each_other_to_the_end() -> None:
    stream = io.BufferedReader(
        cast("Any", io.BytesIO(worker.pack({"n": 1}) + worker.pack({"n": 2})))
    )
    assert [worker.read_frame(stream) for _ in range(3)] == [({"n": 1}, []), ({"n": 2}, []), None]


def test_what_is_no_frame_is_refused() -> None:
    frame = worker.pack({}, [np.zeros(3)])
    with pytest.raises(worker.BrokenFrameError, match="starts with"):
        unpacked(b"what" + frame[4:])
    text, body = worker.sizes(frame[: worker.HEAD.size])
    header = frame[worker.HEAD.size : worker.HEAD.size + text]
    with pytest.raises(worker.BrokenFrameError, match="23 bytes are too few"):
        worker.unpack(header, bytes(body - 1))
    with pytest.raises(worker.BrokenFrameError, match="1 bytes too many"):
        worker.unpack(header, bytes(body + 1))


@given(arrays.arrays(np.float32, 8, elements=st.floats(width=32)))
def test_bfloat16_is_stored_as_installed_warp_stores_it(found: Any) -> None:
    stored = worker.stored(found, "bfloat16")
    assert bits(stored) == bits(values.stored(found, BF16))
    assert bits(worker.shown(stored, "bfloat16")) == bits(values.shown(stored, BF16))
    assert bits(worker.stored(found, "float32")) == bits(values.stored(found, F32))


def test_the_file_needs_the_standard_library_and_numpy() -> None:
    tree = ast.parse(FILE.read_text(), feature_version=(3, 9))
    names = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    assert names - sys.stdlib_module_names == {"numpy"}


def served(*arguments: str) -> bytes:
    """What the worker writes when there is nothing to read."""
    command = [sys.executable, "-I", str(FILE), *arguments]
    done = subprocess.run(command, input=b"", capture_output=True, check=True, timeout=60)
    return done.stdout


def test_it_introduces_itself_and_ends_with_its_input() -> None:
    header, sent = unpacked(served("warp"))
    assert (header["kind"], header["protocol"], header["backend"]) == ("hello", 1, "warp")
    assert header["problem"] == ""
    assert header["versions"]["python"] == sys.version.split()[0]
    assert header["versions"]["numpy"] == np.__version__
    assert list(header["ways"]) == ["default", "again", "O0", "O2"]
    assert sent == []


def test_it_does_not_outlive_a_parent_that_is_gone() -> None:
    assert served("warp", "1") == b""
