"""What the strategies take where none is named: set by the pytest plugin, which stays light."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Chosen:
    """The backend that kernels are rendered for, and the grammar that programs are drawn from."""

    backend: str = "warp"
    grammar: str = "compound"


CHOSEN = Chosen()
