"""Near-duplicates: rows whose programs, or whose IR, are alike but for a few tokens.

A text becomes a set of shingles (`SHINGLE` tokens in a row, values named by how long ago they were
made, so that an insertion is local), a set becomes a MinHash signature, and signatures that agree
in a band are compared. Rows whose estimated Jaccard similarity is at least `THRESHOLD` are in one
cluster, and so is whatever is joined by such pairs.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from backends.registry import BACKENDS
from irgen.dataset import layout
from irgen.dataset.documents.normal import normalise
from irgen.dataset.extras import need
from irgen.dataset.reading import Dataset
from irgen.dataset.settings import Settings
from irgen.errors import UserError

SHINGLE = 5
"""Tokens of a shingle."""

THRESHOLD = 0.7
"""The least similarity of two rows that makes them near-duplicates."""

PERMUTATIONS = 126
"""Hashes of a signature: the standard error of an estimate is at most 0.045."""

SEED = 1

_BAND = 6
"""Hashes of a band: 21 bands find 93 of 100 pairs at the threshold, and 99.8 at 0.8."""

_PARTNERS = 64
"""With how many of those behind it a row is compared, where more than that agree in a band."""

_CHUNK = 1 << 14

_PREFERRED = ("cpp", "cuda", "stablehlo", "hlo", "jaxpr", "hlo_optimized")

_TOKEN = re.compile(
    r"%a?\d+|@\d+|[A-Za-z_][\w.:<>]*|-?\d[\w.]*(?:e[+-]\d+)?|\n\n|[^\s\w(),%@\"]", re.ASCII
)

Signatures = NDArray[np.uint32]
"""A row of `PERMUTATIONS` hashes per text."""


class Clustered(msgspec.Struct, frozen=True):
    """Clusters of more than one row: the `rows` in them of all that were `compared`, their number,
    and the size of the `largest`. `of` names what was compared."""

    of: list[str]
    compared: int
    rows: int
    clusters: int
    largest: int

    @property
    def share(self) -> float:
        """The share of rows that have a near-duplicate."""
        return self.rows / self.compared if self.compared else 0.0


class Near(msgspec.Struct, frozen=True):
    """The clusters of a data set, by program and by IR, and the similarity they start from."""

    threshold: float
    program: Clustered
    ir: Clustered


def compared_columns(settings: Settings) -> dict[str, str]:
    """The columns with the IR that is compared, one of each backend with any, and their syntax."""
    found: dict[str, str] = {}
    for backend in settings.backends:
        levels = {level.name: level for level in BACKENDS[backend].levels}
        kept = [levels[name] for name in _PREFERRED if name in settings.levels[backend]]
        if kept:
            found[f"{backend}_{kept[0].name}_forward"] = kept[0].syntax
    return found


def shingles(text: str, syntax: str) -> set[str]:
    """The shingles of a text; none where it is empty."""
    tokens = list(_relative(normalise(text, syntax)))
    if len(tokens) <= SHINGLE:
        return {" ".join(tokens)} if tokens else set()
    return {" ".join(tokens[at : at + SHINGLE]) for at in range(len(tokens) - SHINGLE + 1)}


def _relative(text: str) -> Iterator[str]:
    """Tokens of a normalised text; a value that was made n values ago is %n, a new one is %."""
    made = 0
    for token in cast("list[str]", _TOKEN.findall(text)):
        if token == "\n\n":
            made = 0
        elif token[0] == "%" and token[1] != "a":
            ago = made - int(token[1:])
            made += ago <= 0
            yield f"%{ago}" if ago > 0 else "%"
        else:
            yield token


def signatures(sets: Sequence[set[str]]) -> Signatures:
    """The signature of each set."""
    matrix: Any = need("rensa").RMinHash.digest_matrix_from_token_sets(
        [list(one) for one in sets], PERMUTATIONS, SEED
    )
    return np.array(matrix.to_rows(), np.uint32).reshape(len(sets), PERMUTATIONS)


def similarity(left: Signatures, right: Signatures) -> NDArray[np.float64]:
    """The estimated Jaccard similarity, row by row."""
    return (left == right).mean(axis=-1)


def clusters_of(signed: Signatures, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The cluster of each row, named by its first one; -1 for rows that are not among `rows`."""
    parents = np.full(len(signed), -1, np.int64)
    parents[rows] = rows

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = int(parents[row])
        return row

    def join(pairs: NDArray[np.int64]) -> None:
        for left, right in cast("list[list[int]]", pairs.tolist()):
            first, second = sorted((root(left), root(right)))
            parents[second] = first

    # Rows of equal signatures are joined at once; only the first of them is compared with others.
    for pairs in _agreeing(_keys(signed, rows, slice(None)), rows, 1):
        join(pairs[similarity(signed[pairs[:, 0]], signed[pairs[:, 1]]) == 1])
    first = rows[parents[rows] == rows]
    for band in range(0, PERMUTATIONS, _BAND):
        keys = _keys(signed, first, slice(band, band + _BAND))
        for pairs in _agreeing(keys, first, _PARTNERS):
            alike = similarity(signed[pairs[:, 0]], signed[pairs[:, 1]]) >= THRESHOLD
            join(pairs[alike])
    for row in cast("list[int]", rows.tolist()):
        parents[row] = root(row)
    return parents


