"""`python -m docs.limitations`: write the page of declared limitations from their tables."""

from __future__ import annotations

from backends.jax.limits import LIMITATIONS as JAX
from backends.warp.limit_examples import RIGHT, WRONG
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


def _section(name: str) -> str:
    row = WARP[name]
    references = "\n".join(f"- {_linked(text)}" for text in row.reference.split(", "))
    return (
        f"### {name}\n\n{row.doc}\n\n{references}\n\nWrong:\n\n```text\n{WRONG[name]}```\n\n"
        f"Right:\n\n```text\n{RIGHT[name]}```\n"
    )


def _linked(reference: str) -> str:
    return f"<{reference}>" if reference.startswith("https://") else f"`{reference}`"


def page() -> str:
    """The text of the page."""
    assert not JAX, "the page has no section for JAX"
    none = (
        "None. Gradients at kinks and ties follow conventions, and points there are not compared."
    )
    sections = "\n".join(map(_section, WARP))
    return f"{_HEAD}\n## JAX\n\n{none}\n\n## Warp\n\n{sections}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
