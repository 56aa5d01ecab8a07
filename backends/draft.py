"""Drafts: an expression's layout together with the function that builds its node afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from backends import nodes as n
from backends.breaking import Bracket, Break, Group, Indent, Only

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import libcst as cst

    from backends.breaking import Layout

Context: TypeAlias = Group | Literal["bare", "bracketed"]
"""Where an expression stands: inside optional parentheses that are not there unless their group
expands, in no brackets at all, or in brackets that are there in any case."""


@dataclass(frozen=True, slots=True)
class Draft:
    """`build` makes the node in the given parentheses, once `breaking.choose` has decided."""

    parts: tuple[Layout, ...]
    build: Callable[[n.Parens], cst.BaseExpression]


def whitespace(place: Break) -> n.Space:
    """What a break was decided to be; line breaks count from column 0."""
    if place.indent < 0:
        return n.SPACE if place.columns else n.NOTHING
    return n.line_break(place.indent)


def bracket(group: Group, context: Context) -> Layout:
    return Bracket((group,), context) if isinstance(context, Group) else group


def sequence(drafts: Sequence[Draft], group: Group) -> tuple[tuple[Layout, ...], list[Break]]:
    """Comma-separated items of `group`, with a trailing comma once the group expands."""
    gaps = [Break(1) for _ in drafts[1:]]
    parts: list[Layout] = [*drafts[0].parts]
    for gap, item in zip(gaps, drafts[1:], strict=True):
        parts += [1, gap, *item.parts]
    parts.append(Only((1,), group))
    return tuple(parts), gaps


def afters_of(gaps: list[Break], group: Group) -> list[n.Space | None]:
    """What follows the comma of every item; None for no comma."""
    return [*map(whitespace, gaps), n.NOTHING if group.expanded else None]


def elements(drafts: Sequence[Draft], afters: Sequence[n.Space | None]) -> list[cst.Element]:
    return [
        n.element(item.build(n.UNENCLOSED), after)
        for item, after in zip(drafts, afters, strict=True)
    ]


def wrapped(inner: Draft, group: Group) -> Draft:
    opening, closing = Break(), Break()
    group.parts = (
        Only((1,), group),
        Indent((Only((opening,), group), *inner.parts), when=group),
        Only((closing, 1), group),
    )
    return Draft((group,), optional_parens(inner, opening, closing, lambda: group.expanded))


def optional_parens(
    inner: Draft, opening: Break, closing: Break, shown: Callable[[], bool]
) -> Callable[[n.Parens], cst.BaseExpression]:
    def build(_: n.Parens) -> cst.BaseExpression:
        if not shown():
            return inner.build(n.UNENCLOSED)
        return inner.build(n.parentheses(whitespace(opening), whitespace(closing)))

    return build
