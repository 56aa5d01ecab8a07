"""The rewrites, one row each, and how some are drawn for a program."""

from __future__ import annotations

from collections.abc import Mapping

from grammar.passes.canonical import canonical
from grammar.program import Program
from grammar.rewrite import (
    branches,
    calls,
    constants,
    exits,
    identities,
    launches,
    loops,
    memory,
    restate,
    sharing,
)
from grammar.rewrite.place import Place, places
from grammar.rewrite.row import Rewrite, Rewritten
from grammar.source import Source

REWRITES: Mapping[str, Rewrite] = {
    row.name: row
    for row in (
        Rewrite(
            "commute",
            "Exchange the operands of an op that commutes bit for bit.",
            restate.commutes,
            restate.commute,
        ),
        Rewrite(
            "restate",
            "Say an op by other ops with the same roundings: a < b as b > a, square(a) as a * a.",
            restate.restates,
            restate.restate,
        ),
        Rewrite(
            "identity",
            "Do something to a value that leaves it as it is: x * 1, not not b, -(-x), n ^ 0.",
            identities.has_value,
            identities.insert_identity,
        ),
        Rewrite(
            "widen",
            "Cast a value to a type that holds it exactly, and back.",
            identities.has_wider,
            identities.widen_and_narrow,
        ),
        Rewrite(
            "choose_always",
            "Select the value, under a condition that holds whatever its operands are.",
            identities.may_choose,
            identities.choose_always,
        ),
        Rewrite(
            "branch_always",
            "Yield the value from a branch that is always taken.",
            identities.may_choose,
            identities.branch_always,
        ),
        Rewrite(
            "dead_code",
            "Compute something that nothing uses.",
            identities.has_number,
            identities.add_dead_code,
        ),
        Rewrite(
            "unfold_constant",
            "Compute an integer literal from two others.",
            constants.is_free_integer,
            constants.unfold,
        ),
        Rewrite(
            "fold_constant",
            "Put a literal where an integer or a truth value is computed from literals.",
            constants.folds,
            constants.fold,
        ),
        Rewrite(
            "duplicate",
            "Compute a value again for its last user.",
            sharing.is_shared,
            sharing.duplicate,
        ),
        Rewrite(
            "share",
            "Compute only once what is computed twice.",
            sharing.is_repeated,
            sharing.share,
        ),
        Rewrite(
            "reorder",
            "Move a statement down past others that do not need it.",
            sharing.is_movable,
            sharing.exchange,
        ),
        Rewrite(
            "inline", "Put the body of a function where it is called.", calls.is_call, calls.inline
        ),
        Rewrite(
            "outline",
            "Make a function of an op, and perhaps of what only it needs.",
            calls.may_be_function,
            calls.outline,
        ),
        Rewrite(
            "exchange_sides",
            "Exchange the sides of a branch and negate its condition.",
            branches.is_branch,
            branches.exchange_sides,
        ),
        Rewrite(
            "select_results",
            "Run both sides of a branch and select its results, where all ops take any operand.",
            branches.may_select,
            branches.select_results,
        ),
        Rewrite(
            "branch_results",
            "Branch where a value is selected, and compute there what only one side needs.",
            branches.is_selection,
            branches.branch_results,
        ),
        Rewrite(
            "unroll", "Repeat the body of a loop between literals.", loops.may_unroll, loops.unroll
        ),
        Rewrite("peel", "Run the first round of a loop ahead of it.", loops.may_peel, loops.peel),
        Rewrite("split", "Run a loop in two parts.", loops.may_split, loops.split),
        Rewrite("shift", "Count a loop from elsewhere.", loops.may_shift, loops.shift),
        Rewrite(
            "never_continue",
            "Go on with the next round where the index is below where it starts.",
            exits.may_break,
            exits.never_continue,
        ),
        Rewrite(
            "never_break",
            "Leave a loop where its index is below where it starts.",
            exits.may_break,
            exits.never_break,
            limits=True,
        ),
        Rewrite(
            "hide_stop",
            "Compute where a loop between literals ends.",
            exits.may_hide_stop,
            exits.hide_stop,
            limits=True,
        ),
        Rewrite("to_while", "Turn a for into a while.", exits.is_for, exits.to_while, limits=True),
        Rewrite(
            "to_for",
            "Turn a while into a for with a break.",
            exits.is_while,
            exits.to_for,
            limits=True,
        ),
        Rewrite(
            "store_twice",
            "Store something else first, which is overwritten at once.",
            memory.is_store,
            memory.store_twice,
        ),
        Rewrite(
            "reload",
            "Read a value back from where it was stored.",
            memory.may_reload,
            memory.reload,
        ),
        Rewrite(
            "cut",
            "Cut a launched kernel in two, with buffers for what the second needs of the first.",
            launches.may_cut,
            launches.cut,
        ),
        Rewrite("fuse", "Make one kernel of two launches.", launches.may_fuse, launches.fuse),
        Rewrite(
            "copy_argument",
            "Launch a kernel on a copy of an array that it reads.",
            launches.may_copy,
            launches.copy_argument,
        ),
    )
}
"""Rewrites by name."""


def applicable(program: Program) -> dict[str, list[Place]]:
    """The places of a program where each rewrite applies, for those that do."""
    found: dict[str, list[Place]] = {}
    for place in places(program):
        for name, row in REWRITES.items():
            if row.applies(place):
                found.setdefault(name, []).append(place)
    return {name: found[name] for name in REWRITES if name in found}


def rewrites(program: Program, source: Source, most: int = 4) -> list[Rewritten]:
    """Up to `most` programs that mean the same, each by another rewrite at a place of its own.

    Which and where is drawn from the source. The parameters of the entry stay the same, so inputs
    carry over; values are the same bit for bit, see `Rewrite`.
    """
    left = applicable(program)
    made: list[Rewritten] = []
    while left and len(made) < most:
        name = list(left)[source.below(len(left))]
        found = left.pop(name)
        place = found[source.below(len(found))]
        made.append(Rewritten(name, canonical(REWRITES[name].rewrite(place, source))))
    return made
