"""Line breaking: which of the places where a line may break do break.

A layout is a tree of columns and breaks. `Group`s are the units of decision: a group is printed
flat if it fits on the rest of the line, else all its own breaks become line breaks and its inner
groups decide for themselves. `choose` walks a layout once and leaves its decisions on the `Break`
and `Group` objects, where the code that built the layout reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

WIDTH = 88
INDENT = 4

FLAT, EXPANDED = False, True

FIRST_LINE, EVERY_LINE, OPENING_LINE, NO_LINE = 0, 1, 2, 3
"""Which lines a measurement asks to fit: the first one, at whose end it stops; all; all up to the
first line break taken; none."""


@dataclass(slots=True, eq=False)
class Break:
    """A place where the line may break; `columns` wide when it does not.

    `indent` is the column of the next line if the break was taken, else -1.
    """

    columns: int = 0
    indent: int = -1


@dataclass(slots=True, eq=False)
class Group:
    """Parts that break together. With `when`, a group only once `when` is expanded.

    `wraps` marks a group whose breaks stand directly inside optional parentheses around an
    unsplittable value: expanded only if that makes the value fit. A `firm` group is measured flat
    even among parts that are measured with their breaks taken.
    """

    parts: tuple[Layout, ...] = ()
    forced: bool = False
    when: Group | None = None
    wraps: bool = False
    firm: bool = False
    expanded: bool = False


@dataclass(slots=True, eq=False)
class Indent:
    """Parts whose line breaks are indented one step more, with `when`: once it is expanded."""

    parts: tuple[Layout, ...]
    when: Group | None = None


@dataclass(slots=True, eq=False)
class Only:
    """Parts printed only if `when` is expanded (`expanded`) or only if it is flat."""

    parts: tuple[Layout, ...]
    when: Group
    expanded: bool = True


@dataclass(slots=True, eq=False)
class Bracket:
    """Brackets that may break although `when`, the optional parentheses around, stays flat.

    While `when` is flat the parts are measured with all their breaks taken, and what exceeds the
    width in them does not count. `when` None: always so.
    """

    parts: tuple[Layout, ...]
    when: Group | None = None


@dataclass(slots=True, eq=False)
class Alternatives:
    """Several layouts of the same content, the flattest first; the first that fits is taken."""

    layouts: tuple[tuple[Layout, ...], ...]
    taken: int = field(default=0)


Layout: TypeAlias = int | Break | Group | Indent | Only | Bracket | Alternatives

# (layout, indent, expanded, which lines must fit)
_Item: TypeAlias = tuple[Layout, int, bool, int]


def choose(parts: tuple[Layout, ...], indent: int) -> None:
    """Decides all breaks of a statement that starts at column `indent`."""
    _Printer(indent).run(parts, indent)


class _Printer:
    def __init__(self, column: int) -> None:
        self.column = column
        self.measured = False

    def run(self, parts: tuple[Layout, ...], indent: int) -> None:
        stack: list[_Item] = []
        _push(stack, parts, indent, EXPANDED, FIRST_LINE)
        while stack:
            layout, level, expanded, lines = stack.pop()
            match layout:
                case int():
                    self.column += layout
                case Break():
                    layout.indent = level if expanded else -1
                    if expanded:
                        self.column = level
                        self.measured = False
                    else:
                        self.column += layout.columns
                case Indent():
                    deeper = layout.when is None or layout.when.expanded
                    _push(stack, layout.parts, level + INDENT * deeper, expanded, lines)
                case Only():
                    if layout.when.expanded is layout.expanded:
                        _push(stack, layout.parts, level, expanded, lines)
                case Bracket():
                    free = layout.when is None or not layout.when.expanded
                    if free:
                        self.measured = False
                    _push(stack, layout.parts, level, expanded or free, lines)
                case Alternatives():
                    self.alternatives(layout, stack, level, expanded, lines)
                case Group():
                    if layout.when is not None and not layout.when.expanded:
                        _push(stack, layout.parts, level, expanded, lines)
                    else:
                        mode = self.group(layout, stack, level, expanded, lines)
                        _push(stack, layout.parts, level, mode, lines)

    def group(
        self, group: Group, stack: list[_Item], level: int, expanded: bool, lines: int
    ) -> bool:
        if not expanded and self.measured:
            group.expanded = False
            return FLAT
        if group.forced:
            group.expanded = True
            self.measured = False
            return EXPANDED
        group.expanded = False
        self.measured = True
        if self.fits(group.parts, stack, level, FLAT, lines):
            return FLAT
        group.expanded = True
        if group.wraps and not self.fits(group.parts, stack, level, EXPANDED, EVERY_LINE):
            group.expanded = False
            self.measured = False
            return EXPANDED if expanded else FLAT
        self.measured = False
        return EXPANDED

    def alternatives(
        self, choice: Alternatives, stack: list[_Item], level: int, expanded: bool, lines: int
    ) -> None:
        if not expanded and self.measured:
            choice.taken = 0
            _push(stack, choice.layouts[0], level, FLAT, lines)
            return
        last = len(choice.layouts) - 1
        for number, layout in enumerate(choice.layouts):
            mode = number > 0
            self.measured = True
            if number == last or self.fits(layout, stack, level, mode, FIRST_LINE):
                choice.taken = number
                self.measured = number != last
                _push(stack, layout, level, mode, lines)
                return

    def fits(
        self, parts: tuple[Layout, ...], rest: list[_Item], level: int, expanded: bool, lines: int
    ) -> bool:
        """Whether `parts`, then what follows up to its first line break, stay within the width."""
        column = self.column
        opening = True
        stack: list[_Item] = []
        _push(stack, parts, level, expanded, lines)
        below = len(rest)
        groups: dict[int, bool] = {}
        while True:
            if not stack:
                if not below:
                    return True
                below -= 1
                stack.append(rest[below])
            layout, level, expanded, lines = stack.pop()
            match layout:
                case int():
                    column += layout
                    if column > WIDTH and (
                        lines < OPENING_LINE or (lines == OPENING_LINE and opening)
                    ):
                        return False
                case Break():
                    if not expanded:
                        column += layout.columns
                        if column > WIDTH and lines < OPENING_LINE:
                            return False
                    elif lines != FIRST_LINE:
                        column = level
                        opening = False
                    else:
                        return True
                case Indent():
                    when = layout.when
                    deeper = when is None or groups.get(id(when), when.expanded)
                    _push(stack, layout.parts, level + INDENT * deeper, expanded, lines)
                case Only():
                    state = groups.get(id(layout.when), layout.when.expanded)
                    if state is layout.expanded:
                        _push(stack, layout.parts, level, expanded, lines)
                case Bracket():
                    when = layout.when
                    if expanded or (when is not None and groups.get(id(when), when.expanded)):
                        _push(stack, layout.parts, level, expanded, lines)
                    else:
                        _push(
                            stack, layout.parts, level, EXPANDED, OPENING_LINE if when else NO_LINE
                        )
                case Alternatives():
                    layouts = layout.layouts
                    _push(stack, layouts[-1] if expanded else layouts[0], level, expanded, lines)
                case Group():
                    when = layout.when
                    if when is None or groups.get(id(when), when.expanded):
                        expanded = (expanded and not layout.firm) or layout.forced
                        groups[id(layout)] = expanded and not layout.wraps
                    _push(stack, layout.parts, level, expanded, lines)


def _push(
    stack: list[_Item], parts: tuple[Layout, ...], level: int, expanded: bool, lines: int
) -> None:
    stack.extend((part, level, expanded, lines) for part in reversed(parts))
