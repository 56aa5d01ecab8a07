"""The numbers of a data set, batch by batch; what is kept grows by 24 bytes a row and no more."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from backends.registry import BACKENDS
from irgen.dataset import layout
from irgen.dataset.columns import text_columns
from irgen.dataset.documents.near import read_near
from irgen.dataset.documents.spread import Spread, Spreading
from irgen.dataset.documents.stats import Executed, Family, Stats, Text, Verified
from irgen.dataset.extras import need
from irgen.dataset.manifest import sha256
from irgen.dataset.reading import Dataset
from irgen.dataset.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

TOKENIZED = 500
"""Texts are tokenized in about so many rows, evenly spaced: all others have as many tokens per
character, within a percent or two."""

_JUDGED = ("forward_verified", "gradient_verified", "verdicts", "artifacts", "cost")


class _TextMeasure:
    """One column of text so far."""

    def __init__(
        self, column: str, backend: str = "", level: str = "", direction: str = ""
    ) -> None:
        self.column, self._place = column, (backend, level, direction)
        self.bytes = Spreading()
        self.characters = self.tokens = self.token_characters = 0

    def add(self, texts: Any, sampled: slice, count: Callable[[str], int]) -> None:
        """Count the texts of a column of a batch, and tokens of those that are sampled."""
        self.bytes.add(_lengths(texts, "binary_length"))
        self.characters += int(_lengths(texts, "utf8_length").sum())
        for text in texts[sampled].to_pylist():
            if text is not None:
                self.tokens += count(text)
                self.token_characters += len(text)

    def text(self) -> Text:
        """What was counted."""
        return Text(
            self.column,
            *self._place,
            self.bytes.spread(),
            self.characters,
            self.tokens,
            self.token_characters,
        )


class Measuring:
    """All numbers so far."""

    def __init__(self, dataset: Dataset, count: Callable[[str], int]) -> None:
        self._dataset, self._count = dataset, count
        settings = dataset.manifest.settings
        self._backends = settings.backends
        self._texts = list(_text_measures(settings))
        self._stride = max(1, -(-dataset.count // TOKENIZED))
        self._rows = self._tokenized = self._verified_all = 0
        self._grammars = {one.name: at for at, one in enumerate(settings.grammars)}
        self._drawn: list[tuple[NDArray[Any], ...]] = []
        self._statements: dict[str, Counter[int]] = defaultdict(Counter)
        self._depth: Counter[int] = Counter()
        self._verified: dict[str, dict[str, Verified]] = defaultdict(
            lambda: {name: Verified() for name in self._backends}
        )
        self._executed = {name: Executed({}, {}, {}, {}) for name in self._backends}
        self._missing: dict[str, Counter[str]] = defaultdict(Counter)
        self._ops: Counter[str] = Counter()
        self._pairs: Counter[tuple[str, str]] = Counter()
        self._cost: dict[str, Spreading] = defaultdict(Spreading)
        self.columns = [
            *("grammar", "index", "statements", "depth", "ops", "exact_hash", "structure_hash"),
            *[measure.column for measure in self._texts],
            *[f"{name}_{column}" for name in self._backends for column in _JUDGED],
        ]

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the rows of a batch, which has `columns`."""
        first = -self._rows % self._stride
        sampled = slice(first, None, self._stride)
        for measure in self._texts:
            measure.add(_column(batch, measure.column), sampled, self._count)
        self._rows += batch.num_rows
        self._tokenized += len(range(first, batch.num_rows, self._stride))
        families = _values(batch, "grammar")
        self._add_programs(batch, families)
        self._add_verified(batch, families)
        for name in self._backends:
            self._add_executed(name, _column(batch, f"{name}_verdicts").flatten())
            self._add_missing(name, _column(batch, f"{name}_artifacts").flatten())
            self._add_cost(name, _column(batch, f"{name}_cost").flatten())

    def _add_programs(self, batch: pa.RecordBatch, families: list[str]) -> None:
        for family, statements in zip(families, _values(batch, "statements"), strict=True):
            self._statements[family][statements] += 1
        self._depth.update(_values(batch, "depth"))
        for ops in _values(batch, "ops"):
            self._ops.update(ops)
            self._pairs.update(combinations(sorted(ops), 2))
        numbers = [self._grammars.get(family, 0) for family in families]
        self._drawn.append(
            (
                np.array(_values(batch, "index"), np.int64),
                np.array(numbers, np.int32),
                _hashes(_values(batch, "exact_hash")),
                _hashes(_values(batch, "structure_hash")),
            )
        )

    def _add_verified(self, batch: pa.RecordBatch, families: list[str]) -> None:
        together = [True] * batch.num_rows
        for name in self._backends:
            forward = _values(batch, f"{name}_forward_verified")
            gradient = _values(batch, f"{name}_gradient_verified")
            for at, (family, values, slopes) in enumerate(
                zip(families, forward, gradient, strict=True)
            ):
                own = self._verified[family][name]
                own.judged += values is not None
                own.forward += values is True
                own.gradient += slopes is True
                both = values is True and slopes is True
                own.both += both
                together[at] &= both
        self._verified_all += sum(together)

    def _add_executed(self, name: str, verdicts: Any) -> None:
        own = self._executed[name]
        for way in ("forward", "gradient"):
            for (execution, outcome), rows in _counted(verdicts, "execution", way).items():
                found = own.outcomes.setdefault(execution, {}).setdefault(way, {})
                _add(found, {outcome: rows})
        _add(own.failures, _counted(verdicts, "reason"))
        own.failures.pop("", None)
        _add(own.limitations, Counter(verdicts.field("limitations").flatten().to_pylist()))
        uncertain = verdicts.field("reasons").flatten()
        for reason, lanes in _tuples(uncertain, "name", "lanes"):
            _add(own.uncertain, {reason: lanes})

    def _add_missing(self, name: str, artifacts: Any) -> None:
        found = _counted(artifacts, "level", "direction", "reason", "status")
        for (level, direction, reason, status), texts in found.items():
            if status != "ok":
                self._missing[f"{name}_{level}_{direction}"][reason] += texts

    def _add_cost(self, name: str, cost: Any) -> None:
        found: dict[str, list[float]] = defaultdict(list)
        for direction, quantity, value in _tuples(cost, "direction", "quantity", "value"):
            if value >= 0:
                found[f"{name}_{direction}_{quantity}"].append(value)
        for key, values in found.items():
            self._cost[key].add(np.array(values))

    def stats(self, tokenizer: str) -> Stats:
        """All numbers."""
        manifest = self._dataset.manifest
        splits: Counter[str] = Counter()
        for file in manifest.files:
            splits[file.split] += file.rows
        exact, structures, saturation = _unique(self._drawn)
        everything: Counter[int] = Counter()
        for counted in self._statements.values():
            everything.update(counted)
        return Stats(
            manifest=sha256(self._dataset.folder / layout.MANIFEST),
            rows=self._rows,
            bytes=sum(file.bytes for file in manifest.files),
            splits={split: splits[split] for split in layout.SPLITS if split in splits},
            drawing=manifest.drawing,
            exact=exact,
            structures=structures,
            saturation=saturation,
            statements=dict(sorted(everything.items())),
            depth=dict(sorted(self._depth.items())),
            families=[
                Family(name, counted.total(), _spread(counted), self._verified[name])
                for name, counted in sorted(
                    self._statements.items(), key=lambda item: self._grammars.get(item[0], -1)
                )
            ],
            verified={name: self._together(name) for name in self._backends},
            verified_all=self._verified_all,
            executed={name: _ordered(one) for name, one in self._executed.items()},
            missing={name: _largest(found) for name, found in sorted(self._missing.items())},
            texts=[measure.text() for measure in self._texts],
            tokenizer=tokenizer,
            tokenized=self._tokenized,
            ops=_largest(self._ops),
            pairs=_nested(self._pairs),
            cost={name: one.spread() for name, one in sorted(self._cost.items())},
            near=read_near(self._dataset),
        )

    def _together(self, backend: str) -> Verified:
        every = [found[backend] for found in self._verified.values()]
        return Verified(
            sum(one.judged for one in every),
            sum(one.forward for one in every),
            sum(one.gradient for one in every),
            sum(one.both for one in every),
        )


