"""Rewrites: the same meaning said in another way.

What a compiler makes of a program and of its rewrites must compute the same values. Each row of
`REWRITES` is one idea; `rewrites` draws some for a program. Spelling is no business of programs: a
program rendered in another `Style` is said in another way too.
"""

from grammar.rewrite.row import Rewrite, Rewritten
from grammar.rewrite.table import REWRITES, applicable, rewrites

__all__ = ["REWRITES", "Rewrite", "Rewritten", "applicable", "rewrites"]
