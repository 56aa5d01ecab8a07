"""A campaign as it goes: a live table on a terminal, a JSON line per event elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from irgen.cli.output import print_text
from irgen.cli.progress import share

if TYPE_CHECKING:
    from rich.console import RenderableType

    from irgen.fuzz.campaign import Plan, Step
    from irgen.fuzz.finding import Finding
    from irgen.fuzz.state import Hits, State

_TOLD_EVERY = 10.0
"""Seconds between two lines on how far a campaign is, where nobody watches."""

_DRAWN_EVERY = 0.25
"""Seconds between two looks of the table."""


class Lines:
    """A JSON line on stdout for each finding, every ten seconds, and at the end."""

    def __init__(self, known: frozenset[str]) -> None:
        self._known = known
        self._told = time.monotonic()
        self._last: Step | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, step: Step) -> None:
        """Tell of a step, where there is something to tell."""
        self._last = step
        if step.found is not None:
            found, folder = step.found
            _print(
                {
                    "event": "finding",
                    "bucket": found.bucket,
                    "kind": found.symptom.kind,
                    "direction": found.symptom.direction,
                    "index": found.address.index if found.address else None,
                    "repro": found.exit_code,
                    "folder": str(folder),
                    "new": found.bucket not in self._known,
                }
            )
        if step.unconfirmed is not None:
            symptom = step.unconfirmed
            _print({"event": "unconfirmed", "kind": symptom.kind, "way": symptom.way})
        if time.monotonic() - self._told >= _TOLD_EVERY:
            self._told = time.monotonic()
            _print({"event": "progress", **_figures(step)})

    def end(self, plan: Plan, found: Sequence[Finding], new: Sequence[Finding]) -> None:
        """Tell how a campaign ended."""
        _print(
            {
                "event": "end",
                "folder": str(plan.out),
                "findings": [one.bucket for one in found],
                "new": [one.bucket for one in new],
                **({} if self._last is None else _figures(self._last)),
            }
        )


class Live:
    """A table on stderr that changes as the campaign goes on; the outcome goes to stdout."""

    def __init__(self, plan: Plan, known: frozenset[str]) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self._plan, self._known = plan, known
        self._live = RichLive(console=Console(stderr=True), transient=True, auto_refresh=False)
        self._last: Step | None = None
        self._drawn = 0.0

    def __enter__(self) -> Self:
        from rich.text import Text

        self._live.start()
        self._live.update(Text("starting workers", style="dim"), refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, step: Step) -> None:
        """Draw the table anew, a few times a second; findings are printed above it at once."""
        if step.found is not None:
            found, folder = step.found
            self._live.console.print(
                f"[bold red]{found.bucket}[/]  {found.symptom.kind}: {folder}",
                highlight=False,
            )
        now = time.monotonic()
        self._last = step
        if step.doing or now - self._drawn >= _DRAWN_EVERY:
            self._drawn = now
            self._live.update(self._table(step), refresh=True)

    def end(self, plan: Plan, found: Sequence[Finding], new: Sequence[Finding]) -> None:
        """Print the outcome, a line a bucket."""
        from irgen.fuzz.finding import folder_name

        if self._last is not None:
            self._live.console.print(self._table(self._last))
        for one in found:
            word = "new" if one in new else "known"
            print_text(f"{word}\t{one.bucket}\t{plan.out / folder_name(one.bucket)}\n")
        if not found:
            print_text("no findings\n")

    def _table(self, step: Step) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        from irgen.fuzz.coverage import total

        state = step.state
        done = max(1, state.next)
        of = "" if self._plan.count is None else f" of {self._plan.count:,}"
        rows = {
            "programs": f"{state.next:,}{of}   {state.next / max(state.seconds, 1e-9):.1f}/s",
            "verified": share(state.verified, done),
            "not comparable": share(state.not_comparable, done),
            "known limitations": _counts(state.explained),
            "findings": _counts({name: hits.count for name, hits in _buckets(state).items()}),
            "coverage": f"{len(step.coverage.ops)} ops of {total()} and structure, "
            f"{len(step.coverage.pairs):,} pairs",
        }
        if state.unconfirmed:
            rows["did not show again"] = str(state.unconfirmed)
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(style="dim")
        table.add_column(overflow="fold")
        for name, text in rows.items():
            table.add_row(name, Text(text))
        return Group(table, Text(step.doing, style="italic")) if step.doing else table


def _counts(counted: dict[str, int]) -> str:
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count:,}" for name, count in ordered) or "none"


def _buckets(state: State) -> dict[str, Hits]:
    return {name: hits for name, hits in state.met.items() if hits.first >= 0}


def _figures(step: Step) -> dict[str, object]:
    state = step.state
    return {
        "programs": state.next,
        "seconds": round(state.seconds, 1),
        "verified": state.verified,
        "not_comparable": state.not_comparable,
        "explained": state.explained,
        "buckets": {name: hits.count for name, hits in _buckets(state).items()},
        "unconfirmed": state.unconfirmed,
        "ops": len(step.coverage.ops),
        "pairs": len(step.coverage.pairs),
        "doing": step.doing,
    }


def _print(row: dict[str, object]) -> None:
    import msgspec

    print_text(msgspec.json.encode(row).decode() + "\n")
