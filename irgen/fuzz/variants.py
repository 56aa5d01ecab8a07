"""Cases of the same meaning: the program rewritten, or spelled in another style."""

from __future__ import annotations

from dataclasses import dataclass, replace

from backends.style import draw_style
from grammar.passes.canonical import exact_hash
from grammar.rewrite import rewrites
from grammar.source import RandomSource
from irgen.fuzz.case import Case

REWRITES = 2
"""So many rewrites of a case are run, and one other spelling of it."""

RESTYLED = "restyle"


@dataclass(frozen=True, slots=True)
class Variant:
    """A case of the same meaning, and the name of what makes it another."""

    name: str
    case: Case


def variants(case: Case) -> list[Variant]:
    """Other cases of the same meaning, on the same inputs. Which ones follows from the hash of the
    program and the style."""
    source = RandomSource(int(exact_hash(case.program)[:12], 16), case.style.salt)
    restyled = Variant(RESTYLED, replace(case, style=draw_style(source)))
    found = rewrites(case.program, source, REWRITES)
    return [restyled, *[Variant(one.name, replace(case, program=one.program)) for one in found]]
