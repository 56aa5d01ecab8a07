"""In which releases a bug shows: the first bad one, and the first good one after."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec

from irgen.errors import UserError
from irgen.fuzz import confirm
from irgen.fuzz.finding import MAIN, Finding, read, repro_of
from irgen.targets import recipes
from irgen.targets.environment import resolve
from irgen.targets.recipes import OF_BACKEND, Distribution
from irgen.targets.releases import releases
from irgen.targets.target import Target
from irgen.targets.trials import FEATURES

REPRO = "repro.py"

SECONDS = 900.0
"""A repro may take so long in one release."""

State = Literal["bad", "good", "skipped"]
_STATES: dict[int, State] = {0: "good", confirm.SHOWS: "bad"}


@dataclass(frozen=True, slots=True)
class Tried:
    """What a repro did in a release: "bad" where the bug shows, "good" where it does not, and
    "skipped" where it cannot run; `detail` says why then."""

    release: str
    state: State
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Bisected:
    """Where a bug begins and ends among releases.

    `first_bad` is the oldest release that shows it, with `last_good` before; `last_bad` the newest
    one of the same run of bad releases, with `first_good` after. None stands for no such release.
    Between a good and a bad one there may be `skipped` ones. `tried` is in order of release.
    """

    distribution: str
    tried: tuple[Tried, ...]
    last_good: str | None = None
    first_bad: str | None = None
    last_bad: str | None = None
    first_good: str | None = None

    @property
    def skipped(self) -> tuple[Tried, ...]:
        """The releases that the repro cannot run in."""
        return tuple([one for one in self.tried if one.state == "skipped"])

    @property
    def summary(self) -> str:
        """The answer in a line."""
        name = self.distribution
        ran = [one.release for one in self.tried if one.state != "skipped"]
        if not ran:
            return f"unknown: the repro runs in no release of {name} that was tried"
        if self.first_bad is None:
            return f"absent: in no release of {name} from {ran[0]} to {ran[-1]} that was tried"
        if self.last_good is None and self.first_good is None:
            return f"present in all releases of {name} from {self.first_bad} to {self.last_bad}"
        begins = (
            f"present since {self.first_bad}, the oldest that was tried"
            if self.last_good is None
            else f"first bad {self.first_bad}, last good {self.last_good}"
        )
        ends = (
            f"still in {self.last_bad}"
            if self.first_good is None
            else f"fixed in {self.first_good}, last bad {self.last_bad}"
        )
        return f"{name}: {begins}; {ends}"


Try = Callable[[str], Tried]


@dataclass(frozen=True, slots=True)
class Subject:
    """A bug to look for: the distribution it is one of, the text of its repro, the finding it comes
    from, and the release it was found in, "" where that is not known."""

    packaged: Distribution
    repro: str
    finding: Finding | None = None
    release: str = ""


def bisect(
    path: Path, backend_range: str | None = None, *, tell: Callable[[Tried], None] | None = None
) -> Bisected:
    """Find in which releases the bug of a finding's folder, or of a repro, begins and ends.

    `backend_range` is `A..B`, one end of which may be left out; without it, all releases that can
    be targets are searched. A bug is taken to come and to go once. `tell` hears of every release.

    Raises:
        UserError: there is no such finding, or no release in the range.
    """
    subject = understand(path)
    chosen = within(subject.packaged, releases(subject.packaged.name), backend_range)

    def tried(release: str) -> Tried:
        found = attempt(subject, release)
        if tell is not None:
            tell(found)
        return found

    return search(subject.packaged.name, chosen, tried, subject.release)


def understand(path: Path) -> Subject:
    """What to look for, from the folder of a finding or a repro; UserError where it is neither."""
    if path.is_dir() or path.name == MAIN:
        finding = read(path)
        folder = path if path.is_dir() else path.parent
        packaged = OF_BACKEND[finding.backend]
        release = finding.versions.get(packaged.name, "")
        return Subject(packaged, _text(folder / REPRO), finding, release)
    text = _text(path)
    return Subject(_imported(path, text), text)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"cannot read {path}: it is no text") from None


def _imported(path: Path, text: str) -> Distribution:
    """The distribution whose module a repro imports."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise UserError(f"{path} is no Python: line {error.lineno}, {error.msg}") from None
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module.split(".")[0])
    found = [one for one in OF_BACKEND.values() if one.module in modules]
    if len(found) != 1:
        names = " or ".join(one.module for one in OF_BACKEND.values())
        raise UserError(f"{path} is no repro: it should import either {names}")
    return found[0]


