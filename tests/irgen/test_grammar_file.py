"""Own grammars from TOML: what is read, and one line that names file, line and key otherwise."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest

from grammar.config import Grammar
from grammar.generate import program_at
from grammar.presets import GRAMMARS
from grammar.verify import verify
from irgen.catalog import find_grammar
from irgen.errors import UserError
from irgen.grammar_file import grammar_from, read_grammar


def written(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_names_only_what_it_changes(tmp_path: Path) -> None:
    text = "statements = [2, 5]\n\n[groups]\narithmetic = 3\n"
    own = read_grammar(written(tmp_path, text))
    assert own == Grammar(name="own", statements=(2, 5), groups={"arithmetic": 3})
    verify(program_at(own, 0, 0))


def test_a_file_may_start_from_a_preset(tmp_path: Path) -> None:
    own = read_grammar(written(tmp_path, 'base = "compound"\ndepth = 1\n'))
    changed = {"name": "own", "depth": 1}
    assert asdict(own) == {**asdict(GRAMMARS["compound"]), **changed}


@pytest.mark.parametrize("preset", GRAMMARS.values(), ids=list(GRAMMARS))
def test_every_field_of_every_preset_can_be_written(preset: Grammar, tmp_path: Path) -> None:
    data = {field.name: _as_toml(getattr(preset, field.name)) for field in fields(Grammar)}
    read = grammar_from(data, tmp_path / "own.toml")
    assert read.canonical == preset.canonical


def _as_toml(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if not isinstance(value, (str, int)) else value


def test_a_grammar_is_found_by_name_or_by_path(tmp_path: Path) -> None:
    path = written(tmp_path, "groups = { arithmetic = 1 }\n")
    assert find_grammar("loop") is GRAMMARS["loop"]
    assert find_grammar(str(path)).name == "own"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("depth = \n", None, ("line 1",)),
        ("depth = 2\n[groups\n", None, ("line 2",)),
        ("depth = 2\ndepht = 3\n", 2, ("depht", "unknown key", "'depth'")),
        ('base = "compund"\n', 1, ("base", "'compund'", "'compound'")),
        ("# one\n\ndepth = 9\n", 3, ("depth", "9", "0 to 6")),
        ("trips = 1\n", 1, ("trips", "1", "2 to 64")),
        ("exits = 101\n", 1, ("exits", "101", "0 to 100")),
        ("exits = true\n", 1, ("exits", "True", "whole number")),
        ("name = 3\n", 1, ("name", "text")),
        ('shape = "kernal"\n', 1, ("shape", "'kernel'")),
        ("statements = 5\n", 1, ("statements", "two whole numbers")),
        ("statements = [5, 2]\n", 1, ("statements", "5", "2")),
        ("statements = [1, 2, 3]\n", 1, ("statements", "two whole numbers")),
        ("arrays = [0, 1000]\n", 1, ("arrays", "1000", "512")),
        ("extents = []\n", 1, ("extents", "2 to 4096")),
        ("extents = [1]\n", 1, ("extents", "1", "2 to 4096")),
        ("groups = 3\n", 1, ("groups", "table of weights")),
        ("depth = 1\n[groups]\narithmetc = 1\n", 3, ("groups.arithmetc:", "'arithmetic'")),
        ("[ops]\nadd = -1\n", 2, ("ops.add:", "-1")),
        ("[types]\nf31 = 1\n", 2, ("types.f31:", "'f32'")),
        ("[types]\nf32 = 0.5\n", 2, ("types.f32:", "0.5", "whole number")),
        ("[control]\nfro = 1\n", 2, ("control.fro:", "'for'")),
        ("[ranks]\n5 = 1\n", 2, ("ranks.5:", "1, 2, 3, 4")),
        ("layers = { matmull = 1 }\n", 1, ("layers.matmull:",)),
        ("depth = 1\n[control]\nop = 1\n\nfor = 2000\n", 5, ("control.for: 2000", "0 to 1000")),
        ("depth = 1\ncontrol = { op = 1, for = 2000 }\n", 2, ("control.for: 2000",)),
        ("control.op = 1\ncontrol.for = 2000\n", 2, ("control.for: 2000",)),
        ('[control]\nop = 1 # for = 1\n"for" = 2000\n', 3, ("control.for: 2000",)),
        ("[types]\nf32 = 1\n[ 'control' ]\nfor = 2000\n", 4, ("control.for: 2000",)),
        ('doc = """\n[control]\nfor = 1\n"""\n[control]\nfor = 2000\n', 6, ("control.for",)),
        ("[types]\nf32 = 1\n[control]\nf32 = 1\n", 4, ("control.f32: unknown entry",)),
        ("depth = 1\nextents = [\n  8,\n  1,\n]\n", 2, ("extents: 1 is not",)),
        ("[types]\nf32 = 0\n", None, ("no type",)),
        ("[groups]\narithmetic = 1\n[control]\nfor = 1\n", None, ("no statement kind",)),
        ("[groups]\narithmetic = 0\n", None, ("no op",)),
    ],
)
def test_a_broken_file_is_refused_by_file_line_and_key(
    tmp_path: Path, text: str, line: int | None, words: tuple[str, ...]
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UserError) as caught:
        read_grammar(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:" if line is None else f"{path}:{line}:")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read grammar file .*none\.toml: No such file"):
        read_grammar(tmp_path / "none.toml")
    path = tmp_path / "bytes.toml"
    path.write_bytes(b'name = "\xff"\n')
    with pytest.raises(UserError, match=r"bytes\.toml: not UTF-8"):
        read_grammar(path)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown grammar 'compund': did you mean 'compound'"):
        find_grammar("compund")
