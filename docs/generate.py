"""Rewrites what is generated in the documentation: tables, outputs of examples, the picture.

`python -m docs.generate` from the root of a checkout. A table stands between
`<!-- table: name -->` and `<!-- end -->`; outputs are described in `docs/pages.py`.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from docs.pages import PAGES, ROOT, read_page, refreshed, run_page
from docs.picture import PICTURE, picture
from docs.tables import TABLES

_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(text: str) -> str:
    """A page with its tables as the code has them now."""
    return _TABLE.sub(lambda m: f"{m[1]}{TABLES[m[2]]()}\n{m[3]}", text)


def with_outputs(text: str) -> str:
    """A page with the outputs of its examples as they are printed now."""
    page = read_page(text)
    with tempfile.TemporaryDirectory() as folder:
        return refreshed(page, list(run_page(page, Path(folder))))


def main() -> None:
    """Rewrite every page and the picture, and name those that changed."""
    made = {path: with_outputs(with_tables(path.read_text())) for path in PAGES}
    made[PICTURE] = picture()
    for path, text in made.items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
