"""The record: one program, its sources, and what each compiler made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from backends.base import Artifact
from backends.style import Style
from grammar.config import GRAMMAR_VERSION, Grammar
from irgen.vectors import Vectors
from irgen.verdict import Verdict

SCHEMA_VERSION = 2
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

    `id` is a hash of (grammar version, canonical grammar, seed, index), `content_hash` of all that
    was made from the program: source and artifact text, vectors, verdicts. `exact_hash` and
    `structure_hash` are the program's canonical hashes, the second with constants, extents and
    trip counts abstracted. `choices` replays the draw. `vectors` is what the program was fed and
    what came back, None where it was not executed; `verdicts` has one entry per backend and
    execution.
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
    vectors: Vectors | None = None
    verdicts: list[Verdict] = []
    grammar_version: int = GRAMMAR_VERSION
    schema_version: int = SCHEMA_VERSION


def record_id(grammar: Grammar, seed: int, index: int) -> str:
    """The id of the program at an address: 32 hexadecimal digits."""
    return _digest((grammar.digest, str(seed), str(index)))


def content_hash(
    sources: list[SourceText],
    artifacts: list[Artifact],
    vectors: Vectors | None = None,
    verdicts: Sequence[Verdict] = (),
) -> str:
    """A hash over all that was made from a program: 32 hexadecimal digits."""
    parts = [part for source in sources for part in (source.backend, source.python)]
    for artifact in artifacts:
        parts += [artifact.backend, artifact.unit, artifact.level, artifact.direction]
        parts.append(artifact.text if artifact.text is not None else f"\0{artifact.reason}")
    parts.append(msgspec.json.encode((vectors, verdicts)).decode())
    return _digest(parts)


def with_verdicts(record: Record, vectors: Vectors | None, verdicts: list[Verdict]) -> Record:
    """The record with other vectors and verdicts, and the hash that goes with them."""
    return msgspec.structs.replace(
        record,
        vectors=vectors,
        verdicts=verdicts,
        content_hash=content_hash(record.sources, record.artifacts, vectors, verdicts),
    )


def _digest(parts: list[str] | tuple[str, ...]) -> str:
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode()
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()
