"""Options that several commands have, and the words of those that may be repeated."""

from __future__ import annotations

from typing import Annotated

import typer

from backends.registry import BACKENDS

DEFAULT_GRAMMAR = "compound"

GrammarOption = Annotated[
    str | None,
    typer.Option(
        "--grammar",
        "-g",
        help="A name from `irgen grammars`, or a TOML file.",
        show_default=DEFAULT_GRAMMAR,
    ),
]
BackendOption = Annotated[str, typer.Option("--backend", "-b", help=" or ".join(BACKENDS) + ".")]
SeedOption = Annotated[int, typer.Option("--seed", "-s", help="0 to 2**63 - 1.")]
LevelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--level", "-l", help="Only these levels: cpp,cuda or repeated. python: no capture."
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", "-f", help="text or jsonl; by default text on a terminal only."),
]

VerifyOption = Annotated[
    bool, typer.Option("--verify/--no-verify", help="Run each program and judge what comes back.")
]
ExecuteOption = Annotated[
    list[str] | None,
    typer.Option("--execute", "-e", help="Also run in this way: compiled (jax). Repeatable."),
]
TargetOption = Annotated[
    str | None,
    typer.Option(help="warp-lang==1.12.1, jax==0.8.3, or the path of an interpreter."),
]
OracleOption = Annotated[
    list[str] | None,
    typer.Option(help="Only these; all for all. By default values,gradients,failures."),
]
WorkersOption = Annotated[int, typer.Option("--workers", "-w", help="Processes that run programs.")]


def split_words(words: list[str] | None) -> tuple[str, ...]:
    """The words of an option that may be repeated, and may hold several between commas."""
    return tuple(part.strip() for word in words or () for part in word.split(","))
