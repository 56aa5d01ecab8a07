"""The card of a data set: what it is, how it came to be, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from backends.base import REASONS
from backends.registry import BACKENDS
from irgen.dataset import layout
from irgen.dataset.columns import Kind, Row, columns
from irgen.dataset.documents.card_header import header
from irgen.dataset.documents.card_limits import limitations
from irgen.dataset.documents.command import command, grammars
from irgen.dataset.documents.configs import configs
from irgen.dataset.documents.licences import LICENCES
from irgen.dataset.documents.near import SHINGLE
from irgen.dataset.documents.stats import Stats, Text
from irgen.dataset.documents.words import (
    LEVELS,
    PRODUCTS,
    citation,
    describe,
    listed,
    numbers_of,
    share,
    size,
    title,
)
from irgen.dataset.manifest import write_whole
from irgen.dataset.reading import Dataset
from irgen.dataset.settings import Settings
from irgen.verdict import OUTCOMES

_EXAMPLE_STATEMENTS = range(4, 13)
_EXAMPLE_LINES = 30
_SHOWN_OPS = 24


def write_card(dataset: Dataset, stats: Stats) -> None:
    """Write `README.md`, whole or not at all. OSError passes through."""
    write_whole(dataset.folder / layout.CARD, card(dataset, stats).encode())


def card(dataset: Dataset, stats: Stats) -> str:
    """The text of the card; it depends on the data set, and not on when or where it is written."""
    settings = dataset.manifest.settings
    parts = [
        f"# {title(settings)}",
        *_what(settings, stats),
        "## Use",
        *_use(dataset),
        "## An example",
        *_example(dataset),
        "## How it was made",
        *_made(settings, stats),
        "## Splits",
        *_splits(settings, stats),
        "## Columns",
        *_columns(settings),
        "## In numbers",
        *_numbers(stats),
        "## What verified means",
        *_verified(settings, stats),
        "## Limitations",
        *limitations(settings, stats),
        "## Near-duplicates",
        *_near(stats),
        "## Licence",
        *_licence(settings),
        "## Citation",
        fenced("bibtex", citation(settings)),
    ]
    return f"---\n{header(dataset)}---\n\n" + "\n\n".join(parts) + "\n"


def table(names: Sequence[str], rows: Iterable[Sequence[object]], left: int = 1) -> str:
    """A Markdown table; columns behind the first `left` are aligned to the right."""
    marks = ["---" if at < left else "---:" for at in range(len(names))]
    lines = [_line(names), _line(marks), *[_line([_cell(one) for one in row]) for row in rows]]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def fenced(language: str, text: str) -> str:
    """A block of code; the fence is longer than any in the text."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _what(settings: Settings, stats: Stats) -> Iterator[str]:
    yield describe(settings)
    claims = [
        f"**{stats.rows:,} programs** of {len(stats.families)} "
        f"{'family' if len(stats.families) == 1 else 'families'}, no two of them equal: "
        f"{share(stats.structures, stats.rows)} differ in structure, not only in constants.",
    ]
    if settings.verify:
        claims.append(
            f"**{share(stats.verified_all, stats.rows)} verified**: values and gradients of "
            f"{_every(settings)} agree with what the program means, within bounds on rounding "
            "that were computed for each element."
        )
    claims += [
        "**Every row can be made again** from three numbers and a grammar, and says why any text "
        "that could be there is not.",
        "**Valid by construction**: no undefined behaviour, no data races, no unbounded loops, no "
        "index out of range.",
    ]
    yield "\n".join(f"- {claim}" for claim in claims)


def _every(settings: Settings) -> str:
    names = [PRODUCTS[name] for name in settings.backends]
    return f"both {listed(names)}" if len(names) == 2 else listed(names)


def _use(dataset: Dataset) -> Iterator[str]:
    settings = dataset.manifest.settings
    first = f"{settings.backends[0]}_python"
    yield fenced(
        "python",
        "from datasets import load_dataset\n\n"
        f'rows = load_dataset("path/to/this/folder", split="{dataset.splits[0]}")\n'
        f'print(rows[0]["{first}"])',
    )
    views = configs(dataset)[1:]
    if views:
        listing = listed([f"`{view.name}`" for view in views])
        yield (
            f"Ready for training are the configs {listing}: "
            f'`load_dataset("path/to/this/folder", "{views[0].name}")`.'
        )