def _text_measures(settings: Settings) -> Sequence[_TextMeasure]:
    found = [_TextMeasure("program")]
    for backend in settings.backends:
        found.append(_TextMeasure(f"{backend}_python", backend))
        kept = settings.levels[backend]
        places = [
            (level.name, direction)
            for level in BACKENDS[backend].levels
            if level.name in kept
            for direction in level.directions
        ]
        for column, place in zip(text_columns(backend, kept), places, strict=True):
            found.append(_TextMeasure(column, backend, *place))
    return found


def _column(batch: pa.RecordBatch, name: str) -> Any:
    return cast("Any", batch).column(name)


def _values(batch: pa.RecordBatch, name: str) -> list[Any]:
    return _column(batch, name).to_pylist()


def _tuples(structs: Any, *fields: str) -> Iterable[tuple[Any, ...]]:
    """Some fields of an Arrow array of structs, a tuple each."""
    return zip(*[structs.field(name).to_pylist() for name in fields], strict=True)


def _counted(structs: Any, *fields: str) -> Counter[Any]:
    """How often values of some fields occur together; a single field without tuples."""
    if len(fields) == 1:
        return Counter(structs.field(fields[0]).to_pylist())
    return Counter(_tuples(structs, *fields))


def _lengths(texts: Any, function: str) -> NDArray[Any]:
    """The lengths of those texts that are there."""
    lengths = need("pyarrow.compute").call_function(function, [texts])
    return lengths.drop_null().to_numpy(zero_copy_only=False)


