"""The columns of a data set: one table of them, and rows to and from records.

A row is one program with all that every backend made of it. It is flat where people look (a column
per text) and nested where machines do, and nothing of the records is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from backends.base import Artifact
from backends.registry import BACKENDS
from backends.style import Style
from irgen.dataset.settings import Settings
from irgen.record import Record, SourceText
from irgen.vectors import Vectors
from irgen.verdict import Verdict, forward_verified, gradient_verified

Row = dict[str, Any]

Kind = Literal[
    "text", "int32", "int64", "flag", "texts", "integers",
    "style", "versions", "vectors", "artifacts", "cost", "verdicts",
]  # fmt: skip
"""What a column holds; `irgen.dataset.arrow` has the Arrow type of each."""

_JOIN = "\n"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, what it holds, and in words. Any but the `required` may be null."""

    name: str
    kind: Kind
    doc: str
    required: bool = True


_PROGRAM = (
    Column("id", "text", "hash of the address: grammar version, grammar, seed, index"),
    Column("grammar", "text", "name of the grammar that drew the program"),
    Column("seed", "int64", "seed of the address"),
    Column("index", "int64", "index of the address"),
    Column("program", "text", "the program in irgen's own text form"),
    Column("description", "text", "the program in plain English"),
    Column("statements", "int32", "number of statements, nested ones included"),
    Column("depth", "int32", "how deep control flow nests"),
    Column("ops", "texts", "names of the ops in it, sorted, each once"),
    Column("exact_hash", "text", "hash of the program, names and style aside"),
    Column("structure_hash", "text", "the same with literals, extents and trip counts abstracted"),
    Column("choices", "integers", "the choices that replay the draw"),
    Column("style", "style", "how the program is spelled"),
    Column("inputs", "vectors", "what it was fed, by parameter", required=False),
    Column("cotangents", "vectors", "what was pulled back, by output", required=False),
    Column("versions", "versions", "versions of irgen and of the compilers"),
    Column("grammar_version", "int32", "version of the drawing"),
    Column("schema_version", "int32", "version of the record"),
)

_MADE = (
    Column("kernel_name", "text", "name of the entry in the source"),
    Column("python", "text", "the source"),
)

_JUDGED = (
    Column("artifacts", "artifacts", "each text there is, or why there is none"),
    Column("cost", "cost", "flops and bytes by direction, as the compiler says"),
    Column("forward_verified", "flag", "whether the values are verified", required=False),
    Column("gradient_verified", "flag", "whether the gradients are verified", required=False),
    Column("outputs", "vectors", "what came back, by output", required=False),
    Column("gradients", "vectors", "gradients that came back, by parameter", required=False),
    Column("verdicts", "verdicts", "what the oracle says of each execution"),
    Column("content_hash", "text", "hash of all that was made from the program"),
)


def columns(settings: Settings) -> tuple[Column, ...]:
    """The columns of a data set, in order: of the program, then of each backend behind its name."""
    found = list(_PROGRAM)
    for name in settings.backends:
        own = [*_MADE, *_texts(name, settings.levels[name]), *_JUDGED]
        found += [Column(f"{name}_{one.name}", one.kind, one.doc, one.required) for one in own]
    return tuple(found)


def text_columns(backend: str, levels: Sequence[str]) -> tuple[str, ...]:
    """The names of the columns with text of a backend's compiler: "warp_cpp_module"."""
    return tuple([f"{backend}_{column.name}" for column in _texts(backend, levels)])


def _texts(backend: str, levels: Sequence[str]) -> Iterator[Column]:
    for level in BACKENDS[backend].levels:
        if level.name in levels:
            for direction in level.directions:
                yield Column(f"{level.name}_{direction}", "text", level.doc, required=False)


def row_of(settings: Settings, records: Sequence[Record], facts: Mapping[str, Any]) -> Row:
    """The row of one program: `records` has one of each backend, in the order of the settings.

    `facts` holds the columns that follow from the program and are in no record: description, depth
    and ops.
    """
    first = records[0]
    fed = next((record.vectors for record in records if record.vectors is not None), None)
    row: Row = {
        "id": first.id,
        "grammar": first.grammar,
        "seed": first.seed,
        "index": first.index,
        "program": first.program,
        "description": facts["description"],
        "statements": first.statements,
        "depth": facts["depth"],
        "ops": facts["ops"],
        "exact_hash": first.exact_hash,
        "structure_hash": first.structure_hash,
        "choices": first.choices,
        "style": msgspec.to_builtins(first.sources[0].style),
        "inputs": None if fed is None else msgspec.to_builtins(fed.inputs),
        "cotangents": None if fed is None else msgspec.to_builtins(fed.cotangents),
        "versions": _pairs(_merged(records), "version"),
        "grammar_version": first.grammar_version,
        "schema_version": first.schema_version,
    }
    for name, record in zip(settings.backends, records, strict=True):
        made = _of_backend(record, settings.levels[name])
        row |= {f"{name}_{key}": value for key, value in made.items()}
    return row


