"""The record: one program, its sources, and what each compiler made of them."""

from __future__ import annotations

import hashlib

import msgspec

from backends.base import Artifact
from backends.style import Style
from grammar.config import GRAMMAR_VERSION, Grammar

SCHEMA_VERSION = 1
"""Raised whenever a field of a record changes its name or meaning."""


class SourceText(msgspec.Struct, frozen=True):
    """The program in one kernel language.

    `kernel_name` names the entry; `cost` holds flops and bytes per direction where the backend
    reports them.
    """

    backend: str
    style: Style
    python: str
    kernel_name: str
    cost: dict[str, dict[str, float]] = {}


class Record(msgspec.Struct, frozen=True):
    """One program and everything known of it.

    `id` is a hash of (grammar version, canonical grammar, seed, index), `content_hash` of all
    source and artifact text. `exact_hash` and `structure_hash` are the program's canonical hashes,
    the second with constants, extents and trip counts abstracted. `choices` replays the draw.
    """

    id: str
    grammar: str
    seed: int
    index: int
    program: str
    statements: int
    exact_hash: str
    structure_hash: str
    content_hash: str
    choices: list[int]
    sources: list[SourceText]
    artifacts: list[Artifact]
    versions: dict[str, str]
    grammar_version: int = GRAMMAR_VERSION
    schema_version: int = SCHEMA_VERSION


def record_id(grammar: Grammar, seed: int, index: int) -> str:
    """The id of the program at an address: 32 hexadecimal digits."""
    return _digest((grammar.digest, str(seed), str(index)))


def content_hash(sources: list[SourceText], artifacts: list[Artifact]) -> str:
    """A hash over all text of a record: 32 hexadecimal digits."""
    parts = [part for source in sources for part in (source.backend, source.python)]
    for artifact in artifacts:
        parts += [artifact.backend, artifact.unit, artifact.level, artifact.direction]
        parts.append(artifact.text if artifact.text is not None else f"\0{artifact.reason}")
    return _digest(parts)


def _digest(parts: list[str] | tuple[str, ...]) -> str:
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode()
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()
