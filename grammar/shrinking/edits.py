"""What an edit is, and how several become one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from grammar.program import Program
from grammar.shrinking.actions import Action, NotApplicable, Place
from grammar.shrinking.rewriter import rewritten
from grammar.shrinking.tidy import tidy
from grammar.verify import VerifyError, verify


@dataclass(frozen=True, slots=True)
class Edited:
    """A program after an edit. Parameters of the entry that stay keep their ids; `fresh` holds what
    to feed new ones. `inputs`, where not None, are all that the entry is fed. Arrays that shrink
    keep their elements from `start` on, in every axis that has them."""

    program: Program
    fresh: Mapping[int, int] = field(default_factory=dict[int, int])
    inputs: tuple[NDArray[Any], ...] | None = None
    start: int = 0


@dataclass(frozen=True, slots=True)
class Edit:
    """A way to make a program less: actions on statements, or a change of the whole.

    `name` says what it does. Edits that act on different statements can be joined.
    """

    name: str
    actions: Mapping[Place, Action] = field(default_factory=dict[Place, Action])
    change: Callable[[Program], Edited | None] | None = None

    @property
    def place(self) -> Place | None:
        """The first of the statements it acts on, None for a change of the whole."""
        return min(self.actions, default=None)

    def apply(self, program: Program, *, clean: bool = True) -> Edited | None:
        """The program after the edit, or None where it does not apply or gives one that breaks a
        rule. `clean` drops what nothing needs any more."""
        try:
            if self.change is not None:
                found = self.change(program)
            else:
                made, fresh = rewritten(program, self.actions)
                found = Edited(made, fresh)
            if found is not None and clean:
                found = replace(found, program=tidy(found.program))
            if found is not None:
                verify(found.program)
        except (NotApplicable, VerifyError):
            return None
        return found


def joined(edits: Sequence[Edit]) -> Edit | None:
    """One edit for several on statements; an earlier one comes before a later one at the same
    statement. None where fewer than two can be joined."""
    actions: dict[Place, Action] = {}
    count = 0
    for edit in edits:
        if edit.change is None and actions.keys().isdisjoint(edit.actions):
            actions.update(edit.actions)
            count += 1
    return Edit("joined", actions) if count > 1 else None