def _of_backend(record: Record, levels: Sequence[str]) -> Row:
    source, vectors = record.sources[0], record.vectors
    judged = bool(record.verdicts)
    texts = {column.name: _text(record, column.name) for column in _texts(source.backend, levels)}
    return {
        "kernel_name": source.kernel_name,
        "python": source.python,
        **texts,
        "artifacts": [_artifact(one) for one in record.artifacts],
        "cost": [
            {"direction": direction, "quantity": quantity, "value": value}
            for direction, found in source.cost.items()
            for quantity, value in found.items()
        ],
        "forward_verified": forward_verified(record.verdicts) if judged else None,
        "gradient_verified": gradient_verified(record.verdicts) if judged else None,
        "outputs": None if vectors is None else msgspec.to_builtins(vectors.outputs),
        "gradients": None if vectors is None else msgspec.to_builtins(vectors.gradients),
        "verdicts": [_verdict(one) for one in record.verdicts],
        "content_hash": record.content_hash,
    }


def _column(artifact: Artifact) -> str:
    return f"{artifact.level}_{artifact.direction}"


def _text(record: Record, column: str) -> str | None:
    """The texts of a level and direction, all units in source order, a line end between them."""
    found = [
        artifact.text
        for artifact in record.artifacts
        if artifact.text is not None and _column(artifact) == column
    ]
    return _JOIN.join(found) if found else None


def _artifact(artifact: Artifact) -> Row:
    """An artifact without its text, of which it keeps the number of characters."""
    return {
        "unit": artifact.unit,
        "level": artifact.level,
        "direction": artifact.direction,
        "status": artifact.status,
        "reason": artifact.reason,
        "detail": artifact.detail,
        "characters": None if artifact.text is None else len(artifact.text),
    }


def _verdict(verdict: Verdict) -> Row:
    row: Row = msgspec.to_builtins(verdict)
    row["reasons"] = _pairs(verdict.reasons, "lanes")
    return row


def _merged(records: Iterable[Record]) -> dict[str, str]:
    return {name: version for record in records for name, version in record.versions.items()}


def _pairs(found: Mapping[str, Any], value: str) -> list[Row]:
    """A mapping as a list of its items, which tables can hold."""
    return [{"name": key, value: item} for key, item in found.items()]


def _mapping(pairs: Iterable[Mapping[str, Any]], value: str) -> dict[str, Any]:
    return {pair["name"]: pair[value] for pair in pairs}


def records_of(settings: Settings, row: Mapping[str, Any]) -> list[Record]:
    """The records behind a row, one of each backend; the inverse of `row_of`.

    msgspec.ValidationError, KeyError, TypeError or ValueError where it is no such row.
    """
    versions: dict[str, str] = _mapping(row["versions"], "version")
    style = msgspec.convert(row["style"], Style)
    return [_record(settings, row, name, versions, style) for name in settings.backends]


def _record(
    settings: Settings, row: Mapping[str, Any], backend: str, versions: dict[str, str], style: Style
) -> Record:
    def own(name: str) -> Any:
        return row[f"{backend}_{name}"]

    cost: dict[str, dict[str, float]] = {}
    for one in own("cost"):
        cost.setdefault(one["direction"], {})[one["quantity"]] = one["value"]
    vectors = None
    if own("outputs") is not None:
        vectors = msgspec.convert(
            {
                "inputs": row["inputs"],
                "cotangents": row["cotangents"],
                "outputs": own("outputs"),
                "gradients": own("gradients"),
            },
            Vectors,
        )
    others = {BACKENDS[name].distribution for name in settings.backends if name != backend}
    verdicts = [
        msgspec.convert({**one, "reasons": _mapping(one["reasons"], "lanes")}, Verdict)
        for one in own("verdicts")
    ]
    return Record(
        id=row["id"],
        grammar=row["grammar"],
        seed=row["seed"],
        index=row["index"],
        program=row["program"],
        statements=row["statements"],
        exact_hash=row["exact_hash"],
        structure_hash=row["structure_hash"],
        content_hash=own("content_hash"),
        choices=row["choices"],
        sources=[SourceText(backend, style, own("python"), own("kernel_name"), cost)],
        artifacts=_artifacts(row, backend),
        versions={name: text for name, text in versions.items() if name not in others},
        vectors=vectors,
        verdicts=verdicts,
        grammar_version=row["grammar_version"],
        schema_version=row["schema_version"],
    )


def _artifacts(row: Mapping[str, Any], backend: str) -> list[Artifact]:
    """The artifacts of a backend, each with its part of the text of its column."""
    starts: dict[str, int] = {}
    made: list[Artifact] = []
    for one in row[f"{backend}_artifacts"]:
        column = f"{one['level']}_{one['direction']}"
        text: str | None = None
        if one["characters"] is not None:
            start = starts.get(column, 0)
            end = start + one["characters"]
            text = row[f"{backend}_{column}"][start:end]
            starts[column] = end + len(_JOIN)
        given = {key: one[key] for key in ("unit", "level", "direction", "status", "reason")}
        made.append(
            msgspec.convert(
                {**given, "detail": one["detail"], "backend": backend, "text": text}, Artifact
            )
        )
    return made
