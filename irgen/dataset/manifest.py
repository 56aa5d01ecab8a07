"""The manifest: every file of a data set with its size and hash."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from irgen.dataset import layout
from irgen.dataset.settings import FORMAT_VERSION, Settings
from irgen.errors import UserError


class File(msgspec.Struct, frozen=True):
    """A shard: its path below the folder, the split and number of its rows, bytes, SHA-256."""

    name: str
    split: str
    rows: int
    bytes: int
    sha256: str


class Drawing(msgspec.Struct, frozen=True):
    """How many programs were drawn for a plan, and why some are not in.

    `duplicates` were the same program as an earlier one, `over_quota` had no place left, and
    `contaminated` are like something in a file named for decontamination.
    """

    drawn: int
    duplicates: int = 0
    over_quota: int = 0
    contaminated: int = 0


class Manifest(msgspec.Struct, frozen=True):
    """A finished data set.

    `outcomes` counts rows by backend and by outcome of "forward" and "gradient"; `missing` counts
    artifacts by backend and reason; `lost` counts rows that ended the process which ran them, by
    reason. `plan` is the SHA-256 of `plan/rows.parquet`.
    """

    settings: Settings
    drawing: Drawing
    plan: str
    files: list[File]
    outcomes: dict[str, dict[str, dict[str, int]]] = {}
    missing: dict[str, dict[str, int]] = {}
    lost: dict[str, int] = {}


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a data set; UserError where there is none, or it cannot be read."""
    path = folder / layout.MANIFEST
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        if (folder / layout.SETTINGS).exists():
            raise UserError(f"{folder} is not finished: run the same irgen build again") from None
        raise UserError(f"{folder} is no data set: it has no {layout.MANIFEST}") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    try:
        version = msgspec.json.decode(data)["settings"]["format_version"]
        if version != FORMAT_VERSION:
            raise UserError(f"{path} is of format {version}, where {FORMAT_VERSION} is read")
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is whole or absent, also after a loss of power."""
    partial = layout.partial(path)
    with open(partial, "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    partial.replace(path)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