def _hashes(texts: Sequence[str]) -> NDArray[np.uint64]:
    """The first 64 bits of hashes: enough to tell apart those of any data set."""
    return np.array([int(text[:16], 16) for text in texts], np.uint64)


def _unique(drawn: Sequence[tuple[NDArray[Any], ...]]) -> tuple[int, int, list[tuple[int, int]]]:
    """The numbers of programs and structures that differ, and how the latter grew."""
    if not drawn:
        return 0, 0, []
    index, grammar, exact, structure = map(np.concatenate, zip(*drawn, strict=True))
    ordered = structure[np.lexsort((grammar, index))]
    firsts = np.zeros(len(ordered), np.int64)
    firsts[np.unique(ordered, return_index=True)[1]] = 1
    grown = np.cumsum(firsts)
    marks = [digit * 10**power for power in range(12) for digit in (1, 2, 5)]
    at = [*[mark for mark in marks if mark < len(ordered)], len(ordered)]
    return len(np.unique(exact)), int(grown[-1]), [(rows, int(grown[rows - 1])) for rows in at]


def _spread(counted: Counter[int]) -> Spread:
    spreading = Spreading()
    spreading.add(np.repeat(list(counted), list(counted.values())))
    return spreading.spread()


def _add(into: dict[str, int], more: Mapping[str, int]) -> None:
    for key, number in more.items():
        into[key] = into.get(key, 0) + number


def _largest(found: dict[str, int]) -> dict[str, int]:
    """The most frequent first."""
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _nested(pairs: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (first, second), rows in sorted(pairs.items()):
        nested.setdefault(first, {})[second] = rows
    return nested


def _ordered(one: Executed) -> Executed:
    outcomes = {
        execution: {way: _largest(found) for way, found in sorted(ways.items())}
        for execution, ways in sorted(one.outcomes.items())
    }
    return Executed(
        outcomes, _largest(one.failures), _largest(one.uncertain), _largest(one.limitations)
    )
