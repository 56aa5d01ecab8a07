"""Short cuts are left out by name."""

from __future__ import annotations

import pytest

from backends import tricks
from backends.base import BackendError


@pytest.mark.parametrize(
    ("value", "left_out"),
    [
        (None, set()),
        ("", set()),
        ("overloads", {"overloads"}),
        (" overloads, one_build ,", {"overloads", "one_build"}),
        ("all", set(tricks.TRICKS)),
        ("one_build,all", set(tricks.TRICKS)),
    ],
)
def test_those_named_are_not_taken(
    value: str | None, left_out: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(tricks.VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(tricks.VARIABLE, value)
    assert {name for name in tricks.TRICKS if not tricks.taken(name)} == left_out


def test_an_unknown_name_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tricks.VARIABLE, "one_biuld")
    with pytest.raises(BackendError, match="IRGEN_PLAIN: unknown name 'one_biuld', did you mean"):
        tricks.taken("overloads")