def _example(dataset: Dataset) -> Iterator[str]:
    row = _chosen(dataset)
    settings = dataset.manifest.settings
    yield f"{row['description']} It is {row['grammar']}, seed {row['seed']}, index {row['index']}."
    for name in settings.backends:
        yield f"As {PRODUCTS[name]} source (`{name}_python`):"
        yield fenced("python", _excerpt(row[f"{name}_python"]))
    for name in settings.backends:
        for level in BACKENDS[name].levels:
            column = f"{name}_{level.name}_forward"
            if level.name in settings.levels[name] and row[column] is not None:
                yield f"Its {LEVELS[level.name]} (`{column}`):"
                yield fenced(level.syntax, _excerpt(row[column]))
                break


def _chosen(dataset: Dataset) -> Row:
    """The first row that is short and verified; the first of all where none is."""
    settings = dataset.manifest.settings
    wanted = [
        f"{name}_{way}_verified" for name in settings.backends for way in ("forward", "gradient")
    ]
    batch = next(dataset.batches(dataset.manifest.files[0]))
    rows: list[Row] = batch.to_pylist()
    for row in rows:
        verified = all(row[name] for name in wanted) or not settings.verify
        if verified and row["statements"] in _EXAMPLE_STATEMENTS:
            return row
    return rows[0]


def _excerpt(text: str) -> str:
    lines = text.strip().splitlines()
    if len(lines) <= _EXAMPLE_LINES:
        return "\n".join(lines)
    return "\n".join([*lines[:_EXAMPLE_LINES], f"... and {len(lines) - _EXAMPLE_LINES} more lines"])


def _made(settings: Settings, stats: Stats) -> Iterator[str]:
    yield (
        "A program is drawn from a typed grammar as structured SSA, then spelled in each kernel "
        "language, names and idioms drawn too. The compilers' own text is captured below that, and "
        "what they compiled is run. This makes the same files again:"
    )
    yield fenced("sh", command(settings))
    versions = ", ".join(f"{name} {version}" for name, version in settings.versions.items())
    yield (
        f"Made with {versions}. Programs and sources are the same everywhere; compiler text is for "
        "equal versions; results of running also need an equal CPU."
    )
    drawing = stats.drawing
    yield (
        f"{drawing.drawn:,} programs were drawn. {drawing.duplicates:,} of them "
        f"({share(drawing.duplicates, drawing.drawn)}) were equal to an earlier one and left out"
        + (f", {drawing.over_quota:,} exceeded a quota" if drawing.over_quota else "")
        + (f", {drawing.contaminated:,} were like held-back files" if drawing.contaminated else "")
        + ". A program that does not compile or run stays in, with the reason."
    )
    yield table(
        ("grammar", "digest", "rows", "median statements"),
        [
            (name, f"`{digest}`", family.rows, family.statements.p50)
            for name, digest in grammars(settings)
            for family in stats.families
            if family.name == name
        ],
        left=2,
    )


_SPLIT_DOCS = {
    "train": "what is in no other split",
    "validation": "other structures than in train",
    "test": "other structures than in train and validation",
    "heldout_ops": "programs that combine two ops which no other split combines",
    "heldout_size": "programs larger than any in another split",
}


def _splits(settings: Settings, stats: Stats) -> Iterator[str]:
    yield (
        "Rows are split by structure: a program's hash with literals, extents and trip counts left "
        "out. Programs that differ in constants only are always in the same split."
    )
    rows = [(f"`{name}`", _SPLIT_DOCS[name], count) for name, count in stats.splits.items()]
    yield table(("split", "holds", "rows"), rows, left=2)


_KINDS: dict[Kind, str] = {
    "text": "string",
    "int32": "int32",
    "int64": "int64",
    "flag": "bool",
    "texts": "list of strings",
    "integers": "list of int64",
    "style": "four int32",
    "versions": "list of name, version",
    "vectors": "list of dtype, shape, data",
    "artifacts": "list of unit, level, direction, status, reason, detail, characters",
    "cost": "list of direction, quantity, value",
    "verdicts": "list of verdicts, one per execution",
}


def _columns(settings: Settings) -> Iterator[str]:
    yield "A row is one program with all that every backend made of it."
    rows = [
        (f"`{one.name}`", _KINDS[one.kind], one.doc + ("" if one.required else "; may be null"))
        for one in columns(settings)
    ]
    yield table(("column", "type", "what it holds"), rows, left=3)
    yield (
        "Arrays (`inputs`, `outputs`, ...) are little-endian bytes in base64, with dtype and "
        "shape; bfloat16 as float32. Where a program has several kernels, their texts follow each "
        "other in one column, and `artifacts` says where each ends."
    )


