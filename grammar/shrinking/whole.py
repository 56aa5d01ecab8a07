"""Edits of the whole: which unit is the entry, what it gives back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from grammar.program import Program, Region, Terminator
from grammar.shrinking.edits import Edit, Edited
from grammar.shrinking.tidy import tidy


def tidied() -> Edit:
    """The program without what nothing needs."""
    return Edit("tidy", change=lambda program: Edited(tidy(program)))


def fewer_results(program: Program) -> Iterator[Edit]:
    """Fewer of the results of a function or program: one of them, all but one."""
    count = len(program.entry.results)
    if program.entry.kind == "kernel" or count < 2:
        return
    for at in range(count):
        yield Edit(f"only result {at}", change=_Keep((at,)))
    if count > 2:
        for at in range(count):
            kept = tuple([one for one in range(count) if one != at])
            yield Edit(f"not result {at}", change=_Keep(kept))


class _Keep:
    """Keeps some of the results of the entry."""

    def __init__(self, kept: tuple[int, ...]) -> None:
        self.kept = kept

    def __call__(self, program: Program) -> Edited | None:
        entry = program.entry
        if max(self.kept) >= len(entry.results):
            return None
        results = tuple([entry.results[at] for at in self.kept])
        body = _returning(entry.body, self.kept)
        made = replace(entry, body=body, results=results)
        return Edited(Program((*program.units[:-1], made)))


def _returning(region: Region, kept: tuple[int, ...]) -> Region:
    """A region whose every `return` hands on some of its values only."""
    body = tuple(
        [
            one._replace(regions=tuple([_returning(inner, kept) for inner in one.regions]))
            if one.regions
            else one
            for one in region.body
        ]
    )
    end = region.end
    if end.kind == "return":
        end = Terminator("return", tuple([end.values[at] for at in kept]))
    return Region(region.params, body, end)
