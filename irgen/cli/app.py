"""The commands and their options. The work is in the modules they call, imported when they run."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from backends.base import BackendError
from backends.registry import BACKENDS
from irgen.cli import datasets
from irgen.cli.options import (
    DEFAULT_GRAMMAR,
    BackendOption,
    ExecuteOption,
    FormatOption,
    GrammarOption,
    LevelOption,
    OracleOption,
    SeedOption,
    TargetOption,
    VerifyOption,
    WorkersOption,
    split_words,
)
from irgen.cli.output import ReaderGone, discard_output, flush_output
from irgen.errors import UserError

FUZZ_GRAMMARS = ("fuzz", "fuzz-program", "fuzz-arrays")
DIFFERENT = 1
USAGE_ERROR = 2
INTERRUPTED = 130

# Plain help: the boxed one takes longer to import than everything else together.
app = typer.Typer(
    name="irgen",
    help="Typed kernel programs as Warp and JAX source, with the compiler IR below them.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(given: bool) -> None:
    if given:
        from irgen.cli.listings import version

        version()
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=_print_version,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    """Options before the name of a command."""


@app.command()
def sample(
    grammar: GrammarOption = None,
    backend: BackendOption = "warp",
    count: Annotated[int, typer.Option("--count", "-n", help="How many programs.")] = 1,
    seed: SeedOption = 0,
    start: Annotated[int, typer.Option(help="Index of the first program.")] = 0,
    balanced: Annotated[bool, typer.Option("--balanced", help="All presets in turn.")] = False,
    format: FormatOption = None,
    view: Annotated[
        str | None, typer.Option(help="Fields of a JSONL row: wide (default), seed or record.")
    ] = None,
    level: LevelOption = None,
    verify: VerifyOption = True,
    execute: ExecuteOption = None,
    workers: WorkersOption = 1,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file instead.")
    ] = None,
) -> None:
    """Draw programs, capture their IR and verify it, forward and backward."""
    from irgen.cli.sample import Request, sample

    if balanced and grammar is not None:
        raise UserError("--balanced takes all presets in turn: leave out one of it and --grammar")
    sample(
        Request(
            grammar=DEFAULT_GRAMMAR if grammar is None else grammar,
            backend=backend,
            count=count,
            seed=seed,
            start=start,
            balanced=balanced,
            format=format,
            view=view,
            levels=split_words(level),
            output=output,
            verify=verify,
            execute=split_words(execute),
            workers=workers,
        )
    )


@app.command()
def show(
    index: Annotated[int, typer.Argument(help="Index of the program.")] = 0,
    grammar: GrammarOption = None,
    backend: BackendOption = "warp",
    seed: SeedOption = 0,
    format: FormatOption = None,
    level: LevelOption = None,
    verify: VerifyOption = True,
    execute: ExecuteOption = None,
) -> None:
    """Print one program at every level, every line of it."""
    from irgen.cli.sample import Request, show

    show(
        Request(
            grammar=DEFAULT_GRAMMAR if grammar is None else grammar,
            backend=backend,
            count=1,
            seed=seed,
            start=index,
            balanced=False,
            format=format,
            view=None,
            levels=split_words(level),
            output=None,
            verify=verify,
            execute=split_words(execute),
            workers=1,
        )
    )


@app.command()
def verify(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Rows; - is stdin.")],
    workers: WorkersOption = 1,
    format: Annotated[
        str | None,
        typer.Option("--format", "-f", help="text, or jsonl for a JSON line per problem."),
    ] = None,
) -> None:
    """Make rows again, compare every field, and run them again."""
    from irgen.cli.verify import verify

    if not verify(files, workers, format):
        raise typer.Exit(DIFFERENT)


@app.command()
def explain(
    row: Annotated[str, typer.Argument(metavar="ROW", help="FILE:LINE, or an index.")],
    grammar: GrammarOption = None,
    backend: Annotated[
        str | None,
        typer.Option("--backend", "-b", help=" or ".join(BACKENDS) + ".", show_default="warp"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", "-s", help="0 to 2**63 - 1.", show_default="0")
    ] = None,
    execute: ExecuteOption = None,
) -> None:
    """Say why a row is judged as it is: the worst lanes, where certainty ends."""
    from irgen.cli.explain import Request, explain

    explain(Request(row, grammar, backend, seed, split_words(execute)))


@app.command()
def fuzz(
    backend: BackendOption = "warp",
    grammar: Annotated[
        list[str] | None,
        typer.Option("--grammar", "-g", help="Only these; repeatable.", show_default="fuzz ones"),
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", help="How many programs in all.")
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", "-t", help="How long: 90s, 10m, 2h.")
    ] = None,
    seed: SeedOption = 0,
    workers: WorkersOption = 1,
    target: TargetOption = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Report what differs between two targets."),
    ] = None,
    oracle: OracleOption = None,
    limitations: Annotated[
        bool,
        typer.Option(
            "--limitations/--no-limitations", help="Pass over what is known to be wrong upstream."
        ),
    ] = True,
    baseline: Annotated[
        Path | None, typer.Option(help="Buckets that are known already, one a line.")
    ] = None,
    shrink_time: Annotated[str, typer.Option(help="At most so long for one finding.")] = "10m",
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the campaign; continues one there.")
    ] = Path("findings"),
) -> None:
    """Look for bugs in a backend; exits with 1 where there is one that the baseline lacks."""
    from irgen.cli.fuzz import Request, fuzz

    if compare is not None and target is not None:
        raise UserError("--compare names both targets: leave out --target")
    first, second = compare or (target, None)
    found = fuzz(
        Request(
            backend=backend,
            grammars=split_words(grammar) or FUZZ_GRAMMARS,
            seed=seed,
            count=count,
            time=time,
            workers=workers,
            target=first,
            against=second,
            oracles=split_words(oracle),
            limitations=limitations,
            out=out,
            baseline=baseline,
            patience=shrink_time,
        )
    )
    if not found:
        raise typer.Exit(DIFFERENT)


@app.command()
def replay(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="A finding's folder, FILE:LINE of a row, a file with a program or with choices.",
        ),
    ],
    grammar: GrammarOption = None,
    backend: Annotated[
        str | None,
        typer.Option("--backend", "-b", help=" or ".join(BACKENDS) + ".", show_default="warp"),
    ] = None,
    target: TargetOption = None,
    oracle: OracleOption = None,
) -> None:
    """Run a finding, a row, choices or a program again; exits with 1 where something is wrong."""
    from irgen.cli.replay import Request, replay

    if not replay(Request(what, grammar, backend, target, split_words(oracle))):
        raise typer.Exit(DIFFERENT)


@app.command()
def bisect(
    finding: Annotated[
        Path, typer.Argument(metavar="FINDING", help="A finding's folder, or a repro.py.")
    ],
    releases: Annotated[
        str | None,
        typer.Option(metavar="A..B", help="Only these releases.", show_default="all it can run on"),
    ] = None,
) -> None:
    """Name the first release that has a bug, and the first one after it that has not."""
    from irgen.cli.bisect import bisect

    bisect(finding, releases)


@app.command()
def grammars() -> None:
    """List the grammars that ship with irgen."""
    from irgen.cli.listings import grammars

    grammars()


@app.command()
def ops(
    names: Annotated[list[str] | None, typer.Argument(help="Only these ops.")] = None,
) -> None:
    """List the ops of the language: types, backends, derivative."""
    from irgen.cli.listings import ops

    ops(names or [])


@app.command()
def doctor() -> None:
    """Say what is installed and what can be captured here."""
    from irgen.cli.doctor import doctor

    doctor()


app.add_typer(datasets.app)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0, 2 with one line on stderr, or 130 after Ctrl-C."""
    raise SystemExit(_run(list(sys.argv[1:] if arguments is None else arguments)))


def _run(arguments: list[str]) -> int:
    try:
        code = app(arguments or ["--help"], prog_name="irgen", standalone_mode=False)
        flush_output()
    except ReaderGone:
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except typer.TyperException as error:
        return _refuse(error.format_message())
    except (UserError, BackendError) as error:
        return _refuse(str(error))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        discard_output()
        return _refuse(f"cannot write: {error.strerror}")
    return int(code or 0)


def _refuse(message: str) -> int:
    print(f"irgen: {' '.join(message.split())}", file=sys.stderr)
    return USAGE_ERROR