def _numbers(stats: Stats) -> Iterator[str]:
    total = sum(text.all_tokens for text in stats.texts)
    about = "" if stats.tokenized == stats.rows else f", estimated from {stats.tokenized:,} rows"
    yield (
        f"{stats.rows:,} rows, {size(stats.bytes)} on disk; {total:,} tokens by the tokenizer "
        f"`{stats.tokenizer}`{about}."
    )
    yield table(
        ("text", "rows", "bytes", "median bytes", "99%", "tokens", "tokens a row"),
        [_text_row(text) for text in stats.texts],
    )
    ops = list(stats.ops.items())
    shown = ", ".join(f"`{name}` {share(rows, stats.rows)}" for name, rows in ops[:_SHOWN_OPS])
    rest = f", and {len(ops) - _SHOWN_OPS} more" if len(ops) > _SHOWN_OPS else ""
    yield f"Rows that have an op: {shown}{rest}."
    yield table(
        ("rows drawn", "structures", "new in all"),
        [(rows, found, share(found, rows)) for rows, found in stats.saturation],
        left=0,
    )


def _text_row(text: Text) -> tuple[object, ...]:
    per_row = round(text.all_tokens / text.bytes.count) if text.bytes.count else 0
    return (
        f"`{text.column}`", text.bytes.count, size(text.bytes.sum), size(text.bytes.p50),
        size(text.bytes.p99), text.all_tokens, per_row,
    )  # fmt: skip


def _verified(settings: Settings, stats: Stats) -> Iterator[str]:
    if not settings.verify:
        yield "Nothing was run: `verdicts` are empty, and the flags null."
        return
    yield (
        "A program has one meaning, which irgen interprets in higher precision with a running "
        "bound on how far a correct compiler may be from it. Each element of each output and "
        "gradient is compared against its own bound. *Verified* means that at least 90% of the "
        "elements of every array could be compared, and that none differs."
    )
    yield table(
        ("backend", "run", "values", "gradients", "both"),
        [
            (PRODUCTS[name], found.judged, *numbers_of(found))
            for name, found in stats.verified.items()
        ],
    )
    yield table(
        ("family", "rows", *[f"{PRODUCTS[name]}" for name in settings.backends]),
        [
            (
                family.name,
                family.rows,
                *[
                    share(family.verified[name].both, family.verified[name].judged)
                    for name in settings.backends
                ],
            )
            for family in stats.families
        ],
    )
    yield "What verdicts say, and of how many rows:"
    yield table(("backend", "execution", "of", *OUTCOMES), _outcomes(stats), left=3)
    yield "\n".join(f"- `{name}`: {doc}" for name, doc in OUTCOMES.items())
    missing = [
        (f"`{column}`", REASONS[reason], count)
        for column, reasons in stats.missing.items()
        for reason, count in reasons.items()
    ]
    if missing:
        yield "Texts that are not there, and why:"
        yield table(("text", "because", "texts"), missing, left=2)


def _outcomes(stats: Stats) -> Iterator[tuple[object, ...]]:
    for name, executed in stats.executed.items():
        for execution, ways in executed.outcomes.items():
            for way, found in ways.items():
                of = "values" if way == "forward" else "gradients"
                yield (name, execution, of, *[found.get(outcome, 0) for outcome in OUTCOMES])


def _near(stats: Stats) -> Iterator[str]:
    near = stats.near
    if near is None:
        yield "They were not looked for."
        return
    yield (
        f"Texts were compared as sets of {SHINGLE} consecutive tokens, values named by how long "
        "ago they were made, with MinHash. Rows of an estimated Jaccard similarity of at least "
        f"{near.threshold} are near-duplicates, and whatever they join is one cluster. Nothing was "
        f"left out for it; `{layout.CLUSTERS}` has the cluster of each row."
    )
    rows = [
        (listed([f"`{name}`" for name in found.of]), found.compared,
         f"{found.rows:,} ({share(found.rows, found.compared)})", found.clusters, found.largest)
        for found in (near.program, near.ir)
        if found.of
    ]  # fmt: skip
    yield table(("by", "compared", "have a near-duplicate", "clusters", "largest"), rows)


def _licence(settings: Settings) -> Iterator[str]:
    yield "The data set is under the Apache License 2.0. Whose text is in it:"
    yield table(
        ("package", "licence", "rights", "what of its text occurs"),
        [
            (f"`{one.distribution}`", one.name, one.holder, one.written)
            for one in [LICENCES["irgen"], *[LICENCES[name] for name in settings.backends]]
        ],
        left=4,
    )
