"""The commands for data sets and their options. The work is in the modules they call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from irgen.cli.options import (
    ExecuteOption,
    FormatOption,
    LevelOption,
    SeedOption,
    VerifyOption,
    WorkersOption,
    split_words,
)

DIFFERENT = 1
"""The exit code where something differs, as of diff."""

app = typer.Typer(rich_markup_mode=None)

FolderArgument = Annotated[Path, typer.Argument(metavar="OUT", help="The folder of a data set.")]


@app.command()
def stats(
    folder: FolderArgument,
    tokenizer: Annotated[
        str | None,
        typer.Option(help="Count tokens by this one: a name, or a tokenizer.json."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option("--format", "-f", help="text or json; by default text on a terminal only."),
    ] = None,
) -> None:
    """Say what is in a data set."""
    from irgen.cli.stats import stats

    stats(folder, tokenizer, format)


@app.command()
def build(
    folder: FolderArgument,
    count: Annotated[str, typer.Option("--count", "-n", help="Rows: 5000, or 1_000_000.")],
    backend: Annotated[
        list[str] | None,
        typer.Option("--backend", "-b", help="All in one row.", show_default="warp,jax"),
    ] = None,
    grammar: Annotated[
        list[str] | None,
        typer.Option(
            "--grammar",
            "-g",
            help="Names, TOML files, balanced (all presets) or safe (their differentiable forms).",
            show_default="balanced",
        ),
    ] = None,
    level: LevelOption = None,
    seed: SeedOption = 0,
    verify: VerifyOption = True,
    execute: ExecuteOption = None,
    workers: WorkersOption = 1,
    shard_size: Annotated[int, typer.Option(help="Rows of a file, at most.")] = 5_000,
    format: Annotated[
        str, typer.Option("--format", "-f", help="parquet, jsonl or jsonl.zst.")
    ] = "parquet",
    quota: Annotated[
        list[str] | None,
        typer.Option(help="family:loop=0.2, size:1-8=0.3 (at most) or op:fmod=0.05 (at least)."),
    ] = None,
    validation: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the structures for validation.")
    ] = 0.01,
    test: Annotated[float, typer.Option(metavar="SHARE", help="The same for test.")] = 0.01,
    heldout_pairs: Annotated[
        int, typer.Option(help="Hold out the programs that combine so many pairs of ops.")
    ] = 0,
    heldout_size: Annotated[
        int, typer.Option(help="Hold out programs of more statements than this; 0: none.")
    ] = 0,
    decontaminate: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Leave out what is like something in this file."),
    ] = None,
    plan_only: Annotated[
        bool, typer.Option("--plan-only", help="Decide which programs are in, and stop.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Compare the hashes of a finished data set too.")
    ] = False,
    executor: Annotated[
        str, typer.Option("--executor", "-x", help="local, datatrove, ray, or slurm: a script.")
    ] = "local",
    slurm: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="time, partition, activate, and more for sbatch."),
    ] = None,
) -> None:
    """Build a data set; the same command goes on with one that was interrupted."""
    from irgen.cli.build import Options, build, number
    from irgen.dataset.building.request import BuildRequest

    request = BuildRequest(
        count=number("--count", count),
        grammars=split_words(grammar) or ("balanced",),
        backends=split_words(backend) or ("warp", "jax"),
        levels=split_words(level),
        seed=seed,
        verify=verify,
        execute=split_words(execute),
        shard_size=shard_size,
        format=format,
        quotas=split_words(quota),
        validation=validation,
        test=test,
        heldout_pairs=heldout_pairs,
        heldout_size=heldout_size,
        excluded=tuple(decontaminate or ()),
    )
    options = Options(folder, workers, plan_only, check, executor, split_words(slurm))
    build(request, options)


@app.command()
def views(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[OUT]", help="The folder of a data set.")
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option("--task", "-t", help="A task, or all. Repeatable.")
    ] = None,
    form: Annotated[
        str, typer.Option(help="prompt_completion, messages or text.")
    ] = "prompt_completion",
    order: Annotated[str, typer.Option(help="dataset, or curriculum: easy first.")] = "dataset",
    tokenizer: Annotated[
        str | None,
        typer.Option(
            help="One of tiktoken, or the path of a tokenizer.json.", show_default="cl100k_base"
        ),
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="At most so many in prompt and completion.")
    ] = None,
    min_difficulty: Annotated[float, typer.Option(help="0 to 1.")] = 0.0,
    max_difficulty: Annotated[float, typer.Option(help="0 to 1.")] = 1.0,
    include_unverified: Annotated[
        bool, typer.Option("--include-unverified", help="Also rows that are not verified.")
    ] = False,
    name: Annotated[str, typer.Option(help="Name of the view.", show_default="the task's")] = "",
    listed: Annotated[
        bool, typer.Option("--list", help="List the tasks; with OUT, which it has rows for.")
    ] = False,
) -> None:
    """Write training data: prompts and completions of a task, or of all tasks."""
    from irgen.cli.views import Request, list_tasks, views

    if listed:
        list_tasks(folder)
    else:
        views(
            Request(
                folder=folder,
                tasks=split_words(task),
                form=form,
                order=order,
                tokenizer=tokenizer,
                max_tokens=max_tokens,
                min_difficulty=min_difficulty,
                max_difficulty=max_difficulty,
                include_unverified=include_unverified,
                name=name,
            )
        )


@app.command()
def validate(
    path: Annotated[
        Path, typer.Argument(metavar="OUT", help="A data set, or a file of rows: JSONL or Parquet.")
    ],
    execute: Annotated[
        str | None,
        typer.Option(
            help="Capture and run so many rows again: a number, or a share such as 1%.",
            show_default="16, all of a file",
        ),
    ] = None,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Compile every C++ and CUDA text, judge every row.")
    ] = False,
    workers: WorkersOption = 1,
    format: FormatOption = None,
) -> None:
    """Check a data set: files, hashes, sources made again, texts parsed, a sample run again."""
    from irgen.cli.validate import validate

    if not validate(path, execute, thorough, workers, format):
        raise typer.Exit(DIFFERENT)


@app.command()
def diff(
    first: Annotated[Path, typer.Argument(metavar="A", help="A data set.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="The same rows, made otherwise.")],
    show: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="ID LEVEL", help="Print how a text of a row differs, in full."),
    ] = None,
    level: LevelOption = None,
    format: FormatOption = None,
) -> None:
    """Compare the same programs in two data sets, as of two releases of Warp or JAX."""
    from irgen.cli.diff import diff

    if not diff(first, second, show, split_words(level), format):
        raise typer.Exit(DIFFERENT)


@app.command()
def report(
    folder: FolderArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write to this file.", show_default="OUT/report.html"),
    ] = None,
    samples: Annotated[int, typer.Option("--samples", help="How many programs to show.")] = 60,
    workers: WorkersOption = 1,
) -> None:
    """Write one HTML page: plots, and programs beside what the compilers made of them."""
    from irgen.cli.report import report

    report(folder, output, samples, workers)
