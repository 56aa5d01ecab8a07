"""`python -m docs.limitations`: write the page of declared limitations from their tables."""

from __future__ import annotations

from collections.abc import Mapping

from backends.base import Limitation
from backends.jax import limit_examples as jax_examples
from backends.jax.limits import LIMITATIONS as JAX
from backends.warp import limit_examples as warp_examples
from backends.warp.limits import LIMITATIONS as WARP
from docs.pages import ROOT

PAGE = ROOT / "docs" / "limitations.md"

_HEAD = """# Limitations

Where a backend is known to compute a wrong gradient, or none. A limitation explains a gradient that
differs from the reference, never a value: such a row is `known_wrong` and does not count as
verified. `limitations` in `backends/*/limits.py` names those of a program; it looks at the program
alone, so it names what may be wrong in some spelling or for some input. A gradient that differs
where none is named is a mismatch.

Every preset has a differentiable-safe form, its name with `-safe` behind it (`irgen sample
--grammar compound-safe`), and an own grammar becomes one by `differentiable = true`. It draws
nothing that has a limitation on any backend, and no steps (rounding, whole numbers made of floats,
floats tested for equality), whose results depend on the last bit. It still has branches, early
returns, functions, loops with any carried values where their trip count is constant, loops with
dynamic bounds that sum up, `continue`, sums by atomics, and cells that are added to.

Warp passes no gradient to scalar parameters of kernels: there is none to compare.
"""


def _section(row: Limitation, wrong: str, right: str) -> str:
    references = "\n".join(f"- {_linked(text)}" for text in row.reference.split(", "))
    return (
        f"### {row.name}\n\n{row.doc}\n\n{references}\n\nWrong:\n\n```text\n{wrong}```\n\n"
        f"Right:\n\n```text\n{right}```\n"
    )


def _sections(
    rows: Mapping[str, Limitation], wrong: Mapping[str, str], right: Mapping[str, str]
) -> str:
    return "\n".join([_section(row, wrong[name], right[name]) for name, row in rows.items()])


def _linked(reference: str) -> str:
    return f"<{reference}>" if reference.startswith("https://") else f"`{reference}`"


def page() -> str:
    """The text of the page."""
    jax = _sections(JAX, jax_examples.WRONG, jax_examples.RIGHT)
    warp = _sections(WARP, warp_examples.WRONG, warp_examples.RIGHT)
    return f"{_HEAD}\n## JAX\n\n{jax}\n## Warp\n\n{warp}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
