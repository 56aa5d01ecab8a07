"""`python -m tests.quality.golden`: write the programs that `tests/golden/programs` holds.

Run it when drawing was changed on purpose, and raise `GRAMMAR_VERSION` with it: the addresses of
earlier records mean other programs from then on.
"""

from __future__ import annotations

from pathlib import Path

from grammar.generate import program_at
from grammar.presets import GRAMMARS
from grammar.text import print_program

FOLDER = Path(__file__).parents[1] / "golden" / "programs"

ADDRESSES = (*((preset, 0, 3) for preset in GRAMMARS), ("compound", 7, 123456789))
"""(preset, seed, index) of the programs that are kept."""


def path_of(preset: str, seed: int, index: int) -> Path:
    """The file that holds the program at an address."""
    return FOLDER / f"{preset}_{seed}_{index}.txt"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in sorted(FOLDER.glob("*.txt")):
        old.unlink()
    for preset, seed, index in ADDRESSES:
        text = print_program(program_at(GRAMMARS[preset], seed, index))
        path_of(preset, seed, index).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
