"""What a campaign keeps between runs: how far it is, and what it has counted."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from irgen.errors import UserError
from irgen.fuzz.case import Examined

NAME = "state.json"
FORMAT = 1


class Hits(msgspec.Struct):
    """How often something was met, and the index where it was first."""

    count: int = 0
    first: int = -1

    def add(self, index: int) -> None:
        self.count += 1
        if self.first < 0:
            self.first = index


class State(msgspec.Struct):
    """`next` addresses are done, in `seconds`. `verified` programs agree in values and gradients;
    of `not_comparable` ones too little could be compared; `explained` counts symptoms by what
    explains them, `unconfirmed` those that did not show a second time. `met` counts hits by bucket,
    and by the buckets that a case may belong to."""

    settings: dict[str, str]
    format: int = FORMAT
    next: int = 0
    seconds: float = 0.0
    verified: int = 0
    not_comparable: int = 0
    symptomatic: int = 0
    unconfirmed: int = 0
    explained: dict[str, int] = {}
    met: dict[str, Hits] = {}
    pairs: list[tuple[str, str]] = []

    def hits(self, name: str) -> Hits:
        """The hits of a bucket, none so far where it is new."""
        return self.met.setdefault(name, Hits())

    def copied(self) -> State:
        """A state of its own that counts on from here."""
        met = {name: Hits(one.count, one.first) for name, one in self.met.items()}
        return msgspec.structs.replace(self, explained=dict(self.explained), met=met)

    def count(self, examined: Examined) -> None:
        """Count what was said of one program."""
        outcomes = {outcome for one in examined.verdicts for outcome in (one.forward, one.gradient)}
        self.symptomatic += bool(examined.unexplained)
        for name in sorted({one.known for one in examined.symptoms if one.known}):
            self.explained[name] = self.explained.get(name, 0) + 1
        if not examined.symptoms:
            self.verified += bool(examined.verdicts) and outcomes <= {"verified", "none"}
            self.not_comparable += "not_comparable" in outcomes


def load(folder: Path, settings: dict[str, str]) -> State:
    """The state of the campaign in a folder, a new one where there is none.

    UserError where it is a campaign with other settings, or no state can be read.
    """
    path = folder / NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return State(settings)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    try:
        state = msgspec.json.decode(data, type=State)
    except msgspec.DecodeError as error:
        raise UserError(f"{path} is no state of a campaign: {error}") from None
    for name in dict.fromkeys((*state.settings, *settings)):
        there, here = state.settings.get(name, "nothing"), settings.get(name, "nothing")
        if there != here:
            raise UserError(
                f"{folder} holds another campaign, with {name} {there}, not {here}:"
                " name another folder with --out"
            )
    return state


@contextmanager
def held(folder: Path) -> Generator[None]:
    """Keep a campaign's folder, made where there is none, from other processes; the system lets it
    go with this one. UserError where another one has it, or it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{folder} is in use by another campaign: name another folder with --out"
            ) from None
        yield
    finally:
        os.close(descriptor)


def save(folder: Path, state: State) -> None:
    """Write the state, all of it or nothing. UserError where that fails."""
    part, path = folder / f".{NAME}", folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(state)))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