def within(packaged: Distribution, listed: Sequence[str], chosen: str | None) -> list[str]:
    """The releases of a range that can be targets, oldest first; UserError where there is none."""
    first, dots, last = (chosen or "..").partition("..")
    if not dots:
        raise UserError(f"the range of releases is {chosen!r}: write it as A..B, A.. or ..B")
    low = max(packaged.recipes[0].since, recipes.version(first))
    found = [
        release
        for release in listed
        if recipes.version(release) >= low
        and (not last.strip() or recipes.version(release) <= recipes.version(last))
    ]
    if not found:
        ends = f"{listed[0]} to {listed[-1]}" if listed else "none"
        raise UserError(f"no release of {packaged.name} lies in {chosen}: there are {ends}")
    return found


def attempt(subject: Subject, release: str) -> Tried:
    """Run a repro with one release, in the interpreter that has it; where that cannot be, the
    repro of a finding is spelled as old releases take it."""
    try:
        target = resolve(f"{subject.packaged.name}=={release}", subject.packaged.backend)
    except UserError as error:
        return Tried(release, "skipped", str(error))
    first = _ran(subject.repro, target, release)
    if first.state != "skipped" or subject.finding is None:
        return first
    older = _older(subject.finding)
    again = first if older is None else _ran(repro_of(older), target, release)
    return first if again.state == "skipped" else replace(again, detail="in an older spelling")


def _ran(text: str, target: Target, release: str) -> Tried:
    code, said = confirm.ran(text, target.python, SECONDS)
    state = _STATES.get(code, "skipped")
    lines = said.strip().splitlines()
    detail = (lines[-1] if lines else f"exit code {code}") if state == "skipped" else ""
    return Tried(release, state, detail)


def _older(finding: Finding) -> Finding | None:
    """The finding without what only newer releases have, None where that changes nothing."""
    avoided = sorted({*finding.avoided, *FEATURES[finding.backend]})
    if avoided == sorted(finding.avoided):
        return None
    return msgspec.structs.replace(finding, avoided=avoided)


def search(distribution: str, listed: Sequence[str], tried: Try, found: str = "") -> Bisected:
    """Where a bug begins and ends among releases, oldest first; `found` is one that is known to be
    bad, if it is among them."""
    known: dict[int, Tried] = {}

    def state(at: int) -> State:
        if at not in known:
            known[at] = tried(listed[at])
        return known[at].state

    last = len(listed) - 1
    order = [listed.index(found)] if found in listed else []
    bad = next((at for at in (*order, *_spread(last)) if state(at) == "bad"), None)
    if bad is None:
        return Bisected(distribution, _in_order(known))
    last_good, first_bad = _boundary(state, bad, 0)
    first_good, last_bad = _boundary(state, bad, last)
    return Bisected(
        distribution,
        _in_order(known),
        last_good=None if last_good is None else listed[last_good],
        first_bad=listed[first_bad],
        last_bad=listed[last_bad],
        first_good=None if first_good is None else listed[first_good],
    )


def _in_order(known: dict[int, Tried]) -> tuple[Tried, ...]:
    return tuple([known[at] for at in sorted(known)])


def _spread(last: int) -> list[int]:
    """All places up to the last: the newest, the oldest, then those in the middle of what is left,
    widest gaps first."""
    order = [last, 0] if last else [0]
    gaps = [(0, last)]
    while gaps:
        low, high = gaps.pop(0)
        if high - low > 1:
            middle = (low + high) // 2
            order.append(middle)
            gaps += [(low, middle), (middle, high)]
    return order


def _boundary(state: Callable[[int], State], bad: int, end: int) -> tuple[int | None, int]:
    """The nearest good place from a bad one towards an end, and the last bad one before it; None
    where the bug goes on to the end. Places that are skipped are passed over."""
    step = 1 if end > bad else -1
    far = next((at for at in range(end, bad, -step) if state(at) != "skipped"), bad)
    if state(far) == "bad":
        return None, far
    good = far
    while True:
        inner = range(min(good, bad) + 1, max(good, bad))
        middle = (good + bad) // 2
        near = sorted(inner, key=lambda at: abs(at - middle))
        split = next((at for at in near if state(at) != "skipped"), None)
        if split is None:
            return good, bad
        if state(split) == "bad":
            bad = split
        else:
            good = split
