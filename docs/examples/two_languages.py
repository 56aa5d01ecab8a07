"""Prints one program in both languages, and how the work below grows with its backward."""

import irgen
from grammar.parse import parse_program

record = irgen.sample("branch", "jax", index=12)
warp = irgen.render(parse_program(record.program), "warp")
source = record.sources[0]
print(warp.python)
print(source.python)
for direction, cost in source.cost.items():
    print(f"{direction}: {cost['flops']:.0f} flops, {cost['bytes']:.0f} bytes")
