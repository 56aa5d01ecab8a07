"""`irgen bisect`: in which releases of Warp or JAX a bug begins and ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from irgen.cli.output import print_text
from irgen.cli.tables import print_table

if TYPE_CHECKING:
    from irgen.bisect import Tried


def bisect(finding: Path, backend_range: str | None = None) -> None:
    """Print what the repro of a finding does release by release, and where the bug begins and ends.

    UserError where there is nothing to search.
    """
    from irgen.bisect import bisect as search

    if not sys.stderr.isatty():
        found = search(finding, backend_range)
    else:
        from rich.console import Console

        with Console(stderr=True).status("making the first environment") as status:

            def tell(tried: Tried) -> None:
                status.update(f"{tried.release} is {tried.state}; searching on")

            found = search(finding, backend_range, tell=tell)
    rows = [(one.release, one.state, one.detail) for one in found.tried]
    print_table(("release", "state", "why"), rows)
    print_text(f"{found.summary}\n")
    if found.skipped:
        print_text(f"{len(found.skipped)} skipped: the repro cannot run there\n")
