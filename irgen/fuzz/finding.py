"""Findings: a folder each, written all at once, and read only where nothing in it was changed."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from backends.base import Capture
from backends.registry import BACKENDS
from backends.style import Style
from grammar.config import GRAMMAR_VERSION
from grammar.parse import parse_program
from grammar.program import Program, size
from grammar.reference import check_inputs
from grammar.text import print_program
from grammar.types import scalar_of
from grammar.verify import verify
from irgen import vectors
from irgen.errors import UserError
from irgen.fuzz.buckets import Bucket
from irgen.fuzz.case import Case, Symptom
from irgen.fuzz.confirm import UNSURE, ran
from irgen.record import Record
from irgen.service import make_record
from irgen.vectors import Vectors, output_types
from irgen.verdict import Verdict

if TYPE_CHECKING:
    from irgen.fuzz.setup import Setup
    from irgen.fuzz.shrink import Shrunk
    from irgen.service import Drawn

SCHEMA_VERSION = 1
"""Raised whenever a field of a finding changes its name or meaning."""

MAIN = "finding.json"
"""The file of a folder that holds the finding; the others say parts of it to readers."""


class Address(msgspec.Struct, frozen=True):
    """Where a program was drawn: the grammar by its name and its digest, seed and index."""

    grammar: str
    digest: str
    seed: int
    index: int
    grammar_version: int = GRAMMAR_VERSION


class Finding(msgspec.Struct, frozen=True):
    """A bug, as it is written down.

    `constructs` are those of its bucket. `address`, `choices` and `original` are of the program as
    it was drawn, `program`, `style`, `vectors` (inputs and cotangents) and `source` of what it was
    shrunk to, from `before` to `after` statements; `finished` tells that nothing smaller was found,
    and not that time was up. `target` is "installed" or a release in an interpreter of its own,
    `versions` what is installed there. `exit_code` and `shown` are what the repro did there, None
    and "" where it did not run. `record` is that of the program as it was drawn.
    """

    backend: str
    bucket: str
    constructs: list[str]
    symptom: Symptom
    program: str
    style: Style
    vectors: Vectors
    source: str
    versions: dict[str, str]
    address: Address | None = None
    choices: list[int] = []
    original: str = ""
    before: int = 0
    after: int = 0
    finished: bool = True
    verdicts: list[Verdict] = []
    target: str = "installed"
    avoided: list[str] = []
    exit_code: int | None = None
    shown: str = ""
    hits: int = 1
    record: Record | None = None
    schema_version: int = SCHEMA_VERSION


class _Stored(msgspec.Struct, frozen=True):
    """What `finding.json` holds: hashes of the other files, and one of all that."""

    finding: Finding
    files: dict[str, str]
    digest: str


def make(
    setup: Setup,
    drawn: Drawn,
    first: Case,
    shrunk: Shrunk,
    bucket: Bucket,
    symptom: Symptom,
    verdicts: Sequence[Verdict],
) -> Finding:
    """The finding of a program that was drawn, and shrunk to a case that shows a symptom."""
    backend = BACKENDS[setup.backend]
    rendered = backend.render(drawn.program, drawn.style, avoided=setup.avoided)
    versions = versions_of(setup)
    found = of_case(setup, shrunk.case, bucket, symptom, verdicts)
    return msgspec.structs.replace(
        found,
        address=Address(drawn.grammar.name, drawn.grammar.digest, drawn.seed, drawn.index),
        choices=list(drawn.choices),
        original=print_program(drawn.program),
        before=size(first.program),
        finished=shrunk.finished,
        record=make_record(drawn, rendered, Capture((), {}), versions),
    )


def of_case(
    setup: Setup, case: Case, bucket: Bucket, symptom: Symptom, verdicts: Sequence[Verdict]
) -> Finding:
    """The finding of a case, wherever it is from."""
    count = size(case.program)
    rendered = BACKENDS[setup.backend].render(case.program, case.style, avoided=setup.avoided)
    return Finding(
        backend=setup.backend,
        bucket=bucket.name,
        constructs=list(bucket.constructs),
        symptom=symptom,
        program=print_program(case.program),
        style=case.style,
        vectors=vectors.fed(case.program, case.inputs, case.cotangents),
        source=rendered.python,
        versions=versions_of(setup),
        before=count,
        after=count,
        verdicts=list(verdicts),
        target=setup.target.name if setup.target else "installed",
        avoided=sorted(setup.avoided),
    )


def versions_of(setup: Setup) -> dict[str, str]:
    """What made a finding: irgen, the backend and NumPy, and Python."""
    versions = {"irgen": metadata.version("irgen")}
    if setup.target is not None:
        return versions | dict(setup.target.versions)
    backend = BACKENDS[setup.backend]
    named = {backend.distribution: backend.installed(), "numpy": np.__version__}
    return versions | named | {"python": ".".join(map(str, sys.version_info[:3]))}


def case_of(finding: Finding) -> Case:
    """The case of a finding: its program parsed and verified, its inputs those that it takes.

    UserError where they do not fit each other.
    """
    try:
        program = parse_program(finding.program)
        verify(program)
        inputs = tuple([vectors.decode(one) for one in finding.vectors.inputs])
        check_inputs(program.entry, inputs)
        cotangents = _cotangents(program, finding.vectors)
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{finding.bucket}: {' '.join(str(error).split())}") from None
    return Case(program, finding.style, inputs, cotangents)


def _cotangents(program: Program, found: Vectors) -> vectors.Optionals:
    from grammar.reference import shape_of

    types = output_types(program.entry)
    made = tuple([one and vectors.decode(one) for one in found.cotangents])
    wanted = [shape_of(t) if scalar_of(t).kind == "float" else None for t in types]
    if [None if one is None else one.shape for one in made] != wanted:
        raise ValueError("its cotangents are not those of its outputs")
    return made


def repro_of(finding: Finding) -> str:
    """The text of the repro."""
    from irgen.fuzz.repro import Question, repro

    return repro(
        Question(
            finding.backend,
            case_of(finding),
            finding.symptom,
            finding.verdicts,
            frozenset(finding.avoided),
        )
    )


def confirmed(finding: Finding, python: str = sys.executable, seconds: float = 900.0) -> Finding:
    """The finding with what its repro does in an interpreter, run twice: exit code and output.

    `exit_code` is `confirm.UNSURE` where two runs differ in it; `shown` is what the first prints.
    """
    text = repro_of(finding)
    (code, shown), (again, _) = (ran(text, python, seconds) for _ in range(2))
    exit_code = code if code == again else UNSURE
    return msgspec.structs.replace(finding, exit_code=exit_code, shown=shown)


# Folders.


def folder_name(bucket: str) -> str:
    """The name of the folder of a bucket."""
    return re.sub(r"[^a-z0-9_]+", "-", bucket)


def files_of(finding: Finding) -> dict[str, str]:
    """The text of every file of a finding but the main one."""
    from irgen.fuzz.report import report

    texts = {
        "repro.py": repro_of(finding),
        "program.txt": finding.program,
        "verdict.json": _json(finding.verdicts),
        "versions.json": _json(finding.versions),
        "inputs.json": _json(_readable(finding)),
        "report.md": report(finding),
    }
    if finding.record is not None:
        texts["record.json"] = _json(finding.record)
    return texts


def _readable(finding: Finding) -> dict[str, Any]:
    """Inputs and cotangents as numbers."""
    case = case_of(finding)
    names = [f"%{value.id}" for value in case.program.entry.parameters]
    kinds = [one.dtype for one in finding.vectors.inputs]
    inputs = {
        name: {"dtype": kind, "shape": list(array.shape), "values": _numbers(array)}
        for name, kind, array in zip(names, kinds, case.inputs, strict=True)
    }
    cotangents = [None if one is None else _numbers(one) for one in case.cotangents]
    return {"inputs": inputs, "cotangents": cotangents}


def _numbers(array: Any) -> Any:
    """Nested lists; what JSON has no number for is text."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return np.vectorize(str)(array).tolist()
    return array.tolist()


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value)).decode() + "\n"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _stored(finding: Finding, files: dict[str, str]) -> _Stored:
    """Hits are not part of the digest: they are counted on."""
    bare = msgspec.structs.replace(finding, record=None)
    said = msgspec.structs.replace(bare, hits=0)
    hashes = {name: _digest(text) for name, text in sorted(files.items())}
    return _Stored(bare, hashes, _digest(msgspec.json.encode((said, hashes)).decode()))


