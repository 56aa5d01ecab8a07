"""Compiling recorded C++ texts in batches; one that fails does not touch the others."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import count
from pathlib import Path

from backends.base import BackendError
from backends.warp import kept_header, private_run
from backends.warp.build import (
    Entry,
    blamed,
    entries,
    first_error,
    header,
    symbol,
    translation_unit,
)
from backends.warp.capture import check
from backends.warp.private_run import Compiled, Library

_SERIAL = count()


@dataclass(frozen=True, slots=True)
class Text:
    """A recorded module, and the function of it to export, or "" if it has kernels."""

    code: str
    function: str = ""


@cache
def prepare() -> Path:
    """Start the compiler and make what all batches share; the folder that holds it.

    It takes about a second the first time on a machine: the precompiled header is kept. Processes
    forked afterwards inherit it. The process that made
    the folder removes it at its end.

    Raises:
        BackendError: Warp cannot be used here, or cannot compile for the CPU.
    """
    version = check()
    if problems := private_run.probe():
        raise BackendError(f"warp-lang {version} lacks what irgen uses: {', '.join(problems)}")
    owner = os.getpid()
    folder = Path(tempfile.mkdtemp(prefix="irgen-warp-"))

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    try:
        kept_header.provide(
            folder / "builtin.pch",
            (version, *private_run.identity()),
            private_run.precompile,
            partial(private_run.accepts, folder),
        )
    except OSError as error:
        raise BackendError(f"warp-lang {version} cannot compile for the CPU: {error}") from None
    return folder


@dataclass(slots=True)
class Batch:
    """What came of texts, by their numbers: kernels by name, or the compiler's words."""

    kernels: dict[int, dict[str, Compiled]] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)


@contextmanager
def compiled(texts: Sequence[Text]) -> Iterator[Batch]:
    """Compile and load texts; on leaving, all that was loaded is unloaded.

    Raises:
        BackendError: Warp cannot be used here, or cannot compile for the CPU.
    """
    folder = prepare()
    batch, libraries = Batch(), list[Library]()
    groups: dict[str, list[int]] = {}
    for number, text in enumerate(texts):
        first = header(text.code)
        if first is None:
            batch.failures[number] = "the recorded text has no header of Warp's"
        else:
            groups.setdefault(first, []).append(number)
    try:
        for numbers in groups.values():
            _build(folder, texts, numbers, batch, libraries)
        yield batch
    finally:
        for library in libraries:
            library.close()


def _build(
    folder: Path,
    texts: Sequence[Text],
    numbers: Sequence[int],
    batch: Batch,
    libraries: list[Library],
) -> None:
    """Compile some texts together; those that cannot be are tried alone."""
    messages = _attempt(folder, texts, numbers, batch, libraries)
    if messages is None:
        return
    if len(numbers) == 1:
        batch.failures[numbers[0]] = first_error(messages)
        return
    # Something open at the end of one text is an error in the next: try the suspects alone.
    suspects = {numbers[place] for place in blamed(messages) if place < len(numbers)}
    for number in sorted(suspects):
        _build(folder, texts, [number], batch, libraries)
    rest = [number for number in numbers if number not in suspects]
    parts = [rest] if suspects else [rest[: len(rest) // 2], rest[len(rest) // 2 :]]
    for part in parts:
        if part:
            _build(folder, texts, part, batch, libraries)


def _attempt(
    folder: Path,
    texts: Sequence[Text],
    numbers: Sequence[int],
    batch: Batch,
    libraries: list[Library],
) -> str | None:
    """Compile and load some texts together; the messages if that failed, and then nothing of it is
    left."""
    chosen = [texts[number] for number in numbers]
    try:
        source = translation_unit(
            [text.code for text in chosen], [text.function for text in chosen]
        )
    except ValueError as error:
        return str(error)
    target = folder / f"{os.getpid()}-{next(_SERIAL)}.o"
    try:
        messages = private_run.compile_object(source, target, folder / "builtin.pch")
        if messages is not None:
            return messages
        library = private_run.load_object(target)
    except OSError as error:
        return str(error)
    finally:
        target.unlink(missing_ok=True)
    found = _find(library, chosen)
    if isinstance(found, str):
        library.close()
        return found
    libraries.append(library)
    batch.kernels.update(zip(numbers, found, strict=True))
    return None


def _find(library: Library, texts: Sequence[Text]) -> list[dict[str, Compiled]] | str:
    """The kernels of each text, or what the linker said."""
    exported = [_exported(text) for text in texts]
    symbols = [
        symbol(place, entry.name, direction)
        for place, wanted in enumerate(exported)
        for entry in wanted
        for direction in ("forward", "backward")[: 1 + entry.adjoint]
    ]
    addresses = library.find(symbols)
    if isinstance(addresses, str):
        return addresses or "the linker failed without a message"
    remaining = iter(addresses)

    def kernel(entry: Entry) -> Compiled:
        forward = next(remaining)
        return Compiled(forward, next(remaining) if entry.adjoint else 0, entry.rank)

    return [{entry.name: kernel(entry) for entry in wanted} for wanted in exported]


def _exported(text: Text) -> list[Entry]:
    return [Entry(text.function, 0, True)] if text.function else entries(text.code)
