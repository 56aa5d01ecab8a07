"""`SynthesisPipeline`: draw, capture and save (source, IR) pairs, one by one or in batches."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from grammar.presets import GRAMMARS
from irgen import streaming
from irgen.catalog import find_backend, find_grammar
from irgen.errors import UserError
from irgen.record import Record


class SynthesisPipeline:
    """Draws programs of presets in order of index and saves one JSON file per pair.

    The files of an `output_dir` belong to one (seed, backend): a pipeline opened on it again goes
    on where the last one stopped, so no program is drawn twice.
    """

    def __init__(
        self, output_dir: str | Path = "data", seed: int = 0, backend: str = "warp"
    ) -> None:
        self.output_dir = Path(output_dir)
        self.seed = seed
        self.backend = find_backend(backend)
        self._next: Counter[str] = Counter()
        self._saved: Counter[str] = Counter()
        self._pairs = 0
        self._sizes = 0
        for path in sorted(self.output_dir.glob("*.json")):
            category, _, number = path.stem.rpartition("_")
            if category in GRAMMARS and number.isdecimal():
                self._next[category] = max(self._next[category], int(number) + 1)
                self._saved[category] += 1

    def generate_single(self, category: str | None = None, save: bool = True) -> Record:
        """The next pair of a category (a preset's name), or of the categories in turn."""
        if category is None:
            category = min(GRAMMARS, key=lambda name: self._next[name])
        grammar = find_grammar(category)
        index = self._next[category]
        (record,) = streaming.stream(
            grammar, self.backend.name, seed=self.seed, start=index, count=1
        )
        self._next[category] = index + 1
        self._pairs += 1
        self._sizes += record.statements
        if save:
            self._save(category, index, record)
        return record

    def generate_batch(
        self, count: int = 10, save: bool = True, verbose: bool = False
    ) -> list[Record]:
        """`count` pairs, the categories in turn; `verbose` prints a line for each."""
        if count < 0:
            raise UserError(f"count {count} is negative")
        records: list[Record] = []
        for number in range(1, count + 1):
            record = self.generate_single(save=save)
            records.append(record)
            if verbose:
                name = record.sources[0].kernel_name
                sys.stdout.write(f"[{number}/{count}] {record.grammar} {name} {record.id}\n")
        return records

    def get_statistics(self) -> dict[str, Any]:
        """`total_pairs` saved in the output folder, by category, and this pipeline's own count."""
        return {
            "total_pairs": sum(self._saved.values()),
            "by_category": dict(sorted(self._saved.items())),
            "generated": self._pairs,
            "mean_statements": self._sizes / self._pairs if self._pairs else 0.0,
            "output_dir": str(self.output_dir),
            "seed": self.seed,
            "backend": self.backend.name,
        }

    def _save(self, category: str, index: int, record: Record) -> None:
        """Write the record under a temporary name first, so that a file is whole or absent."""
        path = self.output_dir / f"{category}_{index:06d}.json"
        partial = path.with_suffix(".partial")
        try:
            self.output_dir.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(msgspec.json.encode(record))
            partial.replace(path)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from None
        self._saved[category] += 1