def write(finding: Finding, root: Path) -> Path:
    """Write a finding under a folder, in one of its own that is there as a whole or not at all;
    one of the same bucket is replaced. UserError where that fails."""
    files = files_of(finding)
    stored = _stored(finding, files)
    name = folder_name(finding.bucket)
    target, new, old = root / name, root / f".new-{name}", root / f".old-{name}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        _restore(root)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        for file, text in {**files, MAIN: _json(stored)}.items():
            _write(new / file, text)
        _sync(new)
        if target.exists():
            target.rename(old)
        new.rename(target)
        shutil.rmtree(old, ignore_errors=True)
        _sync(root)
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror}") from None
    return target


def count(folder: Path, hits: int) -> None:
    """Set how often a finding was hit. UserError for a folder that `read` would refuse."""
    finding = msgspec.structs.replace(read(folder), hits=hits)
    path = folder / MAIN
    stored = _decoded(folder, path.read_bytes())
    part = folder / f".{MAIN}"
    _write(part, _json(msgspec.structs.replace(stored, finding=_bare(finding))))
    part.replace(path)


def _bare(finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, record=None)


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _restore(root: Path) -> None:
    """Put back what was moved away when a writer was killed before its successor stood there."""
    for old in sorted(root.glob(".old-*")):
        target = root / old.name.removeprefix(".old-")
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(target)


