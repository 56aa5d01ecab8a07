"""Counts which ops a grammar uses over its first 200 programs, without any compiler."""

from collections import Counter

import irgen
from grammar.parse import parse_program
from grammar.program import statements

used: Counter[str] = Counter()
structures: set[str] = set()
for record in irgen.stream("compound", "jax", count=200, levels=()):
    used.update(statement.op for statement in statements(parse_program(record.program)))
    structures.add(record.structure_hash)

print(f"{len(structures)} structures in 200 programs, {len(used)} ops")
for op, count in used.most_common(8):
    print(f"{count:6} {op}")
