"""Reports: a finding in the words of an upstream issue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from backends.registry import BACKENDS
from grammar.passes.kernels import to_kernels
from grammar.program import Program, statements
from grammar.structural import ATOMICS, LOOPS
from irgen.fuzz import known
from irgen.fuzz.buckets import said
from irgen.fuzz.case import SYMPTOMS
from irgen.verdict import Compared

if TYPE_CHECKING:
    from irgen.fuzz.finding import Finding

_NAMES = {"warp": "Warp", "jax": "JAX"}
_NUMBERS = ("wrong_value", "wrong_gradient")
_ROLES = {"wrong_value": "output", "wrong_gradient": "gradient"}


def report(finding: Finding) -> str:
    """The text of `report.md`."""
    return "\n".join(_lines(finding)) + "\n"


def title(finding: Finding) -> str:
    """What is wrong, in one line."""
    words = ", ".join(said(finding.constructs))
    return f"{_NAMES[finding.backend]}: {SYMPTOMS[finding.symptom.kind]} ({words})"


def _lines(finding: Finding) -> Iterator[str]:
    from irgen.fuzz.finding import case_of

    symptom = finding.symptom
    program = to_kernels(case_of(finding).program)
    yield f"# {title(finding)}"
    yield ""
    yield ", ".join(f"{name} {version}" for name, version in finding.versions.items())
    yield ""
    yield from _block("python", finding.source)
    yield "`python repro.py` runs it on the inputs that show the bug. It needs NumPy and"
    yield f"{BACKENDS[finding.backend].distribution} alone, and exits with 1 where the bug shows,"
    yield "with 0 where it does not, and with 2 where it cannot run."
    yield ""
    yield "## Expected and got"
    yield ""
    if finding.shown:
        yield from _block("text", finding.shown)
    elif symptom.detail:
        yield from _block("text", symptom.detail)
    if symptom.kind in _NUMBERS:
        yield from _errors(finding)
    yield "## Why it is right to expect that"
    yield ""
    yield from _defined(program)
    if symptom.kind in _NUMBERS:
        yield "- Expected values were computed in higher precision from the same inputs. Each comes"
        yield "  with a bound, which covers every rounding, order of a sum and contraction that the"
        yield "  operands of each step allow. The error is far beyond it, so it is not rounding."
    if finding.exit_code == 1:
        yield "- It is deterministic: the repro was run twice and showed the bug both times."
    if finding.address is not None:
        yield f"- It is minimal: {_size(finding)}."
    yield ""
    yield from _known(finding)
    yield "## Where it is from"
    yield ""
    yield from _origin(finding)


def _known(finding: Finding) -> Iterator[str]:
    """What upstream knows of it, with links."""
    names = finding.symptom.known.split(", ")
    rows = [row for row in (known.find(finding.backend, name) for name in names) if row]
    if rows:
        yield "## Known"
        yield ""
    for row in rows:
        yield f"`{row.name}`: {row.doc}"
        yield ""
        for link in row.reference.split(", "):
            yield f"- <{link}>" if link.startswith("http") else f"- `{link}`"
        yield ""


def _block(language: str, text: str) -> Iterator[str]:
    yield f"```{language}"
    yield text.rstrip("\n")
    yield "```"
    yield ""


def _errors(finding: Finding) -> Iterator[str]:
    role = _ROLES[finding.symptom.kind]
    wrong = [
        one
        for verdict in finding.verdicts
        for one in verdict.compared
        if one.role == role and one.mismatched
    ]
    for one in wrong:
        yield f"- {_error(one)}"
    if wrong:
        yield ""


def _error(one: Compared) -> str:
    times = f"{one.max_share:.3g} times its bound" if one.max_share < 1e300 else "without a bound"
    ulps = f", {one.max_ulp:.3g} units in the last place" if one.max_ulp else ""
    return (
        f"{one.role} {one.position}: {one.mismatched} of {one.lanes} elements are wrong, the worst,"
        f" {one.worst}, by {times}{ulps}"
    )


def _defined(program: Program) -> Iterator[str]:
    """Why a program is defined, by what it has."""
    ops = {statement.op for statement in statements(program)}
    yield "- The program is well defined on these inputs: it was interpreted, and no index leaves"
    yield "  its array, no integer overflows or is divided by zero, nothing is read before it is"
    yield "  written."
    if ops & set(ATOMICS):
        yield "- Threads do not race: they meet in an array only through atomics of one kind, whose"
        yield "  order the bounds allow for, and nothing reads what these return."
    else:
        yield "- Threads do not race: an array that is written is touched by each thread at an"
        yield "  element of its own."
    if ops & set(LOOPS):
        yield "- Loops end: their rounds have a bound that these inputs do not reach beyond."


def _size(finding: Finding) -> str:
    if finding.before == finding.after:
        count = f"{finding.after} statements"
    else:
        count = f"{finding.after} statements, shrunk from {finding.before}"
    return count if finding.finished else f"{count}; time was up before nothing smaller was found"


def _origin(finding: Finding) -> Iterator[str]:
    address = finding.address
    if address is not None:
        yield (
            f"irgen {finding.versions.get('irgen', '')}, grammar {address.grammar}, seed"
            f" {address.seed}, index {address.index}. The program in irgen's own form:"
        )
    else:
        yield "The program in irgen's own form:"
    yield ""
    yield from _block("text", finding.program)