def read(folder: Path) -> Finding:
    """The finding in a folder, or of its `finding.json`. UserError, in one line, where a file is
    missing, was changed by hand, or is of another version."""
    folder = folder.parent if folder.name == MAIN else folder
    stored = _decoded(folder, _bytes(folder / MAIN))
    finding = stored.finding
    if stored.digest != _rehashed(stored):
        raise UserError(f"{folder / MAIN} was changed")
    for name, digest in stored.files.items():
        if _digest(_text(folder / name)) != digest:
            raise UserError(f"{folder / name} was changed")
    if "record.json" in stored.files:
        record = msgspec.json.decode(_bytes(folder / "record.json"), type=Record)
        finding = msgspec.structs.replace(finding, record=record)
    return finding


def _rehashed(stored: _Stored) -> str:
    said = msgspec.structs.replace(stored.finding, hits=0)
    return _digest(msgspec.json.encode((said, stored.files)).decode())


def _decoded(folder: Path, data: bytes) -> _Stored:
    try:
        head = msgspec.json.decode(data)
        version = head["finding"]["schema_version"]
        if version != SCHEMA_VERSION:
            raise UserError(
                f"{folder}: a finding of version {version!r}, where {SCHEMA_VERSION} is read"
            )
        return msgspec.convert(head, _Stored)
    except (msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError) as error:
        raise UserError(f"{folder / MAIN} is no finding: {error}") from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode()
    except UnicodeDecodeError:
        raise UserError(f"{path} was changed: it is no text") from None


def all_findings(root: Path) -> list[Finding]:
    """The findings under a folder, by name; none where there is no such folder."""
    if not root.is_dir():
        return []
    _restore(root)
    folders = [one for one in sorted(root.iterdir()) if not one.name.startswith(".")]
    return [read(folder) for folder in folders if (folder / MAIN).is_file()]
