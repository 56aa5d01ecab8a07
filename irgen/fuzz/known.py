"""The one table of what is known upstream: bugs and limitations, each with its reference.

A row explains a symptom away, so its rule names no more than what the reference says. What a
backend declares as its limitations in gradients is part of the table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from backends.base import Limitation
from backends.registry import BACKENDS
from backends.warp.loops import is_dynamic, may_not_end
from grammar.passes.effects import constants
from grammar.passes.kernels import to_kernels
from grammar.program import walk
from irgen.fuzz.case import Case, Direction, Symptom

Rule = Callable[[Case, Symptom], bool]

_WARP_ISSUES = "https://github.com/NVIDIA/warp/issues"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A bug or limitation that upstream knows of.

    It explains symptoms of some `kinds` in one of the `directions` where the `rule` holds, at
    releases from `first` (the first affected) to before `fixed` (the first that is not); "" leaves
    an end open. `reference` holds links, between commas.
    """

    name: str
    backend: str
    doc: str
    reference: str
    kinds: frozenset[str]
    directions: frozenset[Direction]
    rule: Rule
    first: str = ""
    fixed: str = ""

    def affects(self, version: str) -> bool:
        """Whether a release is among those affected; an unknown one is."""
        release = release_of(version)
        if not release:
            return True
        if self.first and release < release_of(self.first):
            return False
        return not self.fixed or release < release_of(self.fixed)


def release_of(version: str) -> tuple[int, ...]:
    """The numbers of a release: (1, 12, 1) of "1.12.1.dev3"."""
    matched = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, matched.group().split("."))) if matched else ()


def _never_ends(case: Case, symptom: Symptom) -> bool:
    return may_not_end(to_kernels(case.program))


def _casts_unrolled_index(case: Case, symptom: Symptom) -> bool:
    """Whether the index of a loop that Warp unrolls is cast: in Python text it is a literal."""
    for unit in to_kernels(case.program).units:
        literals = constants(unit)
        unrolled = {
            loop.regions[0].params[0].id
            for loop in walk(unit.body)
            if loop.op == "for" and not is_dynamic(loop, literals)
        }
        for statement in walk(unit.body):
            if statement.op == "cast" and statement.operands[0].id in unrolled:
                return True
    return False


KNOWN: tuple[Known, ...] = (
    Known(
        name="constant_retyped",
        backend="warp",
        doc="A cast of the index of an unrolled loop changes the type of the literal that stands"
        " for it, also where it was used before: the code no longer compiles.",
        reference="findings/compile-error-for-d1a046",
        kinds=frozenset(("compile_error", "source_error")),
        directions=frozenset(("",)),
        rule=_casts_unrolled_index,
    ),
    Known(
        name="unending_adjoint",
        backend="warp",
        doc="A dynamic loop is left by `return`, or a `while` in any way. The adjoint jumps into"
        " the loop without the state that ends it, and may run forever.",
        reference=f"{_WARP_ISSUES}/1552, {_WARP_ISSUES}/729",
        kinds=frozenset(("timed_out",)),
        directions=frozenset(("gradient", "")),
        rule=_never_ends,
    ),
)
"""What is known beside the limitations that backends declare."""


def _of_limitation(limitation: Limitation) -> Known:
    backend = BACKENDS[limitation.backend]

    def rule(case: Case, symptom: Symptom) -> bool:
        return any(one.name == limitation.name for one in backend.limitations(case.program))

    return Known(
        name=limitation.name,
        backend=limitation.backend,
        doc=limitation.doc,
        reference=limitation.reference,
        kinds=frozenset(("wrong_gradient",)),
        directions=frozenset(("gradient",)),
        rule=rule,
    )


@cache
def table(backend: str) -> tuple[Known, ...]:
    """All that is known of a backend: its limitations first."""
    limitations = BACKENDS[backend].known_limitations.values()
    own = [one for one in KNOWN if one.backend == backend]
    return (*map(_of_limitation, limitations), *own)


def find(backend: str, name: str) -> Known | None:
    """The row of a name, if there is one."""
    return next((one for one in table(backend) if one.name == name), None)


def explained(
    backend: str,
    case: Case,
    symptom: Symptom,
    versions: Mapping[str, str] | Iterable[tuple[str, str]] = (),
) -> str:
    """The name of what explains a symptom of a case, "" where nothing does.

    `versions` are those of the interpreter that showed it, by distribution; without the backend's
    all releases count.
    """
    version = dict(versions).get(BACKENDS[backend].distribution, "")
    for one in table(backend):
        if symptom.kind not in one.kinds or symptom.direction not in one.directions:
            continue
        if one.affects(version) and one.rule(case, symptom):
            return one.name
    return ""
