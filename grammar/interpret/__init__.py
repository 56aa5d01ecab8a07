"""The interpreter: one loop over statements that runs programs over any domain of values."""

from grammar.interpret.frame import DivisionByZero, OutOfBounds, UndefinedBehaviour
from grammar.interpret.units import Watch, run

__all__ = ["DivisionByZero", "OutOfBounds", "UndefinedBehaviour", "Watch", "run"]
