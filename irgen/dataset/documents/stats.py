"""What is in a data set, in numbers."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from irgen.dataset import layout
from irgen.dataset.documents.near import Near
from irgen.dataset.documents.spread import Spread
from irgen.dataset.manifest import Drawing, sha256, write_whole
from irgen.dataset.reading import Dataset
from irgen.errors import UserError

STATS = "stats.json"


class Verified(msgspec.Struct):
    """Of the rows that were executed (`judged`), how many have verified values, gradients, both."""

    judged: int = 0
    forward: int = 0
    gradient: int = 0
    both: int = 0


class Family(msgspec.Struct):
    """The rows of one grammar."""

    name: str
    rows: int
    statements: Spread
    verified: dict[str, Verified]


class Text(msgspec.Struct):
    """A column of text. `level` and `direction` are empty for sources and programs, `backend` for
    programs.

    `bytes` spreads over rows that have it, `characters` are those of all of them. `tokens` and
    `token_characters` are of the rows that were tokenized.
    """

    column: str
    backend: str
    level: str
    direction: str
    bytes: Spread
    characters: int
    tokens: int
    token_characters: int

    @property
    def all_tokens(self) -> int:
        """Tokens of all rows, estimated from the characters where not all were tokenized."""
        if not self.token_characters:
            return 0
        return round(self.tokens * self.characters / self.token_characters)


class Executed(msgspec.Struct):
    """What executions of a backend came to. All are counts of rows, but `uncertain` of lanes.

    `outcomes` are by execution, direction ("forward", "gradient") and outcome; `failures` by reason
    of a "failed" one; `uncertain` by the reason why certainty ended; `limitations` by the name of
    what the backend is known to get wrong.
    """

    outcomes: dict[str, dict[str, dict[str, int]]]
    failures: dict[str, int]
    uncertain: dict[str, int]
    limitations: dict[str, int]


class Stats(msgspec.Struct, kw_only=True):
    """The numbers of a data set.

    `manifest` is the SHA-256 of the manifest that they go with, `bytes` are those of its shards.
    `missing` counts texts that are not there, by column and reason. `ops` counts rows that have an
    op, `pairs` rows that have both of two, by the first and second in alphabetical order.
    `saturation` has pairs of how many rows were drawn, in order of drawing, and how many structures
    were among them. `cost` spreads what a compiler says of flops and bytes, by
    "BACKEND_DIRECTION_QUANTITY".
    """

    manifest: str
    rows: int
    bytes: int
    splits: dict[str, int]
    drawing: Drawing
    exact: int
    structures: int
    saturation: list[tuple[int, int]]
    statements: dict[int, int]
    depth: dict[int, int]
    families: list[Family]
    verified: dict[str, Verified]
    verified_all: int
    executed: dict[str, Executed]
    missing: dict[str, dict[str, int]]
    texts: list[Text]
    tokenizer: str
    tokenized: int
    ops: dict[str, int]
    pairs: dict[str, dict[str, int]]
    cost: dict[str, Spread]
    near: Near | None = None


def write_stats(dataset: Dataset, stats: Stats) -> None:
    """Write `stats.json`, whole or not at all. OSError passes through."""
    text = msgspec.json.format(msgspec.json.encode(stats), indent=1)
    write_whole(dataset.folder / STATS, text + b"\n")


def read_stats(dataset: Dataset) -> Stats | None:
    """What `stats.json` says; None where there is none that goes with the manifest and clusters.

    UserError where it cannot be read.
    """
    path = dataset.folder / STATS
    try:
        stats = msgspec.json.decode(path.read_bytes(), type=Stats)
        clustered = (dataset.folder / layout.CLUSTERS).exists()
        current = sha256(dataset.folder / layout.MANIFEST) == stats.manifest
        return stats if current and clustered == (stats.near is not None) else None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def measure(
    dataset: Dataset, tokenizer: str | None = None, progress: Callable[[int], None] | None = None
) -> Stats:
    """The numbers of a data set, in one pass over its shards.

    `progress` is told how many more rows were read. Tokens are counted by the tokenizer of
    that name, see `irgen.dataset.training.tokens`. UserError where a shard cannot be read, or
    there is no such tokenizer.
    """
    from irgen.dataset.documents.measuring import Measuring
    from irgen.dataset.training.tokens import DEFAULT
    from irgen.dataset.training.tokens import tokenizer as counter

    name = tokenizer or DEFAULT
    measuring = Measuring(dataset, counter(name))
    for file in dataset.manifest.files:
        for batch in dataset.batches(file, measuring.columns):
            measuring.add(batch)
            if progress is not None:
                progress(batch.num_rows)
    return measuring.stats(name)
