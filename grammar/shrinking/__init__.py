"""Shrinking by edits of programs: each makes a program less, none asks whether it is of use."""

from grammar.shrinking.edits import Edit, Edited
from grammar.shrinking.order import Cost, cost, literal_cost

__all__ = ["Cost", "Edit", "Edited", "cost", "literal_cost"]
