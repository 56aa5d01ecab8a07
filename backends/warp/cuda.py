"""Running the recorded CUDA text, where there is a device."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backends.base import BackendError, Job
from backends.warp import private_run
from backends.warp.build import cuda_entries, first_error
from backends.warp.capture import check
from backends.warp.launch import Ran
from backends.warp.private_run import Compiled
from backends.warp.taped import taped


class CompileError(Exception):
    """The compiler rejected a text; the message is its first error."""


def device() -> Any:
    """The CUDA device to run on; BackendError where there is none."""
    check()
    private_run.start()
    found = private_run.cuda_device()
    if found is None:
        raise BackendError("there is no CUDA device here: run on cpu")
    return found


def run(job: Job, text: str, backward: bool, on: Any) -> Ran:
    """Compile a recorded module, and run its job on a device.

    Raises:
        CompileError: the text does not compile or load.
        NotImplementedError: the entry is a function, which no launch can call.
    """
    if job.program.entry.kind == "function":
        raise NotImplementedError("functions run on the CPU only")
    with _compiled(text, on) as kernels:
        return taped(job, kernels, backward, on.alias)


def ptx(text: str, folder: Path, architecture: int) -> Path:
    """Compile a recorded module to PTX in a folder; CompileError if that fails."""
    source, target = folder / "recorded.cu", folder / "recorded.ptx"
    source.write_text(text)
    messages = private_run.compile_ptx(source, target, architecture)
    if messages is not None:
        raise CompileError(first_error(messages))
    return target


@contextmanager
def _compiled(text: str, on: Any) -> Iterator[dict[str, Compiled]]:
    with tempfile.TemporaryDirectory(prefix="irgen-warp-") as folder:
        path = ptx(text, Path(folder), on.get_cuda_compile_arch())
        try:
            with private_run.cuda_module(path, on) as find:
                yield {
                    entry.name: Compiled(
                        find(f"{entry.name}_cuda_kernel_forward"),
                        find(f"{entry.name}_cuda_kernel_backward") if entry.adjoint else 0,
                        entry.rank,
                    )
                    for entry in cuda_entries(text)
                }
        except OSError as error:
            raise CompileError(str(error)) from None
