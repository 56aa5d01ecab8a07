"""The rows of a view: what a task makes of the rows of a data set."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from grammar.parse import parse_program
from irgen.dataset.columns import Row
from irgen.dataset.training.difficulty import difficulty
from irgen.dataset.training.tasks import Task
from irgen.dataset.training.tokens import DEFAULT, tokenizer

if TYPE_CHECKING:
    import pyarrow as pa

Form = Literal["prompt_completion", "messages", "text"]
Order = Literal["dataset", "curriculum"]

FORMS: tuple[Form, ...] = ("prompt_completion", "messages", "text")
ORDERS: tuple[Order, ...] = ("dataset", "curriculum")

BATCH = 256
"""Rows made together."""

_THREADS = min(4, os.cpu_count() or 1)
"""Texts of a batch are tokenized by so many threads; the libraries do it outside of Python."""

DROPPED = ("unverified", "missing", "difficulty", "tokens")
"""Why a row of the data set is in no view: in the order in which it is looked at."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a view is made.

    - `form`: "prompt_completion" (columns prompt and completion), "messages" (a list of a user's
      and an assistant's message) or "text" (both in one, an empty line between them).
    - `order`: "dataset", or "curriculum": within each split by difficulty, ties by id.
    - `tokenizer`: a name that `irgen.dataset.training.tokens` knows.
    - `max_tokens`: of prompt and completion together; None for no limit.
    - `include_unverified`: also rows whose verdict is not "verified", or that have none.
    - `name`: the folder of the view; that of the task where it is empty.
    """

    form: Form = "prompt_completion"
    order: Order = "dataset"
    tokenizer: str = DEFAULT
    max_tokens: int | None = None
    min_difficulty: float = 0.0
    max_difficulty: float = 1.0
    include_unverified: bool = False
    name: str = ""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What a view is, as `view.json` says it.

    `cleaned` tells that the prompt lacks the comments that would give the answer away. `rows` are
    by split, `dropped` by reason of `DROPPED`; `tokens` are of all prompts and completions.
    `manifest` is the SHA-256 of the manifest of the data set.
    """

    name: str
    task: str
    form: Form
    order: Order
    tokenizer: str
    max_tokens: int | None
    min_difficulty: float
    max_difficulty: float
    include_unverified: bool
    instruction: str
    given: str
    wanted: str
    cleaned: bool
    rows: dict[str, int]
    dropped: dict[str, int]
    tokens: dict[str, int]
    manifest: str

    @property
    def count(self) -> int:
        """The number of rows of all splits."""
        return sum(self.rows.values())


def view_schema(form: Form) -> pa.Schema:
    """The Arrow schema of a view: id, what the form has, task, difficulty and tokens."""
    import pyarrow as pa

    text = pa.string()
    own: dict[Form, list[tuple[str, Any]]] = {
        "prompt_completion": [("prompt", text), ("completion", text)],
        "messages": [
            (
                "messages",
                pa.list_(
                    pa.field(
                        "element",
                        pa.struct([pa.field("role", text), pa.field("content", text)]),
                    )
                ),
            )
        ],
        "text": [("text", text)],
    }
    fields = [
        ("id", text),
        *own[form],
        ("task", text),
        ("difficulty", pa.float64()),
        ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()),
    ]
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in fields])


class Making:
    """Turns rows of a data set into rows of a view, and counts."""

    def __init__(self, task: Task, options: Options) -> None:
        self.task = task
        self.options = options
        self.counts: dict[str, int] = {}
        self.dropped: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self._count = tokenizer(options.tokenizer)

    def rows(self, source: Iterable[Row]) -> Iterator[Row]:
        """The rows of the view, in the order of the source."""
        kept = self._kept(source)
        with ThreadPoolExecutor(_THREADS) as threads:
            while batch := list(islice(kept, BATCH)):
                texts = [text for prompt, completion, _ in batch for text in (prompt, completion)]
                counted = iter(threads.map(self._count, texts))
                for prompt, completion, row in batch:
                    sizes = next(counted), next(counted)
                    if self._fits(sizes):
                        yield self._row(prompt, completion, row, sizes)

    def _kept(self, source: Iterable[Row]) -> Iterator[tuple[str, str, Row]]:
        """Prompt, completion and id and difficulty of the rows that are wanted."""
        task, options = self.task, self.options
        for row in source:
            reason = self._lacks(row)
            if reason:
                self.dropped[reason] += 1
                continue
            how_hard = difficulty(parse_program(row["program"]))
            if not options.min_difficulty <= how_hard <= options.max_difficulty:
                self.dropped["difficulty"] += 1
                continue
            about = {"id": row["id"], "difficulty": how_hard}
            yield task.prompt(row[task.given]), row[task.wanted], about

    def _lacks(self, row: Mapping[str, Any]) -> str:
        """Why a row is not to be used, a word of `DROPPED`, or ""."""
        task = self.task
        if not self.options.include_unverified:
            for backend, judged in task.judged:
                if row[f"{backend}_{judged}_verified"] is not True:
                    return "unverified"
        for column in (task.given, task.wanted):
            if not row[column]:
                return "missing"
        failed = {
            f"{backend}_{artifact['level']}_{artifact['direction']}"
            for backend in task.backends
            for artifact in row[f"{backend}_artifacts"]
            if artifact["status"] == "failed"
        }
        return "missing" if failed & {task.given, task.wanted} else ""

    def _fits(self, sizes: tuple[int, int]) -> bool:
        limit = self.options.max_tokens
        if limit is not None and sum(sizes) > limit:
            self.dropped["tokens"] += 1
            return False
        self.tokens["prompt"] += sizes[0]
        self.tokens["completion"] += sizes[1]
        return True

    def _row(self, prompt: str, completion: str, about: Row, sizes: tuple[int, int]) -> Row:
        return {
            "id": about["id"],
            **_FORMED[self.options.form](prompt, completion),
            "task": self.task.name,
            "difficulty": about["difficulty"],
            "prompt_tokens": sizes[0],
            "completion_tokens": sizes[1],
        }

    def view(self, name: str, manifest: str) -> View:
        """What was made."""
        task, options = self.task, self.options
        return View(
            name=name,
            task=task.name,
            form=options.form,
            order=options.order,
            tokenizer=options.tokenizer,
            max_tokens=options.max_tokens,
            min_difficulty=options.min_difficulty,
            max_difficulty=options.max_difficulty,
            include_unverified=options.include_unverified,
            instruction=task.instruction,
            given=task.given,
            wanted=task.wanted,
            cleaned=task.clean is not None,
            rows={split: many for split, many in self.counts.items() if many},
            dropped={reason: self.dropped[reason] for reason in DROPPED if self.dropped[reason]},
            tokens={part: self.tokens[part] for part in ("prompt", "completion")},
            manifest=manifest,
        )


def _messages(prompt: str, completion: str) -> Row:
    return {
        "messages": [
            {"role": "user", "content": prompt},
            {"role": "assistant", "content": completion},
        ]
    }


_FORMED: Mapping[Form, Callable[[str, str], Row]] = {
    "prompt_completion": lambda prompt, completion: {"prompt": prompt, "completion": completion},
    "messages": _messages,
    "text": lambda prompt, completion: {"text": f"{prompt}\n\n{completion}"},
}
