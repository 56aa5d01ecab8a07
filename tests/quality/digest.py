"""`python -m tests.quality.digest COUNT PRESETS...`: digests of programs and sources.

One line per preset: a hash over the text of its first COUNT programs and of their sources in each
language. Needs neither Warp nor JAX. Equal lines mean equal text.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence

from backends.registry import BACKENDS
from grammar.presets import GRAMMARS
from grammar.text import print_program
from irgen.service import draw


def digests(preset: str, count: int, start: int = 0) -> dict[str, str]:
    """A hash per column: the program text, and the source in each backend's language."""
    states = {name: hashlib.blake2b(digest_size=12) for name in ("program", *BACKENDS)}
    for index in range(start, start + count):
        drawn = draw(GRAMMARS[preset], 0, index)
        texts = {"program": print_program(drawn.program)}
        for name, backend in BACKENDS.items():
            texts[name] = backend.render(drawn.program, drawn.style).python
        for name, text in texts.items():
            states[name].update(text.encode() + b"\0")
    return {name: state.hexdigest() for name, state in states.items()}


def main(arguments: Sequence[str]) -> None:
    count, *presets = arguments
    for preset in presets or GRAMMARS:
        found = digests(preset, int(count))
        line = " ".join(f"{name}={digest}" for name, digest in found.items())
        sys.stdout.write(f"{preset} {count} {line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