def _keys(signed: Signatures, rows: NDArray[np.int64], columns: slice) -> NDArray[np.uint64]:
    """A hash over some columns of each row."""
    keys = np.empty(len(rows), np.uint64)
    for start in range(0, len(rows), _CHUNK):
        part = signed[rows[start : start + _CHUNK], columns]
        key = np.zeros(len(part), np.uint64)
        for column in part.T:
            key = (key ^ column) * np.uint64(0x9E3779B97F4A7C15)
            key ^= key >> np.uint64(32)
        keys[start : start + _CHUNK] = key
    return keys


def _agreeing(
    keys: NDArray[np.uint64], rows: NDArray[np.int64], partners: int
) -> Iterator[NDArray[np.int64]]:
    """Pairs of rows with equal keys, in chunks; each row with so many of those behind it."""
    order = np.argsort(keys, kind="stable")
    ordered, at = keys[order], np.arange(len(keys) - 1)
    for distance in range(1, partners + 1):
        at = at[at + distance < len(keys)]
        at = at[ordered[at] == ordered[at + distance]]
        for start in range(0, len(at), _CHUNK):
            left = at[start : start + _CHUNK]
            yield np.stack([rows[order[left]], rows[order[left + distance]]], axis=1)
        if not len(at):
            return


class _Signed:
    """Signatures of texts as they come, in a file that has no name and so leaves nothing behind."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `clusters`
        self._rows: list[NDArray[np.int64]] = []
        self._count = 0

    def add(self, sets: Sequence[set[str]]) -> None:
        """The next rows; an empty set is not compared."""
        self._file.write(signatures(sets).tobytes())
        present = [at for at, one in enumerate(sets, self._count) if one]
        self._rows.append(np.array(present, np.int64))
        self._count += len(sets)

    def clusters(self) -> NDArray[np.int64]:
        """The cluster of each row, or -1; the file is gone afterwards."""
        with self._file:
            self._file.flush()
            if not self._count:
                return np.empty(0, np.int64)
            signed = np.memmap(self._file, np.uint32, "r", shape=(self._count, PERMUTATIONS))
            return clusters_of(signed, np.concatenate(self._rows))


def write_clusters(dataset: Dataset, progress: Callable[[int], None] | None = None) -> Near:
    """Find the clusters of a data set and write them as `plan/clusters.parquet`.

    `progress` is told how many more rows were read.

    It has a line per row, in the order of the data set: id, program_cluster and ir_cluster. A
    cluster is named by the id of its first row, and is null where there is nothing to compare.
    OSError passes through.
    """
    pa, pq = need("pyarrow"), need("pyarrow.parquet")
    columns = compared_columns(dataset.manifest.settings)
    folder = dataset.folder / layout.PLAN
    folder.mkdir(exist_ok=True)
    programs, irs = _Signed(folder), _Signed(folder)
    ids: list[Any] = []
    for file in dataset.manifest.files:
        for batch in dataset.batches(file, ["id", "program", *columns]):
            ids.append(batch.column("id"))
            programs.add([shingles(text, "irgen") for text in _texts(batch, "program")])
            texts = [_texts(batch, name) for name in columns]
            syntaxes = list(columns.values())
            together = zip(*texts, strict=True) if texts else [()] * batch.num_rows
            irs.add([_together(row, syntaxes) for row in together])
            if progress is not None:
                progress(batch.num_rows)
    id_column = pa.chunked_array(ids, pa.string())
    found = [programs.clusters(), irs.clusters()]
    named = [id_column.take(pa.array(one, mask=one < 0)) for one in found]
    table = pa.table([id_column, *named], names=["id", "program_cluster", "ir_cluster"])
    path = dataset.folder / layout.CLUSTERS
    pq.write_table(table, layout.partial(path), compression="zstd")
    layout.partial(path).replace(path)
    return _near(columns, found)


def _texts(batch: Any, name: str) -> list[Any]:
    return batch.column(name).to_pylist()


def _together(texts: Iterable[str | None], syntaxes: Sequence[str]) -> set[str]:
    """The shingles of the IR of all backends of a row, each behind the number of its backend."""
    return {
        f"{number} {one}"
        for number, text, syntax in zip(count(), texts, syntaxes, strict=False)
        if text is not None
        for one in shingles(text, syntax)
    }


def _near(columns: dict[str, str], found: Sequence[NDArray[np.int64]]) -> Near:
    return Near(THRESHOLD, _clustered(["program"], found[0]), _clustered(list(columns), found[1]))


def _clustered(of: list[str], found: NDArray[np.int64]) -> Clustered:
    sizes = np.unique(found[found >= 0], return_counts=True)[1]
    several = sizes[sizes > 1]
    largest = int(several.max()) if len(several) else 1
    return Clustered(of, int((found >= 0).sum()), int(several.sum()), len(several), largest)


def read_near(dataset: Dataset) -> Near | None:
    """What `plan/clusters.parquet` says; None where it is not there, UserError where it cannot be
    read."""
    path = dataset.folder / layout.CLUSTERS
    if not path.exists():
        return None
    pa, pq = need("pyarrow"), need("pyarrow.parquet")
    try:
        table = pq.read_table(path, columns=["program_cluster", "ir_cluster"])
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    found: list[NDArray[np.int64]] = []
    for name in table.column_names:
        encoded = table.column(name).combine_chunks().dictionary_encode()
        found.append(encoded.indices.fill_null(-1).to_numpy().astype(np.int64))
    return _near(compared_columns(dataset.manifest.settings), found)
