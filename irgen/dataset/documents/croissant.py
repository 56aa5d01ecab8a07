"""The Croissant description of a data set: its files, and the fields of their records.

https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from irgen.dataset import layout
from irgen.dataset.columns import columns
from irgen.dataset.documents.card_header import struct_fields
from irgen.dataset.documents.configs import DEFAULT, Config, configs
from irgen.dataset.documents.licences import LICENCE_URL
from irgen.dataset.documents.words import citation, describe, title
from irgen.dataset.manifest import sha256, write_whole
from irgen.dataset.reading import Dataset

if TYPE_CHECKING:
    import pyarrow as pa

Node = dict[str, Any]

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"

_CONTEXT: Node = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

_SPLIT = r"(?:.*/)?([a-z_]+)(?:-\d+-of-\d+\.[a-z.]+)?$"
"""Finds the split in a path, and a split in itself: some readers look twice."""

_ENCODINGS: Mapping[str, str] = {
    "parquet": "application/x-parquet",
    "jsonl": "application/jsonlines",
    "jsonl.zst": "application/zstd",
}
"""The encoding of files by the end of their names."""

_UNREAD = "jsonl.zst"
"""Readers of Croissant do not unpack it: such files are listed, without their records."""


def write_croissant(dataset: Dataset) -> None:
    """Write `croissant.json`, whole or not at all. OSError passes through."""
    text = json.dumps(croissant(dataset), indent=1, ensure_ascii=False)
    write_whole(dataset.folder / layout.CROISSANT, text.encode() + b"\n")


def croissant(dataset: Dataset) -> Node:
    """The description as JSON-LD; it depends on what the folder holds alone."""
    settings = dataset.manifest.settings
    found = configs(dataset)
    known = {file.name: (file.bytes, file.sha256) for file in dataset.manifest.files}
    files: list[Node] = []
    for config in found:
        for names in config.files.values():
            files += [_file(dataset, name, known) for name in names]
    readable = [one for one in found if one.name != DEFAULT or settings.format != _UNREAD]
    sets = [_file_set(config) for config in readable]
    records = [node for config in readable for node in _records(dataset, config)]
    versions = (settings.grammar_version, settings.schema_version, settings.format_version)
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": "irgen",
        "alternateName": title(settings),
        "description": describe(settings),
        "license": LICENCE_URL,
        "citeAs": citation(settings),
        "version": ".".join(map(str, versions)),
        "isLiveDataset": False,
        "distribution": files + sets,
        "recordSet": records,
    }


def _file(dataset: Dataset, name: str, known: Mapping[str, tuple[int, str]]) -> Node:
    path = dataset.folder / name
    size, digest = known.get(name) or (path.stat().st_size, sha256(path))
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{size} B",
        "encodingFormat": _ENCODINGS[name.rpartition("/")[2].partition(".")[2]],
        "sha256": digest,
    }


def _file_set(config: Config) -> Node:
    first = next(iter(config.files.values()))[0]
    folder, _, name = first.rpartition("/")
    end = name.partition(".")[2]
    return {
        "@type": "cr:FileSet",
        "@id": f"{config.name}-files",
        "name": f"{config.name}-files",
        "description": f"The files of config {config.name}.",
        "encodingFormat": _ENCODINGS[end],
        "includes": f"{folder}/*.{end}",
    }


def _records(dataset: Dataset, config: Config) -> Iterator[Node]:
    """The splits of a config, and its records with a field that says of which split each is."""
    yield {
        "@type": "cr:RecordSet",
        "@id": f"{config.name}-splits",
        "name": f"{config.name}-splits",
        "description": f"The splits of config {config.name}.",
        "dataType": "cr:Split",
        "key": {"@id": f"{config.name}-splits/name"},
        "field": [_named(f"{config.name}-splits", "name", "sc:Text", "Name of the split.")],
        "data": [{f"{config.name}-splits/name": split} for split in config.files],
    }
    docs = {one.name: one.doc for one in columns(dataset.manifest.settings)}
    split = _named(config.name, "split", "sc:Text", "The split that the record is in.")
    split["source"] = {
        "fileSet": {"@id": f"{config.name}-files"},
        "extract": {"fileProperty": "fullpath"},
        "transform": {"regex": _SPLIT},
    }
    split["references"] = {"field": {"@id": f"{config.name}-splits/name"}}
    yield {
        "@type": "cr:RecordSet",
        "@id": config.name,
        "name": config.name,
        "description": f"The records of config {config.name}, of all its splits.",
        "field": [
            split,
            *[
                _field(config.name, field, docs.get(field.name, ""))
                for field in _schema(dataset, config)
            ],
        ],
    }


def _schema(dataset: Dataset, config: Config) -> Iterator[pa.Field[Any]]:
    from irgen.dataset.arrow import schema
    from irgen.dataset.training.examples import view_schema
    from irgen.dataset.training.views import read_view

    if config.name == DEFAULT:
        found: Any = schema(dataset.manifest.settings)
    else:
        found = view_schema(read_view(dataset.folder / layout.VIEWS / config.name).form)
    yield from found


def _named(where: str, name: str, kind: str, doc: str) -> Node:
    node: Node = {"@type": "cr:Field", "@id": f"{where}/{name}", "name": name}
    if doc:
        node["description"] = doc
    return node | {"dataType": kind}


def _field(config: str, field: pa.Field[Any], doc: str) -> Node:
    """A column; what is nested becomes fields of it, as far down as Croissant readers reach."""
    source: Node = {"fileSet": {"@id": f"{config}-files"}, "extract": {"column": field.name}}
    kind, repeated = _inner(field.type)
    node: Node = {"@type": "cr:Field", "@id": f"{config}/{field.name}", "name": field.name}
    if doc:
        node["description"] = doc
    if repeated:
        node["repeated"] = True
    fields = _members(kind)
    if fields is None:
        return node | {"dataType": _data_type(kind), "source": source}
    below: list[Node] = []
    for member in fields:
        inner, many = _inner(member.type)
        if _members(inner) is not None:
            continue
        one = _named(f"{config}/{field.name}", member.name, _data_type(inner), "")
        one["source"] = source | {"transform": {"jsonPath": member.name}}
        if many:
            one["repeated"] = True
        below.append(one)
    return node | {"subField": below}


def _inner(kind: pa.DataType) -> tuple[pa.DataType, bool]:
    """The type of the elements of a list, and whether it is one."""
    import pyarrow.types as pt

    return (kind.value_type, True) if pt.is_list(kind) else (kind, False)


def _members(kind: Any) -> list[pa.Field[Any]] | None:
    """The fields of a struct; None for anything else."""
    import pyarrow.types as pt

    return struct_fields(kind) if pt.is_struct(kind) else None


def _data_type(kind: pa.DataType) -> str:
    import pyarrow.types as pt

    if pt.is_boolean(kind):
        return "sc:Boolean"
    if pt.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pt.is_floating(kind) else "sc:Text"
