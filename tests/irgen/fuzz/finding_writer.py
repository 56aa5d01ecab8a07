"""Writes two findings again and again until it is killed."""

from __future__ import annotations

import sys
from itertools import cycle
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from backends.warp.limit_examples import WRONG
from irgen.fuzz.finding import write
from tests.irgen.fuzz.cases import finding

made = [finding(WRONG["fmod_operand"]), finding(WRONG["overwritten_cell"])]
write(made[0], Path(sys.argv[1]))
print("writing", flush=True)
for one in cycle(made):
    write(one, Path(sys.argv[1]))
